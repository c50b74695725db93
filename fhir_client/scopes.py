"""SMART system scopes: what a job asks for, and whether what was granted covers it."""

import re
from collections.abc import Collection
from dataclasses import dataclass

_GRANTED = re.compile(r"system/([A-Za-z]+|\*)\.([a-z]+|\*)(?:\?(.*))?")
_READS = frozenset("rs")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Read and search of one resource type; `query` narrows it where the server knows SMART 2 (FHIR-30)."""

    resource_type: str
    query: str | None = None

    def scope(self, *, version_2: bool) -> str:
        """Give the scope to ask for; version 1 has no query, and one word for read and search."""
        if not version_2:
            return f"system/{self.resource_type}.read"
        return f"system/{self.resource_type}.rs" + (f"?{self.query}" if self.query else "")

    def is_covered(self, granted: str) -> bool:
        """Tell whether one granted scope holds all of this."""
        match = _GRANTED.fullmatch(granted)
        if match is None or match[1] not in ("*", self.resource_type):
            return False
        permissions = _READS if match[2] in ("*", "read") else frozenset(match[2])
        return permissions >= _READS and match[3] in (None, self.query)


def asked(wanted: Collection[Wanted], *, version_2: bool) -> str:
    """Give the `scope` parameter: no more than what is wanted, always in the same order."""
    return " ".join(sorted({one.scope(version_2=version_2) for one in wanted}))


def missing(wanted: Collection[Wanted], granted: str) -> tuple[str, ...]:
    """Give the types that the granted scopes do not cover (FHIR-31)."""
    scopes = granted.split()
    return tuple(sorted({one.resource_type for one in wanted if not any(map(one.is_covered, scopes))}))
