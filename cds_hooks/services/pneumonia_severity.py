"""Pneumonia at chart opening: CURB-65 of the newest observation set, from moderate severity on."""

from collections.abc import Mapping, Sequence
from typing import Final

from cds_hooks import presentation as say
from cds_hooks.protocol.cards import Card, Indicator, Source
from cds_hooks.protocol.hooks import Hook
from cds_hooks.service import Moment, Service
from models.assessment import Assessed, Assessment, Input, NotAssessable
from models.curb_65 import MODEL
from models.features.pneumonia import BUN_MG_DL, UREA_MMOL_L, WITHOUT_PNEUMONIA
from models.features.setting import is_in_acute_care

SOURCE = Source("CURB-65, Lim 2003", f"https://doi.org/{MODEL.parameters.doi}")
DERIVED_IN = (
    "Made in 1,068 adults with community-acquired pneumonia in the United Kingdom, New Zealand and the Netherlands "
    "(Lim WS, Thorax 2003;58:377)."
)
NOT_ALL = "Low points do not exclude other reasons for hospital: oxygen, other illness, nobody to help at home."
SEVERITY: Final[Mapping[str, int]] = MODEL.parameters["severity"]
MORTALITY: Final[Sequence[float]] = MODEL.parameters["mortality_30d"]  # by points, from none to all
HIGHEST: Final = len(MORTALITY) - 1
THRESHOLDS = (
    f"Lim 2003: under {SEVERITY['moderate_from']} points low, {SEVERITY['moderate_from']} moderate, "
    f"{SEVERITY['severe_from']} or more severe."
)


def present(assessments: Sequence[Assessment], moment: Moment) -> Sequence[Card]:
    """Show a pneumonia that is moderate or severe, and in acute care what little keeps it from being told."""
    match assessments[0]:
        case Assessed() as assessed if assessed.results.get("points", 0) >= SEVERITY["moderate_from"]:
            return [_severity(assessed, moment)]
        case NotAssessable() as unknown if _is_worth_completing(unknown) and is_in_acute_care(moment.record):
            return [_not_computed(unknown, moment)]
    return []


def _is_worth_completing(unknown: NotAssessable) -> bool:
    """Tell whether the pneumonia is known, and more inputs are known than missing."""
    missing = _missing(unknown)
    is_in_scope = all(item.name != WITHOUT_PNEUMONIA.name for item in missing)
    return is_in_scope and say.is_worth_completing(unknown.inputs, missing)


def _missing(unknown: NotAssessable) -> list[Input]:
    """Give what is missing: urea once, which may be told either way."""
    names = {item.name for item in unknown.missing}
    return [item for item in unknown.missing if item.name != BUN_MG_DL.name or UREA_MMOL_L.name not in names]


def _severity(assessed: Assessed, moment: Moment) -> Card:
    points = assessed.results["points"]
    is_severe = points >= SEVERITY["severe_from"]
    band = "severe" if is_severe else "moderate"
    counting = [driver.label for driver in assessed.drivers.get("points", ()) if driver.amount > 0]
    mortality = say.percent(MORTALITY[points])
    body = say.detail(
        f"**CURB-65 {points} of {HIGHEST} ({band}).** Points for: {', '.join(counting)}.",
        f"Mortality within 30 days at {points} points: {mortality}. Two sources cite it to Lim 2003; figures that are "
        "cited to the same paper elsewhere differ by a few percent.",
        say.inputs_table(_used(assessed.inputs), timed=True),
        say.notes_list(assessed.notes),
        say.footer(assessed.model, DERIVED_IN, threshold=THRESHOLDS),
    )
    return say.card(
        moment,
        f"Pneumonia: CURB-65 = {points} ({band}), 30-day mortality {mortality} (Lim 2003)",
        indicator=Indicator.WARNING if is_severe else Indicator.INFO,
        source=SOURCE,
        body=body,
        unverified=any(assessed.unverified.values()),
    )


def _used(inputs: Sequence[Input]) -> list[Input]:
    """Give the inputs with urea once: in the unit in which the chart has it."""
    read = {item.name for item, _ in say.read_inputs(inputs)}
    other = {UREA_MMOL_L.name: BUN_MG_DL.name, BUN_MG_DL.name: UREA_MMOL_L.name}
    return [item for item in inputs if item.name in read or other.get(item.name) not in read]


def _not_computed(unknown: NotAssessable, moment: Moment) -> Card:
    start = "Pneumonia: CURB-65 not computed, missing: "
    missing = _missing(unknown)
    body = say.detail(
        say.inputs_table(_used(unknown.inputs), timed=True),
        "A missing part is not read as normal: a clear mind is never assumed.",
        say.notes_list(unknown.notes),
        NOT_ALL,
        say.footer(unknown.model, DERIVED_IN, threshold=THRESHOLDS),
    )
    lacks_urea = any(item.name == UREA_MMOL_L.name for item in missing)
    return say.card(
        moment,
        start + say.missing_names(missing, limit=say.SUMMARY_LIMIT - len(start)),
        indicator=Indicator.INFO,
        source=SOURCE,
        body=body,
        suggestions=[say.order(moment, "urea_nitrogen", why="Input of CURB-65 is missing")] if lacks_urea else [],
    )


SERVICE = Service(
    id="pneumonia-severity",
    hooks=(Hook.PATIENT_VIEW,),
    title="Severity of pneumonia (CURB-65)",
    description=(
        "CURB-65 of adults with pneumonia on the problem list or as the reason of their stay, from the newest set of "
        "vital signs (12 hours) and the day's urea. Silent at low severity."
    ),
    usage_requirements="Needs prefetch or FHIR access to vital signs, consciousness included, results and problems.",
    link_hosts=frozenset({"doi.org"}),
    assessors=(MODEL,),
    present=present,
)
