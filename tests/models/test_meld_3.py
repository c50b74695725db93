from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.assessment import Assessed, Gap, NotApplicable, NotAssessable
from models.meld_3 import MODEL
from models.site import Site
from tests.builders import Resource, a_condition, a_medication, a_record, an_observation
from tests.models.charts import an_outpatient
from tests.models.patients import with_cirrhosis

ILL: dict[str, Any] = {
    "sex": "female",
    "bilirubin_mg_dl": 3.0,
    "inr": 1.8,
    "creatinine_mg_dl": 1.6,
    "sodium_mmol_l": 130,
    "albumin_g_dl": 2.8,
}
MORNING = "2024-05-20T08:00:00Z"
people = st.fixed_dictionaries(
    {
        "sex": st.sampled_from(["female", "male"]),
        "bilirubin_mg_dl": st.floats(0.1, 60),
        "inr": st.floats(0.5, 12),
        "creatinine_mg_dl": st.floats(0.1, 25),
        "sodium_mmol_l": st.floats(90, 200),
        "albumin_g_dl": st.floats(0.5, 6),
    },
    optional={"age_years": st.integers(12, 120), "dialysis": st.booleans()},
)


def score(**changes: Any) -> int:
    return int(MODEL.compute({**ILL, **changes})["score"])


def assess(*resources: Resource) -> Any:
    return MODEL.assess(a_record(*resources), Site())


def missing(assessment: Any) -> dict[str, Gap]:
    assert isinstance(assessment, NotAssessable)
    return {each.name: each.reading.gap for each in assessment.missing}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("sex", "bilirubin", "inr", "creatinine", "sodium", "albumin", "expected"),
    [
        ("male", 14.5, 2.3, 2.2, 128, 2.7, 36),
        ("male", 8.2, 3.0, 2.5, 132, 2.8, 37),
        ("female", 11.2, 1.4, 2.2, 134, 2.0, 32),
        ("female", 13.1, 2.2, 2.2, 132, 2.3, 37),
        ("male", 13.6, 1.7, 1.7, 129, 2.0, 32),
        ("female", 9.9, 1.2, 1.5, 132, 2.4, 27),
        ("male", 1.8, 1.7, 1.8, 135, 3.4, 21),
        ("male", 7.2, 2.6, 1.6, 131, 2.0, 32),
        ("female", 11.9, 1.4, 1.2, 133, 1.6, 27),
        ("female", 2.8, 1.9, 2.0, 132, 3.4, 29),
        ("male", 4.5, 2.0, 2.3, 135, 3.0, 30),
        ("male", 6.4, 1.7, 2.7, 126, 2.6, 35),
        ("female", 2.1, 2.0, 2.6, 125, 2.2, 35),
        ("female", 5.3, 2.0, 1.2, 118, 2.7, 30),
        ("female", 4.0, 2.7, 2.0, 133, 1.5, 34),
        ("male", 1.2, 2.7, 1.6, 130, 1.1, 29),
        ("male", 5.3, 1.8, 1.6, 141, 3.2, 24),
        ("female", 6.6, 2.0, 1.7, 136, 4.2, 29),
        ("female", 2.7, 2.1, 5.1, 134, 3.0, 33),
        ("female", 0.7, 2.5, 1.3, 136, 2.7, 20),
        ("male", 8.7, 0.9, 1.4, 131, 1.8, 24),
        ("female", 3.4, 2.8, 0.6, 128, 2.7, 28),
    ],
)
def test_people_next_to_a_half_are_rounded_as_by_an_independent_calculator(
    sex: str, bilirubin: float, inr: float, creatinine: float, sodium: float, albumin: float, expected: int
) -> None:
    """Where a coefficient's last digit shows; the expected scores are clincalc's."""
    values = {"sex": sex, "bilirubin_mg_dl": bilirubin, "inr": inr, "creatinine_mg_dl": creatinine}
    assert score(**values, sodium_mmol_l=sodium, albumin_g_dl=albumin) == expected


@given(people)
def test_the_score_is_a_whole_number_from_6_to_40(person: dict[str, Any]) -> None:
    result = MODEL.compute(person)["score"]
    assert isinstance(result, int)
    assert 6 <= result <= 40


def test_both_limits_are_reached() -> None:
    healthy = {"sex": "male", "bilirubin_mg_dl": 0.4, "inr": 0.9, "creatinine_mg_dl": 0.6}
    assert score(**healthy, sodium_mmol_l=142, albumin_g_dl=4.4) == 6
    assert score(bilirubin_mg_dl=40, inr=6, creatinine_mg_dl=4) == 40


@pytest.mark.parametrize(
    ("name", "inside", "bound", "outside"),
    [
        ("bilirubin_mg_dl", 1.5, 1.0, 0.3),
        ("inr", 1.2, 1.0, 0.8),
        ("creatinine_mg_dl", 1.2, 1.0, 0.4),
        ("creatinine_mg_dl", 2.5, 3.0, 8),
        ("sodium_mmol_l", 128, 125, 110),
        ("sodium_mmol_l", 134, 137, 150),
        ("albumin_g_dl", 2.5, 1.5, 1.0),
        ("albumin_g_dl", 2.5, 3.5, 4.5),
    ],
)
def test_a_value_outside_its_bounds_counts_as_the_bound(name: str, inside: float, bound: float, outside: float) -> None:
    assert score(**{name: outside}) == score(**{name: bound}) != score(**{name: inside})


def test_dialysis_counts_as_a_creatinine_of_3() -> None:
    assert score(dialysis=True) == score(creatinine_mg_dl=3.0) != score()
    assert score(dialysis=True, creatinine_mg_dl=0.8) == score(creatinine_mg_dl=3.0)
    assert score(dialysis=False) == score()


def test_young_people_all_get_the_term_of_women() -> None:
    assert score(sex="male", age_years=17) == score(sex="female") == 28
    assert score(sex="male", age_years=18) == score(sex="male") == 26
    assert isinstance(MODEL.calculate({**ILL, "age_years": 11}), NotApplicable)


@given(people, st.sampled_from(["bilirubin_mg_dl", "inr", "creatinine_mg_dl"]), st.floats(1, 3))
def test_the_score_never_falls_with_bilirubin_inr_or_creatinine(
    person: dict[str, Any], name: str, factor: float
) -> None:
    assert MODEL.compute({**person, name: person[name] * factor})["score"] >= MODEL.compute(person)["score"]


def test_a_chart_is_read() -> None:
    assessment = assess(*with_cirrhosis())
    assert isinstance(assessment, Assessed)
    assert assessment.results == {"score": 28}
    notes = {each.name: each.reading.note for each in assessment.inputs}
    assert notes["dialysis"] == "from the problem list; acute dialysis is not read"


@pytest.mark.parametrize(("on", "in_the_set"), [("2024-05-18T08:00:00Z", True), ("2024-05-18T07:58:00Z", False)])
def test_values_more_than_48_hours_apart_are_no_set(on: str, in_the_set: bool) -> None:
    earlier = an_observation("6301-6", 1.8, "{INR}", on=on)
    assessment = assess(*with_cirrhosis(earlier, without="6301-6"))
    if in_the_set:
        assert assessment.results == {"score": 28}
    else:
        assert missing(assessment) == {"inr": Gap.TOO_OLD}


def test_a_newer_value_makes_the_others_too_old() -> None:
    later = an_observation("2951-2", 134, "mmol/L", on="2024-05-25T08:00:00Z")
    assert set(missing(assess(*with_cirrhosis(later)))) == {
        "bilirubin_mg_dl",
        "inr",
        "creatinine_mg_dl",
        "albumin_g_dl",
    }


def test_dates_without_a_time_count_as_far_apart_as_they_may_be() -> None:
    def on(day: str) -> Any:
        inr = an_observation("6301-6", 1.8, "{INR}", on=day)
        others = [
            an_observation(code, value, unit, on="2024-05-20")
            for code, value, unit in [
                ("1975-2", 3.0, "mg/dL"),
                ("2160-0", 1.6, "mg/dL"),
                ("2951-2", 130, "mmol/L"),
                ("1751-7", 2.8, "g/dL"),
            ]
        ]
        return assess(*an_outpatient(a_condition("K74.60")), inr, *others)

    assert isinstance(on("2024-05-19"), Assessed)
    assert missing(on("2024-05-18")) == {"inr": Gap.TOO_OLD}


def test_dependence_on_dialysis_is_read_from_the_problem_list() -> None:
    assert assess(*with_cirrhosis(a_condition("Z99.2"))).results == {"score": score(dialysis=True)}
    assert assess(*with_cirrhosis(a_condition("Z94.0"))).results == {"score": 28}


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        (with_cirrhosis(without="K74.60"), "no cirrhosis on the problem list"),
        (with_cirrhosis(a_condition("K74.00"), without="K74.60"), "no cirrhosis on the problem list"),
        (
            with_cirrhosis(a_medication("11289")),
            "the INR is that of a vitamin K antagonist, not of the liver",
        ),
        (with_cirrhosis(born="2015-01-01"), "age 9 is under 12"),
    ],
)
def test_out_of_scope_is_not_applicable(resources: tuple[Resource, ...], reason: str) -> None:
    assert assess(*resources) == NotApplicable(MODEL.reference, reason)


def test_neither_female_nor_male_gives_both() -> None:
    assert assess(*with_cirrhosis(sex="other")).alternatives == {"female": {"score": 28}, "male": {"score": 26}}
