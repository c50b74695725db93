"""Numbers as they were written: 0.1 in JSON is a tenth, not the nearest binary fraction."""

from fractions import Fraction

# The digits of a dose: no measured quantity needs more, and a power of ten beyond them would take up the memory.
_LARGEST, _SMALLEST = 1e15, 1e-15


def exact(value: object) -> Fraction | None:
    """Give a JSON number exactly; None for anything else, and for what is larger or smaller than any dose.

    >>> exact(0.1), exact(3), exact("3")
    (Fraction(1, 10), Fraction(3, 1), None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if value == 0:
        return Fraction(0)
    if not _SMALLEST <= abs(value) <= _LARGEST:  # nor what is no number
        return None
    return Fraction(str(value))
