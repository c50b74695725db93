"""Which resources are only pointed at: an order may name its drug by reference."""

from collections.abc import Iterable

from fhir_client.elements import Resource, local_reference
from fhir_client.versions import DRUG_ORDERS, medication


def medications_pointed_at(resources: Iterable[Resource]) -> tuple[str, ...]:
    """Give the references from orders to Medications that are not among the resources, each once.

    Contained ones and those of a Bundle (`#x`, `urn:uuid:`) lead to no server and are left out.
    """
    wanted: dict[str, None] = {}
    present: set[str] = set()
    for resource in resources:
        kind = resource.get("resourceType")
        if kind == "Medication":
            present.add(f"Medication/{resource.get('id')}")
        elif kind in DRUG_ORDERS and ("medicationReference" in resource or "medication" in resource):
            pointer = medication(resource)[1]
            if pointer is not None and local_reference(pointer).startswith("Medication/"):
                wanted[pointer] = None
    return tuple(pointer for pointer in wanted if local_reference(pointer) not in present)
