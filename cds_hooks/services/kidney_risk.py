"""Kidney at chart opening: stage, disease that nobody has listed, risk of kidney failure, a missing urine ACR."""

from collections.abc import Mapping, Sequence
from typing import Any

from cds_hooks import presentation as say
from cds_hooks.protocol.cards import Card, CreateAction, Indicator, Source, Suggestion
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.markdown import plain, shorten
from cds_hooks.service import Moment, Service
from fhir_client.drafting import condition
from models.assessment import Assessed, Assessment, Gap, Missing, NotAssessable, Reading
from models.ckd_detection.assessor import ASSESSOR as DETECTION
from models.ckd_detection.staging import diagnosis, is_low_egfr
from models.kfre import MODEL as KFRE
from models.kfre.thresholds import reaches_referral, supports_referral

KDIGO = Source("KDIGO 2024 chronic kidney disease guideline", "https://doi.org/10.1016/j.kint.2023.10.018")
TANGRI = Source("Kidney Failure Risk Equation, Tangri 2016", "https://doi.org/10.1001/jama.2015.18202")
CRITERIA = "KDIGO 2024: eGFR below 60 or ACR of 30 mg/g or more, for at least 3 months (two values 90 days apart)."
STAGED_IN = (
    "eGFR by CKD-EPI 2021 (creatinine) unless stated; not for acute illness, dialysis, pregnancy or extremes of muscle "
    "mass."
)
DERIVED_IN = "For adults with CKD G3 to G5 (Tangri N, JAMA 2011 and 2016)."
REFERRAL = "KDIGO 2024: a 5-year risk of 3 to 5% supports referral to nephrology."
CALIBRATIONS = {
    "north-america": "North American calibration",
    "other": "non-North American calibration",
    "united-kingdom": "United Kingdom calibration",
}
SERIES_SHOWN = 4


def present(assessments: Sequence[Assessment], moment: Moment) -> Sequence[Card]:
    """Show disease that is not listed, a risk of failure worth a referral, and an ACR that staging needs."""
    detection, kfre = assessments
    cards = []
    if isinstance(detection, Assessed):
        cards += _stage_cards(detection, moment)
    if isinstance(kfre, Assessed):
        cards += _failure_cards(kfre, moment)
    if isinstance(detection, NotAssessable) and _is_kidney_patient(detection):
        cards.append(_not_staged(detection, moment))
    return cards


def _stage_cards(detection: Assessed, moment: Moment) -> list[Card]:
    results = detection.results
    if results.get("meets_criteria") and results.get("listed") is False:
        return [_unlisted(detection, moment)]
    if is_low_egfr(results["egfr_ml_min_1_73m2"]) and results.get("a_stage") is None:
        return [_acr_missing(detection, moment)]
    return []


def _unlisted(detection: Assessed, moment: Moment) -> Card:
    results = detection.results
    stage = _stage(results)
    suggestions = [_problem(results, moment)]
    if results.get("a_stage") is None:
        suggestions.append(_order_acr(moment))
    body = say.detail(
        f"**Results meet the laboratory criteria for chronic kidney disease {stage}; "
        "it was not found on the problem list.**",
        _series_table(results),
        say.inputs_table(detection.inputs),
        say.notes_list(detection.notes),
        say.footer(detection.model, STAGED_IN, threshold=CRITERIA),
    )
    summary = f"Meets laboratory criteria for CKD {stage}, not on the problem list"
    return say.card(moment, summary, indicator=Indicator.WARNING, source=KDIGO, body=body, suggestions=suggestions)


def _acr_missing(detection: Assessed, moment: Moment) -> Card:
    results = detection.results
    egfr = results["egfr_ml_min_1_73m2"]
    body = say.detail(
        "Without a urine albumin/creatinine ratio neither albuminuria category nor risk of kidney failure is known.",
        _series_table(results),
        say.inputs_table(detection.inputs),
        say.footer(detection.model, STAGED_IN, threshold=CRITERIA),
    )
    summary = f"eGFR {egfr:.0f} ({results['g_stage']}), urine albumin/creatinine ratio {_acr_gap(detection)}"
    return say.card(
        moment, summary, indicator=Indicator.INFO, source=KDIGO, body=body, suggestions=[_order_acr(moment)]
    )


def _acr_gap(detection: Assessed) -> str:
    reading = next(item.reading for item in detection.inputs if item.name == "acr_mg_g")
    if isinstance(reading, Missing) and reading.at is not None:
        return f"{reading.gap.value}, last {say.day(reading.at)}"
    return reading.gap.value if isinstance(reading, Missing) else Gap.NOT_RECORDED.value


def _failure_cards(kfre: Assessed, moment: Moment) -> list[Card]:
    results = kfre.results
    if "risk_5y" not in results or not reaches_referral(results["risk_5y"]):
        return []
    two, five = say.percent(results["risk_2y"]), say.percent(results["risk_5y"])
    calibration = CALIBRATIONS[str(kfre.values["region"])]
    body = say.detail(
        f"**Estimated risk of dialysis or transplant: {two} in 2 years, {five} in 5 years ({calibration}).**",
        say.drivers_line(kfre.drivers.get("risk_5y", ())),
        say.inputs_table(kfre.inputs),
        say.notes_list(kfre.notes),
        say.footer(kfre.model, DERIVED_IN, threshold=REFERRAL),
    )
    indicator = Indicator.WARNING if supports_referral(results["risk_5y"]) else Indicator.INFO
    return [
        say.card(
            moment,
            f"Kidney failure risk: {two} in 2 years, {five} in 5 years ({calibration})",
            indicator=indicator,
            source=TANGRI,
            body=body,
            suggestions=[_referral(moment)],
            unverified=any(kfre.unverified.values()),
        )
    ]


def _is_kidney_patient(detection: NotAssessable) -> bool:
    """Tell whether it is worth saying that nothing can be said: kidney disease is listed or a value is unusable."""
    readings = {item.name: item.reading for item in detection.inputs}
    listed, egfr = readings.get("chronic_kidney_disease"), readings.get("egfr_ml_min_1_73m2")
    is_listed = isinstance(listed, Reading) and listed.value is True
    # A time tells that something was measured, even if sex or age are lacking to make an eGFR of it.
    is_unusable = isinstance(egfr, Missing) and (
        egfr.at is not None or egfr.gap not in (Gap.NOT_RECORDED, Gap.UNAVAILABLE)
    )
    return is_listed or is_unusable


def _not_staged(detection: NotAssessable, moment: Moment) -> Card:
    summary = shorten(f"Kidney function not staged: {_why_not_staged(detection)}", say.SUMMARY_LIMIT)
    body = say.detail(
        say.inputs_table(detection.inputs),
        say.notes_list(detection.notes),
        say.footer(detection.model, STAGED_IN, threshold=CRITERIA),
    )
    order = say.order(moment, "creatinine", why="Kidney function cannot be staged from the record")
    return say.card(moment, summary, indicator=Indicator.INFO, source=KDIGO, body=body, suggestions=[order])


def _why_not_staged(detection: NotAssessable) -> str:
    first = detection.missing[0]
    if not isinstance(first.reading, Missing):
        return first.label
    if first.reading.gap is Gap.UNSTABLE:
        return first.reading.gap.value
    name = "creatinine" if first.name == "egfr_ml_min_1_73m2" else first.label
    last = f" (last {say.day(first.reading.at)})" if first.reading.at is not None else ""
    return f"{name} {say.reason(first.reading)}{last}"


def _stage(results: Mapping[str, Any]) -> str:
    return " ".join(stage for stage in (results["g_stage"], results.get("a_stage")) if stage)


def _series_table(results: Mapping[str, Any]) -> str:
    rows = [
        f"| {name} | {say.number(point['value'])} {unit} | {plain(point['at'][:10])} |"
        for name, unit, series in (("eGFR", "mL/min/1.73 m²", "egfr"), ("ACR", "mg/g", "acr"))
        for point in results.get(series, ())[:SERIES_SHOWN]
    ]
    return "\n".join(["| Result | Value | Date |", "| --- | --- | --- |", *rows]) if rows else ""


def _problem(results: Mapping[str, Any], moment: Moment) -> Suggestion:
    code, display = diagnosis(results["g_stage"])
    problem = condition(code, display, patient_id=moment.request.context.patient_id)
    words = f"Add to the problem list: {display}"
    return Suggestion(words, actions=(CreateAction(words, problem),))


def _order_acr(moment: Moment) -> Suggestion:
    return say.order(moment, "urine_acr", why="Albuminuria category is not known")


def _referral(moment: Moment) -> Suggestion:
    return say.order(moment, "nephrology_referral", why="Estimated risk of kidney failure")


SERVICE = Service(
    id="kidney-risk",
    hooks=(Hook.PATIENT_VIEW,),
    title="Kidney disease and kidney failure risk",
    description=(
        "Stage of chronic kidney disease from eGFR and urine albumin, disease that the problem list does not name, the "
        "risk of kidney failure over 2 and 5 years (KFRE), and a urine albumin/creatinine ratio that is missing."
    ),
    usage_requirements=(
        "Needs prefetch or FHIR access to results and problems. The kidney failure risk needs the site's calibration "
        "region."
    ),
    link_hosts=frozenset({"doi.org"}),
    assessors=(DETECTION, KFRE),
    present=present,
)
