"""Readmission at discharge: LACE from the usual mark on, simplified HOSPITAL beside it, and what may be arranged."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from cds_hooks import presentation as say
from cds_hooks.protocol.cards import Card, CreateAction, Indicator, Source, Suggestion
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.markdown import plain
from cds_hooks.service import Moment, Service
from fhir_client.drafting import task
from models.assessment import Assessed, Assessment, Input, NotAssessable
from models.features.comorbidities import ICD10
from models.hospital_simplified import MODEL as HOSPITAL
from models.hospital_simplified.model import known_points as known_hospital
from models.lace import MODEL as LACE
from models.lace.model import COMORBIDITY_POINTS, Known, known_points
from models.risk_model import RiskModel

SOURCE: Final = Source("LACE, van Walraven 2010", f"https://doi.org/{LACE.parameters.doi}")
HIGH: Final[int] = LACE.parameters["high_risk"]["at_least"]
HIGHEST: Final = known_points(()).most
HOSPITAL_HIGHEST: Final = (
    sum(HOSPITAL.parameters["points"].values()) + HOSPITAL.parameters["admissions_12m"][-1]["points"]
)
LACE_IN: Final = (
    "Made in medical and surgical patients of Ontario, for death or unplanned readmission within 30 days (van Walraven "
    "C, CMAJ 2010;182:551)."
)
HOSPITAL_IN: Final = (
    "Made in medical patients of nine hospitals in four countries, for avoidable readmission within 30 days (Aubert "
    "CE, BMJ Qual Saf 2017;26:799)."
)
MARK: Final = (
    f"{HIGH} points or more are usually called high; where it was measured, the best mark rose with age. Points rank: "
    "no percentage holds at a hospital before it was measured there."
)
WITHOUT_BAND: Final = "Its points are shown without a band: no mark of it was found in a second source."
NO_DELAY: Final = "A reason to arrange a safe transition, none to delay the discharge."
WHY: Final = "High risk of readmission (LACE)"
RECONCILE: Final = "Reconcile the medication before discharge"


def present(assessments: Sequence[Assessment], moment: Moment) -> Sequence[Card]:
    """Show who needs a safe transition most, and what little keeps that from being told; else be silent."""
    lace, hospital = assessments
    if not _may_show(LACE, moment):
        return []
    match lace:
        case Assessed() | NotAssessable() if known_points(lace.inputs).least >= HIGH:
            return [_high(lace, hospital, moment)]
        case NotAssessable() if _is_open(lace):
            return [_not_told(lace, hospital, moment)]
    return []


def _may_show(model: RiskModel, moment: Moment) -> bool:
    """Tell whether the gate lets the user see points of which the pipeline withholds no more than the total."""
    return moment.shows_unverified or not _is_unverified(model)


def _is_unverified(model: RiskModel) -> bool:
    return any(output.unverified for output in model.outputs)


def _is_open(unknown: NotAssessable) -> bool:
    """Tell whether what is missing decides, and more inputs are known than missing."""
    worth = say.is_worth_completing(_charted(unknown.inputs), _charted(unknown.missing))
    return worth and known_points(unknown.inputs).most >= HIGH


def _charted(inputs: Iterable[Input]) -> list[Input]:
    """Give what a chart can tell: its diagnoses are weighed, so that nobody has to name their weight."""
    return [item for item in inputs if item.name != COMORBIDITY_POINTS.name]


def _high(lace: Assessed | NotAssessable, hospital: Assessment, moment: Moment) -> Card:
    known = known_points(lace.inputs)
    return say.card(
        moment,
        f"High risk of readmission: LACE {_total(known, lace)} of {HIGHEST}{_hospital_words(hospital)}",
        indicator=Indicator.INFO,  # models.md 3.2: c near 0.7 means many false positives
        source=SOURCE,
        body=_body(f"**LACE {_total(known, lace)} of {HIGHEST} (high from {HIGH})**", known, lace, hospital, moment),
        suggestions=[
            say.order(moment, "follow_up_visit", why=WHY),
            _reconciliation(moment),
            say.order(moment, "transitional_care_referral", why=WHY),
        ],
        unverified=_is_unverified(LACE),
    )


def _total(known: Known, lace: Assessed | NotAssessable) -> str:
    return str(known.least) if isinstance(lace, Assessed) else f"at least {known.least}"


def _hospital_words(hospital: Assessment) -> str:
    if not isinstance(hospital, Assessed) or "points" not in hospital.results:
        return ""
    return f", simplified HOSPITAL {hospital.results['points']} of {HOSPITAL_HIGHEST}"


def _not_told(lace: NotAssessable, hospital: Assessment, moment: Moment) -> Card:
    known = known_points(lace.inputs)
    start, end = "Readmission: LACE not computed, missing: ", f"; {known.least} to {known.most} points"
    names = say.missing_names(_charted(lace.missing), limit=say.SUMMARY_LIMIT - len(start) - len(end))
    return say.card(
        moment,
        start + names + end,
        indicator=Indicator.INFO,
        source=SOURCE,
        body=_body(
            f"**LACE {known.least} to {known.most} of {HIGHEST} (high from {HIGH})**", known, lace, hospital, moment
        ),
        unverified=_is_unverified(LACE),
    )


def _body(lead: str, known: Known, lace: Assessed | NotAssessable, hospital: Assessment, moment: Moment) -> str:
    return say.detail(
        lead,
        _parts_table(known.parts),
        say.inputs_table(_charted(lace.inputs)),
        _diagnoses_line(lace.inputs),
        _hospital_part(hospital) if _may_show(HOSPITAL, moment) else "",
        NO_DELAY,
        say.footer(lace.model, LACE_IN, performance=str(LACE.parameters["performance"]), threshold=MARK),
    )


def _parts_table(parts: Mapping[str, int]) -> str:
    rows = [f"| {say.capital(LACE.by_name[name].label)} | {points} |" for name, points in parts.items()]
    return "\n".join(["| Part | Points |", "| --- | --- |", *rows])


def _diagnoses_line(inputs: Iterable[Input]) -> str:
    """Name the diagnoses that were weighed, by code: the points of comorbidity are nobody's to believe."""
    codes = next((reading.rows or () for item, reading in say.read_inputs(inputs) if item.name == ICD10.name), ())
    return f"Diagnoses that count: {', '.join(plain(_dotted(code)) for code in codes)}." if codes else ""


def _dotted(code: str) -> str:
    return f"{code[:3]}.{code[3:]}" if code[3:] else code


def _hospital_part(hospital: Assessment) -> str:
    """Tell the other score, by what it has at least where not all of it is known."""
    if not isinstance(hospital, Assessed | NotAssessable):
        return ""
    least = "" if isinstance(hospital, Assessed) else "at least "
    return say.detail(
        f"**Simplified HOSPITAL {least}{known_hospital(hospital.inputs)} of {HOSPITAL_HIGHEST}**",
        say.inputs_table(hospital.inputs),
        f"Model {hospital.model.id} {hospital.model.version}. {HOSPITAL_IN} {WITHOUT_BAND}",
        f"{HOSPITAL.parameters['performance']}.",
    )


def _reconciliation(moment: Moment) -> Suggestion:
    context = moment.request.context
    resource = task(RECONCILE, patient_id=context.patient_id, encounter_id=context.encounter_id)
    return Suggestion(RECONCILE, actions=(CreateAction(RECONCILE, resource),))


SERVICE = Service(
    id="readmission",
    hooks=(Hook.ENCOUNTER_DISCHARGE,),
    title="Readmission within 30 days (LACE, HOSPITAL)",
    description=(
        "LACE of the inpatient stay that ends, from 10 points on, with the simplified HOSPITAL score beside it, and "
        "what may be arranged: a visit within 7 days, medication reconciliation, transitional care. Silent below."
    ),
    usage_requirements="Needs prefetch or FHIR access to encounters and problems; laboratory results make it better.",
    link_hosts=frozenset({"doi.org"}),
    assessors=(LACE, HOSPITAL),
    present=present,
)
