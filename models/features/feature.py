"""Feature: one named model input; what to ask for, how to read it, and what is refused."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from fhir_client.record import PatientRecord
from fhir_client.search import Search
from models.assessment import Missing, Reading
from models.site import Site

Read = Callable[[PatientRecord, Site], Reading | Missing]


class Kind(StrEnum):
    """What a value is: a quantity has a unit and a plausible range, a choice a list of words."""

    QUANTITY = "quantity"
    COUNT = "count"
    TRUTH = "truth"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Feature:
    """One named input: `egfr_ml_min_1_73m2`. The unit is in the name for programs, in `unit` (UCUM) for people.

    `analyte` (creatinine, cholesterol, ...) allows conversion between mass and molar units; `plausible` bounds are
    inclusive unless `above_zero`; `searches` are what to ask about the patient; `read` is None for an input that
    no chart provides. `required` False: the model has a defined meaning for its absence.
    """

    name: str
    label: str
    kind: Kind
    unit: str = ""
    analyte: str | None = None
    plausible: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    required: bool = True
    searches: tuple[Search, ...] = ()
    read: Read | None = None
