"""Two workers under attack: over real sockets, at the same moment, and with what no HTTP library would send."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from socket import create_connection
from threading import Barrier, Event
from typing import Any

import orjson
import pytest

from tests.attack.running import DEADLINE_SECONDS, Running, a_running_service, guarded
from tests.attack.siege import SERVICE, a_bare_call, a_sufficient_call, holds_a_chart
from tests.cds_hooks.web.signing import SigningKey, a_key
from tests.fhir_stub import Asked, FhirStub, Says, a_fhir_server
from tests.outside import a_raw_server

PATH = f"/cds-services/{SERVICE}"
# Everything prefetched: what the service has to do by itself.
CALL = a_sufficient_call(
    None, prefetch={**a_sufficient_call(None)["prefetch"], "conditions": None, "social-history": None}
)


@pytest.fixture(scope="module")
def hanging() -> Iterator[FhirStub]:
    over = Event()

    def hang(asked: Asked) -> Says:
        over.wait(20)
        return Says({})

    with a_fhir_server() as stub:
        for method, path in (("GET", "Patient/p1"), ("POST", "Observation/_search"), ("POST", "Condition/_search")):
            stub.on(method, path, hang)
        yield stub
        over.set()


@pytest.fixture(scope="module")
def server() -> Iterator[FhirStub]:
    with a_fhir_server() as stub:
        holds_a_chart(stub)
        yield stub


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, hanging: FhirStub, server: FhirStub) -> Iterator[Running]:
    with a_running_service(tmp_path_factory.mktemp("running"), hanging, server) as started:
        yield started


def call(running: Running, body: Any = None) -> tuple[int, float]:
    """Call with a new token; give status and seconds."""
    headers = running.signed(PATH)
    started = time.monotonic()
    status, _ = running.post(PATH, CALL if body is None else body, headers)
    return status, time.monotonic() - started


def test_of_twenty_uses_of_one_token_at_one_moment_one_is_answered(running: Running) -> None:
    """[SEC-17, SEC-18] Two workers, four threads each, one journal."""
    with ThreadPoolExecutor(20) as callers:
        for _ in range(5):
            headers, together = running.signed(PATH), Barrier(20)

            def use(_: int, headers: dict[str, str] = headers, together: Barrier = together) -> int:
                together.wait()
                return running.post(PATH, CALL, headers)[0]

            assert Counter(callers.map(use, range(20))) == {200: 1, 401: 19}


def test_a_server_that_hangs_holds_up_nobody_else(running: Running, hanging: FhirStub, server: FhirStub) -> None:
    """[FHIR-5] Of eight connections four ask a server that hangs: those end in time, the others are as fast as ever."""
    alone = sorted(call(running)[1] for _ in range(12))

    def one(number: int) -> list[tuple[bool, int, float]]:
        hangs = number % 2 == 0
        bodies = [a_bare_call(hanging.base), a_sufficient_call(hanging.base)]
        if not hangs:
            bodies = [a_bare_call(server.base)] * 6 if number == 1 else [CALL] * 12
        return [(hangs, *call(running, body)) for body in bodies]

    with ThreadPoolExecutor(8) as callers:
        ended = [each for calls in callers.map(one, range(8)) for each in calls]
    stuck = [(status, seconds) for hangs, status, seconds in ended if hangs]
    others = [(status, seconds) for hangs, status, seconds in ended if not hangs]
    assert Counter(status for status, _ in stuck) == {412: 4, 200: 4}
    assert max(seconds for _, seconds in stuck) < DEADLINE_SECONDS + 0.2
    assert {status for status, _ in others} == {200}
    # Eight callers on two cores take turns; nobody waits for the server that hangs.
    assert sorted(seconds for _, seconds in others)[len(others) * 9 // 10] < max(0.3, 8 * alone[-2])


def test_good_callers_get_through_a_flood_of_bad_tokens(running: Running) -> None:
    """More than a hundred a second, each with a signature to be verified: whoever is known is answered in time."""
    strange = SigningKey("key-1", "ES384", a_key(kid="strange").private)
    flood = [running.signed(PATH, key=strange) for _ in range(400)]
    over = Event()

    def harm(number: int) -> int:
        sent = 0
        for headers in flood[number::4]:
            if over.is_set():
                break
            assert running.post(PATH, CALL, headers)[0] in {401, 503}
            sent += 1
        return sent

    with ThreadPoolExecutor(4) as strangers:
        started = time.monotonic()
        harming = [strangers.submit(harm, number) for number in range(4)]
        answers = [call(running) for _ in range(25)]
        over.set()
        rate = sum(each.result() for each in harming) / (time.monotonic() - started)
    assert Counter(status for status, _ in answers) == {200: 25}
    assert sorted(seconds for _, seconds in answers)[-2] < DEADLINE_SECONDS
    assert rate > 50


def test_callers_who_drip_hold_up_nobody(running: Running) -> None:
    """Slow heads and slow bodies on a hundred connections: calls are answered meanwhile."""
    with ExitStack() as stack:
        slow = [stack.enter_context(create_connection(("127.0.0.1", running.port), timeout=5)) for _ in range(100)]
        for number, connection in enumerate(slow):
            half = b"Content-Length: 100000\r\n\r\n{" if number % 2 else b"X-Slow: "
            connection.sendall(b"POST /cds-services/x HTTP/1.1\r\nHost: x\r\n" + half)
        for _ in range(4):
            for connection in slow:
                with suppress(OSError):
                    connection.sendall(b"x")
            assert call(running)[0] == 200
            assert running.get("/health/live")[0] == 200


HEAD = b"POST /cds-services/kidney-risk HTTP/1.1\r\nHost: here\r\n"
HIDDEN = b"GET /cds-services HTTP/1.1\r\nHost: here\r\n\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(HIDDEN)
MALFORMED: dict[str, bytes] = {
    "nothing": b"\r\n\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "another version": b"GET / HTTP/9.9\r\n\r\n",
    "no path": b"GET HTTP/1.1\r\n\r\n",
    "a method of its own": b"ZZMARKER / HTTP/1.1\r\nHost: x\r\n\r\n",
    "TRACE": b"TRACE / HTTP/1.1\r\nHost: x\r\nX-Secret: Zzmarker\r\n\r\n",
    "CONNECT": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a foreign address": b"GET http://evil.example/Zzmarker HTTP/1.1\r\nHost: x\r\n\r\n",
    "a long path": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a long header": HEAD + b"X-Long: " + b"a" * 100_000 + b"\r\n\r\n",
    "a long token": HEAD + b"Authorization: Bearer " + b"a" * 100_000 + b"\r\n\r\n",
    "many headers": HEAD + b"".join(b"X-%d: a\r\n" % number for number in range(5000)) + b"\r\n",
    "a header without an end": HEAD + b"X-Long: " + b"a" * 1_000_000,
    "a NUL in a header": HEAD + b"X-A: a\x00b\r\n\r\n",
    "a bare line feed": HEAD + b"X-A: a\nX-B: b\r\n\r\n",
    "a folded header": HEAD + b"X-A: a\r\n b\r\n\r\n",
    "a space before the colon": HEAD + b"Content-Length : 5\r\n\r\nhello",
    "two lengths": HEAD + LENGTH + b"Content-Length: 0\r\n\r\n" + HIDDEN,
    "a list of lengths": HEAD + b"Content-Length: 0, 40\r\n\r\n" + HIDDEN,
    "a signed length": HEAD + b"Content-Length: +5\r\n\r\nhello",
    "a negative length": HEAD + b"Content-Length: -5\r\n\r\nhello",
    "a length with a point": HEAD + b"Content-Length: 5.0\r\n\r\nhello",
    "a length beyond all": HEAD + b"Content-Length: 99999999999999999999\r\n\r\n{}",
    "length and chunks": HEAD + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunks by another name": HEAD + LENGTH + b"Transfer-Encoding: xchunked\r\n\r\n" + HIDDEN,
    "chunks twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunks that are not last": HEAD + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunks behind a tab": HEAD + LENGTH + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a chunk that is no number": HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nhello\r\n0\r\n\r\n",
    "a negative chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    "a chunk beyond all": HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
    "a compressed body": HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    "an expectation": HEAD + b"Expect: 200-ok\r\nContent-Length: 2\r\n\r\n{}",
    "two hosts": b"GET /health/live HTTP/1.1\r\nHost: a\r\nHost: evil.example\r\n\r\n",
    "underscores": HEAD + b"X_Request_Id: Zzmarker\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_hardly_http_is_refused_in_our_words(running: Running, name: str) -> None:
    """One answer at most, no success, nothing given back; and no request hides in the body of another."""
    heard = running.say(MALFORMED[name])
    answers = heard.split(b"HTTP/1.1 ")[1:]
    if name == "two hosts":
        assert b"evil" not in heard
        return
    assert len(answers) <= 2
    assert all(answer[:1] in (b"4", b"5") for answer in answers), "a hidden request was answered"
    assert all(answer[:3] not in (b"500", b"502") for answer in answers)
    assert b"marker" not in heard
    assert b"evil" not in heard
    if heard:
        assert heard.startswith(b"HTTP/1.1 4") or heard[9:12] in (b"501", b"505", b"503")


def test_the_service_is_as_it_was(running: Running) -> None:
    for raw in MALFORMED.values():
        running.say(raw)
    assert call(running)[0] == 200
    assert orjson.loads(running.get("/health/ready")[1]) == {"status": "ready", "not_ready": []}
    log = running.log.read_text(encoding="utf-8")
    assert "Zzmarker" not in log
    assert "evil" not in log
    assert "Traceback" not in log
    assert all(orjson.loads(line)["event"] != "failed" for line in log.splitlines())


def test_the_guard_stops_what_would_leave_the_machine(tmp_path: Path) -> None:
    """A connection and a lookup are planted in a process under the same guard: both fail, and are told."""
    planted = (
        "import socket\nfor host in ('192.0.2.1', 'evil.example'):\n  try: socket.create_connection((host, 443), 1)\n"
    )
    planted += "  except BaseException as error: print(type(error).__name__)\nprint('went on')"
    ran = subprocess.run([sys.executable, "-c", planted], env=guarded(tmp_path), capture_output=True, check=True)
    assert ran.stdout.decode().splitlines() == ["LeftTheMachine", "LeftTheMachine", "went on"]
    assert "evil.example" in (tmp_path / "outbound").read_text(encoding="utf-8")


def test_the_guard_lets_this_machine_be_spoken_to(tmp_path: Path) -> None:
    with a_raw_server(lambda client: client.sendall(b"hello")) as port:
        planted = f"import socket\nprint(socket.create_connection(('127.0.0.1', {port}), 5).recv(5))"
        ran = subprocess.run([sys.executable, "-c", planted], env=guarded(tmp_path), capture_output=True, check=True)
    assert ran.stdout == b"b'hello'\n"
    assert not (tmp_path / "outbound").exists()
