"""A type-level search: which resources match, in which order, and which parameters counted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from sandbox.ehr.dates import interval_of_value
from sandbox.ehr.errors import Refused
from sandbox.ehr.parameters import Parameter, matcher, parameters_of, values_at
from sandbox.ehr.store import Resource, Store

PAGE_SIZE: Final = 100
LARGEST_PAGE: Final = 1000
# Understood wherever they come, without a say in what matches.
_SILENT: Final = frozenset({"_format", "_pretty", "_total"})
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Search:
    """A search as the server understood it."""

    kind: str
    understood: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]
    tests: tuple[Callable[[Resource], bool], ...]
    order: tuple[tuple[Parameter, bool], ...]
    patient: str | None
    count: int | None
    counts_only: bool

    def run(self, store: Store) -> list[Resource]:
        """List every match, sorted."""
        found = store.of_type(self.kind) if self.patient is None else store.of_patient(self.kind, self.patient)
        matches = [resource for resource in found if all(test(resource) for test in self.tests)]
        for parameter, descending in reversed(self.order):
            matches = _sorted(matches, parameter, descending=descending)
        return matches


def split_relative(relative: str) -> tuple[str, list[tuple[str, str]]]:
    """Split `Type?a=b` or `Type/id` into its path and its pairs."""
    path, _, query = relative.partition("?")
    return path, parse_qsl(query, keep_blank_values=True)


def read_search(kind: str, pairs: Pairs, *, strict: bool = False) -> Search:
    """Understand a search; what is unknown is left out, or under `strict` refused (Prefer: handling=strict)."""
    known = parameters_of(kind)
    tests: list[Callable[[Resource], bool]] = []
    order: list[tuple[Parameter, bool]] = []
    understood: list[tuple[str, str]] = []
    ignored: list[str] = []
    patient: str | None = None
    count: int | None = None
    counts_only = False
    for name, value in pairs:
        if name == "_count":
            count = _count(value)
        elif name == "_sort":
            order.extend(_order(known, value))
        elif name == "_summary" and value == "count":
            counts_only = True
        elif name in known and value:
            tests.append(matcher(known[name], value))
            if name in ("patient", "subject") and "," not in value and kind != "Patient":
                patient = value.rpartition("/")[2]
        elif name not in _SILENT:
            ignored.append(name)
            continue
        understood.append((name, value))
    if strict and ignored:
        raise Refused(400, "not-supported", "A search parameter is not supported by this server.")
    return Search(
        kind, tuple(understood), tuple(ignored), tuple(tests), tuple(order), patient, count, counts_only
    )  # fmt: skip


def _count(value: str) -> int:
    if not value.isdecimal():
        raise Refused(400, "invalid", "_count needs a whole number.")
    return min(int(value), LARGEST_PAGE)


def _order(known: dict[str, Parameter], value: str) -> list[tuple[Parameter, bool]]:
    order = []
    for part in value.split(","):
        name = part.removeprefix("-")
        if name not in known:
            raise Refused(400, "not-supported", "_sort names a parameter that this server does not know.")
        order.append((known[name], part.startswith("-")))
    return order


def _sorted(matches: list[Resource], parameter: Parameter, *, descending: bool) -> list[Resource]:
    """Sort, keeping the order of equals; what lacks the value comes last either way."""
    keyed = [(_key(resource, parameter), resource) for resource in matches]
    present = sorted((pair for pair in keyed if pair[0] is not None), key=lambda pair: pair[0], reverse=descending)
    return [resource for _, resource in present] + [resource for key, resource in keyed if key is None]


def _key(resource: Resource, parameter: Parameter) -> Any:
    for path in parameter.paths:
        for value in values_at(resource, path):
            if parameter.kind == "date":
                found = interval_of_value(value)
                if found is not None:
                    # A period that began and goes on sorts by its beginning.
                    return found.start if found.start > _LONG_AGO else found.end
            elif isinstance(value, str):
                return value
            elif isinstance(value, dict):
                coding = (value.get("coding") or [value])[0]
                return str(coding.get("code") or coding.get("reference") or "")
    return None
