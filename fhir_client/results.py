"""The results in a chart: found by code, put in order of time, and read one by one as they are asked for."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, overload

from fhir_client.codes import Code, CodeSet, code_of
from fhir_client.elements import Resource, codings, mappings
from fhir_client.facts import Observation, Quantity
from fhir_client.resources import UNDATED, Horizon, Local, read_result, read_value, result_time
from fhir_client.times import Interval

# Where a result stands: its number in the chart, the Observation, and itself or the component with the code. A plain
# tuple: there are hundreds, most never looked at.
_Place = tuple[int, Resource, Resource]
_Dated = tuple[_Place, Interval]

_TO_THE_SECOND: Final = len("2024-05-01T08:00:00")
# The part of a second and the zone. Python counts in microseconds: digits beyond them make a text later, but no time.
_ENDING: Final = re.compile(r"(?:\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)


class ResultIndex:
    """All Observations of a chart by every code of theirs and of their components.

    Charts hold hundreds of results and a question wants the newest few: so times are read, where the order can be told
    without, and values only for the results that are reached. Each is read once.
    """

    __slots__ = ("_by_code", "_found", "_horizon", "_local", "_read", "_times")

    def __init__(self, resources: Iterable[Resource], horizon: Horizon, local: Local) -> None:
        self._horizon: Final = horizon
        self._local: Final = local
        self._by_code: Final = _by_code(resources)
        self._found: Final[dict[CodeSet, _Found]] = {}
        self._times: Final[dict[int, Interval | None]] = {}
        self._read: Final[dict[int, Observation]] = {}

    def find(self, codes: CodeSet) -> "Results":
        """Give the results with any of the codes, newest first; ties and undated ones keep the order of the source."""
        known = self._found.get(codes)
        if known is None:
            asked = [code for code in self._by_code if codes.matches((code,))] if codes.prefixes else codes.codes
            places = _merged([self._by_code[code] for code in asked if code in self._by_code])
            as_written = _in_written_order(places)
            usable = (
                self._by_time(places) if as_written is None else _one_by_one(as_written, self._horizon, self._times)
            )
            known = self._found[codes] = _Found([], usable)
        return Results(self, known)

    def _by_time(self, places: Iterable[_Place]) -> Iterator[_Dated]:
        usable = []
        for place in places:
            at = _usable_at(place, self._horizon, self._times)
            if at is not None:
                usable.append((at.start, -place[0], place, at))  # the numbers differ: nothing after them is compared
        usable.sort(reverse=True)
        return ((place, at) for _, _, place, at in usable)

    def read(self, place: _Place, at: Interval) -> Observation:
        """Read one result."""
        number, resource, element = place
        known = self._read.get(number)
        if known is None:
            known = self._read[number] = read_result(resource, element, at, self._local)
        return known


class _Found(NamedTuple):
    """The results of one code set: those that were reached, and the rest in order.

    The index keeps it, so it must not lead back to the index: the chart would live on until the collector came by.
    """

    reached: list[_Dated]
    rest: Iterator[_Dated]


class Results(Sequence[Observation]):
    """Results in order; each is read when it is reached. Equal to any sequence of the same results."""

    __slots__ = ("_index", "_reached", "_rest")

    def __init__(self, index: ResultIndex, found: _Found) -> None:
        self._index: Final = index
        self._reached: Final = found.reached
        self._rest: Final = found.rest

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Observation]:
        return (self._index.read(place, at) for place, at in self._dated())

    def by_time(self) -> Iterator[list[Observation]]:
        """Give the results that hold a value, those of the same time together, newest first; none older is read."""
        together: list[Observation] = []
        time: Interval | None = None
        for place, at in self._dated():
            # What has no time is of no time that another has.
            if together and time is not None and (at.start != time.start or (at is UNDATED) != (time is UNDATED)):
                yield together
                together = []
            result = self._index.read(place, at)
            if result.has_value:
                together.append(result)
                time = at
        if together:
            yield together

    def quantities(self) -> Iterator[tuple[Interval, Quantity]]:
        """Give time and value of the dated results that are quantities, for series: nothing else of them is read."""
        for (_, _, element), at in self._dated():
            measured = read_value(element)[0]
            if measured is not None and at is not UNDATED:
                yield at, measured

    def _dated(self) -> Iterator[_Dated]:
        reached, position = self._reached, 0
        while True:
            if position == len(reached):
                dated = next(self._rest, None)
                if dated is None:
                    return
                reached.append(dated)
            yield reached[position]
            position += 1

    @property
    def _places(self) -> list[_Dated]:
        self._reached.extend(self._rest)
        return self._reached

    @overload
    def __getitem__(self, position: int) -> Observation: ...
    @overload
    def __getitem__(self, position: slice) -> tuple[Observation, ...]: ...
    def __getitem__(self, position: int | slice) -> Observation | tuple[Observation, ...]:
        if isinstance(position, slice):
            return tuple(self._index.read(place, at) for place, at in self._places[position])
        return self._index.read(*self._places[position])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Show the count only: results must not reach a log."""
        return f"Results({len(self._places)})"


def _one_by_one(places: Iterable[_Place], horizon: Horizon, times: dict[int, Interval | None]) -> Iterator[_Dated]:
    """Read times as they are reached; a text that turns out to be no time comes last."""
    undated = []
    for place in places:
        _, resource, element = place
        is_whole = element is resource and "modifierExtension" not in resource  # no component: the hot path
        at = result_time(resource, horizon) if is_whole else _usable_at(place, horizon, times)
        if at is UNDATED:
            undated.append((place, at))
        elif at is not None:
            yield place, at
    yield from sorted(undated, key=lambda dated: dated[0][0])


def _usable_at(place: _Place, horizon: Horizon, times: dict[int, Interval | None]) -> Interval | None:
    _, resource, element = place
    if "modifierExtension" in element:
        return None
    if element is resource:
        return result_time(resource, horizon)
    key = id(resource)  # components share the time of their panel, which the record keeps alive
    return times[key] if key in times else times.setdefault(key, result_time(resource, horizon))


def _in_written_order(places: Sequence[_Place]) -> list[_Place] | None:
    """Order results by the texts of their times, newest first; None where texts alone do not tell.

    They tell where all are written alike and in one time zone, as one system writes them. Reading the times of all of a
    long chart costs a fifth of parsing its JSON.
    """
    try:
        texts = [place[1]["effectiveDateTime"] for place in places]
        endings = {text[_TO_THE_SECOND:] for text in texts}
    except (KeyError, TypeError):
        return None
    forms = {_form(ending) for ending in endings}
    if len(forms) > 1 or None in forms:
        return None
    return [places[position] for position in sorted(range(len(texts)), key=texts.__getitem__, reverse=True)]


@lru_cache(maxsize=4096)  # a system writes in few forms
def _form(ending: str) -> tuple[int, str] | None:
    """Give the length and the zone: texts that have both in common are in the order of their times."""
    match = _ENDING.fullmatch(ending)
    return None if match is None else (len(ending), match[1])


def _merged(found: Sequence[list[_Place]]) -> list[_Place]:
    """Put the results of several codes together: each once, in the order of the source."""
    return found[0] if len(found) == 1 else sorted({place[0]: place for places in found for place in places}.values())


def _by_code(resources: Iterable[Resource]) -> dict[Code, list[_Place]]:
    """Put every result under every code it has. A chart has few codes and many results: codes are read once each."""
    as_sent: defaultdict[tuple[object, object], list[_Place]] = defaultdict(list)
    number = 0
    for resource in resources:
        try:  # nothing out of the ordinary: the hot path
            sent = resource["code"]["coding"]
            if len(sent) == 1 and "component" not in resource:
                as_sent[sent[0]["system"], sent[0]["code"]].append((number, resource, resource))
                number += 1
                continue
        except (KeyError, TypeError):
            pass
        for element in (resource, *mappings(resource.get("component"))):
            for key in _as_sent(element):
                as_sent[key].append((number, resource, element))
            number += 1
    spellings: defaultdict[Code, list[list[_Place]]] = defaultdict(list)
    for spelling, places in as_sent.items():
        found = code_of(*spelling)
        if found is not None:
            spellings[found].append(places)
    return {code: _merged(several) for code, several in spellings.items()}


def _as_sent(element: Resource) -> Iterable[tuple[object, object]]:
    """Give the codes of a result or component as they were sent, each once."""
    try:
        sent = element["code"]["coding"]
        if len(sent) == 1:
            return {(sent[0]["system"], sent[0]["code"])}
        return {(coding["system"], coding["code"]) for coding in sent}
    except (KeyError, TypeError):
        return set(codings(element.get("code")))
