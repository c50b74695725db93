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


def _text(selector: str) -> str:
    return f"document.querySelector({selector!r})?.textContent ?? ''"


def test_a_picked_order_brings_cards_about_it_and_the_others_are_background(browser: Chromium, address: str) -> None:
    browser.open(f"{address}?patient=grouse&call=medication-safety@order-select")
    browser.wait_for("document.querySelectorAll('#drafts li').length === 1")
    browser.wait_for(ALL_ANSWERED)
    browser.evaluate(
        "(() => { const form = document.querySelector('#order-form');"
        " form.elements.order.value = 'ibuprofen'; form.requestSubmit(); })()"
    )
    browser.wait_for("document.querySelectorAll('#drafts li').length === 2")
    request = browser.wait_for(
        "(() => { const text = document.querySelector('#request').textContent;"
        " return JSON.parse(text).context.draftOrders.entry.length === 2 && text; })()"
    )
    context = json.loads(request)["context"]
    picked = [entry["resource"] for entry in context["draftOrders"]["entry"]][-1]
    assert context["selections"] == [f"MedicationRequest/{picked['id']}"]
    assert (picked["status"], picked["medicationCodeableConcept"]["text"]) == ("draft", "ibuprofen 400 MG Oral Tablet")


def test_an_accepted_suggestion_removes_the_draft_and_the_rest_is_signed(browser: Chromium, address: str) -> None:
    browser.open(f"{address}?patient=gannet")
    browser.wait_for("Boolean(document.querySelector('#cards .about'))")
    browser.wait_for(ALL_ANSWERED)
    assert browser.evaluate("document.querySelector('#entry').open")
    summary = browser.evaluate(_text("#cards .warning h3"))
    assert "ibuprofen ordered" in summary
    assert browser.evaluate(_text("#cards .warning .about")) == "About the order: ibuprofen 400 MG Oral Tablet"
    browser.screenshot(SCREENSHOTS / "order-picked.png")
    browser.evaluate(
        "[...document.querySelectorAll('#cards .accept')].find(e => e.textContent.includes('Remove this')).click()"
    )
    outcome = browser.wait_for("[...document.querySelectorAll('#cards .outcome')].map(e => e.textContent).find(t => t)")
    assert "MedicationRequest/gannet-draft-2 removed" in outcome
    assert outcome.endswith("Feedback recorded.")
    browser.wait_for("document.querySelectorAll('#drafts li').length === 1")
    browser.screenshot(SCREENSHOTS / "order-removed.png")
    before = browser.evaluate(_text("#chart"))
    assert "Creatinine, serum or plasma" not in before
    browser.evaluate("document.querySelector('#sign').click()")
    browser.wait_for(f"({_text('#entry-outcome')}).startsWith('Signed: 1 order')")
    browser.wait_for(f"({_text('#chart')}).includes('Creatinine, serum or plasma')")
    assert browser.evaluate("document.querySelectorAll('#drafts li').length") == 0
    browser.screenshot(SCREENSHOTS / "order-signed.png")


def test_signing_waits_for_whoever_reads_the_cards(browser: Chromium, address: str) -> None:
    browser.open(f"{address}?patient=egret")
    browser.wait_for("Boolean(document.querySelector('#cards .critical'))")
    browser.wait_for(ALL_ANSWERED)
    browser.evaluate("document.querySelector('#sign').click()")
    browser.wait_for(f"({_text('#entry-outcome')}).startsWith('Not signed yet: ')")
    assert browser.evaluate(_text("#sign")) == "Sign all the same"
    assert browser.evaluate("document.querySelectorAll('#drafts li').length") == 2
    browser.screenshot(SCREENSHOTS / "order-sign.png")
    browser.evaluate("document.querySelector('#sign').click()")
    browser.wait_for(f"({_text('#entry-outcome')}).startsWith('Signed: 2 orders')")
    browser.wait_for(f"({_text('#chart')}).includes('metformin hydrochloride 500 MG Oral Tablet')")


def test_an_allergy_is_entered_and_then_saved(browser: Chromium, address: str) -> None:
    browser.open(f"{address}?patient=grouse")
    browser.wait_for("document.querySelectorAll('#allergy-form option').length > 8")
    browser.wait_for("!document.querySelector('#entry').hidden")
    browser.evaluate("document.querySelector('#allergy-form').requestSubmit()")
    browser.wait_for(f"({_text('#allergy-entered')}).startsWith('Entered, not saved: penicillin G')")
    browser.screenshot(SCREENSHOTS / "allergy-entered.png")
    assert "penicillin G" not in browser.evaluate(_text("#chart"))
    browser.evaluate("document.querySelector('#save-allergy').click()")
    browser.wait_for(f"({_text('#chart')}).includes('penicillin G')")


def test_an_allergy_that_a_story_has_entered_is_asked_about_when_its_chart_is_opened(
    browser: Chromium, address: str
) -> None:
    browser.open(f"{address}?patient=siskin")
    browser.wait_for(f"({_text('#cards h3')}).startsWith('Nausea after codeine is entered as an allergy')")
    assert browser.evaluate(_text("#allergy-entered")) == "Entered, not saved: codeine"
    assert browser.evaluate(_text("#cards .suggestion li")) == "update AllergyIntolerance/siskin-new-allergy"
    browser.screenshot(SCREENSHOTS / "allergy-story.png")


def test_a_card_about_no_order_in_particular_names_none(browser: Chromium, address: str) -> None:
    browser.open(f"{address}?patient=eider")
    browser.wait_for("document.querySelectorAll('#drafts li').length === 1")
    browser.wait_for(ALL_ANSWERED)
    browser.evaluate("document.querySelector('#sign').click()")
    browser.wait_for(f"({_text('#cards .warning h3')}).startsWith('High risk of thrombosis')")
    assert browser.evaluate(_text("#cards .warning .about")) == ""
