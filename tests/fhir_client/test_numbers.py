from fractions import Fraction

import pytest

from fhir_client.numbers import exact


@pytest.mark.parametrize(
    ("sent", "meant"),
    [(0.1, Fraction(1, 10)), (33.33, Fraction(3333, 100)), (2, Fraction(2)), (0, Fraction(0)), (-1.5, Fraction(-3, 2))],
)
def test_a_number_is_what_was_written(sent: float, meant: Fraction) -> None:
    assert exact(sent) == meant


@pytest.mark.parametrize("sent", [None, "1", True, [1], {}, float("nan"), float("inf"), 1e300, 10**400, 1e-300])
def test_anything_else_is_no_number(sent: object) -> None:
    assert exact(sent) is None
