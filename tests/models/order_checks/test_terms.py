"""What no row of the vocabulary can say: terms of the order itself, of allergies, of a few results together."""

from typing import Any

import pytest

from fhir_client.codes import RXNORM, Code
from fhir_client.medications import crosswalk
from fhir_client.record import Availability, PatientRecord
from fhir_client.strengths import product_of
from models.assessment import Gap, Missing, Reading
from models.features.feature import Answer
from models.order_checks.orders import drug_orders
from models.order_checks.vocabulary import vocabulary
from models.site import Site
from tests.builders import Resource, a_medication, a_reaction, a_record, an_allergy, an_observation
from tests.models.order_checks.building import ANAPHYLAXIS, STEVENS_JOHNSON, URTICARIA, a_draft

METHOTREXATE, PARACETAMOL, OXYCODONE, AMOXICILLIN, FUROSEMIDE = "6851", "161", "7804", "723", "4603"
NAUSEA = "422587007"


def ask(name: str, record: PatientRecord) -> Answer:
    """Ask a term of the first draft and all of its ingredients."""
    order = drug_orders(record).asked_about[0]
    return vocabulary()[name].ask(record, Site(), (order, order.ingredients))


def taking(code: str, *doses: tuple[float, int, int], draft: bool = True, **more: Any) -> Resource:
    """Build an order: so many mg, so many times in so many days."""
    dosage = [
        {
            "timing": {"repeat": {"frequency": times, "period": days, "periodUnit": "d"}},
            "doseAndRate": [
                {"doseQuantity": {"value": mg, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}}
            ],
        }
        for mg, times, days in doses
    ]
    return (a_draft if draft else a_medication)(code, dosageInstruction=dosage, **more)


# ---- the order itself


def test_a_drug_is_new_where_no_active_order_has_it() -> None:
    assert ask("is_new", a_record(drafts=(a_draft(METHOTREXATE),))) == Reading(value=True)
    assert ask("is_new", a_record(a_medication(FUROSEMIDE), drafts=(a_draft(METHOTREXATE),))) == Reading(value=True)
    taken = a_record(a_medication(METHOTREXATE), drafts=(a_draft(METHOTREXATE),))
    assert ask("is_new", taken) == Reading(value=False)
    stopped = a_record(a_medication(METHOTREXATE, status="stopped"), drafts=(a_draft(METHOTREXATE),))
    assert ask("is_new", stopped) == Reading(value=True)


def test_whether_a_drug_is_new_is_not_known_where_the_list_is_not() -> None:
    unread = a_record(availability={"patient": Availability.COMPLETE}, drafts=(a_draft(METHOTREXATE),))
    answer = ask("is_new", unread)
    assert isinstance(answer, Missing)
    assert answer.gap is Gap.UNAVAILABLE
    answer = ask("is_new", a_record(a_medication("0"), drafts=(a_draft(METHOTREXATE),)))
    assert isinstance(answer, Missing)
    assert answer.gap is Gap.UNREADABLE


def test_an_order_that_is_taken_is_not_new() -> None:
    record = a_record(a_medication(METHOTREXATE), drafts=(a_draft(FUROSEMIDE),))
    order = drug_orders(record).others[0]
    assert vocabulary()["is_new"].ask(record, Site(), (order, order.ingredients)) == Reading(value=False)


@pytest.mark.parametrize(
    ("doses", "milligrams", "times"),
    [
        (((2.5, 1, 1),), 2.5, 1),
        (((2.5, 2, 1),), 5, 2),
        (((14, 1, 7),), 2, 1 / 7),
        (((2.5, 1, 1), (5, 3, 1)), 17.5, 3),
    ],
)
def test_an_order_says_what_it_comes_to_a_day(
    doses: tuple[tuple[float, int, int], ...], milligrams: float, times: float
) -> None:
    record = a_record(drafts=(taking(METHOTREXATE, *doses),))
    dose, often = ask("daily_dose_mg", record), ask("times_a_day", record)
    assert isinstance(dose, Reading)
    assert isinstance(often, Reading)
    assert (dose.value, often.value) == (milligrams, times)
    assert dose.sources


def test_only_the_ingredient_that_is_meant_is_counted() -> None:
    tablet = {"value": 2, "unit": "tablet", "system": "http://unitsofmeasure.org", "code": "1"}
    product = min(
        code
        for code, held in crosswalk().items()
        if held == frozenset({PARACETAMOL, OXYCODONE}) and product_of([Code(RXNORM, code)]) is not None
    )
    record = a_record(
        drafts=(
            a_draft(
                product,
                dosageInstruction=[
                    {
                        "timing": {"repeat": {"frequency": 4, "period": 1, "periodUnit": "d"}},
                        "doseAndRate": [{"doseQuantity": tablet}],
                    }
                ],
            ),
        )
    )
    (order,) = drug_orders(record).asked_about
    each = vocabulary()["daily_dose_mg"].ask(record, Site(), (order, frozenset({OXYCODONE})))
    both = vocabulary()["daily_dose_mg"].ask(record, Site(), (order, order.ingredients))
    assert isinstance(each, Reading)
    assert isinstance(both, Reading)
    assert 0 < float(each.value) < float(both.value)


def test_a_dose_without_a_timing_or_in_another_unit_is_not_known() -> None:
    for name in ("daily_dose_mg", "times_a_day"):
        assert isinstance(ask(name, a_record(drafts=(a_draft(METHOTREXATE),))), Missing)
    untimed = taking(METHOTREXATE, (5, 1, 1))
    del untimed["dosageInstruction"][0]["timing"]
    for name in ("daily_dose_mg", "times_a_day"):
        assert isinstance(ask(name, a_record(drafts=(untimed,))), Missing)


def test_one_instruction_that_does_not_tell_how_often_makes_the_whole_unknown() -> None:
    order = taking(METHOTREXATE, (5, 1, 7), (5, 1, 7))
    del order["dosageInstruction"][1]["timing"]
    assert isinstance(ask("times_a_day", a_record(drafts=(order,))), Missing)


# ---- paracetamol, in all orders together


def paracetamol(*active: Resource, drafts: tuple[Resource, ...]) -> Answer:
    return ask("paracetamol_mg", a_record(*active, drafts=drafts))


def test_paracetamol_is_added_up_over_drafts_and_what_is_taken() -> None:
    tablet = "313782"  # acetaminophen 325 MG Oral Tablet
    answer = paracetamol(
        taking(tablet, (1000, 2, 1), draft=False),
        drafts=(taking(PARACETAMOL, (1000, 3, 1)), taking("198440", (500, 1, 1))),
    )
    assert isinstance(answer, Reading)
    assert answer.value == 5500
    assert len(answer.sources) == 3


def test_an_order_that_is_renewed_counts_once() -> None:
    answer = paracetamol(taking(PARACETAMOL, (1000, 4, 1), draft=False), drafts=(taking(PARACETAMOL, (1000, 4, 1)),))
    assert isinstance(answer, Reading)
    assert answer.value == 4000


def test_without_the_dose_of_each_order_there_is_no_sum() -> None:
    answer = paracetamol(drafts=(taking(PARACETAMOL, (1000, 3, 1)), a_draft("313782")))
    assert isinstance(answer, Missing)


# ---- allergies


@pytest.mark.parametrize(
    ("name", "reaction", "kind", "expected"),
    [
        ("grave_allergy_to_drug", ANAPHYLAXIS, "allergy", True),
        ("grave_allergy_to_drug", ANAPHYLAXIS, "intolerance", True),
        ("grave_allergy_to_drug", URTICARIA, "allergy", False),
        ("allergy_to_drug", URTICARIA, "allergy", True),
        ("allergy_to_drug", ANAPHYLAXIS, "allergy", True),
        ("allergy_to_drug", URTICARIA, "intolerance", False),
        ("allergy_to_drug", NAUSEA, "allergy", False),
        ("penicillin_allergy", URTICARIA, "allergy", True),
        ("penicillin_allergy", NAUSEA, "allergy", False),
        ("penicillin_anaphylaxis", ANAPHYLAXIS, "allergy", True),
        ("penicillin_anaphylaxis", STEVENS_JOHNSON, "allergy", False),
        ("penicillin_delayed_reaction", STEVENS_JOHNSON, "allergy", True),
        ("penicillin_delayed_reaction", ANAPHYLAXIS, "allergy", False),
    ],
)
def test_an_allergy_is_told_by_what_happened(name: str, reaction: str, kind: str, expected: bool) -> None:
    record = a_record(an_allergy(AMOXICILLIN, a_reaction(reaction), kind=kind), drafts=(a_draft(AMOXICILLIN),))
    answer = ask(name, record)
    assert isinstance(answer, Reading)
    assert answer.value is expected


def test_a_reaction_that_nobody_wrote_down_is_an_allergy_that_may_be_grave() -> None:
    record = a_record(an_allergy(AMOXICILLIN), drafts=(a_draft(AMOXICILLIN),))
    assert isinstance(ask("allergy_to_drug", record), Reading)
    answer = ask("grave_allergy_to_drug", record)
    assert isinstance(answer, Missing)
    assert answer.gap is Gap.NOT_CODED


def test_an_allergy_to_another_drug_is_none_to_this_one() -> None:
    """A sulfonamide antibiotic says nothing of furosemide (safety-rules.md 5)."""
    record = a_record(an_allergy("10180", a_reaction(ANAPHYLAXIS)), drafts=(a_draft(FUROSEMIDE),))
    for name in ("allergy_to_drug", "grave_allergy_to_drug"):
        answer = ask(name, record)
        assert isinstance(answer, Reading)
        assert answer.value is False


def test_that_there_is_no_allergy_needs_a_list_that_was_read() -> None:
    unread = a_record(availability={"patient": Availability.COMPLETE}, drafts=(a_draft(AMOXICILLIN),))
    words = a_record(an_allergy({"text": "penicillin"}), drafts=(a_draft(AMOXICILLIN),))
    for record, gap in ((unread, Gap.UNAVAILABLE), (words, Gap.UNREADABLE)):
        answer = ask("allergy_to_drug", record)
        assert isinstance(answer, Missing)
        assert answer.gap is gap


# ---- results


def chart_with(*results: Resource) -> PatientRecord:
    return a_record(*results, drafts=(a_draft(FUROSEMIDE),))


def test_calcium_is_corrected_for_albumin() -> None:
    calcium = an_observation("17861-6", 7.6, "mg/dL")
    answer = ask("corrected_calcium_mg_dl", chart_with(calcium, an_observation("1751-7", 30, "g/L")))
    assert isinstance(answer, Reading)
    assert answer.value == pytest.approx(8.4)
    assert isinstance(ask("corrected_calcium_mg_dl", chart_with(calcium)), Missing)


def test_calcium_in_moles_is_the_same_calcium() -> None:
    answer = ask(
        "corrected_calcium_mg_dl",
        chart_with(an_observation("2000-8", 2.0, "mmol/L"), an_observation("1751-7", 4, "g/dL")),
    )
    assert isinstance(answer, Reading)
    assert answer.value == pytest.approx(8.016, abs=0.001)


@pytest.mark.parametrize(
    ("earlier", "at", "fall"),
    [(12.0, "2024-05-30T08:00:00Z", 3.0), (12.0, "2024-05-28T08:00:00Z", 0.0), (8.0, "2024-05-30T08:00:00Z", 0.0)],
)
def test_haemoglobin_falls_from_the_highest_of_forty_eight_hours(earlier: float, at: str, fall: float) -> None:
    record = chart_with(
        an_observation("718-7", earlier, "g/dL", on=at),
        an_observation("718-7", 9.0, "g/dL", on="2024-05-31T20:00:00Z"),
    )
    answer = ask("hemoglobin_fall_g_dl", record)
    assert isinstance(answer, Reading)
    assert answer.value == fall


def test_a_haemoglobin_of_yesterday_says_nothing_of_today() -> None:
    answer = ask("hemoglobin_fall_g_dl", chart_with(an_observation("718-7", 9, "g/dL", on="2024-05-30T20:00:00Z")))
    assert isinstance(answer, Missing)
    assert answer.gap is Gap.TOO_OLD


def test_a_haemoglobin_that_cannot_be_read_makes_the_fall_unknown() -> None:
    record = chart_with(
        an_observation("718-7", 12, "%", on="2024-05-31T08:00:00Z"),
        an_observation("718-7", 9, "g/dL", on="2024-05-31T20:00:00Z"),
    )
    assert isinstance(ask("hemoglobin_fall_g_dl", record), Missing)


@pytest.mark.parametrize(("on", "expected"), [("2024-03-02", True), ("2024-02-28", False), (None, False)])
def test_a_result_of_three_months_counts_whatever_it_says(on: str | None, expected: bool) -> None:
    results = [] if on is None else [an_observation("2823-3", 4, "mmol/L", on=on)]
    answer = ask("potassium_measured", chart_with(*results))
    assert isinstance(answer, Reading)
    assert answer.value is expected


# ---- kidney function


@pytest.mark.parametrize("name", ["egfr", "crcl"])
def test_kidney_function_is_not_told_while_creatinine_rises(name: str) -> None:
    """AKI of stage 1 or more: say that kidney function is not stable (safety-rules.md 2)."""
    weight, now = an_observation("29463-7", 70, "kg"), an_observation("2160-0", 2.0, "mg/dL", on="2024-05-31T20:00:00Z")
    stable = an_observation("2160-0", 1.9, "mg/dL", on="2024-05-30T08:00:00Z")
    rising = an_observation("2160-0", 1.0, "mg/dL", on="2024-05-30T08:00:00Z")
    assert isinstance(ask(name, chart_with(weight, now, stable)), Reading)
    answer = ask(name, chart_with(weight, now, rising))
    assert isinstance(answer, Missing)
    assert answer.gap is Gap.UNSTABLE


def test_clearance_takes_age_weight_and_sex() -> None:
    """(140 - 63) x 72 / (72 x 1.0), for women times 0.85: 65.45 mL/min."""
    weight, creatinine = an_observation("29463-7", 72, "kg"), an_observation("2160-0", 1.0, "mg/dL")
    answer = ask("crcl", chart_with(weight, creatinine))
    assert isinstance(answer, Reading)
    assert answer.value == pytest.approx(65.45)
    assert set(answer.sources) >= {f"Observation/{weight['id']}", f"Observation/{creatinine['id']}"}


@pytest.mark.parametrize(
    ("weight", "unit", "on", "expected"),
    [
        (70, "kg", "2024-05-26T00:00:00Z", True),
        (154, "[lb_av]", "2024-05-26T00:00:00Z", True),
        (70, "kg", "2024-05-24T00:00:00Z", False),
        (7000, "kg", "2024-05-26T00:00:00Z", False),
        (70, "cm", "2024-05-26T00:00:00Z", False),
    ],
)
def test_a_weight_of_seven_days_that_can_be_one_counts(weight: float, unit: str, on: str, expected: bool) -> None:
    answer = ask("weighed_within_7_days", chart_with(an_observation("29463-7", weight, unit, on=on)))
    assert isinstance(answer, Reading)
    assert answer.value is expected
