"""The vital signs of one observation set, for early-warning scores: what is stale is never scored as new.

The newest vital sign anchors the set; the others must lie within the site's window before it (models.md 1). A result
whose time is too coarse to be placed in the window belongs to no set.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from fhir_client.codes import Code, CodeSet
from fhir_client.facts import Observation
from fhir_client.record import PatientRecord
from fhir_client.times import Interval
from models.assessment import Gap, Missing, Reading, Value
from models.concepts import concept
from models.features.feature import Answer, Feature, Kind, Readings
from models.features.readers import agreed, in_one_order, measured, nothing_found, partly, start_of
from models.features.searches import vital_signs
from models.site import Site

NEWEST_WITHIN: Final = timedelta(hours=12)
_AIR_PERCENT: Final = 21  # FiO2 above 21 % is oxygen (design/contract.md section 4)

_CONCEPTS: Final = {
    "respiratory_rate_per_min": ("respiratory_rate",),
    "spo2_percent": ("oxygen_saturation",),
    "on_oxygen": ("oxygen_flow", "oxygen_fraction"),
    "systolic_bp_mmhg": ("systolic_bp",),
    "heart_rate_per_min": ("heart_rate",),
    "consciousness": ("consciousness",),
    "temperature_cel": ("temperature",),
}
_SEARCH: Final = vital_signs(*(name for names in _CONCEPTS.values() for name in names))


@dataclass(frozen=True, slots=True)
class PastSet:
    """The values of one round and the time of its newest; no values where one of them is missing or unusable."""

    anchor: Interval
    values: Mapping[str, Value] | None


def read_newest(record: PatientRecord, site: Site) -> Readings:
    """Read the newest observation set, if it is of the last 12 hours."""
    lanes = _lanes(record, site)
    anchor = _newest(lanes)
    if anchor is None:
        return {name: nothing_found(record, _SEARCH.key, note=_note_of(lane)) for name, lane in lanes.items()}
    if record.as_of - anchor.start > NEWEST_WITHIN:
        return {name: _too_old_or_absent(record, lane) for name, lane in lanes.items()}
    return {name: _read_inside(name, lane, anchor, record, site) for name, lane in lanes.items()}


def was_meant_for_scoring(record: PatientRecord, site: Site) -> bool:
    """Tell whether consciousness was recorded within the last 12 hours: a visit for a blood pressure records none."""
    newest = next((o.at for o in _Lane(record.observations(_codes("consciousness", site))) if o.at is not None), None)
    return newest is not None and record.as_of - newest.start <= NEWEST_WITHIN


def read_series(record: PatientRecord, site: Site, *, since: datetime) -> Iterator[PastSet]:
    """Read the observation sets back to a time, newest first; a set begins before the oldest reading of the next.

    Values only: the sources, notes and reasons of a day's sets cost more than all the rest of an assessment.
    """
    window = timedelta(minutes=site.news2_window_minutes)
    lanes = {name: _rounds(record, _codes(name, site), earliest=since - window) for name in _CONCEPTS}
    while newest := {name: rounds[-1] for name, rounds in lanes.items() if rounds}:
        anchor = max((at for at, _ in newest.values()), key=_start)
        if anchor.start < since:
            return
        inside = {name: each for name, each in newest.items() if each[0].start >= anchor.start - window}
        yield PastSet(anchor, _values(inside, site) if len(inside) == len(lanes) else None)
        oldest = min(at.start for at, _ in inside.values())
        for rounds in lanes.values():
            while rounds and rounds[-1][0].start >= oldest:
                rounds.pop()


def _of_the_set(feature: Feature) -> Feature:
    return replace(
        feature,
        searches=(_SEARCH,),
        unverified=tuple(remark for each in _CONCEPTS[feature.name] for remark in concept(each).unverified),
        window="one observation set, the newest within 12 hours",
        read_together=read_newest,
    )


RESPIRATORY_RATE_PER_MIN = _of_the_set(
    Feature("respiratory_rate_per_min", "respiratory rate", Kind.QUANTITY, unit="/min", plausible=(2, 80))
)
SPO2_PERCENT = _of_the_set(Feature("spo2_percent", "oxygen saturation", Kind.QUANTITY, unit="%", plausible=(50, 100)))
ON_OXYGEN = _of_the_set(Feature("on_oxygen", "on oxygen", Kind.TRUTH))
SYSTOLIC_BP_MMHG = _of_the_set(
    Feature("systolic_bp_mmhg", "systolic blood pressure", Kind.QUANTITY, unit="mm[Hg]", plausible=(40, 300))
)
HEART_RATE_PER_MIN = _of_the_set(
    Feature("heart_rate_per_min", "heart rate", Kind.QUANTITY, unit="/min", plausible=(20, 300))
)
CONSCIOUSNESS = _of_the_set(
    Feature("consciousness", "consciousness (ACVPU)", Kind.CHOICE, choices=("A", "C", "V", "P", "U"))
)
TEMPERATURE_CEL = _of_the_set(Feature("temperature_cel", "temperature", Kind.QUANTITY, unit="Cel", plausible=(25, 45)))

_FLOW = Feature("oxygen_flow_l_min", "oxygen flow", Kind.QUANTITY, unit="L/min", plausible=(0, 100))
_FRACTION = Feature("fio2_percent", "inhaled oxygen fraction", Kind.QUANTITY, unit="%", plausible=(20, 100))
_QUANTITIES: Final = {
    feature.name: feature
    for feature in (RESPIRATORY_RATE_PER_MIN, SPO2_PERCENT, SYSTOLIC_BP_MMHG, HEART_RATE_PER_MIN, TEMPERATURE_CEL)
}


@dataclass(frozen=True, slots=True)
class _Lane:
    """The dated results with a value for one sign, newest first; each is read when it is reached.

    A chart of a long stay holds hundreds, and a set needs the newest of each sign.
    """

    results: Sequence[Observation]

    def __iter__(self) -> Iterator[Observation]:
        return (observation for observation in self.results if observation.has_value and observation.at is not None)


Lanes = Mapping[str, Iterable[Observation]]


def _lanes(record: PatientRecord, site: Site) -> Mapping[str, _Lane]:
    return {name: _Lane(record.observations(_codes(name, site))) for name in _CONCEPTS}


def _codes(name: str, site: Site) -> CodeSet:
    own = site.consciousness_codes if name == "consciousness" else frozenset()
    return _joined(name, own, with_snomed=site.snomed)


@cache
def _joined(name: str, own: frozenset[Code], *, with_snomed: bool) -> CodeSet:
    sets = [concept(each).codes(Site(snomed=with_snomed)) for each in _CONCEPTS[name]]
    codes = own.union(*(each.codes for each in sets))
    return CodeSet(name, sets[0].title, codes)


_MINUTE: Final = timedelta(minutes=1)


def _is_placed(at: Interval) -> bool:
    return at.end - at.start <= _MINUTE


def _newest(lanes: Lanes) -> Interval | None:
    newest = (next((o.at for o in lane if o.at is not None and _is_placed(o.at)), None) for lane in lanes.values())
    return max((at for at in newest if at is not None), key=lambda at: at.start, default=None)


def _start(at: Interval) -> datetime:
    return at.start


def _rounds(
    record: PatientRecord, codes: CodeSet, *, earliest: datetime
) -> list[tuple[Interval, Sequence[Observation]]]:
    """Give the results of one sign that have a place in a set, those of one time together, the newest last."""
    rounds: list[tuple[Interval, Sequence[Observation]]] = []
    for together in record.observations(codes).by_time():
        at = together[0].at
        if at is None or at.start < earliest:
            break
        placed = [each for each in together if each.at is not None and _is_placed(each.at)]
        if placed:
            rounds.append((placed[0].at or at, placed))
    rounds.reverse()
    return rounds


def _values(inside: Mapping[str, tuple[Interval, Sequence[Observation]]], site: Site) -> Mapping[str, Value] | None:
    values: dict[str, Value] = {}
    for name, (_, together) in inside.items():
        chosen = _chosen(name, together, site)
        if isinstance(chosen, Gap):
            return None
        values[name] = chosen[0]
    return values


def _read_inside(name: str, lane: Iterable[Observation], anchor: Interval, record: PatientRecord, site: Site) -> Answer:
    earliest = anchor.start - timedelta(minutes=site.news2_window_minutes)
    used = _newest_inside(lane, earliest, anchor.start)
    if not used:
        return _too_old_or_absent(record, lane)
    chosen = _chosen(name, used, site)
    if isinstance(chosen, Gap):
        return Missing(chosen, used[0].at)
    value, sources = chosen
    return Reading(value, sources[0].at, tuple(o.source.reference for o in sources), partly(record, _SEARCH.key))


def _newest_inside(lane: Iterable[Observation], earliest: datetime, latest: datetime) -> list[Observation]:
    """Give the results of one sign that are inside the window and of the same, the newest, time."""
    used: list[Observation] = []
    for observation in lane:
        at = observation.at
        if at is None or at.start < earliest or (used and start_of(used[0]) != at.start):
            break
        if at.start <= latest and _is_placed(at):
            used.append(observation)
    return used


def _chosen(name: str, used: Sequence[Observation], site: Site) -> tuple[Value, Sequence[Observation]] | Gap:
    """Give the value of one sign from its results of one time, and the results that it is from."""
    if name == "consciousness":
        return _agreed({_letter(o, site) for o in used}, used)
    if name == "on_oxygen":
        return _agreed({_is_oxygen(o, site) for o in used}, used)
    answer = agreed(_QUANTITIES[name], in_one_order(used))
    if isinstance(answer, Gap):
        return answer
    value, chosen = answer
    return value, (chosen,)


def _agreed(answers: set[str | bool | Gap], used: Sequence[Observation]) -> tuple[Value, Sequence[Observation]] | Gap:
    values = {answer for answer in answers if not isinstance(answer, Gap)}
    if len(values) > 1:
        return Gap.CONTRADICTORY
    if not values:
        return next(answer for answer in answers if isinstance(answer, Gap))
    return values.pop(), used


def _letter(observation: Observation, site: Site) -> str | Gap:
    known = concept("consciousness_answers").answers(site)
    letters = {
        site.consciousness_answers.get(code) or known.get(code, "")
        for code in observation.concepts
        if code in site.consciousness_answers or code in known
    }
    if len(letters) > 1:
        return Gap.CONTRADICTORY
    return letters.pop() if letters else Gap.NOT_CODED


def _is_oxygen(observation: Observation, site: Site) -> bool | Gap:
    is_flow = concept("oxygen_flow").codes(site).matches(observation.codings)
    value = measured(_FLOW if is_flow else _FRACTION, observation.quantity)
    if isinstance(value, Gap):
        return value
    return value > 0 if is_flow else value > _AIR_PERCENT


def _too_old_or_absent(record: PatientRecord, observations: Iterable[Observation]) -> Missing:
    newest = next((o.at for o in observations if o.at and _is_placed(o.at)), None)
    if newest is not None:
        return Missing(Gap.TOO_OLD, newest)
    return nothing_found(record, _SEARCH.key, note=_note_of(observations))


def _note_of(observations: Iterable[Observation]) -> str:
    return "a result has no time of day" if any(True for _ in observations) else ""
