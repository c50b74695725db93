"""PEN-FAST from an entry of an allergy: what it can come to at most, as no chart tells whether treatment was needed."""

from datetime import datetime
from pathlib import Path
from typing import Final

from fhir_client.facts import Allergy
from models.features.windows import Window
from models.parameters import load

PARAMETERS: Final = load(Path(__file__).parent)
_RECENT: Final = Window(months=12 * PARAMETERS["recent"]["years"])
_POINTS: Final = PARAMETERS["points"]


def most_points(allergy: Allergy, as_of: datetime) -> int:
    """Give the most points that an allergy without a grave reaction can have.

    A reaction whose time is not known counts as recent, and treatment as needed.
    """
    return (0 if _is_long_ago(allergy, as_of) else int(_POINTS["recent"])) + int(_POINTS["treated"])


def _is_long_ago(allergy: Allergy, as_of: datetime) -> bool:
    """Tell whether all that is dated certainly lies further back; without a reaction's date, that it was written down.

    A reaction comes before its entry: one that was recorded six years ago is at least as old.
    """
    reactions = [reaction.onset for reaction in allergy.reactions if reaction.onset is not None]
    times = [time for time in (*reactions, allergy.last, allergy.onset) if time is not None]
    if not times and allergy.recorded is not None:
        times = [allergy.recorded]
    return bool(times) and all(_RECENT.is_past(time, as_of) for time in times)
