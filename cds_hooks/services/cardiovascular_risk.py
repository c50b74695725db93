"""Cardiovascular risk at chart opening: AHA PREVENT over 10 and 30 years, what drives it, what is missing."""

from collections.abc import Mapping, Sequence

from cds_hooks import presentation as say
from cds_hooks.protocol.cards import Card, Indicator, Source, Suggestion
from cds_hooks.protocol.hooks import Hook
from cds_hooks.service import Moment, Service
from models.assessment import Assessed, Assessment, NotAssessable
from models.features.setting import is_in_acute_care
from models.prevent import MODEL
from models.prevent.thresholds import ascvd_category, reaches_blood_pressure_threshold

SOURCE = Source("AHA PREVENT equations, 2023", "https://doi.org/10.1161/CIRCULATIONAHA.123.067626")
DERIVED_IN = (
    "Derived and validated in 6.6 million US adults aged 30 to 79 without cardiovascular disease "
    "(Khan SS et al., Circulation 2024;149:430)."
)
THRESHOLDS = (
    "ASCVD categories: 2026 ACC/AHA dyslipidemia guideline (low below 3%, borderline below 5%, intermediate below "
    "10%, high from 10%). Total CVD 7.5%: threshold of the 2025 AHA/ACC guideline for drug treatment of stage 1 "
    "hypertension."
)
PERFORMANCE = str(MODEL.parameters["performance"])
NOT_AN_EFFECT = "A what-if on the model's inputs is not the effect of a treatment."
HORIZONS = (("10-year", "10y"), ("30-year", "30y"))
OUTCOMES = (("total CVD", "cvd"), ("ASCVD", "ascvd"), ("heart failure", "hf"))
SYSTOLIC_TARGET = 130.0  # clinical/models.md 5: the what-if is asked with a systolic pressure of 130
TESTS = {
    "total_cholesterol_mg_dl": "lipid_panel",
    "hdl_cholesterol_mg_dl": "lipid_panel",
    "egfr_ml_min_1_73m2": "creatinine",
}


def present(assessments: Sequence[Assessment], moment: Moment) -> Sequence[Card]:
    """Show raised risk, or outside acute care what little keeps it from being computed; a low risk is silence."""
    match assessments[0]:
        case Assessed() as assessed if assessed.alternatives:
            return [_both_sexes(assessed, moment)] if any(map(_is_raised, assessed.alternatives.values())) else []
        case Assessed() as assessed if _is_raised(assessed.results):
            return [_risk(assessed, moment)]
        case NotAssessable() as unknown if say.is_worth_completing(
            unknown.inputs, unknown.missing
        ) and not is_in_acute_care(moment.record):
            return [_not_computed(unknown, moment)]
    return []


def _is_raised(results: Mapping[str, float]) -> bool:
    ascvd, cvd = results.get("ascvd_10y"), results.get("cvd_10y")
    return (ascvd is not None and ascvd_category(ascvd) in ("intermediate", "high")) or (
        cvd is not None and reaches_blood_pressure_threshold(cvd)
    )


def _indicator(results: Mapping[str, float]) -> Indicator:
    return Indicator.WARNING if ascvd_category(results["ascvd_10y"]) == "high" else Indicator.INFO


def _risk(assessed: Assessed, moment: Moment) -> Card:
    results = assessed.results
    cvd, ascvd = results["cvd_10y"], results["ascvd_10y"]
    summary = f"10-year cardiovascular risk {say.percent(cvd)} (ASCVD {say.percent(ascvd)}, {ascvd_category(ascvd)})"
    if "cvd_30y" in results:
        summary += f"; 30-year {say.percent(results['cvd_30y'])}"
    body = say.detail(
        _risks_table(results),
        say.drivers_line(assessed.drivers.get("cvd_10y", ())),
        _what_if(assessed),
        say.inputs_table(assessed.inputs),
        say.notes_list(assessed.notes),
        say.footer(assessed.model, DERIVED_IN, performance=PERFORMANCE, threshold=THRESHOLDS),
    )
    return say.card(moment, summary, indicator=_indicator(results), source=SOURCE, body=body)


def _both_sexes(assessed: Assessed, moment: Moment) -> Card:
    parts = [f"{say.percent(results['cvd_10y'])} ({sex})" for sex, results in sorted(assessed.alternatives.items())]
    tables = [f"**{sex}**\n\n{_risks_table(results)}" for sex, results in sorted(assessed.alternatives.items())]
    body = say.detail(
        "The record states neither female nor male; both results are shown and neither is chosen.",
        *tables,
        say.inputs_table(assessed.inputs),
        say.notes_list(assessed.notes),
        say.footer(assessed.model, DERIVED_IN, performance=PERFORMANCE, threshold=THRESHOLDS),
    )
    summary = f"10-year cardiovascular risk {' or '.join(parts)}: sex for calculation not recorded"
    return say.card(moment, summary, indicator=Indicator.INFO, source=SOURCE, body=body)


def _risks_table(results: Mapping[str, float]) -> str:
    rows = ["| Risk | total CVD | ASCVD | heart failure |", "| --- | --- | --- | --- |"]
    for horizon, suffix in HORIZONS:
        names = [f"{outcome}_{suffix}" for _, outcome in OUTCOMES]
        if all(name in results for name in names):
            rows.append(f"| {horizon} | {' | '.join(say.percent(results[name]) for name in names)} |")
    return "\n".join(rows)


def _what_if(assessed: Assessed) -> str:
    values, now = assessed.values, assessed.results["cvd_10y"]
    changes: list[tuple[str, dict[str, bool | float]]] = []
    if values["smoker"]:
        changes.append(("not smoking", {"smoker": False}))
    if values["systolic_bp_mmhg"] > SYSTOLIC_TARGET:
        changes.append((f"systolic pressure {SYSTOLIC_TARGET:.0f} mmHg", {"systolic_bp_mmhg": SYSTOLIC_TARGET}))
    if not values["statin"]:
        changes.append(("taking a statin", {"statin": True}))
    lines = [
        f"- {words}: {say.percent(MODEL.compute({**values, **change})['cvd_10y'])} instead of {say.percent(now)}"
        for words, change in changes
    ]
    return "\n".join(["**The 10-year risk of someone alike, but**", "", *lines, "", NOT_AN_EFFECT]) if lines else ""


def _not_computed(unknown: NotAssessable, moment: Moment) -> Card:
    start = "Cardiovascular risk not computed, missing: "
    summary = start + say.missing_names(unknown.missing, limit=say.SUMMARY_LIMIT - len(start))
    body = say.detail(
        say.inputs_table(unknown.inputs or unknown.missing),
        say.notes_list(unknown.notes),
        say.footer(unknown.model, DERIVED_IN),
    )
    return say.card(
        moment, summary, indicator=Indicator.INFO, source=SOURCE, body=body, suggestions=_orders(unknown, moment)
    )


def _orders(unknown: NotAssessable, moment: Moment) -> list[Suggestion]:
    tests = {TESTS[item.name] for item in unknown.missing if item.name in TESTS}
    return [
        say.order(moment, name, why="Input of the PREVENT cardiovascular risk is missing or too old")
        for name in sorted(tests)
    ]


SERVICE = Service(
    id="cardiovascular-risk",
    hooks=(Hook.PATIENT_VIEW,),
    title="Cardiovascular risk (PREVENT)",
    description=(
        "10- and 30-year risk of cardiovascular disease by the AHA PREVENT equations for adults aged 30 to 79 without "
        "known cardiovascular disease: what drives it and what is missing. Silent at low risk."
    ),
    usage_requirements="Needs prefetch or FHIR access to results, problems and medication orders.",
    link_hosts=frozenset({"doi.org"}),
    assessors=(MODEL,),
    present=present,
)
