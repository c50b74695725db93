"""How much of each ingredient an order gives a day, at most; or why that cannot be said.

From FHIR's Dosage alone (R4; DSTU2, STU3 and R5 by their names), and the strength of the product. Words are never read.
Arithmetic is exact. What holds:

- **As needed** counts at its maximum: as often as it may be taken, within `maxDosePerPeriod`.
- **A range** counts at its higher end; a range without one has no maximum.
- **Several instructions** with the same `sequence`, or without one, are taken together and added; different sequence
  numbers follow one another, and the one with the most counts (FHIR R4, Dosage.sequence).
- **Several `doseAndRate`** say the same dose in other ways (`ordered`, `calculated`): the highest counts.
- **A patch** gives its strength by the hour as long as it is worn: no longer than the product's hours. What is given
  by the hour without a patch runs as long as the timing says, else all day.
- **By weight or body surface** is not computed: the size of the patient is not the order's to say.
- What cannot be computed is `DoseUnknown`, with its reason. It is never nothing, and never zero.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

from fhir_client import dosages
from fhir_client.amounts import Amount, DoseGap, DoseUnknown, Drug, amount_by_hour, amount_of, hours_of
from fhir_client.codes import Code
from fhir_client.elements import codings, is_modified, mapping
from fhir_client.facts import Medication
from fhir_client.numbers import exact
from fhir_client.strengths import Product, product_of
from fhir_client.timings import MOST_INSTRUCTIONS, Times, TimingGap, days_of, times_a_day

__all__ = ["DailyDose", "DoseGap", "DoseUnknown", "daily_doses", "doses_of"]

_HOURS: Final = 24
_TIMING_GAPS: Final[Mapping[TimingGap, DoseGap]] = {
    TimingGap.ABSENT: DoseGap.NO_TIMING,
    TimingGap.NOT_CODED: DoseGap.NO_TIMING,
    TimingGap.UNREADABLE: DoseGap.UNREADABLE_TIMING,
    TimingGap.MEALS: DoseGap.MEALS,
}
# What the most that may be taken in a period makes up for.
_LEFT_TO_THE_CAP: Final = frozenset({DoseGap.NO_DOSE, DoseGap.NO_TIMING, DoseGap.MEALS})


@dataclass(frozen=True, slots=True)
class DailyDose:
    """At most so much of one ingredient a day, in `unit` (UCUM: `mg/d`, `meq/d`, `mmol/d`, `[iU]/d`).

    `ingredient` is an RxNorm code. `is_maximum`: it may be less, since it is taken as needed or the order leaves a
    range. `as_needed`: none of it has to be taken. `form` is the product's dose form in RxNorm's words, empty where the
    order names none; `routes` are the codes of the way it is given; `is_continuous` is what a patch or an infusion
    gives by the hour. A timing of more than a day is an average.
    """

    ingredient: str
    amount: Fraction
    unit: str
    is_maximum: bool = False
    as_needed: bool = False
    is_continuous: bool = False
    form: str = ""
    routes: frozenset[Code] = frozenset()


def daily_doses(order: Medication) -> tuple[DailyDose, ...] | DoseUnknown:
    """Give what an order for a drug comes to a day.

    One ingredient can come several times: what is taken as needed, or another way, stands by itself.
    """
    return doses_of(order.dosage, ingredients=order.ingredients, product=product_of(order.codings))


def doses_of(
    instructions: Sequence[Mapping[str, Any]], *, ingredients: frozenset[str] | None, product: Product | None
) -> tuple[DailyDose, ...] | DoseUnknown:
    """Give what dosage instructions come to a day, for a drug of these ingredients and of this strength."""
    if not ingredients:
        return DoseUnknown(DoseGap.DRUG)
    if product is not None and {part.ingredient for part in product.parts} != ingredients:
        product = None  # the drug is something else by another code: the strength is not its own
    if not instructions or len(instructions) > MOST_INSTRUCTIONS:
        return DoseUnknown(DoseGap.TOO_MANY if instructions else DoseGap.NO_INSTRUCTION)
    phases: defaultdict[Fraction | None, list[DailyDose]] = defaultdict(list)
    for instruction in instructions:
        doses = _instructed(instruction, Drug(ingredients, product))
        if isinstance(doses, DoseUnknown):
            return doses
        phases[exact(instruction.get("sequence"))].extend(doses)
    always = phases.pop(None, [])
    return _added([*always, *_fullest([_added(phase) for phase in phases.values()])])


# ---- one instruction


@dataclass(frozen=True, slots=True)
class _Daily:
    """An amount a day, and whether it may be less."""

    amount: Amount
    is_maximum: bool = False


def _instructed(instruction: Mapping[str, Any], drug: Drug) -> list[DailyDose] | DoseUnknown:
    if is_modified(instruction):
        return DoseUnknown(DoseGap.MODIFIED)
    daily, cap = _scheduled(instruction, drug), _cap(instruction, drug)
    if isinstance(daily, DoseUnknown):
        if cap is None or daily.reason not in _LEFT_TO_THE_CAP:
            return daily
        daily = _Daily(cap, is_maximum=True)
    elif cap is not None:
        daily = replace(daily, amount=daily.amount.at_most(cap))
    as_needed = dosages.is_as_needed(instruction)
    return [
        DailyDose(
            code,
            amount,
            f"{unit}/d",
            daily.is_maximum or as_needed,
            as_needed,
            daily.amount.by_hour,
            "" if drug.product is None else drug.product.form,
            frozenset(codings(instruction.get("route"))),
        )
        for (code, unit), amount in daily.amount.of.items()
    ]


def _scheduled(instruction: Mapping[str, Any], drug: Drug) -> _Daily | DoseUnknown:
    """Give what dose, rate and timing come to, without the cap of a period."""
    times = times_a_day(instruction.get("timing"))
    said = [_said(element, instruction, times, drug) for element in dosages.amounts(instruction)]
    known = [each for each in said if isinstance(each, _Daily)]
    if not known:
        return next(each for each in said if isinstance(each, DoseUnknown))
    most = max(known, key=lambda each: sum(each.amount.of.values()))
    return replace(most, is_maximum=any(each.is_maximum or each.amount.of != most.amount.of for each in known))


def _said(
    element: Mapping[str, Any], instruction: Mapping[str, Any], times: Times | TimingGap, drug: Drug
) -> _Daily | DoseUnknown:
    """Give what one element with a dose or a rate comes to."""
    dose, dose_varies = dosages.dose(element)
    rate, rate_varies = dosages.rate(element)
    most = instruction.get("maxDosePerAdministration")
    if dose is None and rate is None and most is not None:
        dose, dose_varies = most, True
    if dose is not None and (isinstance(times, Times) or rate is None):
        found = _one_dose(dose, most, drug)
        return found if isinstance(found, DoseUnknown) else _repeated(found, times, drug, varies=dose_varies)
    if rate is None:
        return DoseUnknown(DoseGap.NO_DOSE)
    found = amount_by_hour(rate, drug)
    if isinstance(found, DoseUnknown):
        return found
    hours, is_shorter = _hours_a_day(instruction, times)
    # With a dose the rate is how fast it is given: without a timing it may end at any hour.
    return _Daily(found.times(hours), rate_varies or is_shorter or dose is not None)


def _one_dose(dose: object, most: object, drug: Drug) -> Amount | DoseUnknown:
    """Give one dose, no more than may be given at once."""
    if dose == {}:
        return DoseUnknown(DoseGap.NO_HIGHER_END)
    found = amount_of(dose, drug)
    cap = None if most is None else amount_of(most, drug)
    if isinstance(found, DoseUnknown) or not isinstance(cap, Amount) or cap.by_hour != found.by_hour:
        return found
    return found.at_most(cap)


def _repeated(dose: Amount, times: Times | TimingGap, drug: Drug, *, varies: bool) -> _Daily | DoseUnknown:
    """Give a dose as often as it is given; one by the hour as long as it is worn."""
    if isinstance(times, TimingGap):
        if dose.by_hour and times is TimingGap.ABSENT:
            return _Daily(dose.times(Fraction(_HOURS)), is_maximum=True)
        return DoseUnknown(_TIMING_GAPS[times])
    if not dose.by_hour:
        return _Daily(dose.times(times.a_day), varies or times.is_maximum)
    worn = None if drug.product is None else drug.product.hours
    hours = Fraction(_HOURS) if worn is None else min(Fraction(_HOURS), worn * times.a_day)
    return _Daily(dose.times(hours), varies or times.is_maximum)


def _hours_a_day(instruction: Mapping[str, Any], times: Times | TimingGap) -> tuple[Fraction, bool]:
    """Give how long a day something runs, and whether it may be less: as often as is said, so long each time."""
    repeat = mapping(mapping(instruction.get("timing")).get("repeat"))
    length = exact(repeat.get("durationMax")) or exact(repeat.get("duration"))
    days = None if length is None or length <= 0 else days_of(length, repeat.get("durationUnit"))
    if isinstance(times, TimingGap):
        return Fraction(_HOURS), times is not TimingGap.ABSENT
    if days is None:
        return Fraction(_HOURS), True
    return min(Fraction(_HOURS), _HOURS * days * times.a_day), times.is_maximum or "durationMax" in repeat


def _cap(instruction: Mapping[str, Any], drug: Drug) -> Amount | None:
    """Give the most that may be taken a day; None where the order sets no limit that is read here."""
    limits: list[Amount] = []
    for limit in dosages.most_in_a_period(instruction):
        amount, hours = amount_of(limit.get("numerator"), drug), hours_of(limit.get("denominator"))
        if isinstance(amount, Amount) and not amount.by_hour and hours is not None:
            limits.append(amount.times(_HOURS / hours))
    ever = instruction.get("maxDosePerLifetime")
    most = None if ever is None else amount_of(ever, drug)
    if isinstance(most, Amount) and not most.by_hour:
        limits.append(most)
    if not limits:
        return None
    keys = {key for limit in limits for key in limit.of}
    return Amount({key: min(limit.of[key] for limit in limits if key in limit.of) for key in keys})


# ---- several instructions


def _added(doses: Iterable[DailyDose]) -> tuple[DailyDose, ...]:
    """Add up what is the same ingredient given the same way."""
    sums: dict[tuple[Any, ...], DailyDose] = {}
    for dose in doses:
        key = (dose.ingredient, dose.unit, dose.as_needed, dose.is_continuous, dose.form, tuple(sorted(dose.routes)))
        so_far = sums.get(key)
        sums[key] = (
            dose
            if so_far is None
            else replace(so_far, amount=so_far.amount + dose.amount, is_maximum=so_far.is_maximum or dose.is_maximum)
        )
    return tuple(sums[key] for key in sorted(sums))


def _fullest(phases: Sequence[Sequence[DailyDose]]) -> list[DailyDose]:
    """Give of what follows one another, for each ingredient, the phase with the most of it."""
    found: list[DailyDose] = []
    for measure in {(dose.ingredient, dose.unit) for phase in phases for dose in phase}:
        own = [[dose for dose in phase if (dose.ingredient, dose.unit) == measure] for phase in phases]
        totals = [sum((dose.amount for dose in each), Fraction(0)) for each in own]
        differs = len(set(totals)) > 1
        fullest = own[totals.index(max(totals))]
        found.extend(replace(dose, is_maximum=dose.is_maximum or differs) for dose in fullest)
    return found
