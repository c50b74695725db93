from datetime import UTC, datetime

from fhir_client.codes import ICD_10_CM, Code
from tests.builders import a_condition, a_medication, a_record

GOUT, ASTHMA = (Code(ICD_10_CM, "M10.9"),), (Code(ICD_10_CM, "J45.9"),)


def test_entries_are_counted_by_what_they_mean_and_those_that_are_over_count_nothing() -> None:
    record = a_record(
        a_condition("M10.9", onset="2020"),
        a_condition("M10.9", onset="2021"),
        a_condition("J45.9", onset="2019", abated="2022-01-01"),
    )
    assert record.problems.active == {GOUT: 2, ASTHMA: 0}


def test_the_newest_entry_with_a_meaning_is_found() -> None:
    record = a_record(a_condition("M10.9", onset="2020"), a_condition("M10.9", onset="2021"))
    found = record.problems.newest([GOUT])
    assert found is not None
    assert found.onset is not None
    assert found.onset.text == "2021"
    assert record.problems.newest([ASTHMA]) is None


def test_an_entry_that_is_over_is_found_only_if_it_may_be_over() -> None:
    record = a_record(a_condition("J45.9", onset="2019", abated="2022-01-01"))
    assert record.problems.newest([ASTHMA]) is None
    assert record.problems.newest([ASTHMA], ever=True) == record.conditions[0]


def test_drug_orders_are_counted_by_ingredients_and_what_does_not_resolve_by_none() -> None:
    record = a_record(a_medication("83367"), a_medication("83367"), a_medication("nothing known"))
    assert record.drug_orders.active == {frozenset({"83367"}): 2, None: 1}


def test_a_question_is_worked_out_once_a_record() -> None:
    record, asked = a_record(), []

    def work_out() -> datetime:
        asked.append(1)
        return datetime(2024, 5, len(asked), tzinfo=UTC)

    assert record.once("when", work_out) == record.once("when", work_out) == datetime(2024, 5, 1, tzinfo=UTC)
    assert record.once("when else", work_out) == datetime(2024, 5, 2, tzinfo=UTC)
