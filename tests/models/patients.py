"""Made-up patients whom the scores of one field can assess, all as of 2024-06-01; nobody else fits those scores."""

from typing import Any

from tests.builders import Resource, a_condition, a_patient, an_observation
from tests.models.charts import an_inpatient, an_outpatient


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


def with_pneumonia(*more: Resource, without: str = "") -> tuple[Resource, ...]:
    """A woman of 63 on a ward with a pneumonia: alert, 22 breaths, 118/70, BUN 21."""
    resources: tuple[Resource, ...] = (
        a_condition("J18.9", onset="2024-05-30"),
        an_observation("3094-0", 21, "mg/dL", on="2024-05-31T20:00:00Z"),
    )
    kept = [resource for resource in resources if not without or without not in str(resource)]
    return (*an_inpatient(without=without), *kept, *more)


def with_cirrhosis(*more: Resource, without: str = "", **patient: Any) -> tuple[Resource, ...]:
    """An outpatient of 63 with cirrhosis and what MELD asks for, drawn in one day."""
    resources: tuple[Resource, ...] = (
        a_condition("K74.60"),
        an_observation("1975-2", 3.0, "mg/dL", on="2024-05-20T08:00:00Z"),
        an_observation("6301-6", 1.8, "{INR}", on="2024-05-20T08:00:00Z"),
        an_observation("2160-0", 1.6, "mg/dL", on="2024-05-20T08:00:00Z"),
        an_observation("2951-2", 130, "mmol/L", on="2024-05-20T08:00:00Z"),
        an_observation("1751-7", 2.8, "g/dL", on="2024-05-20T08:00:00Z"),
    )
    kept = [resource for resource in resources if not without or without not in str(resource)]
    return (*an_outpatient(without=without, **patient), *kept, *more)


def with_a_tracing(*more: Resource, without: str = "") -> tuple[Resource, ...]:
    """An outpatient of 63 with a QT interval of 400 ms at a rate of 75."""
    resources: tuple[Resource, ...] = (
        an_observation("8634-8", 400, "ms", on="2024-05-10T09:00:00Z"),
        an_observation("8867-4", 75, "/min", on="2024-05-10T09:00:00Z"),
    )
    kept = [resource for resource in resources if not without or without not in str(resource)]
    return (*an_outpatient(), *kept, *more)


def with_creatinines(*series: tuple[str, float], more: tuple[Resource, ...] = ()) -> tuple[Resource, ...]:
    """A woman of 63 with these creatinines, in mg/dL: 0.8 for long, 1.3 now, unless others are given."""
    given = series or (("2024-01-10T08:00:00Z", 0.8), ("2024-05-30T08:00:00Z", 1.3))
    return (a_patient(), *(an_observation("2160-0", value, "mg/dL", on=at) for at, value in given), *more)


def everyone() -> list[tuple[Resource, ...]]:
    """All of them, for what must hold of every model."""
    return [
        with_liver_tests(),
        with_fibrillation(),
        with_pneumonia(),
        with_cirrhosis(),
        with_a_tracing(an_observation("29463-7", 70, "kg", on="2024-03-01")),
        with_creatinines(),
    ]
