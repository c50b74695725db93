"""The results in a chart: found by code, put in order of time, and read one by one as they are asked for."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, overload

from fhir_client.codes import Code, CodeSet, code_of
from fhir_client.elements import Resource, codings, mappings
from fhir_client.facts import Observation
from fhir_client.resources import Horizon, Local, read_result, result_time
from fhir_client.times import Interval

# Where a result stands: its number in the chart, the Observation, and itself or the component with the code. A plain
# tuple: there are hundreds, most never looked at.
_Place = tuple[int, Resource, Resource]


class ResultIndex:
    """All Observations of a chart by every code of theirs and of their components.

    Charts hold hundreds of results and a question wants the newest few: so times are read for the codes that are asked
    for, and values for the results that are looked at. Each is read once.
    """

    __slots__ = ("_by_code", "_found", "_horizon", "_local", "_read", "_times")

    def __init__(self, resources: Iterable[Resource], horizon: Horizon, local: Local) -> None:
        self._horizon: Final = horizon
        self._local: Final = local
        self._by_code: Final = _by_code(resources)
        self._found: Final[dict[CodeSet, Results]] = {}
        self._times: Final[dict[int, Interval | None]] = {}
        self._read: Final[dict[int, Observation]] = {}

    def find(self, codes: CodeSet) -> "Results":
        """Give the results with any of the codes, newest first; ties and undated ones keep the order of the source."""
        known = self._found.get(codes)
        if known is None:
            known = self._found[codes] = Results(self, self._in_order(codes))
        return known

    def _in_order(self, codes: CodeSet) -> list[tuple[_Place, Interval]]:
        asked = [code for code in self._by_code if codes.matches((code,))] if codes.prefixes else codes.codes
        times, horizon = self._times, self._horizon
        usable = []
        for place in {place[0]: place for code in asked for place in self._by_code.get(code, ())}.values():
            number, resource, element = place
            if element is resource:
                at = result_time(resource, horizon)
            else:
                key = id(resource)  # components share the time of their panel, which the record keeps alive
                at = times[key] if key in times else times.setdefault(key, result_time(resource, horizon))
            if at is not None and "modifierExtension" not in element:
                usable.append((at.start, -number, place, at))  # the numbers differ: nothing after them is compared
        usable.sort(reverse=True)
        return [(place, at) for _, _, place, at in usable]

    def read(self, place: _Place, at: Interval) -> Observation:
        """Read one result."""
        number, resource, element = place
        known = self._read.get(number)
        if known is None:
            known = self._read[number] = read_result(resource, element, at, self._local)
        return known


class Results(Sequence[Observation]):
    """Results in order; each is read when it is reached. Equal to any sequence of the same results."""

    __slots__ = ("_index", "_places")

    def __init__(self, index: ResultIndex, places: list[tuple[_Place, Interval]]) -> None:
        self._index: Final = index
        self._places: Final = places

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Observation]:
        for place, at in self._places:
            yield self._index.read(place, at)

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


def _by_code(resources: Iterable[Resource]) -> dict[Code, list[_Place]]:
    """Put every result under every code it has. A chart has few codes and many results: codes are read once each."""
    as_sent: dict[tuple[object, object], list[_Place]] = {}
    number = 0
    for resource in resources:
        elements = (resource, *mappings(resource["component"])) if "component" in resource else (resource,)
        for element in elements:
            place = (number, resource, element)
            number += 1
            try:  # nothing out of the ordinary: the hot path
                for coding in element["code"]["coding"]:
                    as_sent.setdefault((coding["system"], coding["code"]), []).append(place)
            except (KeyError, TypeError):
                for code in codings(element.get("code")):
                    as_sent.setdefault(code, []).append(place)
    index: dict[Code, list[_Place]] = {}
    for (system, sent), places in as_sent.items():
        found = code_of(system, sent)
        if found is not None:
            index.setdefault(found, []).extend(places)
    return index
