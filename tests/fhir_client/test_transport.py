"""The one way out: what is sent, what is kept, and what is told of it."""

import ast
import json
import logging
import multiprocessing
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from socket import socket
from typing import Any

import pytest

from fhir_client.addresses import Base, BoundToken, Reach
from fhir_client.errors import AddressRefused, FhirError, Reason, Unreachable
from fhir_client.questions import USUAL, Deadline
from fhir_client.transport import Headers, Reply, Transport
from tests.fhir_stub import FhirStub, Says, a_fhir_server
from tests.outside import (
    OTHER_PUBLIC,
    PUBLIC,
    Authority,
    Outside,
    a_raw_host,
    a_raw_server,
    a_test_host,
    asked_of,
    over_tls,
    port_of,
)

ROOT = Path(__file__).resolve().parent.parent.parent
CANARY = "canary-token-7f3a"
R4 = Base.parse("https://fhir.example/r4")
pytestmark = pytest.mark.usefixtures("nothing_leaves_the_machine")


@pytest.fixture
def server(server: FhirStub) -> FhirStub:
    server.on("GET", "Patient/p1", Says({"resourceType": "Patient", "id": "p1"}))
    return server


# One way out

OPENERS = {
    "aiohttp", "asyncio", "ftplib", "http.client", "httpx", "imaplib", "multiprocessing.connection", "poplib", "pycurl",
    "requests", "smtplib", "socket", "ssl", "telnetlib", "urllib.request", "urllib3", "xmlrpc",
}  # fmt: skip


def _imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {opener for opener in OPENERS for name in found if name == opener or name.startswith(f"{opener}.")}


def test_one_layer_opens_all_outbound_connections() -> None:
    """[FHIR-2] One HTTP layer for all outbound traffic; no other code opens connections."""
    sources = [path for package in ("cds_hooks", "fhir_client", "models") for path in (ROOT / package).rglob("*.py")]
    assert len(sources) > 100
    openers = {str(path.relative_to(ROOT)): found for path in sources if (found := _imported(path))}
    assert openers == {
        "fhir_client/dialing.py": {"http.client", "socket", "ssl"},
        "fhir_client/transport.py": {"http.client"},
    }


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "get", "CONNECT", "GET /\r\nX: y"])
def test_nothing_that_writes_can_be_sent(server: FhirStub, method: str) -> None:
    """[FHIR-3] The client never writes to the EHR: no PUT, PATCH, DELETE."""
    world, reach = a_test_host(server)
    with world.transport() as transport, pytest.raises(ValueError, match="a request of ours reads"):
        asked_of(transport, f"{server.base}/Patient/p1", method=method, reach=reach)
    assert (server.asked, world.dialed) == ([], [])


def test_a_request_arrives_with_what_it_was_given_and_nothing_else(server: FhirStub) -> None:
    world, reach = a_test_host(server)
    server.on("POST", "Observation/_search", Says({"resourceType": "Bundle"}, headers={"X-Two": "b"}))
    with world.transport() as transport:
        reply = asked_of(
            transport,
            f"{server.base}/Observation/_search",
            method="POST",
            headers={"Accept": "application/fhir+json"},
            token=BoundToken(CANARY, Base.parse(server.base)),
            form=(("code", "a|b c"), ("patient", "é")),
            reach=reach,
        )
    assert (reply.status, json.loads(reply.body)) == (200, {"resourceType": "Bundle"})
    assert (reply.media_type, reply.headers["x-TWO"]) == ("application/fhir+json", "b")
    (asked,) = server.asked
    assert asked.form == (("code", "a|b c"), ("patient", "é"))
    assert {name.lower(): value for name, value in asked.headers.items()} == {
        "host": server.origin.removeprefix("http://"),
        "accept": "application/fhir+json",
        "accept-encoding": "gzip",
        "authorization": f"Bearer {CANARY}",
        "content-type": "application/x-www-form-urlencoded",
        "content-length": "27",
    }


@pytest.mark.parametrize(
    ("written", "arrives"),
    [
        ("?cursor=a%7Cb%2F&x=1", "/r4?cursor=a%7Cb%2F&x=1"),
        ("?cursor={a|b}", "/r4?cursor=%7Ba%7Cb%7D"),
        ("/é?é=ü", "/r4/%C3%A9?%C3%A9=%C3%BC"),
        ("/a;b=c?d='(e)*~!", "/r4/a;b=c?d='(e)*~!"),
    ],
)
def test_a_link_arrives_as_it_stands_and_encoded_once(server: FhirStub, written: str, arrives: str) -> None:
    world, reach = a_test_host(server)
    with world.transport() as transport:
        asked_of(transport, server.base + written, reach=reach)
    assert [asked.raw for asked in server.asked] == [arrives]


def test_a_header_cannot_write_another(server: FhirStub) -> None:
    world, reach = a_test_host(server)
    with (
        world.transport() as transport,
        pytest.raises(ValueError, match="a header that would write another") as refused,
    ):
        asked_of(transport, server.base, headers={"X-Request-Id": "a\r\nX-Evil: canary"}, reach=reach)
    assert "canary" not in repr(refused.value)
    assert server.asked == []


def test_no_cookie_is_kept(server: FhirStub) -> None:
    world, reach = a_test_host(server)
    server.on("GET", "Patient/p1", Says({}, headers={"Set-Cookie": "session=of-one-user; Path=/"}))
    with world.transport() as transport:
        for _ in range(2):
            asked_of(transport, f"{server.base}/Patient/p1", reach=reach)
    assert [asked.headers.get("Cookie") for asked in server.asked] == [None, None]


# Answers


@pytest.mark.parametrize("location", ["http://169.254.169.254/latest/meta-data/", "/r4/Patient/p2"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_nor_its_body_read(server: FhirStub, status: int, location: str) -> None:
    """[FHIR-74] No automatic redirects: 302 to a metadata address is an answer that leads nowhere."""
    world, reach = a_test_host(server)
    server.on("GET", "Patient/p1", Says(b"moved", status, {"Location": location}))
    with world.transport() as transport:
        reply = asked_of(transport, f"{server.base}/Patient/p1", reach=reach)
    assert (reply.status, reply.body) == (status, b"")
    assert (len(server.asked), len(world.dialed)) == (1, 1)


# Tokens


def test_a_token_goes_to_its_own_server_only(server: FhirStub) -> None:
    """[FHIR-71] A bearer token goes only to the origin it was issued for: a canary is seen at no other stub."""
    with a_fhir_server() as other:
        token = BoundToken(CANARY, Base.parse(server.base))
        world, _ = a_test_host(server)
        world.routes[other.origin.removeprefix("http://")] = port_of(other)
        reach = Reach(test_hosts=frozenset({server.origin, other.origin}))
        with world.transport() as transport:
            asked_of(transport, f"{server.base}/Patient/p1", token=token, reach=reach)
            for url in (
                f"{other.base}/Patient/p1",
                f"{server.origin}/r5/Patient/p1",
                f"{server.origin}/r4evil/Patient/p1",
                f"{server.base.replace('http:', 'https:')}/Patient/p1",
            ):
                with pytest.raises(AddressRefused) as refused:
                    asked_of(transport, url, token=token, reach=reach)
                assert CANARY not in repr(refused.value) + str(refused.value)
            asked_of(transport, f"{other.base}/Patient/p1", reach=reach)
        assert [asked.headers.get("Authorization") for asked in server.asked] == [f"Bearer {CANARY}"]
        assert [asked.headers.get("Authorization") for asked in other.asked] == [None]


def test_a_token_cannot_be_sent_without_its_server(server: FhirStub) -> None:
    """[FHIR-71] A bearer token goes only to the origin it was issued for."""
    world, reach = a_test_host(server)
    with world.transport() as transport, pytest.raises(ValueError, match="come as a BoundToken") as refused:
        asked_of(transport, server.base, headers={"authorization": f"Bearer {CANARY}"}, reach=reach)
    assert CANARY not in str(refused.value)
    assert server.asked == []


# Connections


def test_connections_are_kept(server: FhirStub) -> None:
    world, reach = a_test_host(server)
    with world.transport() as transport:
        for _ in range(3):
            asked_of(transport, f"{server.base}/Patient/p1", reach=reach)
    assert (len(server.asked), len(world.dialed)) == (3, 1)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_connection_that_the_server_closed_meanwhile_is_not_used(method: str) -> None:
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

    def say(client: socket) -> None:
        client.recv(65_536)
        client.sendall(said)

    with a_raw_server(say) as port:
        world, reach, url = a_raw_host(port)
        with world.transport() as transport:
            for _ in range(2):
                assert asked_of(transport, url, method=method, reach=reach).body == b"{}"
                time.sleep(0.05)
    assert len(world.dialed) == 2


def test_an_answer_that_nobody_asked_for_answers_no_later_request() -> None:
    def say(client: socket) -> None:
        client.recv(65_536)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted")
        client.recv(65_536)

    with a_raw_server(say) as port:
        world, reach, url = a_raw_host(port)
        with world.transport() as transport:
            for _ in range(2):
                assert asked_of(transport, url, reach=reach).body == b"{}"
                time.sleep(0.05)


def test_a_get_is_sent_again_when_its_connection_proves_closed_and_a_post_is_not() -> None:
    """The server may close an idle connection in the very moment in which a request is written on it."""
    heard: list[bytes] = []

    def say(client: socket) -> None:
        while request := client.recv(65_536):
            heard.append(request.split(b" ", 1)[0])
            if len(heard) % 2 == 0:  # every second request is answered by hanging up
                return
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with a_raw_server(say) as port:
        world, reach, url = a_raw_host(port)
        with world.transport() as transport:
            asked_of(transport, url, reach=reach)
            assert asked_of(transport, url, reach=reach).body == b"{}"
            assert heard == [b"GET"] * 3
            with pytest.raises(Unreachable):
                asked_of(transport, url, method="POST", reach=reach)
            assert heard == [b"GET"] * 3 + [b"POST"]


def test_a_connection_is_not_kept_for_ever(server: FhirStub) -> None:
    world, reach = a_test_host(server)
    now = [0.0]
    with world.transport() as transport:
        for instant in (0.0, 29.0, 60.0):
            now[0] = instant
            transport.exchange(
                "GET",
                f"{server.base}/Patient/p1",
                headers={},
                reach=reach,
                limits=USUAL,
                deadline=Deadline.after(5.0, lambda: now[0]),
            )
    assert len(world.dialed) == 2


def test_a_closed_transport_keeps_nothing_open(server: FhirStub) -> None:
    world, reach = a_test_host(server)
    transport = world.transport()
    asked_of(transport, f"{server.base}/Patient/p1", reach=reach)
    ((line,),) = transport._idle.values()
    transport.close()
    assert line.socket.fileno() == -1
    asked_of(transport, f"{server.base}/Patient/p1", reach=reach)
    assert not any(transport._idle.values())


def _ask_in_a_fork(transport: Transport, url: str, reach: Reach, world: Outside, answers: Any) -> None:
    answers.put((asked_of(transport, url, reach=reach).status, len(world.dialed)))


def test_a_forked_process_opens_its_own_connections(server: FhirStub) -> None:
    world, reach = a_test_host(server)
    url = f"{server.base}/Patient/p1"
    with world.transport() as transport:
        asked_of(transport, url, reach=reach)
        context = multiprocessing.get_context("fork")
        answers = context.SimpleQueue()
        child = context.Process(target=_ask_in_a_fork, args=(transport, url, reach, world, answers))
        child.start()
        assert answers.get() == (200, 2)
        child.join()
        assert asked_of(transport, url, reach=reach).status == 200
    assert len(world.dialed) == 1


def test_no_thread_hears_the_answer_to_anothers_question(server: FhirStub) -> None:
    world, reach = a_test_host(server)
    names = [f"p{number}" for number in range(200)]
    for name in names:
        server.on("GET", f"Patient/{name}", Says({"id": name}))
    with world.transport() as transport, ThreadPoolExecutor(16) as threads:
        bodies = threads.map(lambda name: asked_of(transport, f"{server.base}/Patient/{name}", reach=reach).body, names)
        assert [json.loads(body)["id"] for body in bodies] == names
    assert len(world.dialed) < 100


def test_an_answer_that_came_too_late_answers_no_later_request(server: FhirStub) -> None:
    world, reach = a_test_host(server)
    server.on("GET", "Patient/slow", Says({"id": "slow"}, delay=0.2))
    with world.transport() as transport:
        asked_of(transport, f"{server.base}/Patient/p1", reach=reach)
        with pytest.raises(Unreachable):
            asked_of(transport, f"{server.base}/Patient/slow", reach=reach, seconds=0.05)
        time.sleep(0.3)
        assert json.loads(asked_of(transport, f"{server.base}/Patient/p1", reach=reach).body)["id"] == "p1"


# Secrets


def test_closed_reset_and_silent_ports_read_alike(server: FhirStub, authority: Authority) -> None:
    """[FHIR-78] Error text does not tell open from closed ports: same text for refused, reset, timeout."""
    over_tls(server, authority.server_context("fhir.example"))

    def reset(client: socket) -> None:
        client.recv(1)

    texts = set()
    with a_raw_server(reset) as resetting, a_raw_server(lambda _: time.sleep(1)) as silent:
        for port in (resetting, silent, port_of(server), None):
            world = Outside(names={"fhir.example": [[PUBLIC]]}, routes={} if port is None else {f"{PUBLIC}:443": port})
            with world.transport() as transport, pytest.raises(Unreachable) as failed:
                asked_of(transport, "https://fhir.example/r4", seconds=0.2)
            texts.add((str(failed.value), failed.value.reason, failed.value.__cause__))
        world = Outside()
        with world.transport() as transport, pytest.raises(Unreachable) as failed:
            asked_of(transport, "https://no-such-name.example/r4")
        texts.add((str(failed.value), failed.value.reason, failed.value.__cause__))
    assert texts == {(Reason.NO_ANSWER.value, Reason.NO_ANSWER, None)}


def test_nothing_of_a_request_is_logged_or_told_in_an_error(
    server: FhirStub, caplog: pytest.LogCaptureFixture, authority: Authority
) -> None:
    """[FHIR-81] Tokens, Authorization headers, full URLs with identifiers and bodies are never logged or in errors."""
    caplog.set_level(logging.DEBUG)
    over_tls(server, authority.server_context("fhir.example"))
    server.on("GET", "Patient/canary-patient", Says(b"canary-body", headers={"Content-Encoding": "br"}))
    routes = {f"{PUBLIC}:443": port_of(server)}
    token = BoundToken(CANARY, R4)
    told = repr(token) + repr(Headers([("X", "canary-header")])) + repr(Reply(200, Headers([]), b"canary-body"))
    for answers, ca_file in (
        ([PUBLIC], authority.file),
        ([PUBLIC], None),
        ([OTHER_PUBLIC], None),
        (["::1"], None),
        ([], None),
    ):
        world = Outside(names={"fhir.example": [answers]}, routes=routes)
        with world.transport(ca_file=ca_file) as transport, pytest.raises(FhirError) as failed:
            asked_of(transport, "https://fhir.example/r4/Patient/canary-patient?name=canary-name", token=token)
        lines = traceback.format_exception(failed.value, chain=True)
        told += "".join(line for line in lines if not line.startswith("  File")) + repr(failed.value.args)
    assert "canary" not in told
    assert caplog.records == []
