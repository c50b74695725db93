"""Why a test need not be repeated: its last result, or an order for it that waits for one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from fhir_client.codes import Code
from fhir_client.facts import Observation, Order, Quantity
from fhir_client.record import PatientRecord
from fhir_client.times import Interval
from models.assessment import Input, Reading, Value
from models.concepts import Concept
from models.repeat_test.rows import Orderable, Part
from models.site import Site

PENDING: Final = "pending:"
"""How the inputs begin that are orders without a result."""
WAITING: Final = "ordered, no result yet"
TREND: Final = 4
_UNDER_WAY: Final = frozenset({"active", "requested", "received", "accepted", "in-progress", "in-process"})
_NO_ORDERS: Final = frozenset({"proposal", "plan", "directive", "option"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """A draft that asks for a test once, and when."""

    draft: Order
    orderable: Orderable
    at: datetime

    def is_within(self, earlier: datetime, interval: timedelta) -> bool:
        """Tell whether it would come sooner after this time than the interval allows."""
        return self.at - earlier < interval


@dataclass(frozen=True, slots=True)
class Evidence:
    """What stands against doing one part again: its newest results, or a pending order."""

    part: Part
    results: tuple[Observation, ...] = ()
    pending: Order | None = None

    def inputs(self, *, with_trend: bool) -> Iterator[Input]:
        """Give it as a reader sees it, the newest result first."""
        name, title = self.part.meaning.name, self.part.meaning.title
        if self.pending is not None:
            source = self.pending.source
            yield Input(
                f"{PENDING}{source.reference}:{name}", title, "", _reading(WAITING, self.pending.authored, source.cited)
            )
        for number, result in enumerate(self.results[: TREND if with_trend else 1]):
            value, unit = _printed(result)
            yield Input(
                f"{name}.{number}" if number else name, title, unit, _reading(value, result.at, result.source.cited)
            )


def wanted(draft: Order, orderable: Orderable, as_of: datetime) -> Wanted | None:
    """Give what a draft asks for; None of one that is no longer open, or that asks for it again and again."""
    if draft.is_over or draft.recurs:
        return None
    return Wanted(draft, orderable, as_of if draft.due is None else max(as_of, draft.due.end))


def last_results(wish: Wanted, part: Part, record: PatientRecord, site: Site) -> Evidence | None:
    """Give the results of a part if the newest lies within its interval; those without a value do not count."""
    newest = []
    for together in record.observations(part.meaning.codes(site)).by_time():
        first = together[0]
        if first.at is not None and not _answers(first.at, wish.draft):
            newest.append(first)
        if len(newest) == TREND:
            break
    if not newest or newest[0].at is None or not wish.is_within(newest[0].at.start, part.interval):
        return None
    return Evidence(part, tuple(newest))


def pending_order(
    wish: Wanted, part: Part, record: PatientRecord, site: Site, known: Mapping[Code, Orderable]
) -> Evidence | None:
    """Give an order under way that asks for the part, written within the interval and not answered yet."""
    drafts = [draft for draft in record.drafted_orders if "/" in draft.source.reference]
    gone = {name for draft in drafts for name in (draft.source.reference, *draft.replaces)}
    for order in record.orders:
        if order.source.reference in gone or not _is_pending(order) or order.authored is None:
            continue
        if order.due is not None and order.due.start > wish.at:
            continue
        written = order.authored.start
        if not wish.is_within(written, part.interval) or not _asks_for(order, part.meaning, known):
            continue
        if not _has_result_since(record, part.meaning, written, site):
            return Evidence(part, pending=order)
    return None


def _is_pending(order: Order) -> bool:
    return order.status in _UNDER_WAY and order.intent not in _NO_ORDERS and not order.recurs


def _asks_for(order: Order, meaning: Concept, known: Mapping[Code, Orderable]) -> bool:
    asked = (known[code] for code in order.codings if code in known)
    return any(part.meaning.name == meaning.name for orderable in asked for part in orderable.parts)


def _has_result_since(record: PatientRecord, meaning: Concept, since: datetime, site: Site) -> bool:
    newest = next(iter(record.observations(meaning.codes(site)).by_time()), None)
    return newest is not None and newest[0].at is not None and newest[0].at.end > since


def _answers(at: Interval, draft: Order) -> bool:
    """Tell whether a result may be that of the order itself, which is signed again (OSIG-2)."""
    return draft.status not in (None, "draft") and draft.authored is not None and at.end > draft.authored.start


def _reading(value: Value, at: Interval | None, source: str) -> Reading:
    return Reading(value, at, (source,))


def _printed(result: Observation) -> tuple[Value, str]:
    if result.quantity is not None:
        return _quantity(result.quantity)
    return ("a coded result" if result.truth is None else result.truth), ""


def _quantity(quantity: Quantity) -> tuple[Value, str]:
    unit = quantity.unit or ""
    if quantity.comparator is None and quantity.unit is not None:
        return quantity.value, unit
    text = f"{quantity.comparator or ''}{quantity.value:g} {unit}".strip()
    return (text if quantity.unit else f"{text} (unit not stated)"), ""
