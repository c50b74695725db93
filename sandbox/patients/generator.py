"""Makes any number of varied patients from a seed: ordinary charts with ordinary faults planted in them."""

import random
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sandbox.patients.builder import Resource, build
from sandbox.patients.stories import Medication, Problem, Reading, Stay, Story, VitalSigns

_FAMILIES: Final = ("Alder", "Birch", "Cedar", "Elm", "Fir", "Hazel", "Juniper", "Larch", "Maple", "Rowan", "Willow")
_GIVEN: Final = {
    "female": ("Ada", "Beate", "Chloe", "Dora", "Elin", "Fatima", "Gwen", "Hana"),
    "male": ("Anton", "Boris", "Carlo", "Dario", "Emil", "Farid", "Gustav", "Hugo"),
}
# Problem, drug that treats it, and how often it is found.
_ILLNESSES: Final = (
    (Problem("I10", "Essential (primary) hypertension", "6 years"), ("314076", "lisinopril 10 MG Oral Tablet"), 0.45),
    (
        Problem("E11.9", "Type 2 diabetes mellitus without complications", "5 years"),
        ("861007", "metformin hydrochloride 500 MG Oral Tablet"),
        0.25,
    ),
    (
        Problem("E78.5", "Hyperlipidemia, unspecified", "4 years"),
        ("859747", "rosuvastatin calcium 10 MG Oral Tablet"),
        0.3,
    ),
    (
        Problem("I25.10", "Atherosclerotic heart disease of native coronary artery", "3 years"),
        ("309362", "clopidogrel 75 MG Oral Tablet"),
        0.08,
    ),
    (Problem("F32.A", "Depression, unspecified", "2 years"), ("312941", "sertraline 50 MG Oral Tablet"), 0.12),
)
_INPATIENT_SHARE: Final = 0.25
_MEASURES: Final = ("cholesterol", "hdl", "creatinine", "acr", "hba1c", "bmi", "smoking")


@dataclass(frozen=True, slots=True)
class Generated:
    """A generated patient: what was put in, and the chart."""

    story: Story
    resources: list[Resource]


def generate(count: int, seed: int, now: datetime) -> list[Generated]:
    """Make `count` patients; the same seed and clock give the same patients, and patient n does not depend on count."""
    stories = (_story(random.Random(f"{seed}/{number}"), seed, number) for number in range(1, count + 1))
    return [Generated(story, build(story, now)) for story in stories]


def _story(dice: random.Random, seed: int, number: int) -> Story:
    sex = dice.choice(("female", "male"))
    age = min(max(round(dice.gauss(58, 17)), 18), 96)
    frailty = dice.random() * age / 60
    ill = [illness for illness in _ILLNESSES if dice.random() < illness[2] * (0.4 + frailty)]
    inpatient = dice.random() < _INPATIENT_SHARE
    readings, faults = _planted(dice, _readings(dice, sex, age, frailty))
    vitals = _rounds(dice, frailty) if inpatient else _visit(dice, frailty)
    if inpatient and dice.random() < 0.3:  # noqa: PLR2004 - three in ten lack the oxygen entry
        vitals = tuple(replace(signs, oxygen_flow=None) for signs in vitals)
        faults = [*faults, "oxygen not recorded"]
    return Story(
        id=f"generated-{seed}-{number}",
        story=_told(ill, faults, inpatient=inpatient),
        family=f"Zzmarker-{dice.choice(_FAMILIES)}{number}",
        given=dice.choice(_GIVEN[sex]),
        sex=sex,
        age=age,
        stays=(_stay(dice, inpatient=inpatient),),
        problems=tuple(problem for problem, _, _ in ill),
        medications=tuple(Medication(text, "18 months", code) for _, (code, text), _ in ill if dice.random() < 0.8),  # noqa: PLR2004 - four in five are treated
        readings=readings,
        vitals=vitals,
    )


def _told(ill: list[tuple[Problem, tuple[str, str], float]], faults: list[str], *, inpatient: bool) -> str:
    place = "in hospital" if inpatient else "in the clinic"
    problems = ", ".join(problem.code for problem, _, _ in ill) or "no listed problem"
    return f"Generated, {place}: {problems}; planted: {', '.join(faults) or 'nothing'}."


def _stay(dice: random.Random, *, inpatient: bool) -> Stay:
    if inpatient:
        return Stay(f"{dice.randint(1, 6)} days", kind="IMP", status="in-progress")
    ago = f"{dice.randint(1, 60)} days"
    return Stay(ago, ended=ago)


def _readings(dice: random.Random, sex: str, age: int, frailty: float) -> list[Reading]:
    ago = f"{dice.randint(2, 300)} days"
    earlier = f"{dice.randint(400, 600)} days"
    creatinine = round(max(0.4, dice.gauss(0.75 if sex == "female" else 0.95, 0.15) + max(0.0, frailty - 0.7)), 2)
    smoking = dice.choices(("never", "former", "every-day"), (55, 28, 17))[0]
    return [
        Reading("cholesterol", ago, round(dice.gauss(202, 34))),
        Reading("hdl", ago, round(min(max(dice.gauss(56 if sex == "female" else 46, 11), 22), 98))),
        Reading("creatinine", ago, creatinine),
        Reading("creatinine", earlier, round(creatinine * dice.uniform(0.85, 1.05), 2)),
        Reading("acr", ago, round(dice.lognormvariate(2.2 + frailty, 1.0), 1)),
        Reading("hba1c", ago, round(max(4.6, dice.gauss(5.6 + frailty * 0.6, 0.7)), 1)),
        Reading("bmi", ago, round(min(max(dice.gauss(27.5, 4.5), 17), 47), 1)),
        Reading("weight", ago, round(age / 4 + 60, 1)),
        Reading("smoking", ago, answer=smoking),
    ]


def _planted(dice: random.Random, readings: list[Reading]) -> tuple[tuple[Reading, ...], list[str]]:
    """Put up to three faults into a list of readings, and say which."""
    faults: list[str] = []
    for _ in range(dice.choice((0, 0, 1, 1, 2, 3))):
        of = dice.choice(_MEASURES)
        kind = dice.choice(("missing", "stale", "molar", "no unit", "in error"))
        changed = [_faulty(reading, kind) if reading.of == of else reading for reading in readings]
        readings = [reading for reading in changed if reading is not None]
        faults.append(f"{of} {kind}")
    return tuple(readings), faults


def _faulty(reading: Reading, kind: str) -> Reading | None:
    if kind == "missing":
        return None
    if kind == "stale":
        return replace(reading, ago="7 years")
    if kind == "in error":
        return replace(reading, status="entered-in-error")
    if reading.value is None:
        return replace(reading, answer=None, absent="not-asked")
    if kind == "no unit":
        return replace(reading, unit_text="")
    return _in_molar_units(reading, reading.value)


def _in_molar_units(reading: Reading, value: float) -> Reading:
    if reading.of == "creatinine":
        return replace(reading, of="creatinine-molar", value=round(value * 88.4, 1))
    if reading.of == "acr":
        return replace(reading, of="acr-molar", value=round(value / 8.84, 2))
    if reading.of in ("cholesterol", "hdl"):
        return replace(reading, unit="mmol/L", value=round(value * 0.02586, 2))
    # No molar form: a unit that is words only.
    return replace(reading, unit_text="see report")


def _visit(dice: random.Random, frailty: float) -> tuple[VitalSigns, ...]:
    return tuple(
        VitalSigns(
            f"{days} days",
            systolic=round(dice.gauss(126 + 12 * frailty, 13)),
            diastolic=round(dice.gauss(78, 9)),
            heart_rate=round(dice.gauss(74, 10)),
        )
        for days in (dice.randint(1, 60), dice.randint(90, 350))
    )


def _rounds(dice: random.Random, frailty: float) -> tuple[VitalSigns, ...]:
    """Four rounds of observations, six hours apart; the sicker the patient, the further from normal."""
    illness = max(0.0, dice.gauss(0.6 * frailty, 0.7))
    drift = dice.uniform(-0.3, 0.4)
    return tuple(_round(dice, f"{30 + 360 * k} minutes", max(0.0, illness + drift * (3 - k))) for k in range(4))


def _round(dice: random.Random, ago: str, illness: float) -> VitalSigns:
    awake = dice.random() > illness / 8
    return VitalSigns(
        ago,
        respiratory_rate=round(min(dice.gauss(15 + 4 * illness, 1.5), 50)),
        spo2=round(min(max(dice.gauss(97.5 - 2 * illness, 1), 75), 100)),
        oxygen_flow=round(illness * 2) if illness > 1 else 0,
        systolic=round(max(dice.gauss(128 - 11 * illness, 9), 62)),
        diastolic=round(max(dice.gauss(74 - 7 * illness, 7), 35)),
        heart_rate=round(min(dice.gauss(76 + 13 * illness, 7), 180)),
        temperature=round(min(dice.gauss(36.8 + 0.6 * illness, 0.3), 41), 1),
        consciousness="alert" if awake else dice.choice(("confused", "voice", "pain")),
    )
