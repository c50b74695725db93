"""The sandbox's page in a real browser: a chart is opened, cards appear, an answer is recorded."""

import json
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium

pytestmark = pytest.mark.browser

SCREENSHOTS = Path(__file__).resolve().parent.parent.parent / ".chartside" / "screenshots"
ALL_ANSWERED = (
    "document.querySelectorAll('#asked li').length > 0"
    " && !document.querySelector('#asked .waiting') && document.querySelector('#advice-summary').textContent"
)


def _open_the_first_with(browser: Chromium, address: str, selector: str) -> None:
    """Open charts in order until one has what is looked for."""
    patients = json.loads(browser.evaluate(f"fetch('{address}ehr/patients').then(answer => answer.text())"))
    for patient in patients:
        browser.open(f"{address}?patient={patient['id']}")
        browser.wait_for(ALL_ANSWERED)
        if browser.evaluate(f"Boolean(document.querySelector({selector!r}))"):
            return
    pytest.fail(f"no chart of the demonstration shows {selector}")


def test_the_page_lists_patients_and_names_the_service(browser: Chromium, address: str) -> None:
    browser.open(address)
    count = browser.wait_for("document.querySelectorAll('#patient-list button').length")
    assert count >= 15
    assert browser.wait_for("document.querySelector('#service-status .good') !== null")
    browser.screenshot(SCREENSHOTS / "patients.png")


def test_choosing_a_patient_shows_the_chart_and_asks_every_service(browser: Chromium, address: str) -> None:
    browser.open(address)
    browser.wait_for("document.querySelectorAll('#patient-list button').length")
    browser.evaluate("document.querySelector('#patient-list button').click()")
    summary = browser.wait_for(ALL_ANSWERED)
    assert "services" in summary
    assert browser.evaluate("document.querySelectorAll('#asked .bad').length") == 0
    assert browser.evaluate("document.querySelector('#chart h2, #chart h1') !== null")


def test_an_override_with_a_reason_is_recorded(browser: Chromium, address: str) -> None:
    browser.open(address)
    _open_the_first_with(browser, address, "#cards .override input[type=radio]")
    browser.screenshot(SCREENSHOTS / "cards.png")
    browser.evaluate(
        "(() => { const form = document.querySelector('#cards .override input[type=radio]').form;"
        " form.querySelector('input[type=radio]').click(); form.requestSubmit(); })()"
    )
    outcome = browser.wait_for(
        "[...document.querySelectorAll('#cards .outcome')].map(each => each.textContent).find(text => text)"
    )
    assert outcome.startswith("Overridden: ")
    assert outcome.endswith("Feedback recorded.")
    browser.screenshot(SCREENSHOTS / "overridden.png")


def test_an_accepted_suggestion_changes_the_chart_and_is_recorded(browser: Chromium, address: str) -> None:
    browser.open(address)
    _open_the_first_with(browser, address, "#cards button.accept")
    browser.evaluate("document.querySelector('#cards button.accept').click()")
    outcome = browser.wait_for(
        "[...document.querySelectorAll('#cards .outcome')].map(each => each.textContent).find(text => text)"
    )
    assert outcome.startswith("Accepted: ")
    assert outcome.endswith("Feedback recorded.")
    browser.screenshot(SCREENSHOTS / "accepted.png")


def test_what_was_sent_and_answered_can_be_read(browser: Chromium, address: str) -> None:
    browser.open(address)
    browser.wait_for("document.querySelectorAll('#patient-list button').length")
    browser.evaluate("document.querySelector('#patient-list button').click()")
    browser.wait_for(ALL_ANSWERED)
    browser.evaluate("document.querySelector('#asked button:enabled').click()")
    request = json.loads(browser.wait_for("document.querySelector('#request').textContent"))
    assert request["hook"] == "patient-view"
    assert json.loads(browser.evaluate("document.querySelector('#response').textContent"))["cards"] is not None
    browser.screenshot(SCREENSHOTS / "wire.png")


def test_a_call_shows_its_token_and_a_bad_one_what_it_is_answered(browser: Chromium, address: str) -> None:
    browser.open(f"{address}?patient=badger&call=cardiovascular-risk@patient-view")
    token = json.loads(browser.wait_for("document.querySelector('#token').textContent"))
    assert token["claims"]["iss"] == address.rstrip("/")
    assert token["claims"]["aud"].endswith("/cds-services/cardiovascular-risk")
    browser.wait_for(ALL_ANSWERED)
    browser.screenshot(SCREENSHOTS / "token.png")
    for state in ("absent", "expired", "audience", "key", "replayed"):
        browser.open(f"{address}?patient=badger&token={state}&call=cardiovascular-risk@patient-view")
        browser.wait_for(f"new URLSearchParams(location.search).get('token') === '{state}'")
        browser.wait_for(ALL_ANSWERED)
        assert browser.evaluate("document.querySelectorAll('#cards .card').length") == 0
        assert browser.wait_for("document.querySelector('#cards .refusal')?.textContent.includes('401')")
        assert json.loads(browser.wait_for("document.querySelector('#response').textContent"))["resourceType"] == (
            "OperationOutcome"
        )
    browser.screenshot(SCREENSHOTS / "refused.png")


def test_a_rotated_key_leaves_every_call_answered(browser: Chromium, address: str) -> None:
    browser.open(f"{address}?patient=badger&call=cardiovascular-risk@patient-view")
    browser.wait_for(ALL_ANSWERED)
    browser.wait_for("document.querySelector('#wire').open")
    browser.evaluate("document.querySelector('#rotate').click()")
    assert browser.wait_for("document.querySelector('#signing').textContent.includes('signs from')")
    browser.evaluate("document.querySelector('#fire button').click()")
    browser.wait_for(ALL_ANSWERED)
    assert browser.evaluate("document.querySelectorAll('#asked .bad').length") == 0
