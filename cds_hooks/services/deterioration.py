"""Acute deterioration: NEWS2 of the newest observation set, its parts, and the trend of the last 24 hours.

Where an infection is suspected, qSOFA, SIRS and lactate stand beside it on the same card. SIRS alone makes no card:
many patients of a ward meet it (models.md 2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cds_hooks import presentation as say
from cds_hooks.protocol.cards import Card, CreateAction, Indicator, Source, Suggestion
from cds_hooks.protocol.hooks import Hook
from cds_hooks.service import Moment, Service
from fhir_client.drafting import task
from models.assessment import Assessed, Assessment, Gap, Input, Missing, NotApplicable, NotAssessable
from models.features.infection import LACTATE_MMOL_L
from models.features.suspicion import WITHOUT_SUSPECTED_INFECTION
from models.news2 import MODEL
from models.news2.model import SPO2_SCALE, Total, known_points, news2_series
from models.qsofa.model import known_parts
from models.qsofa.suspected import SUSPECTED as QSOFA
from models.risk_model import RiskModel
from models.sirs.model import compute as sirs_points
from models.sirs.suspected import SUSPECTED as SIRS

SOURCE = Source(
    "Royal College of Physicians, NEWS2 (2017)",
    "https://www.rcplondon.ac.uk/projects/outputs/national-early-warning-score-news-2",
)
DERIVED_IN = (
    "NEWS2, Royal College of Physicians 2017, for adults in acute care: not under 16, not in pregnancy. "
    "Pulse oximeters may read too high in darker skin."
)
THRESHOLDS = "Bands of the Royal College of Physicians: 5 or 6 urgent, 7 or more emergency, a single part of 3 urgent."
PERFORMANCE = str(MODEL.parameters["performance"])
RESPONSES = {
    "high": (Indicator.CRITICAL, "emergency assessment per local policy"),
    "medium": (Indicator.WARNING, "urgent review per local policy"),
    "low-medium": (Indicator.WARNING, "a single part scores 3: urgent ward review"),
}


SCREENED_IN = (
    "qSOFA: Singer M, JAMA 2016;315:801, derived in US hospitals in people with suspected infection. SIRS: criteria of "
    "a consensus, Bone RC, Chest 1992;101:1644. Two or more of either are positive; qSOFA misses many, and many "
    "patients of a ward meet SIRS."
)
SINGER = Source("qSOFA, Singer 2016", f"https://doi.org/{QSOFA.parameters.doi}")
POSITIVE: Final[int] = QSOFA.parameters["positive"]["at_least"]
_NEWS2_INPUTS: Final = frozenset(MODEL.by_name)


@dataclass(frozen=True, slots=True)
class _Screen:
    """The points of one screen for sepsis, at least so many where an input is missing."""

    name: str
    of: int
    points: int
    missing: tuple[Input, ...]

    @property
    def said(self) -> str:
        """Give name and points, a plus where there may be more: `qSOFA 1+`."""
        return f"{self.name} {self.points}{'+' if self.missing else ''}"


def present(assessments: Sequence[Assessment], moment: Moment) -> Sequence[Card]:
    """Show a raised score; say in acute care what keeps a score from being computed; else be silent."""
    news2, qsofa, sirs = assessments
    screens = _screens(qsofa, sirs, moment)
    infection = _infection_part(screens, qsofa, sirs)
    match news2:
        case Assessed() as assessed if assessed.results.get("band") in RESPONSES:
            return [_raised(assessed, screens, infection or _suspicion_unknown(qsofa), moment)]
        case NotAssessable() as unknown if not _is_just_begun(unknown, moment) or _is_qsofa_positive(screens):
            return [_not_scored(unknown, screens, infection, moment)]
        case Assessed() as assessed if _is_qsofa_positive(screens):
            return [_screened(assessed, screens, infection, moment)]
    return []


def _screens(qsofa: Assessment, sirs: Assessment, moment: Moment) -> tuple[_Screen, ...]:
    """Give both screens where an infection is suspected; none where it is not, or nobody can tell."""
    found = (_screen(qsofa, QSOFA, "qSOFA", 3, moment), _screen(sirs, SIRS, "SIRS", 4, moment))
    return tuple(screen for screen in found if screen is not None)


def _screen(assessment: Assessment, model: RiskModel, name: str, of: int, moment: Moment) -> _Screen | None:
    match assessment:
        case Assessed(results={"points": points}):
            return _Screen(name, of, points, ())
        case NotAssessable(missing=missing) if not _is_suspicion_unknown(missing) and _may_show(model, moment):
            values = {item.name: reading.value for item, reading in say.read_inputs(assessment.inputs)}
            points = sum(known_parts(values).values()) if model is QSOFA else sirs_points(values)["points"]
            return _Screen(name, of, points, missing)
    return None


def _may_show(model: RiskModel, moment: Moment) -> bool:
    return moment.shows_unverified or not any(output.unverified for output in model.outputs)


def _is_suspicion_unknown(missing: Sequence[Input]) -> bool:
    return any(item.name == WITHOUT_SUSPECTED_INFECTION.name for item in missing)


def _is_qsofa_positive(screens: Sequence[_Screen]) -> bool:
    return any(screen.name == "qSOFA" and screen.points >= POSITIVE for screen in screens)


def _suspicion_unknown(qsofa: Assessment) -> str:
    """Say that nobody could tell, and why: beside a raised score it matters."""
    missing = qsofa.missing if isinstance(qsofa, NotAssessable) else ()
    why = [
        say.reason(item.reading)
        for item in missing
        if _is_suspicion_unknown([item]) and isinstance(item.reading, Missing)
    ]
    return f"Whether an infection is suspected is not known ({why[0]}): no screen for sepsis was made." if why else ""


def _infection_part(screens: Sequence[_Screen], qsofa: Assessment, sirs: Assessment) -> str:
    """Show both screens side by side, with the inputs that NEWS2 has not, and what they lack."""
    if not screens or isinstance(qsofa, NotApplicable) or isinstance(sirs, NotApplicable):
        return ""
    inputs = {item.name: item for item in (*_inputs(qsofa), *_inputs(sirs)) if item.name not in _NEWS2_INPUTS}
    return say.detail(
        "**An infection is suspected: an antibiotic and a culture were ordered close in time.** Neither screen is a "
        "diagnosis of sepsis, nor are low points a reason against it.",
        _screens_table(screens),
        say.inputs_table(inputs.values(), timed=True),
        f"Models {QSOFA.id} {QSOFA.version}, {SIRS.id} {SIRS.version}. {SCREENED_IN}",
    )


def _screens_table(screens: Sequence[_Screen]) -> str:
    """Tabulate the points of each screen, and what it lacks where one lacks anything."""
    lacks = any(screen.missing for screen in screens)
    rows = [["Screen", "Points", "Missing"], ["---"] * 3]
    for screen in screens:
        points = f"{'at least ' if screen.missing else ''}{screen.points} of {screen.of}"
        rows.append([screen.name, points, ", ".join(item.label for item in screen.missing)])
    return "\n".join(f"| {' | '.join(row if lacks else row[:2])} |" for row in rows)


def _inputs(assessment: Assessment) -> tuple[Input, ...]:
    return assessment.inputs if isinstance(assessment, Assessed | NotAssessable) else ()


def _positive_words(screens: Sequence[_Screen]) -> str:
    """Name the screens in the summary where one of them is positive: `; infection suspected: qSOFA 3, SIRS 4`."""
    if all(screen.points < POSITIVE for screen in screens):
        return ""
    return f"; infection suspected: {', '.join(screen.said for screen in screens)}"


def _lactate(screens: Sequence[_Screen], moment: Moment) -> list[Suggestion]:
    known = LACTATE_MMOL_L.answer(moment.record, moment.site)
    is_wanted = bool(_positive_words(screens)) and isinstance(known, Missing)
    return (
        [say.order(moment, "lactate", why="Suspected infection, and a screen for sepsis is positive")]
        if is_wanted
        else []
    )


def _raised(assessed: Assessed, screens: Sequence[_Screen], infection: str, moment: Moment) -> Card:
    points, band = assessed.results["points"], assessed.results["band"]
    indicator, response = RESPONSES[band]
    body = say.detail(
        f"**NEWS2 {points} of 20 ({band})**",
        _parts_table(assessed),
        _trend_line(news2_series(moment.record, moment.site)),
        infection,
        say.notes_list(assessed.notes),
        say.footer(assessed.model, DERIVED_IN, performance=PERFORMANCE, threshold=THRESHOLDS),
    )
    return say.card(
        moment,
        f"NEWS2 = {points} ({band}): {response}{_positive_words(screens)}",
        indicator=indicator,
        source=SOURCE,
        body=body,
        suggestions=[_hourly_observations(moment), *_lactate(screens, moment)],
    )


def _screened(assessed: Assessed, screens: Sequence[_Screen], infection: str, moment: Moment) -> Card:
    points, band = assessed.results["points"], assessed.results["band"]
    body = say.detail(
        infection,
        f"**NEWS2 {points} of 20 ({band})**",
        _parts_table(assessed),
        say.notes_list(assessed.notes),
        say.footer(assessed.model, DERIVED_IN, performance=PERFORMANCE, threshold=THRESHOLDS),
    )
    said = ", ".join(screen.said for screen in screens)
    return say.card(
        moment,
        f"Infection suspected: {said}, while NEWS2 = {points} ({band})",
        indicator=Indicator.WARNING,
        source=SINGER,
        body=body,
        suggestions=[_hourly_observations(moment), *_lactate(screens, moment)],
    )


def _parts_table(assessed: Assessed) -> str:
    parts: Mapping[str, int] = assessed.results["parts"]
    rows = ["| Part | Value | Time | Points |", "| --- | --- | --- | --- |"]
    for item, reading in say.read_inputs(assessed.inputs):
        if item.name in parts:
            shown = say.value_with_unit(reading.value, item.unit)
            rows.append(f"| {say.capital(item.label)} | {shown} | {say.minute(reading.at)} | {parts[item.name]} |")
    return "\n".join(rows)


def _trend_line(totals: Sequence[Total]) -> str:
    if len(totals) < 2:  # noqa: PLR2004 - one total is no trend
        return ""
    steps = " → ".join(
        f"{total.points if total.points is not None else '?'} ({say.minute(total.at)})" for total in totals
    )
    return f"**Last 24 hours:** {steps}"


def _hourly_observations(moment: Moment) -> Suggestion:
    words = "Observations at least hourly"
    context = moment.request.context
    resource = task(words, patient_id=context.patient_id, encounter_id=context.encounter_id)
    return Suggestion(words, actions=(CreateAction(words, resource),))


def _is_just_begun(unknown: NotAssessable, moment: Moment) -> bool:
    """Tell whether a stay begins and nothing was measured yet: that is how stays begin, and no reason for a card."""
    gaps = {item.reading.gap for item in unknown.missing if isinstance(item.reading, Missing)}
    asked = [item for item in unknown.inputs if item.name != SPO2_SCALE.name]
    is_bare = not say.read_inputs(asked) and gaps <= {Gap.NOT_RECORDED, Gap.TOO_OLD}
    return moment.request.hook is Hook.ENCOUNTER_START and is_bare


def _not_scored(unknown: NotAssessable, screens: Sequence[_Screen], infection: str, moment: Moment) -> Card:
    known = known_points(unknown.inputs)
    start, end = "NEWS2 not scored, missing: ", f"; the rest alone gives {known.points}" if known.points else ""
    end += _positive_words(screens) if _is_qsofa_positive(screens) else ""
    summary = start + say.missing_names(unknown.missing, limit=say.SUMMARY_LIMIT - len(start) - len(end)) + end
    is_urgent = known.band in RESPONSES or _is_qsofa_positive(screens)
    indicator = Indicator.WARNING if is_urgent else Indicator.INFO
    body = say.detail(
        say.inputs_table((item for item in unknown.inputs if item.name != SPO2_SCALE.name), timed=True),
        "A missing part is not read as normal: alertness and air are never assumed.",
        infection,
        say.notes_list(unknown.notes),
        say.footer(unknown.model, DERIVED_IN, threshold=THRESHOLDS),
    )
    return say.card(
        moment, summary, indicator=indicator, source=SOURCE, body=body, suggestions=_lactate(screens, moment)
    )


SERVICE = Service(
    id="deterioration",
    hooks=(Hook.PATIENT_VIEW, Hook.ENCOUNTER_START),
    title="Acute deterioration (NEWS2, with qSOFA and SIRS)",
    description=(
        "National Early Warning Score 2 of adults in acute care from the newest set of vital signs (12 hours), with "
        "its parts and the trend of 24 hours; where an antibiotic and a culture tell of a suspected infection, with "
        "qSOFA, SIRS and lactate. Silent while NEWS2 is low and qSOFA is not positive."
    ),
    usage_requirements=(
        "Needs prefetch or FHIR access to vital signs, consciousness and oxygen delivery included; orders and results "
        "for qSOFA and SIRS."
    ),
    link_hosts=frozenset({"www.rcplondon.ac.uk", "doi.org"}),
    assessors=(MODEL, QSOFA, SIRS),
    present=present,
)
