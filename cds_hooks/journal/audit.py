"""The audit of calls: one row for each call before it is answered, and one for each that was refused."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeVar
from weakref import WeakSet

from sqlalchemy import Connection, Engine, insert
from sqlalchemy.exc import SQLAlchemyError

from cds_hooks.errors import Fault, NotRecorded
from cds_hooks.invocation import Invocation
from cds_hooks.journal.database import READING, file_of, is_current, migrate
from cds_hooks.journal.inserts import Insert
from cds_hooks.journal.tables import cards, invocations, refusals
from cds_hooks.protocol.cards import Card
from models.assessment import Assessed, Assessment, Input, NotApplicable, NotAssessable, Reading

_T = TypeVar("_T")

_ADD_REFUSAL = insert(refusals)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who called, as far as the journal keeps it."""

    issuer: str
    tenant: str | None = None


class Journal:
    """The journal's database, one held connection a thread: opening one costs more than the whole transaction."""

    def __init__(self, engine: Engine) -> None:
        """Take an engine; nothing is opened before the first use, so that a worker can fork first."""
        self.engine = engine
        self._invocations = Insert(invocations, engine.dialect, without=["number"])
        self._cards = Insert(cards, engine.dialect)
        self._held = threading.local()
        self._open: WeakSet[Connection] = WeakSet()

    def migrate(self) -> None:
        """Bring the tables to the newest shape, and keep nothing open."""
        migrate(self.engine)

    def record(self, invocation: Invocation, *, caller: Caller, correlation: str, duration_ms: int) -> None:
        """Write down a call and its cards, in one transaction.

        Raises:
            NotRecorded: it could not be written; the call must not be answered.
        """
        row = _invocation_row(invocation, caller, correlation, duration_ms)
        shown = [(card, True) for card in invocation.response.cards]
        made = shown + [(card, False) for card in invocation.held_back]

        def write(connection: Connection) -> None:
            number = self._invocations.add(connection, row)
            if made:
                self._cards.add_all(connection, [_card_row(number, card, is_shown=is_shown) for card, is_shown in made])

        self.write(write)

    def refused(
        self, *, at: datetime, service: str, status: int, faults: Sequence[Fault], caller: Caller, correlation: str
    ) -> None:
        """Write down that a call was refused, and why, in the fixed words of the answer.

        Raises:
            NotRecorded: it could not be written.
        """
        row = {
            "at": at,
            "correlation": correlation,
            "issuer": caller.issuer,
            "tenant": caller.tenant,
            "service": service,
            "status": status,
            "faults": [asdict(fault) for fault in faults],
        }
        self.write(lambda connection: connection.execute(_ADD_REFUSAL, row))

    def is_ready(self) -> bool:
        """Tell whether the journal can be reached and has the shape that this version writes."""
        try:
            return self.read(is_current)
        except NotRecorded:
            return False

    def write(self, work: Callable[[Connection], _T]) -> _T:
        """Do some writing in one short transaction on this thread's connection."""
        with self._connection() as connection, connection.begin():
            return work(connection)

    def read(self, work: Callable[[Connection], _T]) -> _T:
        """Do some reading; no writer waits for it."""
        with self._connection() as connection:
            connection.info[READING] = True
            try:
                return work(connection)
            finally:
                connection.rollback()
                del connection.info[READING]

    def close(self) -> None:
        """Close what any thread still holds."""
        for connection in list(self._open):
            connection.close()
        self._held = threading.local()
        self.engine.dispose()

    @contextmanager
    def _connection(self) -> Any:
        try:
            yield self._held_connection()
        except SQLAlchemyError as error:
            self._let_go()
            raise NotRecorded from error

    def _held_connection(self) -> Connection:
        # A connection does not survive a fork: a process that finds its parent's opens its own.
        if getattr(self._held, "process", None) != os.getpid():
            self._take_hold()
        elif self._held.file != file_of(self.engine):
            # Its file is gone, or another: SQLite would go on writing where nobody will ever read.
            self._let_go()
            self._take_hold()
        connection: Connection = self._held.connection
        return connection

    def _take_hold(self) -> None:
        self._held.connection = self.engine.connect()
        self._held.file = file_of(self.engine)
        self._held.process = os.getpid()
        self._open.add(self._held.connection)

    def _let_go(self) -> None:
        # After an error the next use starts afresh: the file may have been replaced, the server restarted.
        connection = getattr(self._held, "connection", None)
        self._held.__dict__.clear()
        if connection is not None:
            connection.invalidate()
            connection.close()


def _invocation_row(invocation: Invocation, caller: Caller, correlation: str, duration_ms: int) -> Mapping[str, Any]:
    request = invocation.request
    context = request.context
    return {
        "id": invocation.id,
        "at": invocation.as_of,
        "correlation": correlation,
        "issuer": caller.issuer,
        "tenant": caller.tenant,
        "user": None if context.user is None else context.user.reference,
        "hook": request.hook.value,
        "hook_instance": request.hook_instance,
        "service": invocation.service.id,
        "state": invocation.state.value,
        "withheld": invocation.withheld,
        "patient": context.patient_id,
        "encounter": context.encounter_id,
        "duration_ms": duration_ms,
        "outcome": _outcome(invocation),
    }


def _outcome(invocation: Invocation) -> dict[str, Any]:
    dropped = invocation.dropped
    return {
        "assessments": [_assessment(assessment) for assessment in invocation.assessments],
        "availability": {key: value.value for key, value in invocation.availability.items()},
        "dropped": {"other_patient": dropped.other_patient, "unreadable": dropped.unreadable},
        "warnings": [asdict(warning) for warning in invocation.request.warnings],
    }


def _assessment(assessment: Assessment) -> dict[str, Any]:
    about = {"model": assessment.model.id, "version": assessment.model.version}
    match assessment:
        case Assessed():
            # Copied: the journal's encoder knows dictionaries, not the views that keep an assessment unchanged.
            results = {"results": dict(assessment.results)}
            if assessment.alternatives:
                results["alternatives"] = {sex: dict(each) for sex, each in assessment.alternatives.items()}
            return {**about, "outcome": "assessed", **results, "inputs": _inputs(assessment.inputs)}
        case NotAssessable():
            missing = {item.name: _gap(item) for item in assessment.missing}
            return {**about, "outcome": "not-assessable", "missing": missing, "inputs": _inputs(assessment.inputs)}
        case NotApplicable():
            return {**about, "outcome": "not-applicable", "reason": assessment.reason}


def _inputs(inputs: Sequence[Input]) -> dict[str, Any]:
    return {item.name: item.reading.value for item in inputs if isinstance(item.reading, Reading)}


def _gap(item: Input) -> str | None:
    return None if isinstance(item.reading, Reading) else item.reading.gap.value


def _card_row(invocation: int, card: Card, *, is_shown: bool) -> Mapping[str, Any]:
    return {
        "uuid": card.uuid,
        "invocation": invocation,
        "indicator": card.indicator.value,
        "summary": card.summary,
        "topic": None if card.source.topic is None else f"{card.source.topic.system}|{card.source.topic.code}",
        "shown": is_shown,
        "suggestions": {suggestion.uuid: suggestion.label for suggestion in card.suggestions},
    }
