"""What a user is about to order or enter: read as facts are, and never among the recorded ones."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final, TypeVar

from fhir_client import versions
from fhir_client.allergies import read_allergy
from fhir_client.drugs import read_medication
from fhir_client.elements import Resource, mapping, source, text_of
from fhir_client.facts import Allergy, Medication, Order
from fhir_client.pointers import Pointers
from fhir_client.resources import Horizon, read_order
from fhir_client.times import FOREVER
from fhir_client.versions import DRUG_ORDERS, SERVICE_ORDERS

# A draft is being written now: its client's clock may be ahead of ours, and that must not hide it.
_ANY_TIME: Final = Horizon.at(FOREVER)
_Fact = TypeVar("_Fact")


class Drafts:
    """The drafts of one call, in their order, each read once; `selected` are those that are asked about, None for all.

    What a draft points at is looked for among the drafts first, then inside the draft, then in the record (HOOK-4).
    """

    def __init__(
        self,
        resources: tuple[Mapping[str, Any], ...],
        selected: tuple[Mapping[str, Any], ...] | None,
        pointers: Pointers,
    ) -> None:
        """Read nothing yet."""
        self._resources: Final = [mapping(each) for each in resources]
        self._selected: Final = selected
        self._pointers: Final = pointers

    @cached_property
    def allergies(self) -> tuple[Allergy, ...]:
        """Give the allergies, active or not."""
        return self._read("AllergyIntolerance", read=lambda draft: read_allergy(draft, _ANY_TIME))

    @cached_property
    def medications(self) -> tuple[Medication, ...]:
        """Give the orders for drugs. One that ends an order (stopped, cancelled, completed) orders nothing."""
        return self._read(*DRUG_ORDERS, read=self._medication)

    @cached_property
    def orders(self) -> tuple[Order, ...]:
        """Give the orders for tests and services."""
        return self._read(*SERVICE_ORDERS, read=lambda draft: read_order(draft, _ANY_TIME))

    @cached_property
    def superseded(self) -> frozenset[str]:
        """Name the drug orders that hold no longer once the drafts are signed: `MedicationRequest/1`.

        A draft with the id of an order is that order, changed or ended; one can also name the order it replaces.
        """
        drafts = ((draft, draft.get("resourceType")) for draft in self._resources)
        changed = {source(draft, kind).reference for draft, kind in drafts if kind in DRUG_ORDERS}
        replaced = {draft.replaces for draft in self.medications if draft.replaces is not None}
        return frozenset(name for name in changed | replaced if "/" in name)

    def is_asked_about(self, reference: str) -> bool:
        """Tell whether advice is to be about this draft: the others are what it is to be seen beside (OSEL-1)."""
        return self._asked_about is None or reference in self._asked_about

    def as_sent(self, reference: str) -> Resource | None:
        """Give a draft as it was sent; None if it has no id."""
        if "/" not in reference:
            return None
        return next((each for each in self._resources if _reference(each) == reference), None)

    @cached_property
    def _asked_about(self) -> frozenset[str] | None:
        return None if self._selected is None else frozenset(_reference(each) for each in self._selected)

    @cached_property
    def _by_name(self) -> Mapping[str, Resource]:
        in_turn = reversed(self._resources)  # of two with one name the first counts
        return {f"{draft.get('resourceType')}/{draft.get('id')}": draft for draft in in_turn}

    def _read(self, *kinds: str, read: Callable[[Resource], _Fact | None]) -> tuple[_Fact, ...]:
        drafts = (draft for draft in self._resources if draft.get("resourceType") in kinds)
        return tuple(fact for draft in drafts if (fact := read(draft)) is not None)

    def _medication(self, draft: Resource) -> Medication | None:
        return None if versions.is_ended_order(draft) else read_medication(draft, _ANY_TIME, self._resolve)

    def _resolve(self, pointer: str) -> Resource | None:
        drafted = self._by_name.get(self._pointers.local(pointer, "Medication") or "")
        return self._pointers.resolve(pointer) if drafted is None else drafted


def _reference(draft: Mapping[str, Any]) -> str:
    return source(draft, text_of(draft.get("resourceType")) or "").reference
