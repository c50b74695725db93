"""Who may read: opaque tokens, one for each CDS call, each for one patient and gone when the call ends."""

import secrets
import threading
from dataclasses import dataclass
from typing import Final, Literal

Health = Literal["well", "slow", "failing", "absent"]
HEALTHS: Final[tuple[Health, ...]] = ("well", "slow", "failing", "absent")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token opens, and how well the server behaves to its bearer."""

    patient: str
    health: Health = "well"


class Grants:
    """The tokens that are good now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._grants: dict[str, Grant] = {}

    def issue(self, grant: Grant) -> str:
        """Make a token that nobody can guess."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._grants[token] = grant
        return token

    def revoke(self, token: str) -> None:
        """End a token."""
        with self._lock:
            self._grants.pop(token, None)

    def find(self, authorization: str) -> Grant | None:
        """Find the grant of an Authorization header; None when there is none or it has ended."""
        scheme, _, token = authorization.partition(" ")
        with self._lock:
            return self._grants.get(token) if scheme.casefold() == "bearer" else None
