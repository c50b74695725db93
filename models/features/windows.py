"""How old a reading may be: months back from the record's instant, by the calendar, or hours by the clock."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from fhir_client.times import Interval

_MONTHS_A_YEAR = 12
_HOURS_A_DAY = 24


@dataclass(frozen=True, slots=True)
class Window:
    """The last so many months or hours. A partial date counts only if all of it lies inside: it is not made younger."""

    months: int = 0
    hours: int = 0

    def includes(self, at: Interval, as_of: datetime) -> bool:
        """Tell whether the reading certainly lies in the window."""
        return at.start >= _beginning(as_of, self.months, self.hours)

    def is_past(self, at: Interval, as_of: datetime) -> bool:
        """Tell whether it certainly lies further back; of a partial date neither this nor `includes` may be known."""
        return at.is_before(_beginning(as_of, self.months, self.hours))

    def __str__(self) -> str:
        if self.hours:
            days, hours = divmod(self.hours, _HOURS_A_DAY)
            return f"{self.hours} hours" if hours or days == 1 else f"{days} days"
        if self.months % _MONTHS_A_YEAR == 0 and self.months > _MONTHS_A_YEAR * 2:
            return f"{self.months // _MONTHS_A_YEAR} years"
        return f"{self.months} months"


@lru_cache(maxsize=256)  # a model asks of many readings whether they lie in the same few windows
def _beginning(instant: datetime, months: int, hours: int) -> datetime:
    years, month = divmod(instant.year * _MONTHS_A_YEAR + instant.month - 1 - months, _MONTHS_A_YEAR)
    day = min(instant.day, monthrange(years, month + 1)[1])
    return instant.replace(year=years, month=month + 1, day=day) - timedelta(hours=hours)
