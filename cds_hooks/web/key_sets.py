"""The public keys of the CDS clients: read from a file or fetched, kept for a while, and never believed blindly.

SEC-20 to SEC-23 say where they come from and how often anybody is asked for them.
"""

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Protocol

from cds_hooks.web.clients import ANONYMOUS, Client
from cds_hooks.web.public_keys import LARGEST_KEY_SET, Key, KeysUnavailable, usable_keys
from fhir_client.addresses import Reach
from fhir_client.errors import FhirError, error_of
from fhir_client.questions import Deadline, Limits
from fhir_client.transport import Transport

# How long a key set counts as fresh: what its server says, within these bounds. A key that was withdrawn is trusted
# for an hour at most.
SHORTEST_FRESH_SECONDS = 60.0
USUAL_FRESH_SECONDS = 600.0
LONGEST_FRESH_SECONDS = 3600.0
# A key set that can no longer be fetched is used for the length of a night shift, then nobody is trusted by it.
KEPT_SECONDS = 8 * 3600.0
# Whatever the reason, one client's keys are asked for no more often: unknown key ids cost a stranger nothing to invent.
INTERVAL_SECONDS = 30.0
# How long a fetch may take, and a call wait for another one's: it may still be answered before its usual deadline.
PATIENCE_SECONDS = 2.0
_LIMITS = Limits(page_bytes=LARGEST_KEY_SET, connect_seconds=1.0)
_OK = 200


_MAX_AGE = re.compile(r"max-age=\"?(\d{1,9})\"?")


class Fetch(Protocol):
    """Reads a client's key set from its URL within limits of time and size; follows no redirect."""

    def __call__(self, url: str, client: Client) -> tuple[bytes, Mapping[str, str]]:
        """Give body and headers of a 200.

        Raises:
            KeysUnavailable: there is none.
        """


@dataclass(slots=True)
class _State:
    """What is known of one client's keys. `lock` is held by whoever asks for them."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    keys: Mapping[str, Key] = field(default_factory=dict)
    fresh_until: float = float("-inf")
    kept_until: float = float("-inf")
    next_attempt: float = float("-inf")


class KeySets:
    """The key sets of all clients, for all threads of a process. Made before a fork; fetches nothing until then."""

    def __init__(
        self,
        clients: Iterable[Client],
        *,
        fetch: Fetch,
        timer: Callable[[], float],
        patience: float = PATIENCE_SECONDS,
        failed: Callable[[str], None] = lambda _issuer: None,
    ) -> None:
        """Go by a stopwatch; `failed` is told the issuer whose keys could not be read."""
        self._states = {client.issuer: _State() for client in clients if client.issuer != ANONYMOUS}
        self._fetch = fetch
        self._timer = timer
        self._patience = patience
        self._failed = failed

    def find(self, client: Client, kid: str) -> Key | None:
        """Give the client's key of this id, None if it has none; its keys are asked for where that may help.

        Raises:
            KeysUnavailable: no key set of this client is at hand.
        """
        state = self._states[client.issuer]
        now = self._timer()
        key = state.keys.get(kid)
        if now >= state.fresh_until or key is None:
            self._refresh(client, state, may_wait=key is None or now >= state.kept_until)
            now, key = self._timer(), state.keys.get(kid)
        if now >= state.kept_until:
            raise KeysUnavailable("no key set of this client is at hand")
        return key

    def _refresh(self, client: Client, state: _State, *, may_wait: bool) -> None:
        """Ask for the keys, if nobody has within the interval; one thread asks, those who need the answer wait for it.

        A call whose key is known but no longer fresh does not wait for another's fetch: it goes on with what is kept.
        """
        if self._timer() < state.next_attempt and not state.lock.locked():
            return
        if not state.lock.acquire(timeout=self._patience if may_wait else 0):
            return
        try:
            now = self._timer()
            if now >= state.next_attempt:
                state.next_attempt = now + INTERVAL_SECONDS
                self._ask(client, state)
        finally:
            state.lock.release()

    def _ask(self, client: Client, state: _State) -> None:
        try:
            body, headers = self._read(client)
            keys = usable_keys(body)
        except KeysUnavailable:
            self._failed(client.issuer)
            return
        now = self._timer()
        state.keys = keys
        state.fresh_until = now + freshness(headers)
        state.kept_until = now + KEPT_SECONDS

    def _read(self, client: Client) -> tuple[bytes, Mapping[str, str]]:
        if client.jwks_file is not None:
            return read_key_file(client), {"Cache-Control": f"max-age={SHORTEST_FRESH_SECONDS:.0f}"}
        if client.jwks_url is not None:
            return self._fetch(client.jwks_url, client)
        raise KeysUnavailable("the client has neither a key file nor the address of one")


def fetching_by(transport: Transport, timer: Callable[[], float], *, patience: float = PATIENCE_SECONDS) -> Fetch:
    """Fetch key sets by the project's one way out: to checked addresses, without redirects (FHIR-75)."""

    def fetch(url: str, client: Client) -> tuple[bytes, Mapping[str, str]]:
        try:
            reply = transport.exchange(
                "GET",
                url,
                headers={"Accept": "application/jwk-set+json, application/json"},
                reach=Reach(client.private_networks, client.test_hosts),
                limits=_LIMITS,
                deadline=Deadline.after(patience, timer),
            )
        except FhirError as error:
            raise KeysUnavailable("the key set could not be fetched") from error
        if reply.status != _OK:
            raise KeysUnavailable("the key set was not given") from error_of(reply.status)
        return reply.body, reply.headers

    return fetch


def read_key_file(client: Client) -> bytes:
    """Read the key set that was exchanged out of band (SEC-21); it may be replaced while the service runs.

    Raises:
        KeysUnavailable: the file cannot be read.
    """
    if client.jwks_file is None:
        raise KeysUnavailable("the client has no key file")
    try:
        with client.jwks_file.open("rb") as file:
            return file.read(LARGEST_KEY_SET + 1)
    except OSError:
        raise KeysUnavailable("the key file cannot be read") from None


def freshness(headers: Mapping[str, str]) -> float:
    """Give for how many seconds a key set is fresh: its server's word, within our bounds (SEC-23)."""
    given = {name.lower(): value for name, value in headers.items()}
    control = given.get("cache-control", "").lower()
    if "no-store" in control or "no-cache" in control:
        return SHORTEST_FRESH_SECONDS
    age = given.get("age", "").strip()
    if match := _MAX_AGE.search(control):
        seconds = float(match[1]) - (float(age[:9]) if age.isascii() and age.isdigit() else 0.0)
    else:
        seconds = _until_expiry(given)
    return min(max(seconds, SHORTEST_FRESH_SECONDS), LONGEST_FRESH_SECONDS)


def _until_expiry(headers: Mapping[str, str]) -> float:
    """Both times are the server's, so that our clock plays no part; what is no time, like `0`, has passed."""
    if "expires" not in headers or "date" not in headers:
        return USUAL_FRESH_SECONDS
    try:
        lasts = parsedate_to_datetime(headers["expires"]) - parsedate_to_datetime(headers["date"])
    except (ValueError, TypeError):
        return 0.0
    return lasts.total_seconds()
