"""allergy-record: a side effect is offered as an intolerance, a penicillin allergy of low risk for assessment."""

from typing import Any

import pytest

from cds_hooks.protocol.cards import Card, CreateAction, Indicator, UpdateAction
from cds_hooks.services.allergy_record import CHANGE, SERVICE, SYSTEM
from fhir_client.codes import ICD_10_CM, SNOMED_CT, Code
from fhir_client.record import Availability, PatientRecord
from models.allergy_record import ASSESSOR
from models.site import Site
from tests.builders import Resource, a_patient, a_reaction, a_record, an_allergy
from tests.cds_hooks.services.showing import cards_of

CODEINE = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "2670"}], "text": "codeine"}
NAUSEA = {"coding": [{"system": SNOMED_CT, "code": "422587007"}], "text": "nausea"}
RASH, ANAPHYLAXIS, BULLOUS = "271807003", "39579001", "271759003"
LONG_AGO, FIVE_YEARS_AGO = "2009-04", "2019-06-01"


def entering(entry: Resource, *chart: Resource, **more: Any) -> PatientRecord:
    return a_record(*chart, drafts=(entry,), **more)


def a_side_effect(**more: Any) -> Resource:
    return an_allergy(CODEINE, a_reaction(NAUSEA), id="a1", recorded=None, **more)


def a_penicillin_allergy(*reactions: Resource, to: str = "723", **more: Any) -> Resource:
    return an_allergy(to, *(reactions or (a_reaction(RASH),)), **{"lastOccurrence": LONG_AGO, **more})


def summaries(record: PatientRecord, **more: Any) -> list[str]:
    return [card.summary for card in cards_of(SERVICE, record, **more)]


def the_card(record: PatientRecord) -> Card:
    (card,) = cards_of(SERVICE, record)
    return card


LOW_RISK = "The penicillin allergy is of low risk: PEN-FAST at most 1, low below 3"


def test_a_side_effect_entered_as_an_allergy_is_offered_as_an_intolerance() -> None:
    card = the_card(entering(a_side_effect()))

    assert card.summary.startswith("Nausea after codeine is entered as an allergy: isolated gastrointestinal upset")
    assert card.indicator is Indicator.INFO
    assert card.findings == ("side-effect-as-allergy:2670",)
    assert card.source.topic is not None
    assert card.source.topic.system == SYSTEM
    for part in ("an intolerance", "| Reaction | nausea |", "(side-effect-as-allergy, version 1)", "table 1"):
        assert part in str(card.detail)


def test_the_whole_entry_is_handed_back_with_another_type_and_nothing_is_preselected() -> None:
    """[ACT-4] An update carries the whole resource, elements that we do not know among them."""
    sent = a_side_effect(extension=[{"url": "https://ehr.example/x", "valueDecimal": 1.5}], note=[{"text": "told"}])
    (suggestion,) = the_card(entering(sent)).suggestions
    (action,) = suggestion.actions

    assert isinstance(action, UpdateAction)
    assert action.resource == {**sent, "type": "intolerance"}
    assert (suggestion.label, suggestion.is_recommended) == (CHANGE, None)
    assert sent["type"] == "allergy"


def test_an_entry_of_r5_gets_its_type_as_r5_has_it() -> None:
    seen = {"manifestation": [{"concept": NAUSEA}]}
    for kind in ({"coding": [{"code": "allergy"}]}, None):
        (suggestion,) = the_card(entering(an_allergy(CODEINE, seen, kind=kind, id="a1"))).suggestions  # type: ignore[arg-type]
        (action,) = suggestion.actions
        assert isinstance(action, UpdateAction)
        assert action.resource["type"]["coding"][0]["code"] == "intolerance"


@pytest.mark.parametrize("id_", ["", "a b"])
def test_an_entry_that_cannot_be_named_is_told_of_in_words_alone(id_: str) -> None:
    entry = a_side_effect() | {"id": id_}

    assert the_card(entering(entry)).suggestions == ()


def test_an_entry_that_does_not_say_its_kind_is_offered_one() -> None:
    (suggestion,) = the_card(entering(a_side_effect(kind=None))).suggestions
    (action,) = suggestion.actions
    assert isinstance(action, UpdateAction)
    assert action.resource["type"] == "intolerance"


@pytest.mark.parametrize(
    "entry",
    [
        a_side_effect(kind="intolerance"),
        a_side_effect(clinical_status="resolved"),
        a_side_effect(verification_status="refuted"),
        an_allergy(CODEINE, a_reaction(NAUSEA, RASH), id="a1"),
        an_allergy(CODEINE, a_reaction(NAUSEA, {"text": "lips swelled"}), id="a1"),
        an_allergy(CODEINE, a_reaction(NAUSEA, severity="severe"), id="a1"),
        an_allergy(CODEINE, id="a1"),
        an_allergy(CODEINE, a_reaction(ANAPHYLAXIS), id="a1"),
        an_allergy(Code(SNOMED_CT, "716186003"), id="a1"),
    ],
    ids=["intolerance", "over", "refuted", "rash", "in-words", "severe", "unknown", "anaphylaxis", "none"],
)
def test_any_other_entry_is_left_alone(entry: Resource) -> None:
    assert summaries(entering(entry)) == []


def test_a_side_effect_already_in_the_chart_is_not_spoken_of() -> None:
    assert summaries(entering(an_allergy("2231", a_reaction(RASH), id="a2"), a_side_effect())) == []


def test_text_from_the_entry_is_made_inert() -> None:
    entry = an_allergy({**CODEINE, "text": "[codeine](https://evil.example)"}, a_reaction(NAUSEA), id="a1")
    card = the_card(entering(entry))

    assert "](" not in card.summary + str(card.detail)


def test_a_penicillin_allergy_of_low_risk_can_be_assessed() -> None:
    card = the_card(entering(a_penicillin_allergy(id="a1")))

    assert card.summary == LOW_RISK
    assert card.indicator is Indicator.INFO
    assert card.findings == ("penicillin-low-risk",)
    (suggestion,) = card.suggestions
    (action,) = suggestion.actions
    assert isinstance(action, CreateAction)
    assert action.resource["code"] == {"text": "Referral for allergy assessment"}
    for part in ("| 2009-04 |", "counted as if it had", "Until then the label stands", "JAMA Intern Med 2020;180:745"):
        assert part in str(card.detail)


def test_a_recorded_one_is_named_while_another_allergy_is_entered() -> None:
    other = an_allergy("2670", a_reaction(RASH), id="a2")

    assert summaries(entering(other, a_penicillin_allergy())) == [LOW_RISK]
    assert summaries(entering(other, an_allergy(Code(ICD_10_CM, "Z88.0"), a_reaction(RASH), recorded="2010"))) == [
        LOW_RISK
    ]


@pytest.mark.parametrize(
    ("last", "says"), [(FIVE_YEARS_AGO, 0), ("2019-05-31", 1), ("2019", 0), ("2018", 1), (None, 0)]
)
def test_five_years_or_less_is_recent_and_so_is_what_has_no_date(last: str | None, says: int) -> None:
    record = entering(a_penicillin_allergy(id="a1", lastOccurrence=last, recorded=None))

    assert len(summaries(record)) == says


def test_without_a_date_of_the_reaction_it_is_as_old_as_its_entry_at_least() -> None:
    other = an_allergy("2670", a_reaction(RASH), id="a2")
    assert summaries(entering(other, a_penicillin_allergy(lastOccurrence=None, recorded="2012"))) == [LOW_RISK]
    assert summaries(entering(other, a_penicillin_allergy(lastOccurrence=None, recorded="2022"))) == []


def test_every_date_counts() -> None:
    again = a_penicillin_allergy(a_reaction(RASH, onset="2009-04"), a_reaction(RASH, onset="2023-01"), id="a1")
    assert summaries(entering(again)) == []


@pytest.mark.parametrize(
    "beside",
    [
        a_penicillin_allergy(a_reaction(ANAPHYLAXIS), to="7980"),
        a_penicillin_allergy(a_reaction(BULLOUS), to="7980"),
        an_allergy("7980", recorded="2001"),
        an_allergy({"text": "penicillin"}, a_reaction(ANAPHYLAXIS)),
        a_penicillin_allergy(a_reaction(ANAPHYLAXIS), kind="intolerance"),
    ],
    ids=["anaphylaxis", "blisters", "unknown", "in-words", "grave-intolerance"],
)
def test_what_may_have_been_grave_is_never_of_low_risk(beside: Resource) -> None:
    assert summaries(entering(a_penicillin_allergy(id="a1"), beside)) == []


def test_a_list_that_was_not_read_in_full_may_hold_a_grave_one() -> None:
    partial = {"patient": Availability.COMPLETE, "allergies": Availability.PARTIAL}
    assert summaries(entering(a_penicillin_allergy(id="a1"), availability=partial)) == []


def test_a_penicillin_intolerance_is_no_label_to_take_off() -> None:
    assert summaries(entering(a_penicillin_allergy(id="a1", kind="intolerance"))) == []


def test_the_rule_is_one_for_adults_who_live() -> None:
    assert summaries(entering(a_penicillin_allergy(id="a1"), a_patient(born="2008-01-01"))) == []
    assert summaries(entering(a_penicillin_allergy(id="a1"), a_patient(born=None))) == []
    assert summaries(entering(a_penicillin_allergy(id="a1"), a_patient(deceasedBoolean=True))) == []


def test_an_entry_changed_is_judged_as_changed() -> None:
    was = a_penicillin_allergy(a_reaction(RASH), id="a1")
    now = a_penicillin_allergy(a_reaction(ANAPHYLAXIS), id="a1")
    assert summaries(entering(now, was)) == []


def test_a_site_without_snomed_ct_reads_the_other_codes() -> None:
    site = Site(snomed=False)
    assert summaries(entering(a_side_effect()), site=site) == []
    seen = a_reaction(Code(ICD_10_CM, "R11.0"))
    assert len(summaries(entering(an_allergy("2670", seen, id="a1")), site=site)) == 1


def test_both_rows_are_shown_and_may_be_live() -> None:
    assert [row.id for row in ASSESSOR.rows] == ["side-effect-as-allergy", "penicillin-low-risk"]
    assert [row.is_pilot_at_most for row in ASSESSOR.rows] == [False, False]
    assert [output.unverified for output in ASSESSOR.outputs] == [(), ()]


def test_an_entry_that_no_code_tells_is_named_in_words_alone() -> None:
    unnamed = an_allergy({"coding": [{"system": "urn:site", "code": "7"}]}, a_reaction("422587007"), id="a1")
    assert summaries(entering(unnamed))[0].startswith("A side effect after this substance is entered as an allergy")
