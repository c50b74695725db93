"""What the patient has or had."""

from typing import Final

from fhir_client.record import PatientRecord
from models.assessment import Missing, Reading
from models.features.feature import Answer, Feature, Kind
from models.features.searches import social_history
from models.features.truths import coded_truth, condition
from models.features.windows import Window
from models.site import Site

DIABETES = condition("diabetes", "diabetes", of="diabetes")
HYPERTENSION = condition("hypertension", "hypertension", of="hypertension")
# A past event counts: whoever had a stroke has cardiovascular disease.
CARDIOVASCULAR_DISEASE = condition(
    "cardiovascular_disease", "established cardiovascular disease", of="cardiovascular_disease", ever=True
)
CHRONIC_KIDNEY_DISEASE = condition(
    "chronic_kidney_disease", "chronic kidney disease on the problem list", of="chronic_kidney_disease"
)
KIDNEY_REPLACEMENT = condition("kidney_replacement", "dialysis or kidney transplant", of="kidney_replacement")
DIALYSIS = condition("dialysis", "dialysis", of="dialysis")
END_STAGE_KIDNEY_DISEASE = condition(
    "end_stage_kidney_disease", "end-stage kidney disease or dialysis", of="end_stage_kidney_disease"
)
PALLIATIVE_CARE = condition("palliative_care", "palliative care", of="palliative_care")

# Longer than any pregnancy: an older answer says nothing of today.
_PREGNANCY_ANSWER: Final = Window(months=10)
_RECORDED = condition("pregnancy", "pregnancy", of="pregnancy")
_ANSWERED = coded_truth(
    "pregnancy",
    "pregnancy",
    social_history("pregnancy_status"),
    of="pregnancy_status",
    answers="pregnancy_answers",
    true=frozenset({"pregnant"}),
    within=_PREGNANCY_ANSWER,
)


def _pregnancy(record: PatientRecord, site: Site) -> Answer:
    """Believe a recorded pregnancy or a recent answer of it; a recent `not pregnant` settles an unreadable list."""
    if record.patient is not None and record.patient.sex == "male":
        return Reading(value=False)
    recorded, answered = _RECORDED.answer(record, site), _ANSWERED.answer(record, site)
    for answer in (recorded, answered):
        if isinstance(answer, Reading) and answer.value:
            return answer
    # Where neither tells, the list is what could not be read: that nobody was asked says less.
    return answered if isinstance(recorded, Missing) and isinstance(answered, Reading) else recorded


PREGNANCY = Feature(
    "pregnancy",
    "pregnancy",
    Kind.TRUTH,
    searches=(*_RECORDED.searches, *_ANSWERED.searches),
    optional_keys=_RECORDED.required_keys | _ANSWERED.required_keys,
    unverified=(*_RECORDED.unverified, *_ANSWERED.unverified),
    window=f"active, or answered within {_PREGNANCY_ANSWER}",
    read=_pregnancy,
)
