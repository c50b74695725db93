"""The rules of conditions, drugs and coded answers, on one feature of each."""

import pytest

from fhir_client.codes import LOINC, SNOMED_CT, Code
from fhir_client.record import Availability
from models.assessment import Gap, Missing, Reading
from models.features.conditions import CARDIOVASCULAR_DISEASE, DIABETES, PREGNANCY
from models.features.feature import Answer, Feature
from models.features.medications import BP_TREATED, STATIN
from models.features.social import SMOKER
from models.site import Site
from tests.builders import (
    Resource,
    a_condition,
    a_medication,
    a_patient,
    a_record,
    an_observation,
)

ALL_COMPLETE = dict.fromkeys(
    ("patient", "laboratory", "vital-signs", "social-history", "conditions", "medications", "encounters"),
    Availability.COMPLETE,
)
NEVER = Code(SNOMED_CT, "266919005")
FORMER = Code(SNOMED_CT, "8517006")
DAILY = Code(SNOMED_CT, "449868002")


def read(feature: Feature, *resources: Resource, site: Site | None = None, **availability: Availability) -> Answer:
    """Read one feature on 2024-06-01; availability by key, with _ for -."""
    given = {key.replace("_", "-"): state for key, state in availability.items()}
    assert feature.read is not None
    return feature.read(a_record(*resources, availability={**ALL_COMPLETE, **given}), site or Site())


def gap(answer: Answer) -> Gap:
    assert isinstance(answer, Missing)
    return answer.gap


def value(answer: Answer) -> object:
    assert isinstance(answer, Reading)
    return answer.value


# Conditions: true on a match, false only after a readable and complete list.


def test_an_active_condition_is_true() -> None:
    assert value(read(DIABETES, a_condition("E11.9"))) is True
    assert value(read(DIABETES, a_condition("44054006"))) is True


@pytest.mark.parametrize(
    "over", [a_condition("E11.9", clinical_status="resolved"), a_condition("E11.9", abated="2024-01-01")]
)
def test_a_condition_that_is_over_is_not_active(over: Resource) -> None:
    assert value(read(DIABETES, over)) is False


def test_cardiovascular_disease_counts_when_it_is_over() -> None:
    assert value(read(CARDIOVASCULAR_DISEASE, a_condition("I21.9", clinical_status="resolved"))) is True


def test_a_match_is_true_even_if_the_list_is_not_complete() -> None:
    assert value(read(DIABETES, a_condition("E11.9"), conditions=Availability.PARTIAL)) is True


@pytest.mark.parametrize("state", [Availability.PARTIAL, Availability.DENIED, Availability.UNAVAILABLE])
def test_an_incomplete_list_never_means_false(state: Availability) -> None:
    assert gap(read(DIABETES, a_condition("I10"), conditions=state)) is Gap.UNAVAILABLE


UNREADABLE = Code("urn:local", "17")


@pytest.mark.parametrize(
    ("readable", "unreadable", "is_false"), [(4, 0, True), (4, 1, True), (3, 1, False), (0, 0, True)]
)
def test_false_needs_few_unreadable_conditions(readable: int, unreadable: int, is_false: bool) -> None:
    conditions = [a_condition("I10") for _ in range(readable)]
    conditions += [a_condition(UNREADABLE) for _ in range(unreadable)]
    answer = read(DIABETES, *conditions)
    total = readable + unreadable
    said = f"{unreadable} of {total} active conditions without a readable code" if unreadable else ""
    assert answer == (Reading(value=False, note=said) if is_false else Missing(Gap.UNREADABLE, note=said))


def test_the_site_sets_how_many_may_be_unreadable() -> None:
    conditions = (a_condition("I10"), a_condition(UNREADABLE))
    assert value(read(DIABETES, *conditions, site=Site(unreadable_conditions_limit=0.5))) is False
    assert gap(read(DIABETES, *conditions, site=Site(unreadable_conditions_limit=0.4))) is Gap.UNREADABLE


def test_without_snomed_ct_a_list_in_it_is_unreadable() -> None:
    assert gap(read(DIABETES, a_condition("44054006"), site=Site(snomed=False))) is Gap.UNREADABLE


# Pregnancy: a condition or a recent answer.

PREGNANT, NOT_PREGNANT = Code(LOINC, "LA15173-0"), Code(LOINC, "LA26683-5")


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ((a_condition("Z34.90"),), True),
        ((an_observation("82810-3", PREGNANT, on="2024-05-01"),), True),
        ((an_observation("82810-3", PREGNANT, on="2023-05-01"),), False),
        ((an_observation("82810-3", NOT_PREGNANT, on="2024-05-01"),), False),
        ((a_condition("Z34.90", clinical_status="resolved"),), False),
        ((a_patient(sex="male"), a_condition("Z34.90")), False),
        ((), False),
    ],
)
def test_pregnancy_is_recorded_or_recently_answered(resources: tuple[Resource, ...], expected: bool) -> None:
    assert value(read(PREGNANCY, *resources)) is expected


def test_a_recent_answer_settles_a_list_that_cannot_be_read() -> None:
    answered = an_observation("82810-3", NOT_PREGNANT, on="2024-05-01")
    assert value(read(PREGNANCY, answered, conditions=Availability.UNAVAILABLE)) is False
    assert isinstance(read(PREGNANCY, conditions=Availability.UNAVAILABLE), Missing)


# Medications: true on a match, false only if every active order resolved.


@pytest.mark.parametrize(
    ("feature", "drug", "expected"),
    [(STATIN, "83367", True), (STATIN, "17767", False), (BP_TREATED, "17767", True), (BP_TREATED, "83367", False)],
)
def test_an_active_ingredient_decides(feature: Feature, drug: str, expected: bool) -> None:
    assert value(read(feature, a_medication(drug))) is expected


def test_a_product_counts_by_its_ingredient() -> None:
    assert value(read(STATIN, a_medication("312961"))) is True  # simvastatin 20 MG Oral Tablet


def test_a_stopped_drug_is_not_taken() -> None:
    assert value(read(STATIN, a_medication("83367", status="stopped"))) is False


def test_no_drugs_at_all_is_an_answer() -> None:
    assert value(read(STATIN)) is False


def test_a_drug_that_does_not_resolve_leaves_the_answer_open() -> None:
    unknown = a_medication(UNREADABLE)
    answer = read(STATIN, unknown, a_medication("17767"))
    assert answer == Missing(Gap.UNREADABLE, note="1 of 2 active drugs not recognised")
    assert value(read(STATIN, unknown, a_medication("83367"))) is True


def test_an_incomplete_list_of_drugs_never_means_false() -> None:
    assert gap(read(STATIN, a_medication("17767"), medications=Availability.PARTIAL)) is Gap.UNAVAILABLE


# Coded answers: smoking.


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (DAILY, True),
        (FORMER, False),
        (NEVER, False),
        (Code(LOINC, "LA18977-1"), True),
        (Code(LOINC, "LA18978-9"), False),
    ],
)
def test_an_answer_is_read_by_its_code(answer: Code, expected: bool) -> None:
    assert value(read(SMOKER, an_observation("72166-2", answer))) is expected


def test_the_newest_answer_counts_however_old() -> None:
    answers = (an_observation("72166-2", DAILY, on="2004-05-01"), an_observation("72166-2", FORMER, on="2010-05-01"))
    assert value(read(SMOKER, *answers)) is False


@pytest.mark.parametrize("answer", [Code(SNOMED_CT, "266927001"), Code("urn:local", "yes"), True, 20.0])
def test_an_answer_that_we_cannot_read_is_not_a_no(answer: Code | bool | float) -> None:
    newest = an_observation("72166-2", answer, "1" if answer == 20.0 else None, on="2024-05-01")
    older = an_observation("72166-2", NEVER, on="2020-05-01")
    assert gap(read(SMOKER, newest, older)) is Gap.NOT_CODED


def test_answers_of_one_moment_that_contradict_each_other_are_no_answer() -> None:
    both = (an_observation("72166-2", answer, on="2024-05-01") for answer in (DAILY, NEVER))
    assert gap(read(SMOKER, *both)) is Gap.CONTRADICTORY


def test_former_and_never_agree_that_nobody_smokes_now() -> None:
    both = (an_observation("72166-2", answer, on="2024-05-01") for answer in (FORMER, NEVER))
    assert value(read(SMOKER, *both)) is False
