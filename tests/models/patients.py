"""Made-up patients whom the scores of one field can assess, all as of 2024-06-01; nobody else fits those scores."""

from typing import Any

from tests.builders import Resource, a_condition, an_observation
from tests.models.charts import an_outpatient


def with_liver_tests(*more: Resource) -> tuple[Resource, ...]:
    """An outpatient of 63 with what FIB-4 asks for."""
    return (
        *an_outpatient(),
        an_observation("1920-8", 50, "U/L", on="2024-03-01"),
        an_observation("1742-6", 40, "U/L", on="2024-03-01"),
        an_observation("777-3", 180, "10*3/uL", on="2024-03-01"),
        *more,
    )


def with_fibrillation(*more: Resource, drinks: float | None = 1, **patient: Any) -> tuple[Resource, ...]:
    """An outpatient of 63 with atrial fibrillation, diabetes and a drink a day."""
    habit = () if drinks is None else (an_observation("74013-4", drinks, "{drinks}/d", on="2024-01-10"),)
    return (*an_outpatient(**patient), a_condition("I48.91"), *habit, *more)


def everyone() -> list[tuple[Resource, ...]]:
    """All of them, for what must hold of every model."""
    return [with_liver_tests(), with_fibrillation()]
