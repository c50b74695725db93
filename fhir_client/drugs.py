"""Orders for drugs read as facts: which drug it is, and whether the order holds."""

from collections.abc import Callable
from typing import Final

from fhir_client import versions
from fhir_client.codes import Code
from fhir_client.dosages import instructions
from fhir_client.elements import (
    Resource,
    codings,
    concept_text,
    is_modified,
    local_reference,
    mappings,
    reference,
    source,
    text_of,
)
from fhir_client.facts import Medication
from fhir_client.medications import ingredients
from fhir_client.resources import ENTERED_IN_ERROR, Horizon

# The intents that are no order: someone's suggestion, or one of several to choose from. A `plan` stays: US Core uses it
# for what the patient reports to take.
_NOT_ORDERED: Final = frozenset({"proposal", "option"})

# A mixture that is written out has a dozen parts; ten thousand of ten thousand each would never be read to their end.
_MOST_PARTS: Final = 100

Resolve = Callable[[str], Resource | None]


def order_state(resource: Resource, horizon: Horizon) -> bool | None:
    """Tell whether an order for a drug is active; None where it is no fact: an error, a prohibition, not yet written.

    Active means status `active` and an intent that is an order or a plan. The end of a dispense or of its validity does
    not end the order: the status does. It is the status at the time of reading, since FHIR keeps no older ones.
    """
    status = resource.get("status")
    if status == ENTERED_IN_ERROR or versions.is_prohibition(resource) or horizon.hides(versions.authored_at(resource)):
        return None
    return status == "active" and text_of(resource.get("intent")) not in _NOT_ORDERED


def order_entry(
    resource: Resource, horizon: Horizon, resolve: Resolve
) -> tuple[frozenset[str] | None, bool, Resource] | None:
    """Give an order's ingredients and whether it is active, with the order; None where it is no fact."""
    if versions.is_plain_order(resource, horizon.day_before):
        return ingredients(codings(resource["medicationCodeableConcept"])), True, resource
    is_active = order_state(resource, horizon)
    return None if is_active is None else (ordered_ingredients(resource, resolve), is_active, resource)


def ordered_ingredients(resource: Resource, resolve: Resolve) -> frozenset[str] | None:
    """Give the RxNorm ingredients of an order's drug, None where it does not resolve."""
    if is_modified(resource):
        return None
    concept, pointer, _ = versions.medication(resource)
    drugs = ingredients(codings(concept))
    return drugs if drugs is not None or pointer is None else _drug(resource, resolve)[1]


def read_medication(resource: Resource, horizon: Horizon, resolve: Resolve) -> Medication | None:
    """Read an order for a drug that was not entered in error and does not forbid the drug."""
    is_active = order_state(resource, horizon)
    if is_active is None:
        return None
    codes, drugs, text = _drug(resource, resolve)
    origin = source(resource, text_of(resource.get("resourceType")) or "MedicationRequest")
    return Medication(
        origin,
        codes,
        is_active,
        drugs,
        versions.authored_at(resource),
        text,
        dosage=instructions(resource),
        replaces=_replaced(resource),
    )


def _replaced(resource: Resource) -> str | None:
    pointer = reference(resource.get("priorPrescription"))
    return None if pointer is None else local_reference(pointer)


def _drug(resource: Resource, resolve: Resolve) -> tuple[tuple[Code, ...], frozenset[str] | None, str]:
    """Read which drug an order is for: coded in it, or in a Medication that it points at."""
    if is_modified(resource):
        return (), None, ""
    concept, pointer, display = versions.medication(resource)
    codes, text = codings(concept), concept_text(concept) or display
    drugs = ingredients(codes)
    product = None if pointer is None else _pointed_at(pointer, resource, resolve)
    if product is not None and not is_modified(product):
        of_product = codings(product.get("code"))
        codes, text = codes + of_product, text or concept_text(product.get("code"))
        drugs = drugs or ingredients(of_product) or _mixed(product, resource, resolve, depth=1)
    return codes, drugs, text


def _mixed(product: Resource, resource: Resource, resolve: Resolve, *, depth: int) -> frozenset[str] | None:
    """Read what a Medication is made of; None unless every part resolves. Depth: a mixture of mixtures, no deeper."""
    found: set[str] = set()
    parts = mappings(product.get("ingredient"))
    if len(parts) > _MOST_PARTS:
        return None
    for part in parts:
        concept, pointer = versions.ingredient(part)
        drugs = ingredients(codings(concept))
        inner = None if drugs is not None or pointer is None else _pointed_at(pointer, resource, resolve)
        if inner is not None and not is_modified(inner):
            drugs = ingredients(codings(inner.get("code")))
            if drugs is None and depth > 0:
                drugs = _mixed(inner, resource, resolve, depth=depth - 1)
        if drugs is None:
            return None
        found |= drugs
    return frozenset(found) or None


def _pointed_at(pointer: str, resource: Resource, resolve: Resolve) -> Resource | None:
    """Find what a reference inside the resource means: `#x` is contained in the resource itself."""
    if not pointer.startswith("#"):
        return resolve(pointer)
    contained = mappings(resource.get("contained"))
    return next((item for item in contained if item.get("id") in (pointer[1:], pointer)), None)
