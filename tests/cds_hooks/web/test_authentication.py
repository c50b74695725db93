"""Tokens that are good, and what each client's entry makes of them."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cds_hooks.errors import NotEntitled, NotRecorded, NotTrusted
from cds_hooks.journal.audit import Journal
from cds_hooks.journal.database import open_database
from cds_hooks.journal.replay import Seen
from cds_hooks.web.authentication import (
    LONGEST_LIFE_SECONDS,
    Audiences,
    Authenticator,
    Cause,
    Trusted,
    call_audiences,
    discovery_audiences,
    feedback_audiences,
)
from cds_hooks.web.clients import ANONYMOUS, Client
from cds_hooks.web.key_sets import KeySets
from tests.cds_hooks.web.signing import (
    AUDIENCE,
    BASE,
    CLIENT,
    ISSUER,
    JKU,
    NOW,
    SECONDS,
    SERVICE,
    Door,
    KeyServer,
    Memory,
    a_header,
    a_key,
    a_key_set,
    a_token,
    bearer,
    some_claims,
)

STRICT = replace(CLIENT, strict=True)
DISCOVERY = discovery_audiences(BASE)
FEEDBACK = feedback_audiences(BASE, SERVICE)


def good(**claims: Any) -> str:
    return bearer(a_token(some_claims(**claims)))


def cause_of(door: Door, authorization: str | None, audiences: Audiences | None = None) -> Cause:
    with pytest.raises(NotTrusted):
        door.enter(authorization, audiences)
    return door.told[-1][0]


def test_a_good_token_gives_client_tenant_and_token_id() -> None:
    """[SEC-4] Audit record per call with issuer, tenant, jti: they are what authentication gives."""
    trusted = Door().enter(good(jti="token-1", tenant="north"))
    assert trusted == Trusted(CLIENT, "north", "token-1")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_read_in_any_case(scheme: str) -> None:
    """[SEC-10] `Authorization: Bearer <JWT>`; scheme case-insensitive."""
    assert Door().enter(f"{scheme} {a_token()}").client is CLIENT


@pytest.mark.parametrize("audiences", [DISCOVERY, call_audiences(BASE, SERVICE), FEEDBACK])
def test_each_endpoint_wants_a_token(audiences: Audiences) -> None:
    """[SEC-10] On every request to a protected endpoint: discovery, call, feedback. Each without it: 401."""
    assert cause_of(Door(), None, audiences) is Cause.ABSENT


@pytest.mark.parametrize("kind", [..., "jwt", "application/jwt", "JwT", "at+jwt"])
def test_a_strict_entry_wants_the_type_exactly(kind: Any) -> None:
    """[SEC-11] Header `alg`, `kid`, `typ` = `JWT`. typ other: 401 strict."""
    assert cause_of(Door(clients=(STRICT,)), bearer(a_token(header=a_header(typ=kind)))) is Cause.TYPE
    assert Door(clients=(STRICT,)).enter(good()).client is STRICT


@pytest.mark.parametrize("kind", [..., "jwt", "application/jwt", "JwT"])
def test_a_lenient_entry_bears_a_type_that_means_the_same(kind: Any) -> None:
    assert Door().enter(bearer(a_token(header=a_header(typ=kind)))).client is CLIENT


@pytest.mark.parametrize(
    "named", [AUDIENCE, f"{AUDIENCE}/", [AUDIENCE], ["https://other.example", AUDIENCE], [f"{AUDIENCE}/"]]
)
def test_an_audience_is_a_text_or_a_list_with_or_without_a_slash(named: object) -> None:
    """[SEC-15] `aud`: string or array; it is the URL of the endpoint invoked; trailing slash tolerated."""
    assert Door().enter(good(aud=named)).client is CLIENT


def test_discovery_has_an_audience_of_its_own() -> None:
    assert Door().enter(good(aud=f"{BASE}/cds-services"), DISCOVERY).client is CLIENT
    assert cause_of(Door(), good(), DISCOVERY) is Cause.AUDIENCE


@pytest.mark.parametrize(
    ("setting", "accepted"),
    [
        ("both", {f"{AUDIENCE}/feedback", AUDIENCE}),
        ("feedback", {f"{AUDIENCE}/feedback"}),
        ("service", {AUDIENCE}),
    ],
)
def test_the_audience_of_feedback_is_what_the_client_writes(setting: str, accepted: set[str]) -> None:
    """[FB-15] Accept feedback URL; accept service URL by client profile; others 401."""
    named = {f"{AUDIENCE}/feedback", AUDIENCE, f"{BASE}/cds-services", f"{BASE}/cds-services/other/feedback"}
    client = replace(CLIENT, feedback_audience=setting)
    for audience in named:
        door = Door(clients=(client,))
        if audience in accepted:
            assert door.enter(good(aud=audience), FEEDBACK).client is client
        else:
            assert cause_of(door, good(aud=audience), FEEDBACK) is Cause.AUDIENCE


@pytest.mark.parametrize(
    "times",
    [
        {"exp": SECONDS + LONGEST_LIFE_SECONDS, "iat": SECONDS},
        {"exp": SECONDS - 59, "iat": SECONDS - 300},
        {"exp": SECONDS + 300, "iat": SECONDS + 60},
        {"exp": SECONDS + 300.5, "iat": SECONDS - 0.25},
        {"exp": SECONDS + 300, "iat": SECONDS, "nbf": SECONDS + 60},
    ],
)
def test_times_are_numbers_of_seconds_with_a_minute_of_leeway(times: dict[str, float]) -> None:
    """[SEC-16] `exp`, `iat`: numbers in seconds; leeway 60 s; lifetime at most 1 h."""
    assert Door().enter(good(**times)).client is CLIENT


def test_what_vendors_add_to_a_token_is_let_be() -> None:
    """[SEC-25] Accept extra claims (`nbf` checked, `sub` ignored). Tokens of large EHR vendors carry them."""
    claims = {"nbf": SECONDS - 5, "sub": "system", "fhirServer": "https://fhir.example", "azp": ["a", {"b": None}]}
    header = {**a_header(), "x5t": "AAAA", "x5t#S256": "BBBB", "cty": "JWT"}
    assert Door().enter(bearer(a_token(some_claims(**claims), header))).client is CLIENT


def test_a_listed_jku_works() -> None:
    """[SEC-20, SEC-22] Listed jku works: the pair of iss and jku is on the list."""
    door = Door()
    assert door.enter(bearer(a_token(header=a_header(jku=JKU)))).client is CLIENT
    assert door.server.asked == [JKU]


def test_each_issuer_has_its_own_jku() -> None:
    """[SEC-14, SEC-22] Listed iss with foreign jku: 401 and no outbound request."""
    other = Client("https://other.example", jwks_url="https://other.example/keys.json")
    door = Door(clients=(CLIENT, other))
    header = a_header(jku=other.jwks_url)
    assert cause_of(door, bearer(a_token(header=header))) is Cause.KEY_SET_ADDRESS
    assert door.told == [(Cause.KEY_SET_ADDRESS, ISSUER)]
    assert door.server.asked == []


def test_keys_that_were_exchanged_out_of_band_take_no_jku(tmp_path: Path) -> None:
    """[SEC-21, SEC-22] Without `jku`, keys are exchanged out of band: configured key set used, no guessing."""
    (tmp_path / "keys.json").write_bytes(a_key_set(a_key()))
    door = Door(clients=(Client(ISSUER, jwks_file=tmp_path / "keys.json"),))
    assert door.enter(good()).client.issuer == ISSUER
    assert cause_of(door, bearer(a_token(header=a_header(jku=JKU)))) is Cause.KEY_SET_ADDRESS
    assert door.server.asked == []


def test_another_clients_key_does_not_count() -> None:
    other = Client("https://other.example", jwks_url="https://other.example/keys.json")
    stranger = a_key(kid="strange")
    door = Door(clients=(CLIENT, other))
    door.enter(good())
    assert cause_of(door, bearer(a_token(some_claims(iss=other.issuer), key=stranger))) is Cause.UNKNOWN_KEY


def test_no_token_speaks_for_the_anonymous_client() -> None:
    door = Door(clients=(Client(ANONYMOUS, jwks_url=JKU),))
    assert cause_of(door, good(iss=ANONYMOUS)) is Cause.ISSUER
    assert door.server.asked == []


def test_without_a_single_client_nobody_is_trusted() -> None:
    """[SEC-2] Require authentication: with no client at all, every token is refused."""
    assert cause_of(Door(clients=()), good()) is Cause.ISSUER


def test_a_token_is_used_once_where_replay_is_enforced() -> None:
    """[SEC-17] `jti` unique per token: seen before from the same issuer: 401."""
    door, token = Door(), good()
    door.enter(token)
    assert cause_of(door, token) is Cause.REPLAYED
    assert cause_of(door, token, DISCOVERY) is Cause.AUDIENCE


def test_a_token_id_belongs_to_its_issuer() -> None:
    """[SEC-18] The replay store is keyed by (iss, jti)."""
    other = Client("https://other.example", jwks_url="https://other.example/keys.json")
    door = Door(clients=(CLIENT, other))
    for issuer in (ISSUER, other.issuer):
        door.enter(good(iss=issuer, jti="one"))


def test_a_replay_is_only_reported_where_the_entry_says_so() -> None:
    """[SEC-18] Mode per issuer: enforce, report, off."""
    door, token = Door(clients=(replace(CLIENT, replay="report"),)), good()
    door.enter(token)
    assert door.told == []
    assert door.enter(token).client.issuer == ISSUER
    assert door.told == [(Cause.REPLAY_REPORTED, ISSUER)]


def test_nothing_is_remembered_where_replay_is_off() -> None:
    """[SEC-17, SEC-18] Off: tokens may come again; the id is still required."""
    door, token = Door(clients=(replace(CLIENT, replay="off"),)), good()
    door.enter(token)
    door.enter(token)
    assert door.memory.known == set()
    assert cause_of(door, good(jti=...)) is Cause.TOKEN_ID


def test_only_a_true_signature_is_remembered() -> None:
    door = Door()
    claims = some_claims()
    forged = bearer(a_token(claims, a_header(), key=a_key(kid="strange")))
    assert cause_of(door, forged) is Cause.SIGNATURE
    assert door.enter(bearer(a_token(claims))).token_id == claims["jti"]


def test_a_memory_that_fails_is_no_pass() -> None:
    class Lost(Memory):
        def is_first(self, issuer: str, token_id: str, expires: datetime, now: datetime) -> bool:
            assert super().is_first(issuer, token_id, expires, now)
            raise NotRecorded

    with pytest.raises(NotRecorded):
        Door(memory=Lost()).enter(good())


@pytest.mark.parametrize("tenant", ["south", "North", "", None, ...])
def test_a_tenant_that_is_not_listed_is_forbidden(tenant: Any) -> None:
    """[HTTP-5, SEC-19] Allow-list per issuer; unknown tenant 403. A token that names none could be anybody's: 403."""
    door = Door(clients=(replace(CLIENT, tenants=frozenset({"north"})),))
    if tenant == "":
        assert cause_of(door, good(tenant=tenant)) is Cause.MALFORMED
        return
    trusted = door.enter(good(tenant=tenant))
    for asked in (SERVICE, None):
        with pytest.raises(NotEntitled):
            door.authenticator.check_entitled(trusted, asked)
    assert door.told == [(Cause.TENANT, ISSUER)] * 2


def test_a_listed_tenant_is_let_in_and_any_where_none_is_listed() -> None:
    """[SEC-19] `tenant`: opaque organisation id; default any."""
    client = replace(CLIENT, tenants=frozenset({"north"}))
    north = Door(clients=(client,)).enter(good(tenant="north"))
    Door(clients=(client,)).authenticator.check_entitled(north, None)
    assert north.tenant == "north"
    assert Door().enter(good(tenant="elsewhere")).tenant == "elsewhere"
    assert Door().enter(good()).tenant is None


def test_whose_signature_is_false_does_not_learn_which_tenants_there_are() -> None:
    door = Door(clients=(replace(CLIENT, tenants=frozenset({"north"})),))
    for tenant in ("north", "south"):
        forged = bearer(a_token(some_claims(tenant=tenant), a_header(), key=a_key(kid="strange")))
        assert cause_of(door, forged) is Cause.SIGNATURE


def test_a_client_has_the_services_of_its_list() -> None:
    """[HTTP-5] Known client, not entitled to this service: 403."""
    door = Door(clients=(replace(CLIENT, services=frozenset({SERVICE})),))
    trusted = door.enter(good())
    door.authenticator.check_entitled(trusted, SERVICE)
    with pytest.raises(NotEntitled):
        door.authenticator.check_entitled(trusted, "kidney-risk")
    assert door.told == [(Cause.SERVICE, ISSUER)]
    Door().authenticator.check_entitled(Trusted(CLIENT), "kidney-risk")


def test_keys_that_cannot_be_had_are_a_cause_of_their_own() -> None:
    door = Door(server=KeyServer())
    assert cause_of(door, good()) is Cause.NO_KEYS


@contextmanager
def a_worker(folder: Path) -> Iterator[Authenticator]:
    """Open one of several workers: an authenticator of its own over the journal they share."""
    with closing(Journal(open_database(f"sqlite:///{folder / 'journal.db'}"))) as journal:
        journal.migrate()
        key_sets = KeySets((CLIENT,), fetch=KeyServer(a_key_set(a_key())), timer=lambda: 0.0)
        yield Authenticator((CLIENT,), key_sets=key_sets, seen=Seen(journal), now=lambda: NOW, refused=lambda *_: None)


def test_a_token_used_at_one_worker_is_refused_by_another(tmp_path: Path) -> None:
    """[SEC-18] Shared by all workers. Same token to two workers: second refused in enforce mode."""
    token, audiences = good(), call_audiences(BASE, SERVICE)
    with a_worker(tmp_path) as one, a_worker(tmp_path) as two:
        one.authenticate(token, audiences)
        for worker in (two, one):
            with pytest.raises(NotTrusted):
                worker.authenticate(token, audiences)


def test_of_many_who_use_one_token_at_once_one_gets_in(tmp_path: Path) -> None:
    token, audiences, entered = good(), call_audiences(BASE, SERVICE), []

    def knock(worker: Authenticator) -> None:
        try:
            entered.append(worker.authenticate(token, audiences))
        except NotTrusted:
            return

    with a_worker(tmp_path) as one, a_worker(tmp_path) as two:
        threads = [threading.Thread(target=knock, args=(worker,)) for worker in (one, two) * 8]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(entered) == 1


def test_ids_may_be_long_and_in_any_script() -> None:
    trusted = Door().enter(good(jti="j" * 256, tenant="Žižkov - 北"))
    assert (trusted.token_id, trusted.tenant) == ("j" * 256, "Žižkov - 北")


def test_a_memory_holds_a_token_for_its_life_and_the_leeway() -> None:
    door = Door()
    door.enter(good())
    assert door.memory.lifetimes == [timedelta(seconds=360)]
