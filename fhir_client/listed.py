"""The problems and drug orders of a chart, counted by what they mean before any is read as a fact.

Most questions about a list end in "none of these". So the list is grouped, a question is put to each group, and only
the entry that answers it is read: to read all of a long list costs half as much as to parse its JSON.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Final, Generic, TypeVar

from fhir_client.elements import Resource
from fhir_client.times import BEGINNING, Interval

_Meaning = TypeVar("_Meaning")
_Fact = TypeVar("_Fact")


class Listed(Generic[_Meaning, _Fact]):
    """The entries of one list that are facts: what they mean, how many of them are active, and the newest."""

    __slots__ = ("_entries", "_facts", "_read", "_time", "active")

    def __init__(
        self,
        entries: Iterable[tuple[_Meaning, bool, Resource]],
        *,
        read: Callable[[Resource], _Fact | None],
        time: Callable[[Resource], Interval | None],
    ) -> None:
        """Take each entry's meaning and whether it is active, and how to read it and tell its time."""
        self._entries: Final = list(entries)
        self._read: Final = read
        self._time: Final = time
        self._facts: tuple[_Fact, ...] | None = None
        self.active: Final[dict[_Meaning, int]] = {}
        """How many active entries have this meaning: 0 where all that have it are over."""
        active = self.active
        for meaning, is_active, _ in self._entries:
            active[meaning] = active.get(meaning, 0) + is_active

    @property
    def facts(self) -> tuple[_Fact, ...]:
        """Read all entries, newest first; ties keep the order of the source, and what has no time comes last."""
        if self._facts is None:
            rows = sorted((resource for _, _, resource in self._entries), key=self._start, reverse=True)
            self._facts = tuple(fact for row in rows if (fact := self._read(row)) is not None)
        return self._facts

    def newest(self, meanings: Collection[_Meaning], *, ever: bool = False) -> _Fact | None:
        """Read the newest active entry that has one of the meanings, with `ever` one that is over too."""
        meant = (row for meaning, is_active, row in self._entries if meaning in meanings and (ever or is_active))
        newest = max(meant, key=self._start, default=None)
        return None if newest is None else self._read(newest)

    def every_active(self, meanings: Collection[_Meaning]) -> tuple[_Fact, ...]:
        """Read all active entries that have one of the meanings, in the order of the source."""
        meant = (row for meaning, is_active, row in self._entries if is_active and meaning in meanings)
        return tuple(fact for row in meant if (fact := self._read(row)) is not None)

    def _start(self, resource: Resource) -> datetime:
        at = self._time(resource)
        return BEGINNING if at is None else at.start
