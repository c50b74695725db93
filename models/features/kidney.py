"""Kidney function: eGFR from the newest creatinine, or as reported where there is no creatinine."""

from dataclasses import replace

from fhir_client.record import PatientRecord
from fhir_client.times import Interval
from models.assessment import Gap, Missing, Reading
from models.ckd_epi_2021 import equation
from models.concepts import concept
from models.features.demographics import AGE_YEARS, SEX
from models.features.feature import Answer, Feature, Kind, Readings, extract
from models.features.labs import CREATININE_MG_DL, REPORTED_EGFR_ML_MIN_1_73M2
from models.features.readers import measured
from models.features.searches import laboratory
from models.kidney_stability.rule import Creatinine, reaches_back, unstable_since
from models.scope import Domain, cut_by_birth_date
from models.site import Site


def _egfr(record: PatientRecord, site: Site, readings: Readings) -> Answer:
    creatinine = CREATININE_MG_DL.answer(record, site)
    if isinstance(creatinine, Missing):
        if creatinine.gap not in (Gap.NOT_RECORDED, Gap.TOO_OLD):
            return creatinine
        reported = REPORTED_EGFR_ML_MIN_1_73M2.answer(record, site)
        return reported if isinstance(reported, Reading) else creatinine
    sex, age = readings["sex"], readings["age_years"]
    if isinstance(sex, Missing) or isinstance(age, Missing):
        return Missing(Gap.NOT_RECORDED, creatinine.at, note="sex and age are needed to estimate it from creatinine")
    value = equation.egfr(sex=str(sex.value), age_years=float(age.value), creatinine_mg_dl=float(creatinine.value))
    note = "CKD-EPI 2021 from creatinine"
    return replace(creatinine, value=value, note=f"{note}; {creatinine.note}" if creatinine.note else note)


def _stable_egfr(record: PatientRecord, site: Site, readings: Readings) -> Answer:
    unstable = record.once((_unstable, site), lambda: _unstable(record, site))
    return _egfr(record, site, readings) if unstable is None else unstable


def _unstable(record: PatientRecord, site: Site) -> Missing | None:
    """Give, where creatinine rose as in acute injury, what stands for the eGFR; with the time of the newest value."""
    since = reaches_back(record.as_of)
    newest: Interval | None = None
    series = []
    for at, quantity in record.observations(concept("creatinine").codes(site)).quantities():
        if at.start < since:
            break
        value = measured(CREATININE_MG_DL, quantity)
        if not isinstance(value, Gap):
            newest = newest or at
            series.append(Creatinine(at.start, value))
    return None if unstable_since(series, record.as_of) is None else Missing(Gap.UNSTABLE, newest)


EGFR_ML_MIN_1_73M2 = Feature(
    "egfr_ml_min_1_73m2",
    "eGFR",
    Kind.QUANTITY,
    unit="mL/min/{1.73_m2}",
    searches=(laboratory("creatinine", "egfr_reported"),),
    unverified=(
        *CREATININE_MG_DL.unverified,
        *REPORTED_EGFR_ML_MIN_1_73M2.unverified,
        *equation.PARAMETERS.unverified("egfr_ml_min_1_73m2"),
    ),
    window=CREATININE_MG_DL.window,
    derive=_egfr,
)
# A chronic risk must not be read from an acute value (models.md 4.2).
STABLE_EGFR_ML_MIN_1_73M2 = replace(EGFR_ML_MIN_1_73M2, derive=_stable_egfr)
EGFR_NEEDS = (SEX, AGE_YEARS, EGFR_ML_MIN_1_73M2)
_ADULT = Domain.of(AGE_YEARS, equation.PARAMETERS["age_range"])


def adult_egfr(record: PatientRecord, site: Site) -> Answer:
    """Give the eGFR of an adult: the equation was made for no child, nor for who may be one."""
    cut, age = cut_by_birth_date(_ADULT, record), AGE_YEARS.answer(record, site)
    if cut is not None:
        return replace(cut, note=f"age {cut.note}")
    if isinstance(age, Reading) and not _ADULT.includes(age.value):
        return Missing(Gap.NOT_RECORDED, note=f"the equation does not apply: {_ADULT.reason(age.value)}")
    return extract(EGFR_NEEDS, record, site)[EGFR_ML_MIN_1_73M2.name]
