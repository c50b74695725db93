"""What can be asked of a FHIR server, by when, and how much of the answer is read."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fhir_client.search import Search

Parameters = tuple[tuple[str, str], ...]

_LISTS = ("_id", "code")  # a comma is an OR in these, so the parts of a split list add up to the whole
_COMMA = re.compile(r"(?<!\\),")


@dataclass(frozen=True, slots=True)
class Deadline:
    """The instant by which everything must be done, on a clock that only goes forward."""

    ends: float
    clock: Callable[[], float]

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float]) -> "Deadline":
        """Give the deadline so many seconds from now."""
        return cls(clock() + seconds, clock)

    def within(self, seconds: float) -> "Deadline":
        """Give this deadline, or the one so many seconds from now if that is sooner."""
        return Deadline(min(self.ends, self.clock() + seconds), self.clock)

    @property
    def remaining(self) -> float:
        """Give the seconds left, 0 when there are none."""
        return max(0.0, self.ends - self.clock())


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one answer may be: what lies beyond is not read, and the answer says so (FHIR-4, FHIR-43).

    A list of codes or ids longer than `list_characters` is asked in several searches (FHIR-48). `concurrency` counts
    the requests that one server works on for us at a time, `waiting` those that wait for their turn. While a server
    answers nobody, for three times as long as it has ever taken lately but within `stall_seconds`, only the `calls`
    that came first go on waiting for it: each holds a thread of the service, and others need those.
    """

    pages: int = 20
    entries: int = 5_000
    page_bytes: int = 10_485_760
    list_characters: int = 2_000
    connect_seconds: float = 2.0
    concurrency: int = 8
    waiting: int = 256
    calls: int = 2
    stall_seconds: tuple[float, float] = (0.5, 2.0)


USUAL = Limits()


@dataclass(frozen=True, slots=True)
class Find:
    """Ask a search, or read the patient."""

    search: Search
    patient_id: str


@dataclass(frozen=True, slots=True)
class Continue:
    """Read the pages that follow a first page which came another way."""

    link: str


@dataclass(frozen=True, slots=True)
class Read:
    """Read one resource by its reference."""

    reference: str


Question = Find | Continue | Read


def split(parameters: Parameters, limit: int) -> Iterator[Parameters]:
    """Split the lists that are too long; the answers to all parts are the answer (FHIR-48)."""
    for place, (name, value) in enumerate(parameters):
        items = _COMMA.split(value)
        if name in _LISTS and len(value) > limit and len(items) > 1:
            half = len(items) // 2
            for part in (items[:half], items[half:]):
                yield from split((*parameters[:place], (name, ",".join(part)), *parameters[place + 1 :]), limit)
            return
    yield parameters
