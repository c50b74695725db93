"""Who the patient is: sex and age, and whether the patient lives."""

from fhir_client.record import PatientRecord
from models.assessment import Gap, Missing, Reading
from models.features.feature import Answer, Feature, Kind
from models.features.readers import nothing_found, why_unread
from models.features.searches import PATIENT
from models.site import Site


def _sex(record: PatientRecord, site: Site) -> Answer:  # noqa: ARG001 - every reader takes the site
    if record.patient is None:
        return Missing(Gap.UNAVAILABLE, note=why_unread(record, PATIENT.key))
    if record.patient.sex is None:
        return Missing(Gap.NOT_RECORDED, note="sex is not recorded as female or male")
    return Reading(record.patient.sex, sources=(record.patient.source.cited,))


def _age(record: PatientRecord, site: Site) -> Answer:  # noqa: ARG001 - every reader takes the site
    patient, years, span = record.patient, record.age_years, record.age_range_years
    if patient is None or years is None or span is None:
        return nothing_found(record, PATIENT.key)
    if not AGE_YEARS.is_plausible(years):
        return Missing(Gap.IMPLAUSIBLE, patient.birth)
    note = "" if span[0] == span[1] else f"between {span[0]} and {span[1]}, from a partial birth date"
    return Reading(years, sources=(patient.source.cited,), note=note)


def _is_deceased(record: PatientRecord, site: Site) -> Answer:  # noqa: ARG001 - every reader takes the site
    if record.patient is None:
        return Missing(Gap.UNAVAILABLE, note=why_unread(record, PATIENT.key))
    return Reading(record.patient.is_deceased, record.patient.deceased_at, (record.patient.source.cited,))


# Administrative gender, or the sex parameter for clinical use where it is given (models.md 0.3.6).
SEX = Feature("sex", "sex", Kind.CHOICE, choices=("female", "male"), searches=(PATIENT,), read=_sex)
# Over 120 is a wrong birth date (design/contract.md section 5).
AGE_YEARS = Feature("age_years", "age", Kind.QUANTITY, unit="a", plausible=(0, 120), searches=(PATIENT,), read=_age)
DECEASED = Feature("deceased", "deceased", Kind.TRUTH, searches=(PATIENT,), read=_is_deceased)
