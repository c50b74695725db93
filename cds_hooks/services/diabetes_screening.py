"""Diabetes at chart opening: results in the diabetic range that no list names, and a high risk that nobody tested."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cds_hooks import presentation as say
from cds_hooks.protocol.cards import Card, CreateAction, Indicator, Source, Suggestion
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.markdown import shorten
from cds_hooks.service import Moment, Service
from fhir_client.drafting import task
from models.assessment import Assessed, Assessment, Input, Missing, NotAssessable, Reading
from models.diabetes_detection import ASSESSOR as DETECTION
from models.diabetes_detection.assessor import tests_in_range
from models.features.diabetes_results import HBA1C_PERCENT
from models.features.setting import is_in_acute_care
from models.findrisc.from_chart import AT_LEAST

ADA = Source("American Diabetes Association, Standards of Care 2025", f"https://doi.org/{DETECTION.parameters.doi}")
FINDRISC = Source("FINDRISC, Lindstrom 2003", f"https://doi.org/{AT_LEAST.parameters.doi}")
DIAGNOSED_IN = (
    "For adults who are not pregnant. HbA1c misleads after blood loss or transfusion, in iron deficiency and with some "
    "haemoglobins; a glucose that is not said to be fasting is not read."
)
CRITERIA = (
    f"American Diabetes Association: HbA1c of {DETECTION.parameters['hba1c_percent']['at_least']}% or more, fasting "
    f"glucose of {DETECTION.parameters['fasting_glucose_mg_dl']['at_least']} mg/dL or more; without symptoms, "
    f"{DETECTION.parameters['results_needed']} such results, of one test or of both."
)
MADE_IN = "Made in 4,435 Finns of 35 to 64 years for diabetes treated with drugs (Lindstrom J, Diabetes Care 2003)."
HIGH: Final[Mapping[str, int]] = AT_LEAST.parameters["high"]
_RISKS: Final[Sequence[Mapping[str, float]]] = AT_LEAST.parameters["ten_year_risk"]
REVIEW = "Review the diagnosis of diabetes"


def present(assessments: Sequence[Assessment], moment: Moment) -> Sequence[Card]:
    """Show results in range that are not listed, else a high risk without a test; else be silent."""
    detection, risk = assessments
    match detection:
        case Assessed(results={"is_confirmed": True}):
            return [_unlisted(detection, moment)]
        case Assessed() | NotAssessable() if is_in_acute_care(moment.record):
            return []
        case Assessed() if detection.results.get("tests_in_range"):
            return [_once(detection, moment)]
        case NotAssessable() as unknown if _is_in_range_with_no_list(unknown, moment):
            return [_list_not_read(unknown, moment)]
    match risk:
        case Assessed() as assessed if _points(assessed) >= HIGH["at_least"]:
            return [_high_risk(assessed, moment)]
    return []


def _results(assessment: Assessed | NotAssessable) -> str:
    """Name the newest results in range, with their values: `HbA1c 7.1%, fasting glucose 131 mg/dL`."""
    readings = say.read_inputs(assessment.inputs)
    in_range = tests_in_range({item.name: reading.value for item, reading in readings})
    return ", ".join(
        f"{item.label} {say.value_with_unit(reading.value, item.unit)}"
        for item, reading in readings
        if item.name in in_range
    )


def _unlisted(detection: Assessed, moment: Moment) -> Card:
    lacks_hba1c = not _is_read(detection.inputs, HBA1C_PERCENT.name)
    body = say.detail(
        "**Two results are in the diabetic range; neither diabetes on the problem list nor an order for a "
        "glucose-lowering drug was found.**",
        _details(detection),
    )
    return say.card(
        moment,
        f"Meets laboratory criteria for diabetes ({_results(detection)}), not on the problem list",
        indicator=Indicator.WARNING,
        source=ADA,
        body=body,
        suggestions=[_review(moment), *([_hba1c(moment, "Baseline of a likely diabetes")] if lacks_hba1c else [])],
        unverified=any(detection.unverified.values()),
    )


def _once(detection: Assessed, moment: Moment) -> Card:
    body = say.detail("**One result is in the diabetic range; a second would confirm it.**", _details(detection))
    return say.card(
        moment,
        f"{_results(detection)} in the diabetic range, not yet confirmed; diabetes is not on the problem list",
        indicator=Indicator.INFO,
        source=ADA,
        body=body,
        suggestions=[_hba1c(moment, "Confirms or refutes one result in the diabetic range")],
        unverified=any(detection.unverified.values()),
    )


def _is_in_range_with_no_list(unknown: NotAssessable, moment: Moment) -> bool:
    """Tell whether only the problem list keeps results in range from being told, and the gate lets the user see."""
    may_show = moment.shows_unverified or not any(output.unverified for output in DETECTION.outputs)
    return may_show and bool(_results(unknown))


def _list_not_read(unknown: NotAssessable, moment: Moment) -> Card:
    why = next((say.reason(item.reading) for item in unknown.missing if isinstance(item.reading, Missing)), "")
    body = say.detail(
        say.inputs_table((*unknown.inputs, *unknown.missing)),
        say.notes_list(unknown.notes),
        say.footer(unknown.model, DIAGNOSED_IN, threshold=CRITERIA),
    )
    summary = f"{_results(unknown)} in the diabetic range; whether diabetes is listed is not known: {why}"
    return say.card(moment, shorten(summary, say.SUMMARY_LIMIT), indicator=Indicator.INFO, source=ADA, body=body)


def _details(detection: Assessed) -> str:
    return say.detail(
        say.inputs_table(detection.inputs),
        say.notes_list(detection.notes),
        say.footer(detection.model, DIAGNOSED_IN, threshold=CRITERIA),
    )


def _points(assessed: Assessed) -> int:
    """Give the points that the chart tells of: where it names neither sex, what both have."""
    by_sex: Sequence[Mapping[str, Any]] = [*assessed.alternatives.values()] or [assessed.results]
    return min(int(results.get("points_at_least", 0)) for results in by_sex)


def _high_risk(assessed: Assessed, moment: Moment) -> Card:
    points = _points(assessed)
    risk = next(row["risk"] for row in reversed(_RISKS) if points >= row["from"])
    body = say.detail(
        f"**FINDRISC at least {points} of {HIGH['highest']} (high).** About {risk:.0%} of people at that many points "
        "have type 2 diabetes within 10 years. What a chart does not tell can only add points.",
        say.drivers_line(assessed.drivers.get("points_at_least", ())),
        say.inputs_table(assessed.inputs),
        say.notes_list(assessed.notes),
        say.footer(
            assessed.model,
            MADE_IN,
            threshold=f"Finnish Diabetes Association: high from {HIGH['at_least']} points.",
        ),
    )
    return say.card(
        moment,
        f"Diabetes likely to come: FINDRISC at least {points} (high), no usable HbA1c or fasting glucose in 12 months",
        indicator=Indicator.INFO,
        source=FINDRISC,
        body=body,
        suggestions=[_hba1c(moment, "High risk of type 2 diabetes (FINDRISC)")],
        unverified=any(assessed.unverified.values()),
    )


def _is_read(inputs: Sequence[Input], name: str) -> bool:
    return any(item.name == name and isinstance(item.reading, Reading) for item in inputs)


def _review(moment: Moment) -> Suggestion:
    context = moment.request.context
    resource = task(REVIEW, patient_id=context.patient_id, encounter_id=context.encounter_id)
    return Suggestion(REVIEW, actions=(CreateAction(REVIEW, resource),))


def _hba1c(moment: Moment, why: str) -> Suggestion:
    return say.order(moment, "hba1c", why=why)


SERVICE = Service(
    id="diabetes-screening",
    hooks=(Hook.PATIENT_VIEW,),
    title="Diabetes that is not listed, or likely to come",
    description=(
        "Adults with HbA1c or fasting glucose in the diabetic range, diabetes not on the problem list and no "
        "glucose-lowering drug; a FINDRISC that is high by the chart alone, where nobody tested for a year. Silent "
        "otherwise."
    ),
    usage_requirements="Needs prefetch or FHIR access to results and problems; orders and body measures help.",
    link_hosts=frozenset({"doi.org"}),
    assessors=(DETECTION, AT_LEAST),
    present=present,
)
