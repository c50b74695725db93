"""Stroke prevention at chart opening: atrial fibrillation without an anticoagulant, bleeding factors to correct."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cds_hooks import presentation as say
from cds_hooks.protocol.cards import Card, CreateAction, Indicator, Source, Suggestion
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.markdown import shorten
from cds_hooks.service import Moment, Service
from fhir_client.drafting import task
from models.anticoagulation import ASSESSOR as ANTICOAGULATION
from models.assessment import Assessed, Assessment, Input, Missing, NotAssessable
from models.cha2ds2_va import MODEL as CHA2DS2_VA
from models.cha2ds2_vasc import MODEL as CHA2DS2_VASC
from models.features.setting import is_in_acute_care
from models.has_bled import MODEL as HAS_BLED
from models.has_bled.model import known_parts
from models.risk_model import RiskModel


@dataclass(frozen=True, slots=True)
class StrokeScore:
    """One of the two scores that a site chooses between, and the guideline that says from how many points."""

    name: str
    model: RiskModel
    source: Source
    threshold: str


_VA: Final[Mapping[str, int]] = CHA2DS2_VA.parameters["anticoagulation"]
_VASC: Final[Mapping[str, Mapping[str, int]]] = CHA2DS2_VASC.parameters["anticoagulation"]

SCORES: Final = {
    "cha2ds2-va": StrokeScore(
        "CHA2DS2-VA",
        CHA2DS2_VA,
        Source("CHA2DS2-VA, 2024 ESC guideline", f"https://doi.org/{CHA2DS2_VA.parameters.doi}"),
        f"2024 ESC guideline: an anticoagulant is recommended from {_VA['recommended_from']} points and should be "
        f"considered at {_VA['considered_from']}.",
    ),
    "cha2ds2-vasc": StrokeScore(
        "CHA2DS2-VASc",
        CHA2DS2_VASC,
        Source("CHA2DS2-VASc, Lip 2010", f"https://doi.org/{CHA2DS2_VASC.parameters.doi}"),
        "2023 ACC/AHA/ACCP/HRS guideline: an anticoagulant is recommended from "
        f"{_VASC['male']['recommended_from']} points in men and {_VASC['female']['recommended_from']} in women; "
        f"{_VASC['male']['considered_from']} and {_VASC['female']['considered_from']} are intermediate.",
    ),
}
DERIVED_IN = (
    "For adults with atrial fibrillation without rheumatic mitral disease or a mechanical valve. Points rank; they are "
    "no probability."
)
BLEEDING_SOURCE = Source("HAS-BLED, Pisters 2010", f"https://doi.org/{HAS_BLED.parameters.doi}")
BLEEDING_DERIVED_IN = "Made in 3,978 people of the Euro Heart Survey (Pisters R, Chest 2010;138:1093)."
NOT_TO_DENY = "Bleeding factors are named to be corrected; they are no reason to withhold an anticoagulant."
CORRECTABLE: Final = frozenset(HAS_BLED.parameters["correctable"])
RECOMMENDED, CONSIDERED = "anticoagulant recommended", "consider an anticoagulant"
REVIEW = "Review oral anticoagulation"
ABNORMAL_RENAL_FUNCTION = "abnormal_renal_function"


def present(assessments: Sequence[Assessment], moment: Moment) -> Sequence[Card]:
    """Show who has no anticoagulant and should; under one, which bleeding factors can be corrected; else be silent."""
    by_model = {assessment.model.id: assessment for assessment in assessments}
    score = SCORES[moment.site.stroke_score]
    stroke, bleeding = by_model[score.model.id], by_model[HAS_BLED.id]
    match by_model[ANTICOAGULATION.id]:
        case Assessed(results={"anticoagulated": True}):
            return _correctable_cards(bleeding, moment)
        case Assessed(results={"anticoagulated": False}):
            return _untreated_cards(score, stroke, bleeding, moment)
        case NotAssessable() as unknown if isinstance(stroke, Assessed) and _advice(score, stroke):
            return [_orders_not_read(score, stroke, unknown, moment)]
    return []


def _advice(score: StrokeScore, stroke: Assessed) -> str:
    """Give the strongest advice: where the chart names neither sex, of both."""
    marks: Mapping[str, Any] = score.model.parameters["anticoagulation"]
    by_sex = stroke.alternatives or {str(stroke.values.get("sex")): stroke.results}
    found = {_advice_at(results.get("points"), marks.get(sex, marks)) for sex, results in by_sex.items()}
    return next((advice for advice in (RECOMMENDED, CONSIDERED) if advice in found), "")


def _advice_at(points: int | None, marks: Mapping[str, int]) -> str:
    if points is None or points < marks["considered_from"]:
        return ""
    return RECOMMENDED if points >= marks["recommended_from"] else CONSIDERED


def _points(score: StrokeScore, stroke: Assessed) -> str:
    by_sex = sorted(stroke.alternatives.items())
    both = " or ".join(f"{results['points']} ({sex})" for sex, results in by_sex)
    return f"{score.name} {both or stroke.results['points']}"


def _untreated_cards(score: StrokeScore, stroke: Assessment, bleeding: Assessment, moment: Moment) -> Sequence[Card]:
    match stroke:
        case Assessed() as assessed if advice := _advice(score, assessed):
            return [_untreated(score, assessed, advice, bleeding, moment)]
        case NotAssessable() as unknown if say.is_worth_completing(
            unknown.inputs, unknown.missing
        ) and not is_in_acute_care(moment.record):
            return [_not_computed(score, unknown, moment)]
    return []


def _untreated(score: StrokeScore, stroke: Assessed, advice: str, bleeding: Assessment, moment: Moment) -> Card:
    body = say.detail(
        "**Atrial fibrillation is on the problem list; no active order for an oral anticoagulant was found.**",
        say.drivers_line(stroke.drivers.get("points", ())),
        say.inputs_table(stroke.inputs),
        say.notes_list(stroke.notes),
        _bleeding_part(bleeding, moment),
        say.footer(stroke.model, DERIVED_IN, threshold=score.threshold),
    )
    return say.card(
        moment,
        f"Atrial fibrillation without anticoagulant: {_points(score, stroke)}, {advice}",
        indicator=Indicator.WARNING if advice == RECOMMENDED else Indicator.INFO,
        source=score.source,
        body=body,
        suggestions=[_review(moment), *_creatinine(bleeding, moment)],
        unverified=any(stroke.unverified.values()),
    )


def _orders_not_read(score: StrokeScore, stroke: Assessed, unknown: NotAssessable, moment: Moment) -> Card:
    why = next((say.reason(item.reading) for item in unknown.missing if isinstance(item.reading, Missing)), "")
    summary = f"Atrial fibrillation, {_points(score, stroke)}; anticoagulant not known: {why}"
    body = say.detail(
        "Whether an oral anticoagulant is taken could not be told from the orders. It is not read as no.",
        say.inputs_table((*unknown.inputs, *stroke.inputs)),
        say.notes_list(stroke.notes),
        say.footer(stroke.model, DERIVED_IN, threshold=score.threshold),
    )
    return say.card(
        moment,
        shorten(summary, say.SUMMARY_LIMIT),
        indicator=Indicator.INFO,
        source=score.source,
        body=body,
        unverified=any(stroke.unverified.values()),
    )


def _not_computed(score: StrokeScore, unknown: NotAssessable, moment: Moment) -> Card:
    start = f"Atrial fibrillation without anticoagulant: {score.name} not computed, missing: "
    summary = start + say.missing_names(unknown.missing, limit=say.SUMMARY_LIMIT - len(start))
    body = say.detail(
        say.inputs_table(unknown.inputs),
        say.notes_list(unknown.notes),
        say.footer(unknown.model, DERIVED_IN, threshold=score.threshold),
    )
    return say.card(moment, summary, indicator=Indicator.INFO, source=score.source, body=body)


def _correctable_cards(bleeding: Assessment, moment: Moment) -> Sequence[Card]:
    found = _correctable(bleeding, moment)
    if not found:
        return []
    start = "Anticoagulant in atrial fibrillation, bleeding factors to correct: "
    summary = start + say.missing_names(found, limit=say.SUMMARY_LIMIT - len(start))
    body = say.detail(
        _bleeding_part(bleeding, moment),
        say.inputs_table(_inputs(bleeding)),
        say.footer(bleeding.model, BLEEDING_DERIVED_IN),
    )
    unverified = any(output.unverified for output in HAS_BLED.outputs)
    return [
        say.card(moment, summary, indicator=Indicator.INFO, source=BLEEDING_SOURCE, body=body, unverified=unverified)
    ]


def _bleeding_part(bleeding: Assessment, moment: Moment) -> str:
    """Name what can be corrected, and the points of what is known: few charts hold all, so they are a lower bound."""
    inputs = _inputs(bleeding)
    if not inputs or not _may_show_bleeding(moment):
        return ""
    known = sum(known_parts(inputs).values())
    points = f"HAS-BLED {known}" if isinstance(bleeding, Assessed) else f"HAS-BLED at least {known}, as far as known"
    found = _correctable(bleeding, moment)
    factors = say.inputs_table(found) if found else "No bleeding factor that can be corrected was found."
    lead = f"**Bleeding factors that can be corrected** ({points}; {bleeding.model.id} {bleeding.model.version})"
    return say.detail(lead, factors, NOT_TO_DENY)


def _correctable(bleeding: Assessment, moment: Moment) -> list[Input]:
    inputs = _inputs(bleeding)
    parts = known_parts(inputs) if _may_show_bleeding(moment) else {}
    return [item for item in inputs if item.name in CORRECTABLE and parts.get(item.name)]


def _may_show_bleeding(moment: Moment) -> bool:
    """Tell whether the gate lets the user see points of which the pipeline withholds no more than the total."""
    return moment.shows_unverified or not any(output.unverified for output in HAS_BLED.outputs)


def _inputs(assessment: Assessment) -> tuple[Input, ...]:
    return assessment.inputs if isinstance(assessment, Assessed | NotAssessable) else ()


def _review(moment: Moment) -> Suggestion:
    context = moment.request.context
    resource = task(REVIEW, patient_id=context.patient_id, encounter_id=context.encounter_id)
    return Suggestion(REVIEW, actions=(CreateAction(REVIEW, resource),))


def _creatinine(bleeding: Assessment, moment: Moment) -> list[Suggestion]:
    is_missing = any(
        item.name == ABNORMAL_RENAL_FUNCTION and isinstance(item.reading, Missing) for item in _inputs(bleeding)
    )
    why = "Kidney function before an oral anticoagulant"
    return [say.order(moment, "creatinine", why=why)] if is_missing else []


SERVICE = Service(
    id="stroke-prevention",
    hooks=(Hook.PATIENT_VIEW,),
    title="Stroke prevention in atrial fibrillation",
    description=(
        "Atrial fibrillation without an oral anticoagulant where CHA2DS2-VA (or CHA2DS2-VASc, as the site chooses) "
        "calls for one, and the bleeding factors of HAS-BLED that can be corrected. Silent otherwise."
    ),
    usage_requirements="Needs prefetch or FHIR access to problems and medication orders; results make it better.",
    link_hosts=frozenset({"doi.org"}),
    assessors=(ANTICOAGULATION, CHA2DS2_VA, CHA2DS2_VASC, HAS_BLED),
    present=present,
)
