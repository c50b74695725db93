"""Made-up patients of a ward whom the scores of a stay can assess, all as of 2024-06-01."""

from tests.builders import Resource, a_condition, an_observation
from tests.models.charts import an_inpatient

BLOOD = "2024-05-31T20:00:00Z"


def with_suspected_infection(*more: Resource, without: str = "") -> tuple[Resource, ...]:
    """A woman of 63 on a ward: coma score 14, 22 breaths, 118/70, 37.8 Cel, rate 96, 13 white cells, 4 % bands."""
    resources: tuple[Resource, ...] = (
        an_observation("9269-2", 14, "{score}", on="2024-05-31T22:00:00Z"),
        an_observation("6690-2", 13, "10*3/uL", on=BLOOD),
        an_observation("26508-2", 4, "%", on=BLOOD),
    )
    kept = [resource for resource in resources if not without or without not in str(resource)]
    return (*an_inpatient(without=without), *kept, *more)


def with_risk_of_thrombosis(*more: Resource, without: str = "") -> tuple[Resource, ...]:
    """A woman of 63 on a ward, in bed since a broken hip this month, BMI 31."""
    resources: tuple[Resource, ...] = (
        a_condition("Z74.01", onset="2024-05-20"),
        a_condition("S72.001A", onset="2024-05-20"),
        an_observation("39156-5", 31, "kg/m2", on="2024-05-20"),
    )
    kept = [resource for resource in resources if not without or without not in str(resource)]
    return (*an_inpatient(), *kept, *more)


def every_inpatient() -> list[tuple[Resource, ...]]:
    """All of them, for what must hold of every model."""
    return [with_suspected_infection(), with_risk_of_thrombosis()]
