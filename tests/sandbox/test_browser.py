"""The EHR's page in a real browser. Screenshots are kept in `.chartside/screenshots`, or where SCREENSHOTS says."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox.hospital import Hospital, local_hospital, story_resources
from sandbox.keys import Keys
from sandbox.opening import Identity, open_ehr
from sandbox.serving import Serving
from tests.sandbox.browser import CHROMIUM, Browser
from tests.sandbox.fake_service import create_fake_service
from tests.sandbox.gatekeeper import Gatekeeper

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CHARTS = story_resources(NOW, 2)


def on_the_wall() -> datetime:
    return datetime.now(UTC)


class Page:
    def __init__(self, browser: Browser, origin: str, seen: list[Any]) -> None:
        self.browser = browser
        self.origin = origin
        self.seen = seen

    def open(self, query: str = "") -> None:
        self.browser.open(f"{self.origin}/{query}")
        self.browser.wait_for("document.querySelectorAll('#patient-list button').length > 30")

    def keep(self, name: str) -> None:
        self.browser.screenshot(Path(os.environ.get("SCREENSHOTS", ".chartside/screenshots")) / f"{name}.png")


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    browser = Browser(tmp_path / "profile")
    gatekeeper = Gatekeeper()
    fake = create_fake_service(admits=gatekeeper.admits)
    resources, stories = CHARTS

    def hospital(origin: str) -> Hospital:
        return local_hospital(resources, f"{origin}/fhir", lambda: NOW, stories)

    with (
        Serving(lambda _: fake) as service,
        open_ehr(0, service.origin, hospital, Identity(Keys(on_the_wall)), on_the_wall) as ehr,
    ):
        gatekeeper.issuer, gatekeeper.jwks_url = ehr.origin, ehr.signer.registration.jwks_url
        yield Page(browser, ehr.origin, fake.config["seen"])
        browser.close()


def test_a_chosen_patient_brings_a_chart_and_cards_and_stands_in_the_address(page: Page) -> None:
    page.open()
    page.browser.click("Zzmarker-Wren", "#patient-list")
    page.browser.wait_for("document.querySelector('.card h3')?.innerText === 'One thing to consider'")

    assert "Nora Zzmarker-Wren" in page.browser.text("#chart h1")
    assert page.browser.text(".card .indicator") == "Warning"
    assert "patient=wren" in page.browser.run("location.search")
    page.keep("sandbox-card")
    assert page.browser.complaints == []


def test_markup_in_a_chart_or_a_card_stays_text(page: Page) -> None:
    page.open("?patient=jay")
    page.browser.wait_for("Boolean(document.querySelector('.card'))")

    assert "<img src=x" in page.browser.text("#chart")
    assert "<b>80</b>" in page.browser.text(".markdown")
    assert page.browser.run("document.querySelectorAll('main img, .card img, .card b').length") == 0
    assert page.browser.run("document.title") == "Sandbox EHR"
    assert page.browser.run("[...document.querySelectorAll('.markdown td')].map(e => e.innerText).join()") == (
        "weight | kg,<b>80</b>"
    )


def test_an_accepted_suggestion_appears_among_the_orders(page: Page) -> None:
    page.open("?patient=wren")
    page.browser.click("Order a weight", ".card")
    page.browser.wait_for("document.querySelector('#chart').innerText.includes('Body weight')")

    assert "Feedback recorded" in page.browser.wait_for("document.querySelector('.outcome').innerText")
    assert page.seen[-1]["feedback"][0]["outcome"] == "accepted"
    page.keep("sandbox-accepted")


def test_an_override_sends_its_reason_and_comment(page: Page) -> None:
    page.open("?patient=wren")
    page.browser.click("Override", ".card")
    page.browser.click("Aware and will monitor", ".card")
    page.browser.run("document.querySelector('.card textarea').value = 'known for years'")
    page.keep("sandbox-override")
    page.browser.click("Send override", ".card")
    page.browser.wait_for("document.querySelector('.outcome').innerText.startsWith('Overridden')")

    (entry,) = page.seen[-1]["feedback"]
    assert entry["overrideReason"]["reason"]["code"] == "aware"
    assert entry["overrideReason"]["userComment"] == "known for years"
    assert page.browser.run("document.querySelector('.card').classList.contains('answered')")


def test_the_wire_shows_what_was_sent_and_a_fault_changes_it(page: Page) -> None:
    page.open("?patient=wren&prefetch=none&call=fake@patient-view")
    page.browser.wait_for("document.querySelector('#wire').open")

    assert '"hook": "patient-view"' in page.browser.text("#request")
    assert '"prefetch"' not in page.browser.text("#request")
    assert '"cards"' in page.browser.text("#response")
    page.keep("sandbox-wire")


def test_a_refused_call_stands_in_place_of_the_cards(page: Page) -> None:
    page.open("?patient=wren&token=expired&call=fake@patient-view")
    page.browser.wait_for("Boolean(document.querySelector('.refusal'))")
    page.browser.wait_for("document.querySelector('#wire').open")

    notice = page.browser.text(".refusal")
    assert "Fake refused the call: 401, Not trusted." in notice
    assert "Its token had expired" in notice
    assert page.browser.text("#advice-summary") == "No service gave an answer."
    assert page.browser.run("document.querySelectorAll('.card').length") == 0
    assert '"resourceType": "OperationOutcome"' in page.browser.text("#response")
    page.keep("sandbox-refused")

    page.browser.run(
        "document.querySelector('[name=token]').value = 'good';"
        "document.querySelector('[name=token]').dispatchEvent(new Event('change'))",
    )
    page.browser.wait_for("Boolean(document.querySelector('.card')) && !document.querySelector('.refusal')")


def test_the_wire_shows_the_token_and_not_its_signature(page: Page) -> None:
    page.open("?patient=wren&call=fake@patient-view")
    page.browser.wait_for("document.querySelector('#wire').open")

    shown = json.loads(page.browser.text("#token"))
    assert shown.keys() == {"header", "claims"}
    assert (shown["header"]["alg"], shown["claims"]["iss"]) == ("ES384", page.origin)
    assert shown["claims"]["aud"].endswith("/cds-services/fake")


def test_a_rotated_key_is_announced_before_it_signs(page: Page) -> None:
    page.open("?patient=wren&call=fake@patient-view")
    page.browser.wait_for("document.querySelector('#wire').open")
    signing = page.browser.text("#signing")
    page.browser.click("Rotate the key", "#wire")
    page.browser.wait_for("document.querySelector('#signing').innerText.includes('signs from')")

    assert page.browser.text("#signing").startswith(signing)
    assert page.browser.complaints == []


def test_a_hook_that_fires_again_clears_its_cards_first(page: Page) -> None:
    page.open("?patient=wren")
    page.browser.click("Talk about it", ".card")
    page.browser.wait_for("document.querySelector('.outcome').innerText.startsWith('Accepted')")
    page.browser.click("Fire patient-view", "#fire")
    page.browser.wait_for("document.querySelector('.card .outcome')?.innerText === ''")

    assert page.browser.run("document.querySelectorAll('.card').length") == 1


def test_the_search_narrows_the_list_by_name_and_story(page: Page) -> None:
    page.open()
    page.browser.run(
        "document.querySelector('#search').value = 'pregnan';"
        "document.querySelector('#search').dispatchEvent(new Event('input'))",
    )

    assert page.browser.run("[...document.querySelectorAll('#patient-list .name')].map(e => e.innerText)") == [
        "Lucia Zzmarker-Crane",
    ]


def test_every_control_has_a_name(page: Page) -> None:
    page.open("?patient=wren")
    page.browser.click("Override", ".card")

    unnamed = page.browser.run(
        "[...document.querySelectorAll('button, input, select, textarea, a')].filter(e => e.type !== 'hidden'"
        " && !e.textContent.trim() && !(e.labels && e.labels.length)).map(e => e.outerHTML)",
    )
    assert unnamed == []
