"""Made-up patients of a ward whom the scores of a stay can assess, all as of 2024-06-01."""

from tests.builders import Resource, a_condition, a_patient, an_encounter, an_observation
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


def at_discharge(*more: Resource, without: str = "") -> tuple[Resource, ...]:
    """A woman of 63 with diabetes, six nights after an emergency visit became an admission; another in January."""
    resources: tuple[Resource, ...] = (
        an_encounter("EMER", "2024-05-26T03:00:00Z", "2024-05-26T09:00:00Z", id="emergency"),
        an_encounter("IMP", "2024-05-26T09:30:00Z", id="stay"),
        an_encounter("EMER", "2024-01-10T03:00:00Z", "2024-01-10T09:00:00Z", id="earlier-emergency"),
        an_encounter("IMP", "2024-01-10T10:00:00Z", "2024-01-14T12:00:00Z", id="earlier"),
        an_observation("718-7", 10.4, "g/dL", on="2024-05-30T08:00:00Z"),
        an_observation("2951-2", 138, "mmol/L", on="2024-05-30T08:00:00Z"),
        a_condition("E11.9"),
    )
    kept = [resource for resource in resources if not without or without not in str(resource)]
    return (a_patient(), *kept, *more)


def every_inpatient() -> list[tuple[Resource, ...]]:
    """All of them, for what must hold of every model."""
    return [with_suspected_infection(), with_risk_of_thrombosis(), at_discharge()]
