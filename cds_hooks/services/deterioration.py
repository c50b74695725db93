"""Acute deterioration: NEWS2 of the newest observation set, its parts, and the trend of the last 24 hours."""

from collections.abc import Mapping, Sequence

from cds_hooks import presentation as say
from cds_hooks.protocol.cards import Card, CreateAction, Indicator, Source, Suggestion
from cds_hooks.protocol.hooks import Hook
from cds_hooks.service import Moment, Service
from fhir_client.drafting import task
from models.assessment import Assessed, Assessment, NotAssessable
from models.news2 import MODEL
from models.news2.model import SPO2_SCALE, Total, known_points, news2_series

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


def present(assessments: Sequence[Assessment], moment: Moment) -> Sequence[Card]:
    """Show a raised score; say in acute care what keeps a score from being computed; else be silent."""
    match assessments[0]:
        case Assessed() as assessed if assessed.results.get("band") in RESPONSES:
            return [_raised(assessed, moment)]
        case NotAssessable() as unknown:
            return [_not_scored(unknown, moment)]
    return []


def _raised(assessed: Assessed, moment: Moment) -> Card:
    points, band = assessed.results["points"], assessed.results["band"]
    indicator, response = RESPONSES[band]
    body = say.detail(
        f"**NEWS2 {points} of 20 ({band})**",
        _parts_table(assessed),
        _trend_line(news2_series(moment.record, moment.site)),
        say.notes_list(assessed.notes),
        say.footer(assessed.model, DERIVED_IN, performance=PERFORMANCE, threshold=THRESHOLDS),
    )
    return say.card(
        moment,
        f"NEWS2 = {points} ({band}): {response}",
        indicator=indicator,
        source=SOURCE,
        body=body,
        suggestions=[_hourly_observations(moment)],
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


def _not_scored(unknown: NotAssessable, moment: Moment) -> Card:
    known = known_points(unknown.inputs)
    start, end = "NEWS2 not scored, missing: ", f"; the rest alone gives {known.points}" if known.points else ""
    summary = start + say.missing_names(unknown.missing, limit=say.SUMMARY_LIMIT - len(start) - len(end)) + end
    indicator = Indicator.WARNING if known.band in RESPONSES else Indicator.INFO
    body = say.detail(
        say.inputs_table((item for item in unknown.inputs if item.name != SPO2_SCALE.name), timed=True),
        "A missing part is not read as normal: alertness and air are never assumed.",
        say.notes_list(unknown.notes),
        say.footer(unknown.model, DERIVED_IN, threshold=THRESHOLDS),
    )
    return say.card(moment, summary, indicator=indicator, source=SOURCE, body=body)


SERVICE = Service(
    id="deterioration",
    hooks=(Hook.PATIENT_VIEW, Hook.ENCOUNTER_START),
    title="Acute deterioration (NEWS2)",
    description=(
        "National Early Warning Score 2 of adults in acute care from the newest set of vital signs (12 hours), with "
        "its parts and the trend of 24 hours. Silent while the score is low."
    ),
    usage_requirements="Needs prefetch or FHIR access to vital signs, consciousness and oxygen delivery included.",
    link_hosts=frozenset({"www.rcplondon.ac.uk"}),
    assessors=(MODEL,),
    present=present,
)
