from typing import Any

import pytest
from fhir.resources.R4B.medicationrequest import MedicationRequest

from cds_hooks.protocol.cards import Card, CreateAction, DeleteAction, Indicator
from cds_hooks.services.opioid_safety import SERVICE
from fhir_client.record import Availability, PatientRecord
from tests.builders import Resource, a_condition, a_medication, a_record
from tests.cds_hooks.services.showing import cards_of

OXYCODONE_ER = "1049502"  # 12 HR oxycodone hydrochloride 10 MG Extended Release Oral Tablet
PERCOCET = "1049625"  # acetaminophen 325 MG / oxycodone hydrochloride 10 MG Oral Tablet [Percocet]
PATCH = "245134"  # 72 HR fentanyl 0.025 MG/HR Transdermal System
MORPHINE_CARTRIDGE = "1731995"  # 1 ML morphine sulfate 10 MG/ML Cartridge
LOZENGE = "310294"  # fentanyl 1.6 MG Oral Lozenge
LORAZEPAM, METFORMIN, NALOXONE, BUPRENORPHINE, METHADONE, NO_PRODUCT = (
    "6470",
    "6809",
    "1725059",
    "1819",
    "6813",
    "99999999",
)
TWICE: Resource = {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}
EVERY_THIRD_DAY: Resource = {"repeat": {"frequency": 1, "period": 72, "periodUnit": "h"}}
RECENTLY = "2024-05-20"
UNKNOWN_FENTANYL = "Opioid dose not known in full: fentanyl (at least 30 MME a day)"


def an_order(code: str, value: float = 1, unit: str = "{tbl}", timing: Resource = TWICE, **more: Any) -> Resource:
    quantity = {"value": value, "system": "http://unitsofmeasure.org", "code": unit}
    instruction: Resource = {"doseAndRate": [{"doseQuantity": quantity}], "timing": timing}
    if more.pop("as_needed", False):
        instruction["asNeededBoolean"] = True
    return a_medication(code, **{"authored": RECENTLY, **more}, dosageInstruction=[instruction])


def a_draft(code: str, value: float = 1, unit: str = "{tbl}", timing: Resource = TWICE, **more: Any) -> Resource:
    return an_order(code, value, unit, timing, status="draft", authored=None, **more)


def signing(*drafts: Resource, chart: tuple[Resource, ...] = ()) -> PatientRecord:
    return a_record(*chart, drafts=drafts)


def the_card(*drafts: Resource, chart: tuple[Resource, ...] = ()) -> Card:
    (card,) = cards_of(SERVICE, signing(*drafts, chart=chart))
    return card


def test_a_draft_that_brings_opioids_to_the_threshold_says_how_much_they_are() -> None:
    patch = an_order(PATCH, 1, "{patch}", EVERY_THIRD_DAY)
    card = the_card(a_draft(OXYCODONE_ER, id="d1"), chart=(patch,))

    assert card.summary == "Opioids with this order: 90 MME a day"
    assert card.indicator is Indicator.WARNING
    for part in (
        "**90 MME a day.** From 50 MME a day on, weigh again",
        "| Oxycodone | 20 mg | 30 | draft |",
        "| Fentanyl | 25 mcg/h | 60 | 2024-05-20 |",
        "Never for changing one opioid into another",
        "Rules opioid-safety ",
        "Model mme 1.1.0.",
        "does not replace, clinical judgement",
    ):
        assert part in str(card.detail)
    assert card.findings == ("mme:4337+7804:90-MME-a-day",)


@pytest.mark.parametrize(("tablets", "is_shown"), [(1.66, False), (1.6667, True), (1.67, True)])
def test_the_threshold_is_reached_at_50(tablets: float, is_shown: bool) -> None:
    assert len(cards_of(SERVICE, signing(a_draft(OXYCODONE_ER, tablets)))) == is_shown


def test_what_is_taken_as_needed_counts_at_its_maximum_and_is_marked() -> None:
    card = the_card(
        a_draft(PERCOCET, 1, "{tbl}", {"repeat": {"frequency": 1, "period": 4, "periodUnit": "h"}}, as_needed=True)
    )

    assert card.summary == "Opioids with this order: 90 MME a day"
    assert "| Oxycodone | 60 mg, as needed | 90 | draft |" in str(card.detail)


def test_what_cannot_be_counted_makes_it_at_least() -> None:
    card = the_card(a_draft(OXYCODONE_ER, 2), a_medication(LOZENGE, status="draft", authored=None))

    assert card.summary == "Opioids with this order: at least 60 MME a day"
    assert "| Fentanyl |  | not counted: the order has no dosage instruction | draft |" in str(card.detail)


def test_what_has_no_factor_is_named_beside_the_sum() -> None:
    card = the_card(a_draft(OXYCODONE_ER, 2), a_draft(MORPHINE_CARTRIDGE, 1, "mL"), a_draft(BUPRENORPHINE, 8, "mg"))

    assert card.summary == "Opioids with this order: at least 60 MME a day"
    assert "| Morphine | 20 mg | not counted: no factor for the way it is given | draft |" in str(card.detail)
    assert "| Buprenorphine | 16 mg | not counted: no factor | draft |" in str(card.detail)


def test_an_opioid_with_a_benzodiazepine_is_a_warning_whatever_the_dose() -> None:
    card = the_card(a_draft(LORAZEPAM, 1, "mg", id="d1"), chart=(an_order(OXYCODONE_ER),))

    assert card.summary == "Oxycodone with lorazepam: 30 MME a day"
    assert card.indicator is Indicator.WARNING
    assert "**Oxycodone with lorazepam.** Together they can stop breathing." in str(card.detail)
    assert card.findings == ("opioid-benzodiazepine:7804:6470",)


def test_both_are_one_card() -> None:
    card = the_card(a_draft(OXYCODONE_ER, 3, id="d1"), chart=(an_order(LORAZEPAM, 1, "mg"),))

    assert card.summary == "Oxycodone with lorazepam: 90 MME a day"
    assert "From 50 MME a day on" in str(card.detail)
    assert card.findings == ("opioid-benzodiazepine:7804:6470", "mme:7804:90-MME-a-day")


def test_naloxone_is_suggested_as_a_draft_and_nothing_is_preselected() -> None:
    naloxone, removal = the_card(a_draft(OXYCODONE_ER, 3, id="d1"), chart=(an_order(LORAZEPAM, 1, "mg"),)).suggestions

    (action,) = naloxone.actions
    assert isinstance(action, CreateAction)
    MedicationRequest.model_validate(dict(action.resource))
    assert action.resource["status"] == "draft"
    assert action.resource["medicationCodeableConcept"]["coding"][0]["code"] == NALOXONE
    assert removal.actions == (DeleteAction("Remove this draft order", "MedicationRequest/d1"),)
    assert [each.is_recommended for each in (naloxone, removal)] == [None, None]


@pytest.mark.parametrize("where", ["drafted", "active"])
def test_naloxone_that_is_ordered_is_not_suggested(where: str) -> None:
    drafts = [a_draft(OXYCODONE_ER, 3)] + ([a_medication(NALOXONE, status="draft")] if where == "drafted" else [])
    chart = (a_medication(NALOXONE),) if where == "active" else ()

    assert the_card(*drafts, chart=chart).suggestions == ()


def test_naloxone_in_a_tablet_with_an_opioid_is_no_rescue() -> None:
    assert len(the_card(a_draft(OXYCODONE_ER, 3), chart=(a_medication("1545903"),)).suggestions) == 1
    assert len(the_card(a_draft(OXYCODONE_ER, 3), chart=(a_medication(NALOXONE, status="stopped"),)).suggestions) == 1


def test_a_draft_without_an_id_cannot_be_removed() -> None:
    draft = a_draft(LORAZEPAM, 1, "mg")
    del draft["id"]

    assert [each.label for each in the_card(draft, chart=(an_order(OXYCODONE_ER),)).suggestions] == [
        "Order: naloxone nasal spray"
    ]


@pytest.mark.parametrize(
    ("drafts", "chart", "summary"),
    [
        ([a_medication(OXYCODONE_ER, status="draft")], (), "Opioid dose not known in full: oxycodone"),
        ([a_draft(OXYCODONE_ER)], (a_medication(PATCH),), UNKNOWN_FENTANYL),
        (
            [a_draft(OXYCODONE_ER), a_medication(NO_PRODUCT, status="draft")],
            (),
            "Opioid dose not known in full: 1 drug not recognised (30 MME a day)",
        ),
        (
            [a_medication(NO_PRODUCT, status="draft"), a_medication(NO_PRODUCT, status="draft")],
            (an_order(OXYCODONE_ER),),
            "Opioid dose not known in full: 2 drugs not recognised (30 MME a day)",
        ),
    ],
)  # fmt: skip
def test_what_is_not_known_is_said_for_silence_would_read_as_safe(
    drafts: list[Resource], chart: tuple[Resource, ...], summary: str
) -> None:
    card = the_card(*drafts, chart=chart)

    assert card.summary == summary
    assert card.indicator is Indicator.INFO
    assert card.suggestions == ()


@pytest.mark.parametrize(
    ("drafts", "chart"),
    [
        ([], ()),
        ([], (an_order(OXYCODONE_ER, 5), an_order(LORAZEPAM, 1, "mg"))),
        ([a_draft(METFORMIN, 500, "mg")], (an_order(OXYCODONE_ER, 5), a_medication(PATCH))),
        ([a_medication(NO_PRODUCT, status="draft")], ()),
        ([a_draft(OXYCODONE_ER)], ()),
        ([a_draft(BUPRENORPHINE, 8, "mg")], ()),
        ([a_medication(BUPRENORPHINE, status="draft")], ()),
        ([a_draft(OXYCODONE_ER), a_draft(LOZENGE)], ()),
        ([a_draft(MORPHINE_CARTRIDGE, 1, "mL")], ()),
        ([a_medication(MORPHINE_CARTRIDGE, status="draft")], ()),
        ([a_draft(METHADONE, 50, "mg")], (a_condition("F11.20"),)),
        ([a_draft(METHADONE, 50, "mg"), a_draft(LORAZEPAM, 1, "mg")], (a_condition("F11.20"),)),
        ([a_draft(OXYCODONE_ER, 5)], (a_condition("C18.9"),)),
        ([a_draft(OXYCODONE_ER, 5)], (a_condition("D57.1"),)),
        ([a_draft(OXYCODONE_ER, 5), a_draft(LORAZEPAM, 1, "mg")], (a_condition("Z51.5"),)),
    ],
    ids=[
        "no draft",
        "nothing drafted beside what is taken",
        "another drug beside a high dose",
        "an unknown drug and no opioid",
        "a low dose",
        "buprenorphine, never converted",
        "buprenorphine, never converted, without a dose",
        "a lozenge, for which there is no factor",
        "an injection, for which there is no factor",
        "an injection without a dose",
        "methadone for opioid use disorder",
        "methadone for opioid use disorder, with a benzodiazepine",
        "cancer",
        "sickle-cell disease",
        "palliative care",
    ],
)
def test_otherwise_it_is_silent(drafts: list[Resource], chart: tuple[Resource, ...]) -> None:
    assert list(cards_of(SERVICE, signing(*drafts, chart=chart))) == []


def test_a_changed_dose_is_another_finding() -> None:
    assert the_card(a_draft(OXYCODONE_ER, 2)).findings != the_card(a_draft(OXYCODONE_ER, 3)).findings


def test_drugs_that_are_not_recognised_are_counted_on_the_card() -> None:
    unknown = a_medication(NO_PRODUCT)

    assert "recognised" not in str(the_card(a_draft(OXYCODONE_ER, 3)).detail)
    assert "1 drug not recognised, so not counted." in str(the_card(a_draft(OXYCODONE_ER, 3), chart=(unknown,)).detail)
    two = the_card(a_draft(OXYCODONE_ER, 3), a_medication(NO_PRODUCT, status="draft"), chart=(unknown,))
    assert "2 drugs not recognised, so not counted." in str(two.detail)


@pytest.mark.parametrize("answered", [Availability.DENIED, Availability.PARTIAL, Availability.UNAVAILABLE])
def test_orders_that_were_not_read_are_said_for_more_may_be_taken(answered: Availability) -> None:
    known = {"patient": Availability.COMPLETE, "conditions": Availability.COMPLETE}
    record = a_record(availability={**known, "medications": answered}, drafts=(a_draft(OXYCODONE_ER),))
    (card,) = cards_of(SERVICE, record)
    assert card.summary == ("Opioid dose not known in full: what is taken already was not read in full (30 MME a day)")
    assert "| Active orders | missing: could not be read" in (card.detail or "")


def test_a_dose_over_time_of_a_tablet_is_not_left_out_in_silence() -> None:
    assert the_card(a_draft(OXYCODONE_ER, 100, "mg/d")).summary == "Opioid dose not known in full: oxycodone"
