"""A whole chart from a file, and what happened in it when: stays, orders as they were signed, drafts that never were.

A record made of it as of some moment leaves out what came later. FHIR keeps no history of a status: an order that is
over today counts as over before, too.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from fhir_client import versions
from fhir_client.bundles import contents, patients_in
from fhir_client.elements import Resource, codings, local_reference, mapping, mappings, source, text_of
from fhir_client.rows import Rows
from fhir_client.search import Search
from fhir_client.times import BEGINNING, FOREVER, Interval

_ORDERS: Final = (*versions.DRUG_ORDERS, *versions.SERVICE_ORDERS)
_DRAFT: Final = "draft"
# Recorded by mistake, or a wish of somebody else: nobody signed it here.
_NEVER_SIGNED: Final = frozenset({"entered-in-error", "unknown", _DRAFT})
_LEAST: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Stay:
    """A contact with its kind (ActCode) and its two ends, where they are known."""

    id: str
    kind: str | None
    began: datetime | None
    ended: datetime | None


@dataclass(frozen=True, slots=True)
class Signing:
    """Orders that were written at one moment, as the drafts that they were just before."""

    at: datetime
    encounter_id: str | None = field(repr=False)
    drafts: tuple[Resource, ...] = field(repr=False)

    @property
    def references(self) -> tuple[str, ...]:
        """Name the drafts as `Type/id`."""
        return tuple(f"{draft['resourceType']}/{draft['id']}" for draft in self.drafts)


@dataclass(frozen=True, slots=True, repr=False)
class Chart:
    """One patient's part of a file."""

    patient_id: str
    _entries: Mapping[str, tuple[Mapping[str, Any], ...]]

    @property
    def stays(self) -> tuple[Stay, ...]:
        """Give the contacts, in the order of the source."""
        return tuple(stay for row in self._rows("Encounter") if (stay := _stay(row)) is not None)

    @property
    def last(self) -> datetime | None:
        """Give the last moment of which the chart knows something; None if nothing in it has a time."""
        known = (time for kind in self._entries for row in self._rows(kind) for time in _times(row))
        return max(known, default=None)

    def drafts(self, as_of: datetime) -> tuple[Resource, ...]:
        """Give the orders that somebody had written at a moment and nobody has signed yet."""
        rows = (row for row in self._orders() if row.get("status") == _DRAFT)
        written = ((row, versions.authored_at(row)) for row in rows)
        return tuple(self._as_draft(row) for row, time in written if time is None or not time.is_after(as_of))

    @property
    def signings(self) -> tuple[Signing, ...]:
        """Give the orders that were signed, oldest first; those written at the same moment were signed together."""
        found: dict[tuple[datetime, str | None], list[Resource]] = {}
        for row in self._orders():
            written = versions.authored_at(row)
            if written is not None and row.get("status") not in _NEVER_SIGNED:
                # A day without a time: what was known at its end was known when the order was written, or soon after.
                found.setdefault((_end(written), _encounter_of(row)), []).append(self._as_draft(row))
        ordered = sorted(found.items(), key=lambda item: item[0][0])
        return tuple(Signing(at, encounter, tuple(drafts)) for (at, encounter), drafts in ordered)

    def answers(self, searches: Mapping[str, Search], *, without: Iterable[str] = ()) -> dict[str, Any]:
        """Answer searches from the chart as a CDS client prefetches, leaving out some resources and every draft."""
        left_out = frozenset(without)
        return {key: self._answer(search, left_out) for key, search in searches.items()}

    def _answer(self, search: Search, left_out: frozenset[str]) -> dict[str, Any]:
        found = [
            entry
            for entry in self._entries.get(search.resource_type, ())
            if _is_asked_for(search, entry["resource"])
            and source(entry["resource"], search.resource_type).reference not in left_out
            and not (search.resource_type in _ORDERS and entry["resource"].get("status") == _DRAFT)
        ]
        return {"resourceType": "Bundle", "type": "searchset", "entry": found}

    def _rows(self, kind: str) -> Iterator[Resource]:
        return (entry["resource"] for entry in self._entries.get(kind, ()))

    def _orders(self) -> Iterator[Resource]:
        # An order without an id could not be named as the one that was picked.
        return (row for kind in _ORDERS for row in self._rows(kind) if text_of(row.get("id")) is not None)

    def _as_draft(self, row: Resource) -> Resource:
        about = "patient" if "patient" in row else "subject"
        return {**row, "status": _DRAFT, about: {"reference": f"Patient/{self.patient_id}"}}


def charts_in(value: object) -> tuple[Chart, ...]:
    """Take the charts out of a Bundle, one for each Patient in it."""
    inside = contents(value)
    addresses = {id(mapping(entry).get("resource")): mapping(entry).get("fullUrl") for entry in _entries_of(value)}
    charts = []
    for patient_id in patients_in(inside.resources):
        rows = Rows(patient_id, inside.full_urls)
        rows.add(inside.resources)
        kept = {
            kind: tuple(_entry(row, addresses.get(id(row))) for row in found.values())
            for kind, found in rows.by_kind.items()
        }
        charts.append(Chart(patient_id, kept))
    return tuple(charts)


def _entries_of(value: object) -> list[Any]:
    entries = mapping(value).get("entry")
    return entries if isinstance(entries, list) else []


def _entry(row: Resource, full_url: object) -> Mapping[str, Any]:
    return {"resource": row} if full_url is None else {"fullUrl": full_url, "resource": row}


def _stay(row: Resource) -> Stay | None:
    id_, period = text_of(row.get("id")), versions.encounter_period(row)
    if id_ is None or period is None or versions.encounter_status(row) == "entered-in-error":
        return None
    began = None if period.start == BEGINNING else period.start
    return Stay(id_, versions.encounter_kind(row), began, None if period.end == FOREVER else period.end - _LEAST)


def _encounter_of(row: Resource) -> str | None:
    pointer = versions.encounter(row)
    return None if pointer is None else local_reference(pointer).replace(":", "/").rpartition("/")[2]


def _times(row: Resource) -> Iterator[datetime]:
    """Yield what tells when something of a row was known: an effective time, an authoring, the end of a stay."""
    found: tuple[Interval | None, ...] = ()
    match row.get("resourceType"):
        case "Observation" | "DiagnosticReport":
            found = (versions.observed_at(row),)
        case "Encounter":
            found = (versions.encounter_period(row),)
        case "Condition":
            found = (versions.recorded_at(row), versions.began_at(row))
        case kind if kind in _ORDERS:
            found = (versions.authored_at(row),)
    for time in found:
        if time is not None:
            yield time.start if time.is_open else _end(time)


def _end(time: Interval) -> datetime:
    return time.end - _LEAST


def _is_asked_for(search: Search, row: Resource) -> bool:
    """Tell whether one of a row's codes is one of those that the search names; a drug order has its drug elsewhere."""
    if not search.codes or "code" not in row:
        return True
    parts = (row, *mappings(row.get("component")))
    return any(code in search.codes for part in parts for code in codings(part.get("code")))
