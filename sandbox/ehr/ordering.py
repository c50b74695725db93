"""Puts the actions of an accepted suggestion into the chart, as one transaction."""

from collections.abc import Sequence
from typing import Any

from sandbox.ehr.errors import Refused
from sandbox.ehr.loading import pointed
from sandbox.ehr.store import Resource, Store

Action = dict[str, Any]


def apply(store: Store, actions: Sequence[Action]) -> list[Resource]:
    """Carry out deletes, then creates, then updates (FHIR's transaction order); all or, with Refused, none."""

    def changes(within: Store) -> list[Resource]:
        for action in _of_type(actions, "delete"):
            kind, _, identity = target_of(action).partition("/")
            within.read(kind, identity)
            within.delete(kind, identity)
        created = [within.add(_resource(action)) for action in _of_type(actions, "create")]
        targets = _targets(actions, created)
        settled = [within.put(pointed(resource, targets)) for resource in created] if targets else created
        return settled + [_update(within, pointed(_resource(a), targets)) for a in _of_type(actions, "update")]

    return store.transact(changes)


def _of_type(actions: Sequence[Action], kind: str) -> list[Action]:
    return [action for action in actions if action.get("type") == kind]


def _resource(action: Action) -> Resource:
    resource = action.get("resource")
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        raise Refused(422, "structure", "An action brings no resource.")
    return resource


def target_of(action: Action) -> str:
    """Name what a delete action removes, or raise Refused."""
    # CDS Hooks 1.0 wrote the id as a string into `resource`.
    target = action.get("resourceId", action.get("resource"))
    if not isinstance(target, str) or target.count("/") != 1:
        raise Refused(422, "structure", "A delete action names no resource.")
    return target


def _targets(actions: Sequence[Action], created: Sequence[Resource]) -> dict[str, str]:
    """Map the temporary ids that created resources were sent with to where they are now."""
    targets: dict[str, str] = {}
    for action, stored in zip(_of_type(actions, "create"), created, strict=True):
        temporary = action["resource"].get("id")
        if temporary:
            kind = stored["resourceType"]
            targets[f"{kind}/{temporary}"] = targets[f"urn:uuid:{temporary}"] = f"{kind}/{stored['id']}"
    return targets


def _update(store: Store, resource: Resource) -> Resource:
    current = store.read(resource["resourceType"], resource.get("id", ""))
    version = resource.get("meta", {}).get("versionId")
    if version is not None and version != current["meta"]["versionId"]:
        raise Refused(409, "conflict", "The resource has changed since the card was made.")
    return store.put(resource)
