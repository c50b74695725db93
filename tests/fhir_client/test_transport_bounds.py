"""How long an exchange takes, and how much of an answer is read."""

import gzip
import time
import tracemalloc
import zlib
from socket import socket
from threading import Event
from typing import Any

import pytest

from fhir_client.addresses import Reach
from fhir_client.errors import AddressRefused, BadResource, FhirError, Reason, Unreachable
from fhir_client.questions import Limits
from fhir_client.transport import Transport
from tests.fhir_stub import FhirStub, Says
from tests.outside import NOWHERE, OTHER_PUBLIC, PUBLIC, Outside, a_raw_host, a_raw_server, a_test_host, asked_of

SMALL = Limits(page_bytes=100_000)
pytestmark = pytest.mark.usefixtures("nothing_leaves_the_machine")


@pytest.fixture
def server(server: FhirStub) -> FhirStub:
    server.on("GET", "Patient/p1", Says({"resourceType": "Patient", "id": "p1"}))
    return server


# Time


def ends_in_time(transport: Transport, url: str, *, reach: Reach = NOWHERE, seconds: float = 0.3) -> FhirError:
    started = time.monotonic()
    with pytest.raises(Unreachable) as ended:
        asked_of(transport, url, reach=reach, seconds=seconds)
    assert time.monotonic() - started < seconds + 0.2
    return ended.value


def dripping(head: bytes, drop: bytes) -> Any:
    def say(client: socket) -> None:
        client.recv(65_536)
        client.sendall(head)
        while True:
            client.sendall(drop)
            time.sleep(0.02)

    return say


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"", b""),
        (b"HTTP/1.1 2", b"0"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    ],
)
def test_a_server_that_drips_is_left_by_the_deadline(head: bytes, drop: bytes) -> None:
    """[FHIR-4] Everything is bounded: slow-drip stubs end in a typed error in time."""
    with a_raw_server(dripping(head, drop)) as port:
        world, reach, url = a_raw_host(port)
        with world.transport() as transport:
            ends_in_time(transport, url, reach=reach)


@pytest.mark.parametrize("drop", [b"", b"\x16\x03\x03\x40\x00"])
def test_a_handshake_that_does_not_end_is_left_by_the_deadline(drop: bytes) -> None:
    """[FHIR-4] Everything is bounded: connect, read and total time."""
    with a_raw_server(dripping(b"", drop)) as port:
        world = Outside(names={"fhir.example": [[PUBLIC]]}, routes={f"{PUBLIC}:443": port})
        with world.transport() as transport:
            ends_in_time(transport, "https://fhir.example/r4")


def test_a_proxy_that_does_not_answer_is_left_by_the_deadline() -> None:
    """[FHIR-4] Everything is bounded: connect, read and total time."""
    with a_raw_server(dripping(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n")) as port:
        world = Outside(
            names={"fhir.example": [[PUBLIC]], "proxy.example": [[OTHER_PUBLIC]]}, routes={f"{OTHER_PUBLIC}:3128": port}
        )
        with world.transport(https_proxy="http://proxy.example:3128") as transport:
            ends_in_time(transport, "https://fhir.example/r4")


def test_a_resolver_that_hangs_holds_nobody_beyond_the_deadline() -> None:
    """[FHIR-4] Everything is bounded: the system's resolver is not, so it is waited for in time."""
    world, hangs = Outside(names={"other.example": [["10.0.0.1"]]}), Event()

    def resolve(host: str, port: int) -> list[str]:
        if host == "fhir.example":
            world.looked_up.append(host)
            hangs.wait()
        return ["10.0.0.1"]

    with Transport(resolve=resolve, dial=world.dial) as transport:
        for _ in range(3):
            ends_in_time(transport, "https://fhir.example/r4", seconds=0.1)
        assert world.looked_up == ["fhir.example"]  # one thread a name, however many wait
        with pytest.raises(AddressRefused):
            asked_of(transport, "https://other.example/r4")
        hangs.set()


def test_a_connection_that_is_not_made_in_its_own_time_is_given_up() -> None:
    """[FHIR-4] Everything is bounded: connect, read and total time."""
    given: list[float] = []

    def dial(address: str, port: int, seconds: float) -> Any:
        given.append(seconds)
        raise TimeoutError

    with Transport(resolve=lambda *_: [PUBLIC], dial=dial) as transport:
        for seconds in (5.0, 0.2):
            with pytest.raises(Unreachable):
                asked_of(transport, "https://fhir.example/r4", limits=Limits(connect_seconds=1.5), seconds=seconds)
    assert given[0] == 1.5
    assert 0 < given[1] <= 0.2


def test_after_the_deadline_nothing_is_looked_up_nor_sent() -> None:
    world = Outside(names={"fhir.example": [[PUBLIC]]})
    with world.transport() as transport, pytest.raises(Unreachable):
        asked_of(transport, "https://fhir.example/r4", seconds=0.0)
    assert (world.looked_up, world.dialed) == ([], [])


# Size


def test_a_gzip_bomb_is_not_unpacked(server: FhirStub) -> None:
    """[FHIR-79] Decompression and size are limited after decoding: gzip bomb."""
    world, reach = a_test_host(server)
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(bytes(1_000_000)) for _ in range(40)) + packer.flush()
    assert len(bomb) < 50_000
    server.on("GET", "Patient/p1", Says(bomb, headers={"Content-Encoding": "gzip"}))
    with world.transport() as transport:
        tracemalloc.start()
        with pytest.raises(BadResource) as refused:
            asked_of(transport, f"{server.base}/Patient/p1", reach=reach, limits=SMALL)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert refused.value.reason is Reason.TOO_LARGE
    assert highest < 5_000_000


@pytest.mark.parametrize(
    ("size", "is_read"), [(SMALL.page_bytes - 1, True), (SMALL.page_bytes, True), (SMALL.page_bytes + 1, False)]
)
@pytest.mark.parametrize("coding", ["identity", "gzip", "two gzips"])
@pytest.mark.parametrize("framing", ["length", "chunks", "end"])
def test_an_answer_is_read_up_to_the_limit(size: int, is_read: bool, coding: str, framing: str) -> None:
    """[FHIR-4, FHIR-79] Everything is bounded: bytes, and bytes after decoding."""
    plain = b"{" + b" " * (size - 2) + b"}"
    half = len(plain) // 2
    body = {
        "identity": plain,
        "gzip": gzip.compress(plain),
        "two gzips": gzip.compress(plain[:half]) + gzip.compress(plain[half:]),
    }[coding]
    head = b"HTTP/1.1 200 OK\r\n" + (b"" if coding == "identity" else b"Content-Encoding: gzip\r\n")
    framed = {
        "length": b"Content-Length: %d\r\n\r\n" % len(body) + body,
        "chunks": b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n",
        "end": b"Connection: close\r\n\r\n" + body,
    }[framing]

    def say(client: socket) -> None:
        client.recv(65_536)
        client.sendall(head + framed)

    with a_raw_server(say) as port:
        world, reach, url = a_raw_host(port)
        with world.transport() as transport:
            if is_read:
                assert asked_of(transport, url, reach=reach, limits=SMALL).body == plain
            else:
                with pytest.raises(BadResource) as refused:
                    asked_of(transport, url, reach=reach, limits=SMALL)
                assert refused.value.reason is Reason.TOO_LARGE


def endless(head: bytes, drop: bytes) -> Any:
    def say(client: socket) -> None:
        client.recv(65_536)
        client.sendall(head)
        while True:
            client.sendall(drop * 1_000)

    return say


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"HTTP/1.1 200 ", b"OK"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"yyyy"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"    "),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9000000000000\r\n\r\n", b"    "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    ],
)
def test_an_endless_answer_is_left(head: bytes, drop: bytes) -> None:
    """[FHIR-4] Huge-body stubs end in a typed error in time; so do endless heads."""
    with a_raw_server(endless(head, drop)) as port:
        world, reach, url = a_raw_host(port)
        started = time.monotonic()
        with world.transport() as transport, pytest.raises((BadResource, Unreachable)):
            asked_of(transport, url, reach=reach, limits=SMALL)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "gzip, gzip", "compress"])
def test_what_was_not_offered_is_not_decoded(server: FhirStub, coding: str) -> None:
    """[FHIR-79] Decompression is limited: to the one encoding that we ask for, once."""
    world, reach = a_test_host(server)
    server.on("GET", "Patient/p1", Says(b"{}", headers={"Content-Encoding": coding}))
    with world.transport() as transport, pytest.raises(BadResource) as refused:
        asked_of(transport, f"{server.base}/Patient/p1", reach=reach)
    assert refused.value.reason is Reason.NOT_FHIR


@pytest.mark.parametrize(
    "body",
    [b"no gzip at all", gzip.compress(b"{}" * 1_000)[:-9], gzip.compress(b"{}") + b"x"],
    ids=["none", "cut", "followed by more"],
)
def test_a_gzip_that_breaks_off_is_no_answer(server: FhirStub, body: bytes) -> None:
    world, reach = a_test_host(server)
    server.on("GET", "Patient/p1", Says(body, headers={"Content-Encoding": "gzip"}))
    with world.transport() as transport, pytest.raises(Unreachable):
        asked_of(transport, f"{server.base}/Patient/p1", reach=reach)


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-52\r\n{}\r\n0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"",
    ],
)
def test_what_is_no_whole_answer_is_no_answer(said: bytes) -> None:
    def say(client: socket) -> None:
        client.recv(65_536)
        client.sendall(said)

    with a_raw_server(say) as port:
        world, reach, url = a_raw_host(port)
        with world.transport() as transport, pytest.raises(Unreachable) as failed:
            asked_of(transport, url, reach=reach)
    assert failed.value.reason is Reason.NO_ANSWER
