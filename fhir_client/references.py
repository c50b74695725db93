"""Which resources are only pointed at: an order may name its drug by reference."""

from collections.abc import Iterable, Mapping
from typing import Any

_ORDERS = frozenset({"MedicationRequest", "MedicationOrder"})


def medications_pointed_at(resources: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Give the references from medication orders to Medications that are not among the resources, each once.

    Contained ones and those of a Bundle (`#x`, `urn:uuid:`) lead to no server and are left out.
    """
    wanted: dict[str, None] = {}
    present: set[str] = set()
    for resource in resources:
        kind = resource.get("resourceType")
        if kind == "Medication":
            present.add(f"Medication/{resource.get('id')}")
        elif kind in _ORDERS:
            reference = _medication_of(resource)
            if reference is not None:
                wanted[reference] = None
    return tuple(reference for reference in wanted if _plain(reference) not in present)


def _medication_of(order: Mapping[str, Any]) -> str | None:
    concept = order.get("medicationReference")  # STU3 to R4B; R5 has a CodeableReference
    if not isinstance(concept, dict):
        concept = order.get("medication")
        concept = concept.get("reference") if isinstance(concept, dict) else None
    reference = concept.get("reference") if isinstance(concept, dict) else None
    is_elsewhere = isinstance(reference, str) and "Medication/" in reference
    return reference if is_elsewhere else None


def _plain(reference: str) -> str:
    """Give `Medication/1` of an absolute or versioned reference."""
    return "Medication/" + reference.rpartition("Medication/")[2].partition("/")[0]
