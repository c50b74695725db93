"""Section 9 of CDS Hooks over HTTP: who is let in, what they are told, and what is left of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from cds_hooks.journal.tables import feedback, invocations
from cds_hooks.web.authentication import Cause
from cds_hooks.web.clients import Client
from cds_hooks.web.settings import Settings
from cds_hooks.web.wsgi import application
from tests.cds_hooks.declared import a_service, one_card
from tests.cds_hooks.web.edge import CORRELATION, AnEdge, a_call, an_edge, an_override
from tests.cds_hooks.web.signing import (
    AUDIENCE,
    BASE,
    CLIENT,
    ISSUER,
    SERVICE,
    Door,
    a_key,
    a_key_set,
    a_token,
    bearer,
    some_claims,
)
from tests.cds_hooks.web.test_token_attacks import FAULTS

OTHER = Client("https://other.example", jwks_url="https://other.example/keys.json")
PAGE = "https://ehr.example"


@contextmanager
def guarded(folder: Path, *clients: Client, discovery: str = "open") -> Iterator[tuple[AnEdge, Door]]:
    """Open the application with authentication required, for these clients."""
    door = Door(clients=clients or (CLIENT,))
    settings = Settings(base_url=BASE, clients=door.clients, discovery=discovery)
    service = a_service(present=one_card)
    with an_edge(folder, service, settings=settings, authenticates=door.authenticator) as edge:
        yield edge, door


def signed(**claims: Any) -> dict[str, str]:
    """Give the headers of a signed request; a new token each time."""
    return {"Authorization": bearer(a_token(some_claims(**claims)))}


def test_each_endpoint_is_closed_to_who_has_no_token(tmp_path: Path) -> None:
    """[SEC-2, SEC-10] On every request to a protected endpoint: discovery, call, feedback. Without it: 401."""
    with guarded(tmp_path, discovery="protected") as (edge, _):
        answers = [edge.http.get("/cds-services"), edge.call(), edge.feedback(an_override(CORRELATION))]
        assert [answer.status_code for answer in answers] == [401, 401, 401]
        assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Bearer"}
        discovery = edge.http.get("/cds-services", headers=signed(aud=f"{BASE}/cds-services"))
        assert discovery.status_code == 200
        assert edge.call(headers=signed()).status_code == 200
        assert edge.feedback(headers=signed(aud=f"{AUDIENCE}/feedback")).status_code == 200


def test_open_discovery_asks_for_no_token_but_checks_one_that_is_sent(tmp_path: Path) -> None:
    """[SEC-10] Discovery is open by default; a token sent to it is checked."""
    with guarded(tmp_path) as (edge, _):
        assert edge.http.get("/cds-services").status_code == 200
        assert edge.http.get("/cds-services", headers=signed()).status_code == 401  # made for the service
        assert edge.http.get("/cds-services", headers={"Authorization": "Basic YTpi"}).status_code == 401
        assert edge.http.get("/cds-services", headers=signed(aud=f"{BASE}/cds-services/")).status_code == 200


def test_the_host_header_decides_nothing(tmp_path: Path) -> None:
    """[SEC-15] Host from configuration, never from the Host header."""
    with guarded(tmp_path) as (edge, _):
        elsewhere = {"base_url": "https://attacker.example"}
        assert edge.call(headers=signed(), **elsewhere).status_code == 200
        foreign = signed(aud=f"https://attacker.example/cds-services/{SERVICE}")
        assert edge.call(headers=foreign, **elsewhere).status_code == 401


def test_a_token_for_one_service_opens_no_other(tmp_path: Path) -> None:
    """[SEC-15] Other service's URL: 401."""
    with guarded(tmp_path) as (edge, _):
        assert edge.call(service="other", headers=signed()).status_code == 401
        assert edge.call(service="other", headers=signed(aud=f"{BASE}/cds-services/other")).status_code == 404


def _refusal(answer: TestResponse) -> tuple[int, bytes, list[tuple[str, str]]]:
    return answer.status_code, answer.data, sorted(answer.headers)


def test_all_refusals_look_alike(tmp_path: Path) -> None:
    """[HTTP-4, SEC-27] 401 answers reveal no cause: bodies equal across faults."""
    with guarded(tmp_path) as (edge, door):
        sent = [header for header, _ in FAULTS.values() if header is not None and "\n" not in header]
        same = {"X-Request-Id": CORRELATION}
        answers = {repr(_refusal(edge.call(headers={"Authorization": header} | same))) for header in sent}
        answers.add(repr(_refusal(edge.call(headers=same))))
        assert len(answers) == 1
        assert len({cause for cause, _ in door.told}) > 12
        assert "401" in answers.pop()


@pytest.mark.parametrize(
    ("body", "more"),
    [
        (b"{", {}),
        (b"{", {"content_type": "text/html"}),
        (b"x" * (10 * 1024 * 1024 + 1), {}),
        (b"", {"service": "no-such-service"}),
    ],
    ids=["no JSON", "no JSON type", "too large", "no such service"],
)
def test_nothing_is_read_of_who_has_not_said_who_he_is(tmp_path: Path, body: bytes, more: dict[str, Any]) -> None:
    """[SEC-28] Authenticate before parsing the body. Invalid JSON without token: 401."""
    with guarded(tmp_path) as (edge, _):
        assert edge.call(body, **more).status_code == 401
        token = signed(aud=f"{BASE}/cds-services/{more.get('service', SERVICE)}")
        assert edge.call(body, headers=token, **more).status_code in {400, 404, 413, 415}


def test_a_token_is_good_for_one_call(tmp_path: Path) -> None:
    """[SEC-17, SEC-18] Seen before from the same issuer: 401."""
    with guarded(tmp_path) as (edge, door):
        token = signed()
        assert [edge.call(headers=token).status_code for _ in range(3)] == [200, 401, 401]
        assert [cause for cause, _ in door.told] == [Cause.REPLAYED] * 2


@pytest.mark.parametrize(
    ("client", "claims"),
    [
        (replace(CLIENT, services=frozenset({"other"})), {}),
        (replace(CLIENT, tenants=frozenset({"north"})), {"tenant": "south"}),
        (replace(CLIENT, tenants=frozenset({"north"})), {}),
    ],
    ids=["service", "tenant", "no tenant"],
)
def test_who_is_known_and_not_entitled_is_forbidden(tmp_path: Path, client: Client, claims: dict[str, str]) -> None:
    """[HTTP-5, SEC-19] Known client, not entitled to this service or tenant: 403."""
    with guarded(tmp_path, client) as (edge, _):
        answer = edge.call(headers=signed(**claims))
        assert answer.status_code == 403
        assert answer.json["issue"][0]["code"] == "forbidden"  # type: ignore[index]
        assert edge.count("cards") == 0
        feedback = edge.feedback(an_override(CORRELATION), headers=signed(**claims))
        assert feedback.status_code == 403
        assert edge.count("refusals") == 2, "who asked for what is not theirs is on record"


@pytest.mark.parametrize(
    ("setting", "accepted"), [("both", {"feedback", "service"}), ("feedback", {"feedback"}), ("service", {"service"})]
)
def test_feedback_is_for_the_url_that_the_client_names(tmp_path: Path, setting: str, accepted: set[str]) -> None:
    """[FB-15] Accept feedback URL; accept service URL by client profile; others 401."""
    with guarded(tmp_path, replace(CLIENT, feedback_audience=setting)) as (edge, _):
        named = {"feedback": f"{AUDIENCE}/feedback", "service": AUDIENCE, "discovery": f"{BASE}/cds-services"}
        answered = {
            name for name, audience in named.items() if edge.feedback(headers=signed(aud=audience)).status_code == 200
        }
        assert answered == accepted


@pytest.mark.parametrize("stranger", [{"iss": OTHER.issuer}, {"tenant": "south"}, {}])
def test_feedback_on_anothers_card_is_stored_nowhere_with_it(tmp_path: Path, stranger: dict[str, str]) -> None:
    """[FB-18] The caller's issuer and tenant must own the card. Cross-tenant feedback is stored nowhere and audited."""
    with guarded(tmp_path, CLIENT, OTHER) as (edge, _):
        card = edge.call(headers=signed(tenant="north")).json["cards"][0]["uuid"]  # type: ignore[index]
        sent = edge.feedback(an_override(card), headers=signed(**stranger))
        assert sent.status_code == 200
        assert edge.count("feedback") == 0
        assert edge.count("unclaimed_feedback") == 1
        edge.feedback(an_override(card), headers=signed(tenant="north"))
        assert edge.count("feedback") == 1


def test_a_call_leaves_who_asked_in_the_journal(tmp_path: Path) -> None:
    """[SEC-4] Audit record per call with issuer, tenant, jti, service, patient, card uuids, model version."""
    with guarded(tmp_path) as (edge, _):
        card = edge.call(headers=signed(jti="token-1", tenant="north")).json["cards"][0]["uuid"]  # type: ignore[index]
        edge.feedback(an_override(card), headers=signed(tenant="north"))
        [row] = edge.journal.read(lambda connection: connection.execute(select(invocations)).mappings().all())
        [said] = edge.journal.read(lambda connection: connection.execute(select(feedback)).mappings().all())
    assert (row["issuer"], row["tenant"], row["token"], row["service"]) == (ISSUER, "north", "token-1", SERVICE)
    assert said["card"] == card


def test_no_token_is_left_anywhere(tmp_path: Path) -> None:
    """[SEC-26] Never log or store a JWT: canary scan of log, answers and journal."""
    with guarded(tmp_path) as (edge, _):
        tokens = [a_token(some_claims(sub="canary-9f31")) for _ in range(2)]
        forged = tokens[1][:-8] + "AAAAAAAA"
        answers = [edge.call(headers={"Authorization": bearer(token)}).data for token in (*tokens, tokens[0], forged)]
        answers.append(edge.call(b"{", headers=signed(sub="canary-9f31")).data)
        logged = edge.stream.getvalue().encode()
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    pieces = [piece.encode() for token in (*tokens, forged) for piece in token.split(".")]
    assert [piece for piece in (*pieces, b"canary-9f31") if piece in logged + kept + b"".join(answers)] == []


def test_a_browser_asks_beforehand_without_a_token(tmp_path: Path) -> None:
    """[SEC-40] Preflight OPTIONS answered without auth; allows `Authorization`, `Content-Type`; GET, POST."""
    with guarded(tmp_path, replace(CLIENT, origins=frozenset({PAGE})), discovery="protected") as (edge, _):
        for path in ("/cds-services", f"/cds-services/{SERVICE}", f"/cds-services/{SERVICE}/feedback"):
            answer = edge.http.options(path, headers={"Origin": PAGE, "Access-Control-Request-Method": "POST"})
            assert answer.status_code == 200
            assert answer.headers["Access-Control-Allow-Origin"] == PAGE
            assert answer.headers["Access-Control-Allow-Methods"] == "GET, POST"
            assert answer.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"


def test_a_page_reads_answers_to_its_own_client_alone(tmp_path: Path) -> None:
    """[SEC-41] Origins from an explicit list; unlisted origin gets no allow header; `Vary: Origin` set."""
    clients = (replace(CLIENT, origins=frozenset({PAGE})), replace(OTHER, origins=frozenset({"https://other.example"})))
    with guarded(tmp_path, *clients) as (edge, _):
        allowed = {}
        for origin in (PAGE, "https://other.example", "https://attacker.example", "null"):
            answer = edge.call(headers={**signed(), "Origin": origin})
            assert "Origin" in answer.headers["Vary"]
            assert "Access-Control-Allow-Credentials" not in answer.headers
            allowed[origin] = answer.headers.get("Access-Control-Allow-Origin")
        assert allowed == {PAGE: PAGE, "https://other.example": None, "https://attacker.example": None, "null": None}
        refused = edge.call(headers={"Origin": PAGE})
        assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, PAGE)


def test_a_client_of_the_file_is_served_by_the_service_as_it_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """[SEC-21, SEC-27] The cause of a refusal goes to the log, with the issuer if it is a listed one."""
    (tmp_path / "keys.json").write_bytes(a_key_set(a_key()))
    (tmp_path / "clients.toml").write_text(f'[[client]]\nissuer = "{ISSUER}"\njwks_file = "keys.json"\n')
    environ = {
        "CHARTSIDE_BASE_URL": BASE,
        "CHARTSIDE_CLIENTS": str(tmp_path / "clients.toml"),
        "CHARTSIDE_DATABASE_URL": f"sqlite:///{tmp_path / 'journal.db'}",
    }
    http = application(environ).test_client()
    now = int(datetime.now(UTC).timestamp())
    times = {"aud": f"{BASE}/cds-services/kidney-risk", "exp": now + 300, "iat": now}

    def status(headers: dict[str, str]) -> int:
        return http.post("/cds-services/kidney-risk", json=a_call(prefetch=...), headers=headers).status_code

    token = signed(**times)
    assert status(token) == 412  # let in: it is the data that are missing
    assert status(token) == 401
    assert status(signed(**{**times, "iss": "https://stranger.example"})) == 401
    logged = capsys.readouterr().err
    assert '"cause":"replayed"' in logged
    assert '"cause":"issuer"' in logged
    assert "stranger" not in logged
