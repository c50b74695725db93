"""What the features ask of a FHIR server: one search a key, whichever models need it."""

from fhir_client.search import Search
from models.concepts import concept

PATIENT = Search("patient", "Patient")
CONDITIONS = Search("conditions", "Condition", parameters=(("_count", "200"),))
MEDICATIONS = Search("medications", "MedicationRequest", parameters=(("status", "active"), ("_count", "200")))
# Neither status is asked for: a client may know no search by it, and what is over or refuted is told by the row.
ALLERGIES = Search("allergies", "AllergyIntolerance", parameters=(("_count", "200"),))
ENCOUNTERS = Search("encounters", "Encounter", parameters=(("_sort", "-date"), ("_count", "50")))
SERVICE_ORDERS = Search("service-orders", "ServiceRequest", parameters=(("_sort", "-authored"), ("_count", "100")))

_NEWEST_FIRST = (("_sort", "-date"), ("_count", "200"))


def laboratory(*concepts: str) -> Search:
    """Ask for laboratory results, newest first."""
    return _observations("laboratory", concepts)


def vital_signs(*concepts: str) -> Search:
    """Ask for vital signs, newest first; a panel is asked for where the concept has one."""
    return _observations("vital-signs", concepts)


def social_history(*concepts: str) -> Search:
    """Ask for answers about the patient's life, newest first."""
    return _observations("social-history", concepts)


def _observations(key: str, concepts: tuple[str, ...]) -> Search:
    codes = sorted({code for name in concepts for code in concept(name).searched})
    return Search(key, "Observation", tuple(codes), _NEWEST_FIRST)
