"""SMART scopes of both generations: `user/Observation.read`, `patient/*.rs`, `user/Observation.rs?category=…`."""

import re
from dataclasses import dataclass

_SCOPE = re.compile(r"(patient|user|system)/(\*|[A-Z][A-Za-z]*)\.(read|write|\*|c?r?u?d?s?)(?:\?(.+))?", re.ASCII)
_FIRST_GENERATION = {"read": "rs", "write": "cud", "*": "cruds"}


@dataclass(frozen=True, slots=True)
class Scope:
    """What may be done with one type of resource: letters of `cruds`; a query narrows it further."""

    compartment: str
    resource_type: str
    permissions: frozenset[str]
    query: str | None = None

    def allows(self, resource_type: str, permission: str) -> bool:
        """True if it lets us, say, search ("s") Observations; perhaps only those that its query admits."""
        return self.resource_type in {"*", resource_type} and permission in self.permissions


def parse_scopes(text: str) -> tuple[Scope, ...]:
    """The scopes on resources, in order; `openid`, `launch` and words we do not know are passed over (ACC-4)."""
    found = (_SCOPE.fullmatch(word) for word in text.split())
    return tuple(
        Scope(compartment, resource_type, frozenset(_FIRST_GENERATION.get(letters, letters)), query)
        for compartment, resource_type, letters, query in (match.groups() for match in found if match is not None)
        if letters
    )
