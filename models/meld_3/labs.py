"""The five laboratory values of MELD: one set, all taken within 48 hours of each other; what is older is not used."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from fhir_client.record import PatientRecord
from models.assessment import Gap, Missing, Reading
from models.features.feature import Answer, Feature, Readings
from models.features.labs import ALBUMIN_G_DL, BILIRUBIN_MG_DL, CREATININE_MG_DL, INR, SODIUM_MMOL_L
from models.meld_3.equation import PARAMETERS
from models.site import Site

_APART: Final = timedelta(hours=PARAMETERS["one_set"]["within_hours"])
_MINUTE: Final = timedelta(minutes=1)  # a time of day is known to the minute or better
_SINGLE: Final = (BILIRUBIN_MG_DL, INR, CREATININE_MG_DL, SODIUM_MMOL_L, ALBUMIN_G_DL)


def _read_set(record: PatientRecord, site: Site) -> Readings:
    answers = {feature.name: feature.answer(record, site) for feature in _SINGLE}
    ends = (a.at.end for a in answers.values() if isinstance(a, Reading) and a.at is not None)
    newest = max(ends, default=record.as_of)
    return {name: _of_the_set(answer, newest) for name, answer in answers.items()}


def _of_the_set(answer: Answer, newest: datetime) -> Answer:
    if isinstance(answer, Missing) or answer.at is None or newest - answer.at.start <= _APART + _MINUTE:
        return answer
    return Missing(Gap.TOO_OLD, answer.at, "not certainly within 48 hours of the others")


def _in_the_set(feature: Feature) -> Feature:
    window = f"{feature.window}, within {PARAMETERS['one_set']['within_hours']} hours of the others"
    return replace(feature, window=window, read=None, read_together=_read_set)


FEATURES: Final = tuple(_in_the_set(feature) for feature in _SINGLE)
