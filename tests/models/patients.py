"""Made-up patients whom the scores of one field can assess, all as of 2024-06-01; nobody else fits those scores."""

from tests.builders import Resource, an_observation
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


def everyone() -> list[tuple[Resource, ...]]:
    """All of them, for what must hold of every model."""
    return [with_liver_tests()]
