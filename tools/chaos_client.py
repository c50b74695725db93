"""A CDS client in the storm: it calls, checks each answer against the right one, and reports what became of a card."""

import http.client
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import uuid4

import orjson

from tools.chaos_service import Service

OK = 200
TIMEOUT_SECONDS = 15
# What a service that is being killed may answer; anything else is a wrong answer.
REFUSALS = frozenset({503, 429})
NO_ANSWER = 0


@dataclass(slots=True)
class Told:
    """What the service said, for the journal to be held to."""

    calls: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    answered: set[str] = field(default_factory=set)
    cards: set[str] = field(default_factory=set)
    feedback: set[tuple[str, str]] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)

    @classmethod
    def of_all(cls, every: Iterable["Told"]) -> "Told":
        """Put together what all clients were told."""
        whole = cls()
        for each in every:
            whole.calls += each.calls
            whole.statuses += each.statuses
            whole.answered |= each.answered
            whole.cards |= each.cards
            whole.feedback |= each.feedback
            whole.wrong += each.wrong
            whole.moments += each.moments
        return whole

    @property
    def longest_silence(self) -> float:
        """Give the longest time between two answered calls, of whomever."""
        moments = sorted(self.moments)
        return max((later - earlier for earlier, later in pairwise(moments)), default=0.0)


class Client:
    """One connection at a time, opened again whenever it breaks."""

    # The right answers, learnt before the storm, by service: cards without what is new in each answer.
    right: dict[str, Any] = {}  # noqa: RUF012 - shared by all clients of a storm

    def __init__(self, service: Service, number: int) -> None:
        """Take a place in the round."""
        self.number = number
        self.told = Told()
        self._service = service
        self._turn = number
        self._connection: http.client.HTTPConnection | None = None

    def learn_the_right_answers(self) -> None:
        """Call each service once in calm weather."""
        for service_id, body in self._service.bodies.items():
            status, answer = self._post(f"/cds-services/{service_id}", body, str(uuid4()))
            if status != OK:
                message = f"{service_id} answered {status} before the storm"
                raise RuntimeError(message)
            self.right[service_id] = _lasting(answer)

    def call_and_answer(self) -> None:
        """Call one service, and tell it what became of the first card."""
        names = sorted(self._service.bodies)
        service_id = names[self._turn % len(names)]
        self._turn += 1
        correlation = str(uuid4())
        self.told.calls += 1
        status, answer = self._post(f"/cds-services/{service_id}", self._service.bodies[service_id], correlation)
        self.told.statuses[status] += 1
        if status == OK:
            self.told.moments.append(time.monotonic())
            self.told.answered.add(correlation)
            if _lasting(answer) != self.right[service_id]:
                self.told.wrong.append(f"{service_id}: other cards than before")
            uuids = [card["uuid"] for card in answer["cards"]]
            self.told.cards.update(uuids)
            if uuids:
                self._answer(service_id, uuids[0])
        elif status not in REFUSALS | {NO_ANSWER}:
            self.told.wrong.append(f"{service_id}: status {status}")

    def _answer(self, service_id: str, card: str) -> None:
        entry = {"card": card, "outcome": "overridden", "outcomeTimestamp": datetime.now(UTC).isoformat()}
        body = orjson.dumps({"feedback": [entry]})
        for _ in range(3):  # as a client does: sending feedback again changes nothing (FB-14)
            status, _answer = self._post(f"/cds-services/{service_id}/feedback", body, str(uuid4()))
            if status == OK:
                self.told.feedback.add((card, "overridden"))
                return
            if status not in REFUSALS | {NO_ANSWER}:
                self.told.wrong.append(f"{service_id}: feedback status {status}")
                return

    def _post(self, path: str, body: bytes, correlation: str) -> tuple[int, Any]:
        headers = {
            "Content-Type": "application/json",
            "X-Request-Id": correlation,
            "Authorization": f"Bearer {self._service.token(path)}",
        }
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self._service.port, timeout=TIMEOUT_SECONDS)
            self._connection.request("POST", path, body, headers)
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException):
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            return NO_ANSWER, None
        return response.status, orjson.loads(answer)


def _lasting(answer: Any) -> Any:
    """Give an answer without what is new in each: the uuids of cards and suggestions."""
    return _without_uuids(answer)


def _without_uuids(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_uuids(inner) for name, inner in value.items() if name not in {"uuid", "id", "fullUrl"}}
    if isinstance(value, list):
        return [_without_uuids(inner) for inner in value]
    return value
