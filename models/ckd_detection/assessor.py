"""CKD detection: an assessor, not a calculator; it needs a chart's history."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from fhir_client.record import PatientRecord
from fhir_client.search import Search, merge
from fhir_client.times import age_years
from models.assessment import (
    Assessed,
    Assessment,
    Gap,
    Missing,
    ModelReference,
    NotApplicable,
    NotAssessable,
    Reading,
)
from models.ckd_detection.staging import PARAMETERS, Point, a_stage, acr_history, egfr_history
from models.ckd_epi_2021.equation import PARAMETERS as CKD_EPI
from models.ckd_epi_2021.equation import egfr, g_stage
from models.concepts import concept
from models.features.conditions import CHRONIC_KIDNEY_DISEASE, KIDNEY_REPLACEMENT, PREGNANCY
from models.features.demographics import AGE_YEARS, DECEASED, SEX
from models.features.feature import Feature, Readings, extract
from models.features.kidney import STABLE_EGFR_ML_MIN_1_73M2
from models.features.labs import ACR_MG_G, CREATININE_MG_DL, REPORTED_EGFR_ML_MIN_1_73M2
from models.features.readers import measured
from models.parameters import Parameters
from models.risk_model import Output, outputs_of
from models.scope import Domain, Exclusion
from models.site import Site

_FEATURES: Final = (SEX, AGE_YEARS, STABLE_EGFR_ML_MIN_1_73M2, ACR_MG_G, CHRONIC_KIDNEY_DISEASE)
_NEEDED: Final = (SEX, AGE_YEARS, STABLE_EGFR_ML_MIN_1_73M2)
_ADULT: Final = Domain.of(AGE_YEARS, CKD_EPI["age_range"])
_EXCLUSIONS: Final = (
    Exclusion(DECEASED, "the patient has died"),
    Exclusion(PREGNANCY, "not made for pregnancy"),
    Exclusion(KIDNEY_REPLACEMENT, "dialysis, end-stage kidney disease or kidney transplant"),
)


@dataclass(frozen=True, slots=True)
class CkdDetection:
    """Stages the kidney disease that results show, and compares it with the problem list.

    Results: `egfr_ml_min_1_73m2` and `g_stage` (the newest), `a_stage` (None without an ACR), `egfr` and `acr` (values
    with their times, newest first, as far back as `staging.History` reads), `listed` (None where the problem list
    cannot be read), `meets_criteria`.
    """

    parameters: Parameters
    outputs: tuple[Output, ...]
    features: tuple[Feature, ...] = _FEATURES
    exclusions: tuple[Exclusion, ...] = _EXCLUSIONS

    @property
    def id(self) -> str:
        """Give the assessor's id."""
        return self.parameters.id

    @property
    def version(self) -> str:
        """Give the version of the parameters."""
        return self.parameters.version

    @property
    def title(self) -> str:
        """Give the assessor's name for a reader."""
        return self.parameters.title

    @property
    def citation(self) -> str:
        """Give the source of the criteria."""
        return self.parameters.citation

    @property
    def reference(self) -> ModelReference:
        """Give id and version."""
        return ModelReference(self.id, self.version)

    @property
    def searches(self) -> tuple[Search, ...]:
        """Give what must be asked about a patient."""
        asked = (*self.features, *(exclusion.feature for exclusion in self.exclusions))
        return tuple(merge(search for feature in asked for search in feature.searches).values())

    @property
    def required_keys(self) -> frozenset[str]:
        """Give the keys of the searches without whose answer nobody can be assessed."""
        return frozenset(key for feature in _NEEDED for key in feature.required_keys)

    def assess(self, record: PatientRecord, site: Site) -> Assessment:
        """Assess one record: a batch of one."""
        return self.assess_many([record], site)[0]

    def assess_many(self, records: Iterable[PatientRecord], site: Site) -> Sequence[Assessment]:
        """Assess each record by itself."""
        return [self._assess(record, site) for record in records]

    def _assess(self, record: PatientRecord, site: Site) -> Assessment:
        for exclusion in self.exclusions:
            answer = exclusion.feature.answer(record, site)
            if isinstance(answer, Reading) and answer.value:
                return NotApplicable(self.reference, exclusion.reason)
        readings = extract(self.features, record, site)
        age = readings[AGE_YEARS.name]
        if isinstance(age, Reading) and not _ADULT.includes(age.value):
            return NotApplicable(self.reference, _ADULT.reason(age.value))
        inputs = tuple(feature.as_input(readings[feature.name]) for feature in self.features)
        missing = tuple(f.as_input(readings[f.name]) for f in _NEEDED if isinstance(readings[f.name], Missing))
        if missing:
            return NotAssessable(self.reference, missing, inputs)
        return Assessed(
            self.reference,
            _results(record, site, readings),
            inputs,
            unverified={output.name: output.unverified for output in self.outputs if output.unverified},
            values={name: answer.value for name, answer in readings.items() if isinstance(answer, Reading)},
        )


def _results(record: PatientRecord, site: Site, readings: Readings) -> dict[str, Any]:
    newest, acr = readings[STABLE_EGFR_ML_MIN_1_73M2.name], readings[ACR_MG_G.name]
    listed = readings[CHRONIC_KIDNEY_DISEASE.name]
    egfrs = egfr_history(_egfr_series(record, site, readings))
    # An ACR outside its window stages nothing; the series keeps it, as the earlier of two.
    acrs = acr_history(_series(record, site, ACR_MG_G, "urine_acr"))
    value = float(newest.value) if isinstance(newest, Reading) else float("nan")  # missing was answered before
    return {
        "egfr_ml_min_1_73m2": value,
        "g_stage": g_stage(value),
        "a_stage": a_stage(float(acr.value)) if isinstance(acr, Reading) else None,
        "egfr": [point.to_json() for point in egfrs.points],
        "acr": [point.to_json() for point in acrs.points],
        "listed": listed.value if isinstance(listed, Reading) else None,
        "meets_criteria": egfrs.lasts or (isinstance(acr, Reading) and acrs.lasts),
    }


def _egfr_series(record: PatientRecord, site: Site, readings: Readings) -> Iterator[Point]:
    """Give the eGFR of each creatinine at the age of its time, or what was reported where there is no creatinine."""
    sex, birth = readings[SEX.name], record.patient.birth if record.patient else None
    is_empty = True
    for point in _series(record, site, CREATININE_MG_DL, "creatinine"):
        age = age_years(birth, point.at.start) if birth else None
        if isinstance(sex, Reading) and age is not None and _ADULT.includes(age):
            is_empty = False
            yield replace(point, value=egfr(sex=str(sex.value), age_years=age, creatinine_mg_dl=point.value))
    if is_empty:
        yield from _series(record, site, REPORTED_EGFR_ML_MIN_1_73M2, "egfr_reported")


def _series(record: PatientRecord, site: Site, feature: Feature, of: str) -> Iterator[Point]:
    """Give every usable dated value, newest first."""
    for observation in record.observations(concept(of).codes(site)):
        value = measured(feature, observation.quantity)
        if observation.at is not None and not isinstance(value, Gap):
            yield Point(value, observation.at, observation.source.reference)


ASSESSOR = CkdDetection(
    parameters=PARAMETERS,
    outputs=outputs_of(
        PARAMETERS,
        _FEATURES,
        ("egfr_ml_min_1_73m2", "eGFR", "mL/min/{1.73_m2}"),
        ("g_stage", "KDIGO GFR category", ""),
        ("a_stage", "KDIGO albuminuria category", ""),
        ("egfr", "eGFR over time", ""),
        ("acr", "urine albumin/creatinine ratio over time", ""),
        ("listed", "chronic kidney disease on the problem list", ""),
        ("meets_criteria", "meets laboratory criteria for chronic kidney disease", ""),
    ),
)
