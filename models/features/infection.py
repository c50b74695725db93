"""What the screens for sepsis ask for besides an observation set: coma score, white cells, blood gas, lactate.

Windows: models.md 1 and 2 set none for these; a day, as for the urea of a pneumonia.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from fhir_client.record import PatientRecord
from models.assessment import Gap, Missing, Reading
from models.features.feature import Answer, Feature
from models.features.observation_set import RESPIRATORY_RATE_PER_MIN, SYSTOLIC_BP_MMHG, read_newest
from models.features.readers import latest_quantity
from models.features.searches import laboratory, vital_signs
from models.features.windows import Window
from models.site import Site

_NEWEST: Final = Window(hours=12)
_TODAY: Final = Window(hours=24)

_NEWEST_COMA_SCORE: Final = latest_quantity(
    "gcs",
    "Glasgow coma score",
    vital_signs("glasgow_coma_score"),
    of="glasgow_coma_score",
    unit="{score}",
    plausible=(3, 15),
    within=_NEWEST,
)


def _coma_score(record: PatientRecord, site: Site) -> Answer:
    """Read the newest coma score, unless it is older than the other vital signs by more than the window of a set.

    An alert patient is not given 15: ACVPU and the coma score are two scales.
    """
    newest = _NEWEST_COMA_SCORE.answer(record, site)
    if isinstance(newest, Missing) or newest.at is None:
        return newest
    others = record.once((read_newest, site), lambda: read_newest(record, site))
    signs = (others[feature.name] for feature in (RESPIRATORY_RATE_PER_MIN, SYSTOLIC_BP_MMHG))
    times = [sign.at.start for sign in signs if isinstance(sign, Reading) and sign.at is not None]
    if times and newest.at.start < max(times) - timedelta(minutes=site.news2_window_minutes):
        return Missing(Gap.TOO_OLD, newest.at, "older than the other vital signs")
    return newest


GCS: Final = replace(
    _NEWEST_COMA_SCORE,
    searches=(*_NEWEST_COMA_SCORE.searches, *RESPIRATORY_RATE_PER_MIN.searches),
    window=f"{_NEWEST}, with the other vital signs",
    read=_coma_score,
)


def _laboratory(name: str, label: str, *, of: str, unit: str, plausible: tuple[float, float]) -> Feature:
    return latest_quantity(name, label, laboratory(of), of=of, unit=unit, plausible=plausible, within=_TODAY)


# The source gives no plausible ranges: these keep out what is no measurement (a count in single cells, say).
WBC_10E9_L: Final = _laboratory("wbc_10e9_l", "white blood cells", of="leukocytes", unit="10*9/L", plausible=(0, 1_000))
# Either is one of two ways to meet its criterion: where it was not measured, the other way decides.
BANDS_PERCENT: Final = replace(
    _laboratory("bands_percent", "band neutrophils", of="band_neutrophils", unit="%", plausible=(0, 100)),
    required=False,
)
PACO2_MMHG: Final = replace(
    _laboratory("paco2_mmhg", "arterial carbon dioxide", of="paco2", unit="mm[Hg]", plausible=(1, 300)),
    required=False,
)
# Gives no point of either screen: it is shown beside them (models.md 2).
LACTATE_MMOL_L: Final = replace(
    _laboratory("lactate_mmol_l", "lactate", of="lactate", unit="mmol/L", plausible=(0, 40)), required=False
)
