"""Key sets are fetched when they are needed, kept for a while, and asked for no more often than is good for anybody."""

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cds_hooks.web.clients import Client
from cds_hooks.web.key_sets import (
    INTERVAL_SECONDS,
    KEPT_SECONDS,
    LONGEST_FRESH_SECONDS,
    SHORTEST_FRESH_SECONDS,
    USUAL_FRESH_SECONDS,
    KeySets,
    fetching_by,
    freshness,
)
from cds_hooks.web.public_keys import KeysUnavailable
from fhir_client.transport import Transport
from tests.cds_hooks.web.signing import CLIENT, ISSUER, JKU, KeyServer, SigningKey, a_key, a_key_set
from tests.fhir_stub import FhirStub, Says, a_fhir_server

OLD, NEW = a_key(), a_key(kid="key-2")


@dataclass(slots=True)
class Cabinet:
    """Key sets with a clock that stands where a test puts it."""

    server: KeyServer = field(default_factory=lambda: KeyServer(a_key_set(OLD)))
    client: Client = CLIENT
    seconds: float = 1000.0
    failures: list[str] = field(default_factory=list)
    key_sets: KeySets = field(init=False)

    def __post_init__(self) -> None:
        self.key_sets = KeySets(
            (self.client,), fetch=self.server, timer=lambda: self.seconds, failed=self.failures.append
        )

    def has(self, kid: str) -> bool:
        return self.key_sets.find(self.client, kid) is not None

    @property
    def fetches(self) -> int:
        return len(self.server.asked)


def test_nothing_is_fetched_before_a_token_asks() -> None:
    cabinet = Cabinet()
    assert cabinet.fetches == 0
    assert cabinet.has("key-1")
    assert cabinet.server.asked == [JKU]


def test_a_fresh_key_set_is_not_fetched_again() -> None:
    cabinet = Cabinet()
    for _ in range(5):
        assert cabinet.has("key-1")
        cabinet.seconds += 100.0
    assert cabinet.fetches == 1
    cabinet.seconds += USUAL_FRESH_SECONDS
    assert cabinet.has("key-1")
    assert cabinet.fetches == 2


def test_a_new_key_is_found_at_its_first_use_and_an_old_one_is_forgotten() -> None:
    """[SEC-20, SEC-23] Rotation: one refresh on unknown kid."""
    cabinet = Cabinet()
    assert cabinet.has("key-1")
    cabinet.server.body = a_key_set(OLD, NEW)
    cabinet.seconds += INTERVAL_SECONDS
    assert cabinet.has("key-2")
    assert cabinet.has("key-1")
    cabinet.server.body = a_key_set(NEW)
    cabinet.seconds += USUAL_FRESH_SECONDS
    assert not cabinet.has("key-1")
    assert cabinet.has("key-2")


def test_a_flood_of_unknown_ids_gives_one_fetch_an_interval() -> None:
    """[SEC-23] Flood of unknown kids gives at most one fetch per interval."""
    cabinet = Cabinet()
    start = cabinet.seconds
    for number in range(600):
        assert not cabinet.has(f"strange-{number}")
        cabinet.seconds = start + number * 0.25  # 150 seconds
    assert cabinet.fetches == 5


def test_a_server_that_fails_is_asked_once_an_interval() -> None:
    """[SEC-23] Rate-limited, also when nothing can be fetched."""
    cabinet = Cabinet(KeyServer())
    for number in range(100):
        with pytest.raises(KeysUnavailable):
            cabinet.has("key-1")
        cabinet.seconds += 0.1 if number < 50 else 0.0
    assert cabinet.fetches == 1
    assert cabinet.failures == [ISSUER]
    cabinet.server.body = a_key_set(OLD)
    cabinet.seconds += INTERVAL_SECONDS
    assert cabinet.has("key-1")


@pytest.mark.parametrize("body", [None, b"<html>maintenance</html>"])
def test_old_keys_are_kept_when_new_ones_cannot_be_had_but_not_for_ever(body: bytes | None) -> None:
    """[SEC-23] Keep old keys on fetch failure for a bounded time."""
    cabinet = Cabinet()
    assert cabinet.has("key-1")
    cabinet.server.body = body
    cabinet.seconds += KEPT_SECONDS - 1.0
    assert cabinet.has("key-1")
    assert cabinet.fetches == 2
    cabinet.seconds += 1.0
    with pytest.raises(KeysUnavailable):
        cabinet.has("key-1")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, USUAL_FRESH_SECONDS),
        ({"Cache-Control": "public, max-age=900"}, 900.0),
        ({"cache-control": 'MAX-AGE="900"'}, 900.0),
        ({"Cache-Control": "max-age=900", "Age": "300"}, 600.0),
        ({"Cache-Control": "max-age=900", "Age": "soon"}, 900.0),
        ({"Cache-Control": "max-age=0"}, SHORTEST_FRESH_SECONDS),
        ({"Cache-Control": "no-store"}, SHORTEST_FRESH_SECONDS),
        ({"Cache-Control": "no-cache, max-age=900"}, SHORTEST_FRESH_SECONDS),
        ({"Cache-Control": "max-age=31536000"}, LONGEST_FRESH_SECONDS),
        ({"Cache-Control": "max-age=soon"}, USUAL_FRESH_SECONDS),
        ({"Expires": "Sat, 01 Jun 2024 12:15:00 GMT", "Date": "Sat, 01 Jun 2024 12:00:00 GMT"}, 900.0),
        ({"Expires": "0", "Date": "Sat, 01 Jun 2024 12:00:00 GMT"}, SHORTEST_FRESH_SECONDS),
        ({"Expires": "Sat, 01 Jun 2024 12:15:00 GMT"}, USUAL_FRESH_SECONDS),
    ],
)
def test_cache_headers_are_honoured_within_bounds(headers: Mapping[str, str], seconds: float) -> None:
    """[SEC-23] Honour cache headers within bounds."""
    assert freshness(headers) == seconds


def test_the_servers_word_decides_when_it_is_asked_again() -> None:
    cabinet = Cabinet(KeyServer(a_key_set(OLD), {"Cache-Control": "max-age=1800"}))
    assert cabinet.has("key-1")
    cabinet.seconds += 1799.0
    assert cabinet.has("key-1")
    assert cabinet.fetches == 1
    cabinet.seconds += 1.0
    assert cabinet.has("key-1")
    assert cabinet.fetches == 2


@dataclass(slots=True)
class SlowServer:
    """Answers once it is let."""

    may_answer: threading.Event = field(default_factory=threading.Event)
    is_asked: threading.Event = field(default_factory=threading.Event)
    keys: tuple[SigningKey, ...] = (OLD,)
    asked: int = 0

    def __call__(self, url: str, client: Client) -> tuple[bytes, Mapping[str, str]]:
        self.asked += 1
        self.is_asked.set()
        assert self.may_answer.wait(10.0), (url, client.issuer)
        return a_key_set(*self.keys), {}


def test_of_many_threads_one_fetches_and_the_others_wait_for_it() -> None:
    """[SEC-23] No second thread fetches the same."""
    server, found = SlowServer(), []
    key_sets = KeySets((CLIENT,), fetch=server, timer=lambda: 0.0)
    threads = [threading.Thread(target=lambda: found.append(key_sets.find(CLIENT, "key-1"))) for _ in range(12)]
    for thread in threads:
        thread.start()
    server.may_answer.set()
    for thread in threads:
        thread.join()
    assert server.asked == 1
    assert [key is not None for key in found] == [True] * 12


@pytest.fixture
def rotating() -> Iterator[tuple[SlowServer, KeySets, threading.Thread]]:
    """Give a set whose first fetch was quick, and a thread that is in the middle of the second one."""
    server, now = SlowServer(), [0.0]
    key_sets = KeySets((CLIENT,), fetch=server, timer=lambda: now[0], patience=60.0)
    server.may_answer.set()
    assert key_sets.find(CLIENT, "key-1") is not None
    server.may_answer.clear()
    server.is_asked.clear()
    now[0] = USUAL_FRESH_SECONDS
    slow = threading.Thread(target=lambda: key_sets.find(CLIENT, "key-1"))
    slow.start()
    assert server.is_asked.wait(10.0)
    yield server, key_sets, slow
    server.may_answer.set()
    slow.join()


def test_who_has_a_key_does_not_wait_for_anothers_fetch(
    rotating: tuple[SlowServer, KeySets, threading.Thread],
) -> None:
    _, key_sets, slow = rotating
    quick = threading.Thread(target=lambda: key_sets.find(CLIENT, "key-1"))
    quick.start()
    quick.join(5.0)
    assert not quick.is_alive()
    assert slow.is_alive()


def test_who_has_a_new_key_waits_for_the_fetch_that_will_bring_it(
    rotating: tuple[SlowServer, KeySets, threading.Thread],
) -> None:
    server, key_sets, _ = rotating
    found: list[object] = []
    waiting = threading.Thread(target=lambda: found.append(key_sets.find(CLIENT, "key-2")))
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()
    server.keys = (OLD, NEW)
    server.may_answer.set()
    waiting.join()
    assert found != [None]
    assert server.asked == 2


def test_who_needs_a_key_waits_for_anothers_fetch_no_longer_than_its_patience() -> None:
    server = SlowServer()
    key_sets = KeySets((CLIENT,), fetch=server, timer=lambda: 0.0, patience=0.05)
    slow = threading.Thread(target=lambda: key_sets.find(CLIENT, "key-1"))
    slow.start()
    assert server.is_asked.wait(10.0)
    with pytest.raises(KeysUnavailable):
        key_sets.find(CLIENT, "key-1")
    assert slow.is_alive()
    server.may_answer.set()
    slow.join()
    assert server.asked == 1


def test_a_key_file_may_be_replaced_while_the_service_runs(tmp_path: Path) -> None:
    """[SEC-21] Configured key set or URL used."""
    file = tmp_path / "keys.json"
    file.write_bytes(a_key_set(OLD))
    cabinet = Cabinet(client=Client(ISSUER, jwks_file=file))
    assert cabinet.has("key-1")
    file.write_bytes(a_key_set(NEW))
    cabinet.seconds += INTERVAL_SECONDS
    assert cabinet.has("key-2")
    file.unlink()
    cabinet.seconds += SHORTEST_FRESH_SECONDS
    assert cabinet.has("key-2")
    assert cabinet.failures == [ISSUER]
    assert cabinet.fetches == 0


def test_a_client_without_any_keys_is_never_trusted() -> None:
    with pytest.raises(KeysUnavailable):
        Cabinet(client=Client(ISSUER)).has("key-1")


@dataclass(slots=True)
class Site:
    """A web server on loopback that has a key set, and a client whose entry names it."""

    stub: FhirStub
    transport: Transport

    def fetch(self, *, hosts: frozenset[str] | None = None, patience: float = 2.0) -> bytes:
        """Fetch by a client whose test hosts hold the server, unless others are given."""
        client = Client(ISSUER, jwks_url=f"{self.stub.base}/keys", test_hosts=hosts or frozenset({self.stub.origin}))
        return fetching_by(self.transport, time.monotonic, patience=patience)(f"{self.stub.base}/keys", client)[0]


@pytest.fixture
def site() -> Iterator[Site]:
    with a_fhir_server() as stub, Transport() as transport:
        yield Site(stub, transport)


def test_a_key_set_is_fetched_from_the_address_of_the_entry(site: Site) -> None:
    """[SEC-20] URL of the key set: listed jku works, over the one way out."""
    site.stub.on("GET", "keys", Says(a_key_set(OLD), media_type="application/jwk-set+json"))
    assert site.fetch() == a_key_set(OLD)
    (asked,) = site.stub.asked
    assert "Authorization" not in asked.headers


@pytest.mark.parametrize(
    "says",
    [
        Says(a_key_set(OLD), status=302, headers={"Location": "/fhir/other"}),
        Says(a_key_set(OLD), status=500),
        Says(a_key_set(OLD), status=404),
        Says(a_key_set(OLD), status=203),
        Says(b"x" * 300_000),
    ],
    ids=["redirect", "failure", "absent", "no plain 200", "too large"],
)
def test_only_a_plain_answer_of_some_size_counts(site: Site, says: Says) -> None:
    """[SEC-23] No redirects; size limits."""
    site.stub.on("GET", "keys", says)
    with pytest.raises(KeysUnavailable):
        site.fetch()
    assert len(site.stub.asked) == 1


def test_a_server_that_drips_is_not_waited_for(site: Site) -> None:
    """[SEC-23] Time limits: the whole of a fetch ends within its patience, here a fifth of a second."""
    site.stub.on("GET", "keys", Says(a_key_set(OLD), pieces=20, pause=0.05))
    started = time.monotonic()
    with pytest.raises(KeysUnavailable):
        site.fetch(patience=0.2)
    assert time.monotonic() - started < 0.8


def test_loopback_is_asked_only_where_the_entry_lists_it(site: Site) -> None:
    """[SEC-43, FHIR-75] The same checks hold for `jku` and key-set URLs as for `fhirServer`."""
    site.stub.on("GET", "keys", Says(a_key_set(OLD)))
    with pytest.raises(KeysUnavailable):
        site.fetch(hosts=frozenset({"http://127.0.0.1:8099"}))
    assert site.stub.asked == []
