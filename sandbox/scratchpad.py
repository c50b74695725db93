"""Order entry of one patient: drafts and a new allergy that are not in the chart, until they are signed or saved."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from sandbox.client import HOOKS, Entered
from sandbox.ehr.errors import Refused
from sandbox.ehr.ordering import Action, apply, target_of
from sandbox.ehr.store import Resource, Store

_ORDERS: Final = ("MedicationRequest", "ServiceRequest")
_ALLERGY: Final = "AllergyIntolerance"
# What a suggestion creates while it is entered is entered, too: it is signed or saved with the rest.
_ENTERED: Final = {"drafts": _ORDERS, "allergy": (_ALLERGY,)}


def reference_of(resource: Resource) -> str:
    """Name a resource as `Type/id`."""
    return f"{resource['resourceType']}/{resource['id']}"


class Scratchpad:
    """What somebody has entered for one patient. Safe to use from several threads, as its store is."""

    def __init__(self, now: Callable[[], datetime], entered: Entered) -> None:
        self._store = Store(now)
        # Which draft came when: a store keeps each type by itself.
        self._places: dict[str, int] = {}
        for each in (*entered.drafts, *([entered.allergy] if entered.allergy is not None else [])):
            self.add(each)

    @property
    def drafts(self) -> list[Resource]:
        """List the draft orders in the order in which they were entered."""
        found = [draft for kind in _ORDERS for draft in self._store.of_type(kind)]
        return sorted(found, key=lambda draft: self._places[reference_of(draft)])

    @property
    def allergy(self) -> Resource | None:
        """Give the entry that is not saved yet."""
        return next(iter(self._store.of_type(_ALLERGY)), None)

    def entered(self, picked: str | None = None) -> Entered:
        """Give what a hook is fired with; raise Refused where the picked draft is gone."""
        if picked is not None and not self._holds(picked):
            raise Refused(404, "not-found", "That draft is not here any more.")
        return Entered(tuple(self.drafts), () if picked is None else (picked,), self.allergy)

    def add(self, resource: Resource) -> Resource:
        """Enter an order, or the allergy in place of the one that stands there."""
        if resource["resourceType"] == _ALLERGY:
            self._clear(_ALLERGY)
        return self._placed(self._store.put(resource))

    def remove(self, reference: str) -> None:
        """Take a draft out."""
        kind, _, identity = reference.partition("/")
        self._store.delete(kind, identity)

    def apply(self, chart: Store | None, actions: Sequence[Action], hook: str) -> list[str] | None:
        """Carry out a suggestion on what is entered and on the chart, all or nothing, and say what changed.

        None where a chart that is read only would have to change; then nothing has.
        """
        mine = [action for action in actions if self._is_mine(action, hook)]
        others = [action for action in actions if action not in mine]
        if others and chart is None:
            return None

        def changes(within: Store) -> list[Resource]:
            entered = [self._placed(each) for each in apply(within, mine)]
            charted = apply(chart, others) if chart is not None and others else []
            said.extend(f"{reference_of(each)} among the drafts" for each in entered)
            said.extend(f"{reference_of(each)} in the chart" for each in charted)
            return entered

        said: list[str] = []
        self._store.transact(changes)
        return said + [f"{target_of(action)} removed" for action in actions if action.get("type") == "delete"]

    def sign(self, chart: Store) -> list[Resource]:
        """Put all drafts into the chart as active orders."""
        return self._settle(chart, self.drafts, {"status": "active"})

    def save_allergy(self, chart: Store) -> list[Resource]:
        """Put the new entry into the chart's allergy list."""
        return self._settle(chart, [] if self.allergy is None else [self.allergy], {})

    def _settle(self, chart: Store, entries: Sequence[Resource], changed: dict[str, Any]) -> list[Resource]:
        placed = [chart.put({**_without_version(entry), **changed}) for entry in entries]
        for entry in entries:
            self.remove(reference_of(entry))
        return placed

    def _is_mine(self, action: Action, hook: str) -> bool:
        if action.get("type") == "create":
            resource = action.get("resource")
            kind = resource.get("resourceType") if isinstance(resource, dict) else None
            return kind in _ENTERED.get(HOOKS[hook], ())
        if action.get("type") == "delete":
            return self._holds(target_of(action))
        resource = action.get("resource")
        return isinstance(resource, dict) and self._holds(f"{resource.get('resourceType')}/{resource.get('id')}")

    def _holds(self, reference: str) -> bool:
        kind, _, identity = reference.partition("/")
        return self._store.holds(kind, identity)

    def _placed(self, resource: Resource) -> Resource:
        self._places.setdefault(reference_of(resource), len(self._places))
        return resource

    def _clear(self, kind: str) -> None:
        for each in self._store.of_type(kind):
            self._store.delete(kind, each["id"])


def _without_version(resource: Resource) -> Resource:
    # The chart counts versions of its own.
    return {name: value for name, value in resource.items() if name != "meta"}
