"""An allergy in the chart is one fact in every FHIR version; what was refuted, is over or denies itself is none."""

from typing import Any

import pytest

from fhir_client.codes import RXNORM, SNOMED_CT, Code
from fhir_client.facts import Allergy
from tests.builders import Resource, a_reaction, a_record, an_allergy

RASH = "271807003"
AMOXICILLIN = "723"
PRODUCT = {"coding": [{"system": RXNORM, "code": "308182"}], "text": "Amoxicillin 250 MG Oral Capsule"}
CODE = {"coding": [{"system": SNOMED_CT, "code": "294505008"}], "text": "Allergy to amoxicillin"}
SEEN = {"coding": [{"system": SNOMED_CT, "code": RASH}], "text": "rash"}
PATIENT = {"reference": "Patient/p1"}

R4 = {
    "resourceType": "AllergyIntolerance",
    "id": "a1",
    "clinicalStatus": {"coding": [{"code": "active"}]},
    "verificationStatus": {"coding": [{"code": "unconfirmed"}]},
    "type": "allergy",
    "category": ["medication"],
    "criticality": "high",
    "code": CODE,
    "patient": PATIENT,
    "onsetDateTime": "2018-03",
    "recordedDate": "2019-02-01",
    "lastOccurrence": "2018-04-01",
    "reaction": [{"substance": PRODUCT, "manifestation": [SEEN], "severity": "mild", "onset": "2018-04-01"}],
}


def changed(*without: str, **elements: Any) -> Resource:
    return {name: value for name, value in R4.items() if name not in without} | elements


DSTU2 = changed(
    "clinicalStatus", "verificationStatus", "code", "onsetDateTime", "lastOccurrence",
    status="unconfirmed", substance=CODE, criticality="CRITH", category="medication",
    onset="2018-03", lastOccurence="2018-04-01",
)  # fmt: skip
STU3 = changed("recordedDate", clinicalStatus="active", verificationStatus="unconfirmed", assertedDate="2019-02-01")
R5 = changed(
    type={"coding": [{"code": "allergy"}]},
    reaction=[{**R4["reaction"][0], "manifestation": [{"concept": SEEN}]}],  # type: ignore[index]
)


def allergies(*rows: Resource) -> tuple[Allergy, ...]:
    return a_record(*rows, as_of="2024-06-01T00:00:00Z").allergies


def test_an_allergy_is_read_whole() -> None:
    (allergy,) = allergies(R4)

    assert allergy.codings == (Code(SNOMED_CT, "294505008"), Code(RXNORM, "308182"))
    assert allergy.ingredients == frozenset({AMOXICILLIN})
    assert (allergy.kind, allergy.criticality, allergy.categories) == ("allergy", "high", frozenset({"medication"}))
    assert [str(each.text) for each in (allergy.onset, allergy.last, allergy.recorded) if each] == [
        "2018-03",
        "2018-04-01",
        "2019-02-01",
    ]
    (reaction,) = allergy.reactions
    assert reaction.seen == ((Code(SNOMED_CT, RASH),),)
    assert (reaction.codings, reaction.text, reaction.severity) == ((Code(SNOMED_CT, RASH),), "rash", "mild")
    assert reaction.onset is not None
    assert allergy.text == "Allergy to amoxicillin"
    assert allergy.source.cited == "AllergyIntolerance/a1"


@pytest.mark.parametrize("row", [DSTU2, STU3, R5], ids=["DSTU2", "STU3", "R5"])
def test_the_same_allergy_gives_the_same_fact_in_every_version(row: Resource) -> None:
    """[FHIR-16] Version differences sit in one adapter."""
    assert allergies(row) == allergies(R4) != ()


@pytest.mark.parametrize("status", ["refuted", "entered-in-error"])
def test_what_was_refuted_or_entered_in_error_is_no_fact(status: str) -> None:
    draft = an_allergy(AMOXICILLIN, verification_status=status)

    assert allergies(draft) == ()
    assert a_record(drafts=(draft,)).drafted_allergies == ()
    assert allergies({**DSTU2, "status": status}) == ()


@pytest.mark.parametrize("status", ["inactive", "resolved"])
def test_what_is_over_is_not_listed_and_is_a_draft_that_is_not_active(status: str) -> None:
    over = an_allergy(AMOXICILLIN, clinical_status=status)

    assert allergies(over) == ()
    assert allergies({**DSTU2, "status": status}) == ()
    assert [draft.is_active for draft in a_record(drafts=(over,)).drafted_allergies] == [False]


def test_an_allergy_without_a_status_holds() -> None:
    assert len(allergies(an_allergy(AMOXICILLIN, clinical_status=None, verification_status=None))) == 1


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (SNOMED_CT, "716186003"),
        (SNOMED_CT, "409137002"),
        ("http://snomed.info/sct/731000124108", "428607008"),
        ("http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips", "no-known-allergies"),
    ],
)
def test_a_row_that_says_there_is_none_is_no_allergy(system: str, code: str) -> None:
    assert allergies(an_allergy(Code(system, code))) == ()


def test_what_was_recorded_or_began_after_the_instant_is_not_known_yet() -> None:
    assert allergies(an_allergy(AMOXICILLIN, recorded="2024-06-03")) == ()
    assert allergies(an_allergy(AMOXICILLIN, recorded=None, onsetDateTime="2024-06-03")) == ()
    assert len(allergies(an_allergy(AMOXICILLIN, recorded="2024-05-31"))) == 1


def test_an_allergy_that_an_unknown_extension_may_change_stays_without_its_codes() -> None:
    (allergy,) = allergies(an_allergy(AMOXICILLIN, a_reaction(RASH), modifierExtension=[{"url": "https://x.example"}]))

    assert (allergy.codings, allergy.ingredients, allergy.reactions) == ((), None, ())


def test_a_reaction_that_an_unknown_extension_may_change_is_left_out() -> None:
    reaction = a_reaction(RASH, modifierExtension=[{"url": "https://x.example"}])
    (allergy,) = allergies(an_allergy(AMOXICILLIN, reaction))

    assert allergy.reactions == ()


def test_what_resolves_to_no_ingredient_has_none() -> None:
    (coded,) = allergies(an_allergy(Code(SNOMED_CT, "300916003")))
    (in_words,) = allergies(an_allergy({"text": "penicillin"}))

    assert coded.ingredients is None
    assert (in_words.codings, in_words.ingredients, in_words.text) == ((), None, "penicillin")


def test_the_ingredients_of_the_allergy_and_of_what_caused_the_reactions_count() -> None:
    reaction = a_reaction(RASH, substance={"coding": [{"system": RXNORM, "code": "2231"}]})
    (allergy,) = allergies(an_allergy(AMOXICILLIN, reaction))

    assert allergy.ingredients == frozenset({AMOXICILLIN, "2231"})


def test_a_draft_is_no_recorded_allergy() -> None:
    record = a_record(drafts=(an_allergy(AMOXICILLIN, recorded=None),))

    assert record.allergies == ()
    assert [allergy.ingredients for allergy in record.drafted_allergies] == [frozenset({AMOXICILLIN})]


def test_the_last_recorded_comes_first() -> None:
    older, newer = an_allergy("2231", recorded="2018-01-01"), an_allergy(AMOXICILLIN, recorded="2022-01-01")

    assert [allergy.ingredients for allergy in allergies(older, newer)] == [
        frozenset({AMOXICILLIN}),
        frozenset({"2231"}),
    ]


def test_an_allergy_of_another_patient_is_dropped() -> None:
    assert allergies(an_allergy(AMOXICILLIN, patient="p2")) == ()
