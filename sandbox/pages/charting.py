"""Reads a patient's resources into what the chart page shows."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from sandbox.ehr.charts import Charts
from sandbox.ehr.dates import interval_of
from sandbox.ehr.errors import Refused
from sandbox.ehr.store import Resource

_MOST_POINTS: Final = 60
_ORDER_TYPES: Final = ("ServiceRequest", "Task", "Appointment", "CommunicationRequest", "DeviceRequest")


def chart_of(charts: Charts, patient: str, now: datetime) -> dict[str, Any]:
    """Gather and simplify one chart; what a server cannot give is an empty part, and named in `unavailable`."""
    unavailable: list[str] = []

    def entries(kind: str) -> list[Resource]:
        try:
            bundle = charts.whole(f"{kind}?patient={patient}")
        except Refused as refused:
            # A type that this server has none of is empty; anything else was not read.
            if refused.code != "not-supported":
                unavailable.append(kind)
            return []
        return [entry["resource"] for entry in bundle.get("entry", ()) if entry["resource"]["resourceType"] == kind]

    return {
        "patient": _demographics(charts.ask(f"Patient/{patient}"), now),
        "encounters": [_encounter(r) for r in _newest_first(entries("Encounter"), "period")],
        "problems": [_condition(r) for r in _newest_first(entries("Condition"), "recordedDate")],
        "medications": [_medication(r) for r in _newest_first(entries("MedicationRequest"), "authoredOn")],
        "allergies": [words(r.get("code")) for r in entries("AllergyIntolerance")],
        "orders": [_order(r) for kind in _ORDER_TYPES for r in _newest_first(entries(kind), "authoredOn")],
        "results": _results(entries("Observation")),
        "unavailable": unavailable,
    }


def _demographics(patient: Resource, now: datetime) -> dict[str, Any]:
    names = patient.get("name") or [{}]
    born = patient.get("birthDate")
    return {
        "id": patient["id"],
        "name": names[0].get("text") or " ".join([*names[0].get("given", ()), names[0].get("family", "")]).strip(),
        "sex": patient.get("gender", "unknown"),
        "born": born or "unknown",
        "age": _age(born, now),
        "deceased": patient.get("deceasedDateTime", patient.get("deceasedBoolean", False)),
    }


def _age(born: str | None, now: datetime) -> str:
    found = interval_of(born) if born else None
    if found is None:
        return "age unknown"
    oldest = _years(found.start, now)
    youngest = _years(found.end, now)
    return (
        f"{oldest} years"
        if oldest == youngest or len(born or "") == len("2020-01-01")
        else f"{youngest}-{oldest} years"
    )


def _years(since: datetime, now: datetime) -> int:
    return now.year - since.year - ((now.month, now.day) < (since.month, since.day))


def _encounter(encounter: Resource) -> dict[str, Any]:
    return {
        "id": encounter["id"],
        "kind": encounter.get("class", {}).get("code", ""),
        "status": encounter.get("status", ""),
        "start": encounter.get("period", {}).get("start", ""),
        "end": encounter.get("period", {}).get("end", ""),
    }


def _condition(condition: Resource) -> dict[str, Any]:
    verification = _first_code(condition.get("verificationStatus"))
    return {
        "text": words(condition.get("code")),
        "code": _first_code(condition.get("code")),
        "status": verification
        if verification not in ("", "confirmed")
        else _first_code(condition.get("clinicalStatus")),
        "since": condition.get("onsetDateTime", condition.get("recordedDate", "")),
    }


def _medication(medication: Resource) -> dict[str, Any]:
    return {
        "text": words(medication.get("medicationCodeableConcept")) or _reference(medication, "medicationReference"),
        "status": medication.get("status", ""),
        "since": medication.get("authoredOn", ""),
    }


def _order(order: Resource) -> dict[str, Any]:
    return {
        "kind": order["resourceType"],
        "text": words(order.get("code")) or order.get("description", ""),
        "status": order.get("status", ""),
        "since": order.get("authoredOn", order.get("meta", {}).get("lastUpdated", "")),
    }


def _results(observations: list[Resource]) -> list[dict[str, Any]]:
    """Group results by what was measured, each group oldest first and cut to the newest."""
    groups: dict[str, dict[str, Any]] = {}
    for observation in _newest_first(observations, "effectiveDateTime"):
        for part, inner in _parts(observation):
            name = words(inner.get("code"))
            category = _first_code((observation.get("category") or [{}])[0])
            group = groups.setdefault(name, {"name": name, "category": category, "points": []})
            if len(group["points"]) < _MOST_POINTS:
                group["points"].insert(0, _point(observation, part, inner))
    return list(groups.values())


def _parts(observation: Resource) -> Iterator[tuple[str, Resource]]:
    """Yield the observation, or the components of a panel."""
    components = observation.get("component", [])
    if not components:
        yield observation["id"], observation
    for place, component in enumerate(components):
        yield f"{observation['id']}#{place}", component


def _point(observation: Resource, part: str, inner: Resource) -> dict[str, Any]:
    quantity = inner.get("valueQuantity", {})
    return {
        "id": part,
        "time": observation.get("effectiveDateTime", observation.get("effectivePeriod", {}).get("start", "")),
        "number": quantity.get("value"),
        "text": _value(inner),
        "status": observation.get("status", ""),
    }


def _value(inner: Resource) -> str:
    if "valueQuantity" in inner:
        quantity = inner["valueQuantity"]
        unit = quantity.get("unit") or quantity.get("code") or "(no unit)"
        number = quantity.get("value", "")
        return f"{quantity.get('comparator', '')}{round(number, 3) if isinstance(number, float) else number} {unit}"
    if "valueCodeableConcept" in inner:
        return words(inner["valueCodeableConcept"])
    if "dataAbsentReason" in inner:
        return f"absent: {words(inner['dataAbsentReason'])}"
    return next((str(value) for key, value in inner.items() if key.startswith("value")), "")


def _newest_first(resources: list[Resource], element: str) -> list[Resource]:
    def key(resource: Resource) -> str:
        value = resource.get(element, "")
        return str(value.get("start", "") if isinstance(value, dict) else value)

    return sorted(resources, key=key, reverse=True)


def words(concept: Any) -> str:
    """Give what a CodeableConcept says, in words or else by code."""
    if not isinstance(concept, dict):
        return ""
    codings = concept.get("coding") or [{}]
    return str(concept.get("text") or codings[0].get("display") or codings[0].get("code") or "")


def _first_code(concept: Any) -> str:
    return str((concept.get("coding") or [{}])[0].get("code", "")) if isinstance(concept, dict) else ""


def _reference(resource: Resource, name: str) -> str:
    found = resource.get(name, {})
    return str(found.get("display") or found.get("reference") or "")
