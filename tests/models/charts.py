"""Made-up charts that a model can assess, to be changed one thing at a time."""

from typing import Any

from fhir_client.codes import LOINC, Code
from tests.builders import (
    Resource,
    a_blood_pressure,
    a_condition,
    a_medication,
    a_patient,
    an_encounter,
    an_observation,
)

EGFR_UNIT = "mL/min/{1.73_m2}"
NEVER_SMOKED = Code("http://snomed.info/sct", "266919005")
SMOKES_DAILY = Code("http://snomed.info/sct", "449868002")
ALERT = Code(LOINC, "LA9340-6")


def an_outpatient(*more: Resource, without: str = "", **patient: Any) -> tuple[Resource, ...]:
    """Everything PREVENT and KFRE ask for, of a woman of 63 on 2024-06-01; `without` leaves a code out."""
    resources: tuple[Resource, ...] = (
        an_observation("2093-3", 200, "mg/dL", on="2024-03-01"),
        an_observation("2085-9", 50, "mg/dL", on="2024-03-01"),
        a_blood_pressure(140, 85, on="2024-05-01T09:00:00Z"),
        a_blood_pressure(130, 80, on="2024-02-01T09:00:00Z"),
        a_medication("17767"),
        a_condition("E11.9"),
        an_observation("72166-2", NEVER_SMOKED, on="2023-01-01"),
        an_observation("39156-5", 31, "kg/m2", on="2023-09-01"),
        an_observation("2160-0", 1.4, "mg/dL", on="2024-03-01"),
        an_observation("9318-7", 120, "mg/g", on="2023-09-01"),
    )
    kept = [resource for resource in resources if not without or without not in str(resource)]
    return (a_patient(**patient), *kept, *more)


def an_inpatient(*more: Resource, at: str = "2024-05-31T22:00:00Z", without: str = "") -> tuple[Resource, ...]:
    """One full observation set of a woman of 63 on a ward, two hours old at midnight before 2024-06-01."""
    resources: tuple[Resource, ...] = (
        an_observation("9279-1", 22, "/min", on=at),
        an_observation("59408-5", 95, "%", on=at),
        an_observation("3151-8", 2, "L/min", on=at),
        a_blood_pressure(118, 70, on=at),
        an_observation("8867-4", 96, "/min", on=at),
        an_observation("67775-7", ALERT, on=at),
        an_observation("8310-5", 37.8, "Cel", on=at),
    )
    kept = [resource for resource in resources if not without or without not in str(resource)]
    return (a_patient(), an_encounter("IMP", start="2024-05-30T08:00:00Z"), *kept, *more)
