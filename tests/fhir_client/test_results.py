from itertools import permutations

import pytest

from fhir_client.codes import LOINC, Code, CodeSet
from fhir_client.results import Results
from tests.builders import Resource, a_blood_pressure, a_record, an_observation

WEIGHT = CodeSet("weight", "Weight", frozenset({Code(LOINC, "29463-7"), Code(LOINC, "3141-9")}))
SYSTOLIC = CodeSet("systolic", "Systolic", frozenset({Code(LOINC, "8480-6")}))


def weight(value: float | None, on: str | None, code: str = "29463-7", **more: object) -> Resource:
    return an_observation(code, value, "kg", on, **more)  # type: ignore[arg-type]


def results(*resources: Resource, codes: CodeSet = WEIGHT) -> Results:
    return a_record(*resources, as_of="2024-06-01T00:00:00Z").observations(codes)


def values(found: Results) -> list[float | None]:
    return [None if each.quantity is None else each.quantity.value for each in found]


@pytest.mark.parametrize(
    "times",
    [
        ("2024-05-03T08:00:00Z", "2024-05-02T08:00:00Z", "2024-05-01T08:00:00Z"),
        ("2024-05-01T09:00:00+02:00", "2024-05-01T08:00:00+02:00", "2023-05-01T08:00:00+02:00"),
        # Texts alone would put these in another order.
        ("2024-05-01T08:00:00-01:00", "2024-05-01T09:30:00+02:00", "2024-05-01T09:00:00+02:00"),
        ("2024-05-03", "2024-05-02T08:00:00Z", "2024-05-01T08:00:00.5Z"),
        ("2024-05-01T08:00:00.500Z", "2024-05-01T08:00:00.450Z", "2024-05-01T07:59:59.999Z"),
        ("2024-05-01T08:00:00.5Z", "2024-05-01T08:00:00Z", "2024-05-01T07:00:00.25Z"),
        ("2024-05-01T08:00:00.500-01:00", "2024-05-01T09:30:00.500+02:00", "2024-05-01T09:00:00.500+02:00"),
        ("2024-05-01T08:00-05:00", "2024-05-01T09:00+02:00", "2024-05-01T08:00+02:00"),
    ],
)
def test_the_newest_result_comes_first_however_times_are_written_and_sent(times: tuple[str, str, str]) -> None:
    rows = [weight(value, on) for value, on in zip((3, 2, 1), times, strict=True)]
    assert all(values(results(*order)) == [3, 2, 1] for order in permutations(rows))


def test_a_text_that_is_no_time_comes_last_though_it_is_written_like_one() -> None:
    rows = [weight(1, "2024-99-01T08:00:00Z"), weight(2, "2024-05-01T08:00:00Z"), weight(3, "2024-05-02T08:00:00Z")]
    assert values(results(*rows)) == [3, 2, 1]
    assert results(*rows)[2].at is None


def test_results_of_one_time_keep_the_order_of_the_source_whichever_code_they_have() -> None:
    on = "2024-05-01T08:00:00Z"
    rows = [weight(1, on, "3141-9"), weight(2, on), weight(3, on, "3141-9"), weight(4, on)]
    assert values(results(*rows)) == [1, 2, 3, 4]


def test_digits_that_no_clock_has_make_no_result_newer() -> None:
    rows = [weight(1, "2024-05-01T08:00:00.1234567Z"), weight(2, "2024-05-01T08:00:00.1234569Z")]
    assert values(results(*rows)) == [1, 2]
    assert values(results(*reversed(rows))) == [2, 1]


def test_a_result_that_has_a_code_twice_is_one_result_however_the_code_is_written() -> None:
    code = {"system": LOINC, "code": "29463-7"}
    same = {"system": "urn:oid:2.16.840.1.113883.6.1", "code": "29463-7"}
    on = "2024-05-01T08:00:00Z"
    rows = [weight(1, on), weight(2, on), weight(3, on)]
    rows[0]["code"]["coding"] = [same]
    rows[1]["code"]["coding"] = [code, code, same]
    assert values(results(*rows)) == [1, 2, 3]


def test_what_may_not_be_used_is_no_result_however_times_are_written() -> None:
    rows = [
        weight(1, "2024-05-01T08:00:00Z", status="entered-in-error"),
        weight(2, "2025-05-01T08:00:00Z"),
        weight(3, "2024-05-01T08:00:00Z", modifierExtension=[{"url": "http://example.org/not"}]),
        weight(4, "2023-05-01T08:00:00Z"),
    ]
    assert values(results(*rows)) == [4]
    assert len(results(*rows)) == 1


def test_results_of_the_same_time_stand_together() -> None:
    rows = [
        weight(1, "2024-05-02T08:00:00Z"),
        weight(2, "2024-05-02T10:00:00+02:00", "3141-9"),
        weight(None, "2024-05-02T08:00:00Z"),
        weight(3, "2024-05-01T08:00:00Z"),
    ]
    groups = [[each.quantity and each.quantity.value for each in group] for group in results(*rows).by_time()]
    assert groups == [[1, 2], [3]]


def test_a_result_without_a_time_is_of_no_time_that_another_has() -> None:
    rows = [weight(1, None, effectivePeriod={"end": "2024-05-01"}), weight(2, None)]
    assert [len(group) for group in results(*rows).by_time()] == [1, 1]


def test_the_quantities_are_those_of_the_dated_results() -> None:
    rows = [
        weight(1, "2024-05-02T08:00:00Z"),
        weight(None, "2024-05-01T08:00:00Z"),
        weight(2, None),
        weight(3, "2024-04-01T08:00:00Z"),
    ]
    found = results(*rows)
    assert [(at, quantity) for at, quantity in found.quantities()] == [
        (each.at, each.quantity) for each in found if each.at is not None and each.quantity is not None
    ]
    assert [quantity.value for _, quantity in found.quantities()] == [1, 3]


def test_components_have_the_time_of_their_panel() -> None:
    newer, older = a_blood_pressure(150, 90, on="2024-05-02"), a_blood_pressure(140, 80, on="2024-05-01")
    assert values(results(older, newer, codes=SYSTOLIC)) == [150, 140]


def test_results_are_read_once_and_in_part_if_only_a_part_is_asked_for() -> None:
    found = results(weight(1, "2024-05-02T08:00:00Z"), weight(2, "2024-05-01T08:00:00Z"))
    first = next(iter(found))
    assert first is found[0]
    assert values(found) == [1, 2]
    assert found[:1] == (first,)
