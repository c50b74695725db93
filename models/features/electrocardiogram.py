"""What is measured on an electrocardiogram: the QT interval, and the heart rate that it was taken at."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from fhir_client.facts import Observation
from fhir_client.record import PatientRecord
from fhir_client.times import Interval
from models.assessment import Gap, Missing, Reading
from models.concepts import concept
from models.features.feature import Answer, Feature, Kind
from models.features.readers import agreed, in_one_order, latest_quantity, nothing_found, partly
from models.features.searches import vital_signs
from models.features.windows import Window
from models.site import Site

_SEARCH: Final = vital_signs("qt_interval", "heart_rate")
# A rate of another time corrects nothing; devices stamp the values of one tracing some minutes apart.
_SAME_TRACING: Final = timedelta(minutes=10)
_MINUTE: Final = timedelta(minutes=1)  # a date alone does not tell which rate belongs to which tracing

# No source sets a range: this one keeps out seconds that were written as milliseconds.
_QT: Final = (100, 2000)
# No source sets a window: drugs and electrolytes move the interval within days, and its date is shown.
QT_MS = latest_quantity(
    "qt_ms", "QT interval", _SEARCH, of="qt_interval", unit="ms", plausible=_QT, within=Window(months=12)
)


def _heart_rate(record: PatientRecord, site: Site) -> Answer:
    """Read the rate that is nearest in time to the newest QT interval, within ten minutes of it."""
    qt = QT_MS.answer(record, site)
    if isinstance(qt, Missing) or qt.at is None:
        return nothing_found(record, _SEARCH.key, note="there is no QT interval to go with")
    near = [(apart, rate) for rate in _since(record, site, qt.at) if (apart := _apart(rate, qt)) <= _SAME_TRACING]
    if not near:
        return nothing_found(record, _SEARCH.key, note="none was taken with the QT interval")
    nearest = min(apart for apart, _ in near)
    together = [rate for apart, rate in near if apart == nearest]
    answer = agreed(HEART_RATE_PER_MIN, in_one_order(together))
    if isinstance(answer, Gap):
        return Missing(answer, together[0].at)
    value, used = answer
    return Reading(value, used.at, (used.source.cited,), partly(record, _SEARCH.key))


def _since(record: PatientRecord, site: Site, at: Interval) -> Iterator[Observation]:
    """Give the rates back to the tracing, newest first: a long chart holds hundreds before it."""
    for rate in record.observations(concept("heart_rate").codes(site)):
        if rate.at is None or rate.at.start < at.start - _SAME_TRACING:
            return
        if rate.has_value:
            yield rate


def _apart(rate: Observation, qt: Reading) -> timedelta:
    """Tell how far from the interval the rate was taken: the same report, or times of day that can be compared."""
    if rate.source.cited in qt.sources:
        return timedelta(0)
    if rate.at is None or qt.at is None or not (_is_placed(rate.at) and _is_placed(qt.at)):
        return timedelta.max
    return abs(rate.at.start - qt.at.start)


def _is_placed(at: Interval) -> bool:
    return at.end - at.start <= _MINUTE


HEART_RATE_PER_MIN = Feature(
    "heart_rate_per_min",
    "heart rate",
    Kind.QUANTITY,
    unit="/min",
    plausible=(20, 300),
    searches=(_SEARCH,),
    unverified=concept("heart_rate").unverified,
    window="within 10 minutes of the QT interval",
    read=_heart_rate,
)
