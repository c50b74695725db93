"""The vocabulary that all rules share: what can be asked of a chart, or of the order itself, and by which name.

A row of `vocabulary.toml` is a name; what no row can say stands here. Every name has a unit, a window and the searches
that it needs, as any feature has; what is missing is missing with its reason.
"""

import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from fhir_client.record import PatientRecord
from models.assessment import Assessed, Gap, Missing, NotApplicable, NotAssessable, Reading
from models.cockcroft_gault import MODEL as COCKCROFT_GAULT
from models.errors import ParametersRejected
from models.features.conditions import PREGNANCY
from models.features.demographics import AGE_YEARS, SEX
from models.features.feature import Answer, Feature, Kind
from models.features.kidney import EGFR_ML_MIN_1_73M2, EGFR_NEEDS, adult_egfr
from models.features.labs import CREATININE_MG_DL
from models.features.readers import latest_quantity
from models.features.searches import laboratory, vital_signs
from models.features.truths import condition
from models.features.vitals import WEIGHT_KG
from models.features.windows import Window
from models.kdigo_aki import MODEL as KDIGO_AKI
from models.order_checks.of_the_allergies import ALLERGY_TERMS
from models.order_checks.of_the_chart import (
    CORRECTED_CALCIUM_MG_DL,
    CREATININE_MEASURED,
    HEMOGLOBIN_FALL_G_DL,
    POTASSIUM_MEASURED,
    WEIGHED,
)
from models.order_checks.of_the_order import ORDER_TERMS
from models.order_checks.orders import Player
from models.order_checks.terms import Term, of_chart
from models.qtc import MODEL as QTC
from models.risk_model import RiskModel
from models.site import Site

_SEARCHES: Final = {"laboratory": laboratory, "vital-signs": vital_signs}
_FILE: Final = Path(__file__).with_name("vocabulary.toml")
_UNSTABLE: Final = "creatinine rises as in acute kidney injury"
INJURY: Final = "aki_stage"
_NOT_THIS_ONE: Final = "the model does not apply: "


def term(name: str, place: str) -> Term:
    """Look a name up.

    Raises:
        ParametersRejected: the vocabulary has no such name.
    """
    found = vocabulary().get(name)
    if found is None:
        raise ParametersRejected(place, f"asks for {name}, which is not in the vocabulary")
    return found


@cache
def vocabulary() -> Mapping[str, Term]:
    """Give every name."""
    with _FILE.open("rb") as file:
        content = tomllib.load(file)
    declared = [
        *(_quantity(name, row) for name, row in content.get("quantity", {}).items()),
        *(_truth(name, row) for name, row in content.get("truth", {}).items()),
    ]
    terms = [*map(of_chart, declared), *_worked_out()]
    return MappingProxyType({each.name: each for each in terms})


def _quantity(name: str, row: Mapping[str, Any]) -> Feature:
    low, high = row["plausible"]
    return latest_quantity(
        name,
        row["label"],
        _SEARCHES[row.get("category", "laboratory")](row["of"]),
        of=row["of"],
        unit=row["unit"],
        analyte=row.get("analyte"),
        plausible=(low, high),
        within=Window(months=row.get("months", 0), hours=row.get("hours", 0)),
    )


def _truth(name: str, row: Mapping[str, Any]) -> Feature:
    return condition(name, row["label"], of=row["of"], ever=row.get("ever", False))


def _worked_out() -> tuple[Term, ...]:
    return (
        of_chart(AGE_YEARS),
        of_chart(WEIGHT_KG),
        of_chart(PREGNANCY),
        _female(),
        _stable("egfr", EGFR_ML_MIN_1_73M2.label, EGFR_ML_MIN_1_73M2.unit, adult_egfr, EGFR_NEEDS),
        _stable("crcl", "creatinine clearance", "mL/min", _result(COCKCROFT_GAULT, "crcl_ml_min"), COCKCROFT_GAULT),
        _of_model(INJURY, "stage of acute kidney injury", "", KDIGO_AKI, "stage"),
        _of_model("qtc_ms", "QTc (Fridericia)", "ms", QTC, "fridericia_ms"),
        *map(of_chart, (CREATININE_MG_DL, CORRECTED_CALCIUM_MG_DL, HEMOGLOBIN_FALL_G_DL)),
        *map(of_chart, (CREATININE_MEASURED, POTASSIUM_MEASURED, WEIGHED)),
        *ORDER_TERMS,
        *ALLERGY_TERMS,
    )


def _female() -> Term:
    def ask(record: PatientRecord, site: Site, subject: Player) -> Answer:  # noqa: ARG001
        answer = SEX.answer(record, site)
        return answer if isinstance(answer, Missing) else Reading(answer.value == "female", answer.at, answer.sources)

    return Term("female", "female sex", Kind.TRUTH, "", SEX.searches, SEX.optional_keys, SEX.unverified, ask)


def _result(model: RiskModel, result: str) -> Callable[[PatientRecord, Site], Answer]:
    """Give how a model's result is asked for: with the time and sources of the newest of its inputs."""

    def ask(record: PatientRecord, site: Site) -> Answer:
        match model.assess(record, site):
            case Assessed() as assessed if result in assessed.results:
                return _reading(assessed, result)
            case NotAssessable() as unknown:
                first = unknown.missing[0]
                gap = first.reading if isinstance(first.reading, Missing) else Missing(Gap.NOT_RECORDED)
                return Missing(gap.gap, gap.at, f"{first.label}: {gap.note}" if gap.note else f"for {first.label}")
            case NotApplicable() as outside:
                return Missing(Gap.NOT_RECORDED, note=_NOT_THIS_ONE + outside.reason)
        return Missing(Gap.NOT_RECORDED, note="sex is not recorded as female or male")

    return ask


def _reading(assessed: Assessed, result: str) -> Reading:
    read = [each.reading for each in assessed.inputs if isinstance(each.reading, Reading)]
    dated = [each.at for each in read if each.at is not None]
    return Reading(
        assessed.results[result],
        max(dated, key=lambda at: at.start, default=None),
        tuple(dict.fromkeys(source for each in read for source in each.sources)),
        note="; ".join(dict.fromkeys(each.note for each in read if each.note)),
    )


def _of_model(name: str, label: str, unit: str, model: RiskModel, result: str) -> Term:
    worked_out = _result(model, result)

    def ask(record: PatientRecord, site: Site, subject: Player) -> Answer:  # noqa: ARG001
        return record.once((name, site), lambda: worked_out(record, site))

    return Term(
        name,
        label,
        Kind.QUANTITY,
        unit,
        model.searches,
        frozenset(search.key for search in model.searches) - model.required_keys,
        _doubts(model, result),
        ask,
    )


def _doubts(model: RiskModel, result: str) -> tuple[str, ...]:
    return tuple(remark for output in model.outputs if output.name == result for remark in output.unverified)


def _stable(
    name: str,
    label: str,
    unit: str,
    worked_out: Callable[[PatientRecord, Site], Answer],
    made_of: RiskModel | tuple[Feature, ...],
) -> Term:
    """Declare an estimate of kidney function: not made while creatinine rises (clinical/safety-rules.md 2)."""
    injury = _result(KDIGO_AKI, "stage")
    parts = made_of.features if isinstance(made_of, RiskModel) else made_of
    searches = (*(search for part in parts for search in part.searches), *KDIGO_AKI.searches)

    def estimate(record: PatientRecord, site: Site) -> Answer:
        stage = record.once((INJURY, site), lambda: injury(record, site))
        if isinstance(stage, Reading) and float(stage.value) >= 1:
            return Missing(Gap.UNSTABLE, stage.at, _UNSTABLE)
        return worked_out(record, site)

    def ask(record: PatientRecord, site: Site, subject: Player) -> Answer:  # noqa: ARG001
        return record.once((name, site), lambda: estimate(record, site))

    doubts = tuple(dict.fromkeys(remark for part in parts for remark in part.unverified))
    return Term(name, label, Kind.QUANTITY, unit, searches, frozenset(), doubts, ask)
