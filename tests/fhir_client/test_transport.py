"""The one way out, against servers on loopback; names, addresses and connections are the tests' own."""

import ast
import gzip
import json
import logging
import multiprocessing
import time
import traceback
import tracemalloc
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from pathlib import Path
from socket import socket
from ssl import TLSVersion
from threading import Event
from typing import Any

import pytest

from fhir_client.addresses import BadAddress, Base, BoundToken, Reach
from fhir_client.dialing import UnfitAuthorities, trusting
from fhir_client.errors import AddressRefused, BadResource, FhirError, Reason, Unreachable
from fhir_client.questions import USUAL, Deadline, Limits, Parameters
from fhir_client.transport import Headers, Reply, Transport
from tests.fhir_stub import FhirStub, Says, a_fhir_server
from tests.outside import OTHER_PUBLIC, PUBLIC, Authority, Outside, Proxy, a_raw_server, over_tls, port_of

ROOT = Path(__file__).resolve().parent.parent.parent
HOSTILE = json.loads((Path(__file__).parent / "hostile_addresses.json").read_text(encoding="utf-8"))
CANARY = "canary-token-7f3a"
R4 = Base.parse("https://fhir.example/r4")
NOWHERE = Reach()


@pytest.fixture(autouse=True)
def _nothing_leaves_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where the code under test goes round the connector it was given."""
    connect = socket.connect

    def only_here(self: socket, address: Any) -> None:
        assert address[0] == "127.0.0.1", "a connection left the machine"
        connect(self, address)

    monkeypatch.setattr(socket, "connect", only_here)


@pytest.fixture
def server() -> Iterator[FhirStub]:
    with a_fhir_server() as stub:
        stub.on("GET", "Patient/p1", Says({"resourceType": "Patient", "id": "p1"}))
        yield stub


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def asked_of(
    transport: Transport,
    url: str,
    *,
    reach: Reach = NOWHERE,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    token: BoundToken | None = None,
    form: Parameters = (),
    limits: Limits = USUAL,
    seconds: float = 5.0,
) -> Reply:
    return transport.exchange(
        method,
        url,
        headers=headers or {},
        token=token,
        form=form,
        reach=reach,
        limits=limits,
        deadline=Deadline.after(seconds, time.monotonic),
    )


def a_test_host(stub: FhirStub) -> tuple[Outside, Reach]:
    """Give a world in which this stub is a listed test host."""
    address = stub.origin.removeprefix("http://")
    return Outside(routes={address: port_of(stub)}), Reach(test_hosts=frozenset({stub.origin}))


def a_raw_host(port: int) -> tuple[Outside, Reach, str]:
    address = f"127.0.0.1:{port}"
    return Outside(routes={address: port}), Reach(test_hosts=frozenset({f"http://{address}"})), f"http://{address}/r4"


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


# Addresses


@pytest.mark.parametrize("url", HOSTILE["malformed"])
def test_an_address_that_can_be_read_in_two_ways_is_never_called(url: str) -> None:
    """[FHIR-72] Refuse user info, fragments, backslashes, control characters, odd ports, look-alikes, numeric hosts."""
    everywhere = Outside(names={name: [[PUBLIC]] for name in ("fhir.example", "evil.example", "fhir.example.")})
    with everywhere.transport() as transport, pytest.raises(AddressRefused) as refused:
        asked_of(transport, url)
    assert (everywhere.looked_up, everywhere.dialed) == ([], [])
    assert everywhere.refused == [("", "malformed")]
    assert str(refused.value) == Reason.ADDRESS.value
    with pytest.raises(BadAddress):
        Base.parse(url)


@pytest.mark.parametrize(("url", "kind"), HOSTILE["barred"])
def test_an_address_inside_is_never_connected_to(url: str, kind: str) -> None:
    """[FHIR-73] Block loopback, private, link-local (169.254.169.254, fd00:ec2::254), CGNAT, multicast, unspecified."""
    world = Outside()
    with world.transport() as transport, pytest.raises(AddressRefused) as refused:
        asked_of(transport, url)
    assert (refused.value.why, world.dialed) == (kind, [])
    assert [why for _, why in world.refused] == [kind]


@pytest.mark.parametrize("address", sorted({url.split("/")[2].strip("[]") for url, _ in HOSTILE["barred"]}))
def test_a_name_that_leads_inside_is_never_connected_to(address: str) -> None:
    """[FHIR-73] Resolve the name once, check every address: one that is inside refuses them all."""
    world = Outside(names={"fhir.example": [[PUBLIC, address]]})
    with world.transport() as transport, pytest.raises(AddressRefused):
        asked_of(transport, "https://fhir.example/r4")
    assert (world.looked_up, world.dialed) == (["fhir.example"], [])
    assert [host for host, _ in world.refused] == ["fhir.example"]


def test_the_address_that_was_checked_is_the_one_connected_to(server: FhirStub, authority: Authority) -> None:
    """[FHIR-73] Connect to the checked address with the right SNI and Host: a second answer is not asked for."""
    names = over_tls(server, authority.server_context("fhir.example"))
    world = Outside(names={"fhir.example": [[PUBLIC], ["127.0.0.1"]]}, routes={f"{PUBLIC}:443": port_of(server)})
    with world.transport(ca_file=authority.file) as transport:
        for _ in range(2):
            assert asked_of(transport, "https://fhir.example/r4/Patient/p1").status == 200
    assert (world.looked_up, world.dialed) == (["fhir.example"], [f"{PUBLIC}:443"])
    assert names == ["fhir.example"]
    assert [asked.headers["Host"] for asked in server.asked] == ["fhir.example"] * 2


def test_a_name_that_is_bound_anew_to_an_inner_address_is_refused(server: FhirStub, authority: Authority) -> None:
    """[FHIR-73] Rebinding resolver: second answer private: refused."""
    over_tls(server, authority.server_context("fhir.example"))
    server.on("GET", "Patient/p1", Says({}, headers={"Connection": "close"}))
    world = Outside(names={"fhir.example": [[PUBLIC], ["169.254.169.254"]]}, routes={f"{PUBLIC}:443": port_of(server)})
    with world.transport(ca_file=authority.file) as transport:
        assert asked_of(transport, "https://fhir.example/r4/Patient/p1").status == 200
        with pytest.raises(AddressRefused):
            asked_of(transport, "https://fhir.example/r4/Patient/p1")
    assert world.dialed == [f"{PUBLIC}:443"]
    assert world.refused == [("fhir.example", "metadata")]


def test_the_next_address_is_tried_when_one_does_not_answer(server: FhirStub, authority: Authority) -> None:
    over_tls(server, authority.server_context("fhir.example"))
    world = Outside(names={"fhir.example": [[OTHER_PUBLIC, PUBLIC]]}, routes={f"{PUBLIC}:8443": port_of(server)})
    with world.transport(ca_file=authority.file) as transport:
        assert asked_of(transport, "https://fhir.example:8443/r4/Patient/p1").status == 200
    assert world.dialed == [f"{OTHER_PUBLIC}:8443", f"{PUBLIC}:8443"]
    assert server.asked[0].headers["Host"] == "fhir.example:8443"


def test_a_listed_private_network_is_reached(server: FhirStub, authority: Authority) -> None:
    over_tls(server, authority.server_context("fhir.hospital.example"))
    world = Outside(names={"fhir.hospital.example": [["10.20.3.4"]]}, routes={"10.20.3.4:443": port_of(server)})
    url = "https://fhir.hospital.example/r4/Patient/p1"
    with world.transport(ca_file=authority.file) as transport:
        assert asked_of(transport, url, reach=Reach(private_networks=(ip_network("10.20.0.0/16"),))).status == 200


def test_what_one_callers_entry_opened_serves_no_other(server: FhirStub, authority: Authority) -> None:
    over_tls(server, authority.server_context("fhir.hospital.example"))
    world = Outside(names={"fhir.hospital.example": [["10.20.3.4"]]}, routes={"10.20.3.4:443": port_of(server)})
    url = "https://fhir.hospital.example/r4/Patient/p1"
    with world.transport(ca_file=authority.file) as transport:
        asked_of(transport, url, reach=Reach(private_networks=(ip_network("10.20.0.0/16"),)))
        with pytest.raises(AddressRefused):
            asked_of(transport, url)
        with pytest.raises(AddressRefused):
            asked_of(transport, url, reach=Reach(private_networks=(ip_network("10.21.0.0/16"),)))
    assert len(server.asked) == 1


def test_plain_http_and_loopback_are_for_exactly_the_listed_test_hosts(server: FhirStub) -> None:
    """[FHIR-70] https only, outside listed test hosts."""
    world, reach = a_test_host(server)
    with a_fhir_server() as other, world.transport() as transport:
        assert asked_of(transport, f"{server.base}/Patient/p1", reach=reach).status == 200
        for url in (other.base, other.base.replace("http:", "https:"), server.base.replace("http:", "https:")):
            with pytest.raises(AddressRefused):
                asked_of(transport, url, reach=reach)
        with pytest.raises(AddressRefused):
            asked_of(transport, server.base)
        assert other.asked == []


@pytest.mark.parametrize("url", ["http://fhir.example/r4", "http://fhir.example:8080/r4", f"http://{PUBLIC}/r4"])
def test_plain_http_to_anybody_else_is_never_sent(url: str) -> None:
    """[FHIR-70] https only, outside listed test hosts."""
    world = Outside(names={"fhir.example": [[PUBLIC]]})
    reach = Reach(test_hosts=frozenset({"https://fhir.example", "http://other.example"}))
    with world.transport() as transport, pytest.raises(AddressRefused) as refused:
        asked_of(transport, url, reach=reach)
    assert (refused.value.why, world.looked_up, world.dialed) == ("plain http", [], [])


def test_a_test_host_by_name_may_be_on_loopback_and_nowhere_else_inside(server: FhirStub) -> None:
    origin = f"http://localhost:{port_of(server)}"
    world = Outside(
        names={"localhost": [["127.0.0.1"], ["10.0.0.1"]]}, routes={f"127.0.0.1:{port_of(server)}": port_of(server)}
    )
    server.on("GET", "Patient/p1", Says({}, headers={"Connection": "close"}))
    reach = Reach(test_hosts=frozenset({origin}))
    with world.transport() as transport:
        assert asked_of(transport, f"{origin}/r4/Patient/p1", reach=reach).status == 200
        with pytest.raises(AddressRefused):
            asked_of(transport, f"{origin}/r4/Patient/p1", reach=reach)


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


# TLS


@pytest.mark.parametrize("fault", ["another name", "another authority", "no authority"])
def test_a_server_that_cannot_prove_its_name_is_sent_nothing(
    server: FhirStub, authority: Authority, tmp_path: Path, fault: str
) -> None:
    """[FHIR-29] TLS 1.2 or newer, certificate checked: self-signed stub is refused."""
    name = "other.example" if fault == "another name" else "fhir.example"
    issuer = Authority(tmp_path, "Another authority") if fault == "another authority" else authority
    over_tls(server, issuer.server_context(name))
    world = Outside(names={"fhir.example": [[PUBLIC]]}, routes={f"{PUBLIC}:443": port_of(server)})
    ca_file = None if fault == "no authority" else authority.file
    with world.transport(ca_file=ca_file) as transport, pytest.raises(Unreachable) as failed:
        asked_of(transport, "https://fhir.example/r4/Patient/p1", token=BoundToken(CANARY, R4))
    assert failed.value.reason is Reason.NO_ANSWER
    assert server.asked == []


def test_an_old_tls_is_refused(authority: Authority) -> None:
    """[FHIR-29] TLS 1.2 or newer: a server that offers 1.1 is hung up on, whatever it would have said."""
    offers: list[bytes] = []

    def say(client: socket) -> None:
        offers.append(client.recv(65_536))
        # A ServerHello of TLS 1.1: version 3.2, no session, the suite TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA.
        hello = b"\x03\x02" + bytes(32) + b"\x00" + b"\xc0\x09" + b"\x00"
        body = b"\x02" + len(hello).to_bytes(3, "big") + hello
        client.sendall(b"\x16\x03\x02" + len(body).to_bytes(2, "big") + body)
        offers.append(client.recv(65_536))

    with a_raw_server(say) as port:
        world = Outside(names={"fhir.example": [[PUBLIC]]}, routes={f"{PUBLIC}:443": port})
        with world.transport(ca_file=authority.file) as transport, pytest.raises(Unreachable):
            asked_of(transport, "https://fhir.example/r4")
    assert trusting(None).minimum_version is TLSVersion.TLSv1_2
    # An alert (21), fatal (2): protocol version (70).
    assert (offers[1][0], offers[1][-2:]) == (21, b"\x02\x46")


def test_an_address_is_proven_by_a_certificate_for_that_address(server: FhirStub, authority: Authority) -> None:
    over_tls(server, authority.server_context("10.20.3.4"))
    world = Outside(routes={"10.20.3.4:443": port_of(server), "10.20.3.5:443": port_of(server)})
    reach = Reach(private_networks=(ip_network("10.20.0.0/16"),))
    with world.transport(ca_file=authority.file) as transport:
        assert asked_of(transport, "https://10.20.3.4/r4/Patient/p1", reach=reach).status == 200
        with pytest.raises(Unreachable):
            asked_of(transport, "https://10.20.3.5/r4/Patient/p1", reach=reach)


@pytest.mark.parametrize("content", [b"", b"no certificate", None])
def test_a_file_without_authorities_stops_the_start(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(UnfitAuthorities) as refused:
        Transport(ca_file=tmp_path / "ca.pem").prepare()
    assert str(tmp_path) not in str(refused.value)


def test_the_authorities_are_read_once(server: FhirStub, authority: Authority) -> None:
    over_tls(server, authority.server_context("fhir.example"))
    server.on("GET", "Patient/p1", Says({}, headers={"Connection": "close"}))
    world = Outside(names={"fhir.example": [[PUBLIC]]}, routes={f"{PUBLIC}:443": port_of(server)})
    copy = authority.file.with_name("copy.pem")
    copy.write_bytes(authority.file.read_bytes())
    with world.transport(ca_file=copy) as transport:
        transport.prepare()
        copy.unlink()
        for _ in range(2):
            assert asked_of(transport, "https://fhir.example/r4/Patient/p1").status == 200
    assert len(world.dialed) == 2


def test_no_environment_variable_writes_the_keys_of_a_session_down(
    server: FhirStub, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    over_tls(server, authority.server_context("fhir.example"))
    world = Outside(names={"fhir.example": [[PUBLIC]]}, routes={f"{PUBLIC}:443": port_of(server)})
    with world.transport(ca_file=authority.file) as transport:
        asked_of(transport, "https://fhir.example/r4/Patient/p1")
    assert not keys.exists()


# Proxies


def test_proxies_of_the_environment_are_ignored(server: FhirStub, monkeypatch: pytest.MonkeyPatch) -> None:
    """[FHIR-77] Proxy environment variables are ignored unless configured."""
    with a_raw_server(lambda _: None) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
        world, reach = a_test_host(server)
        with world.transport() as transport:
            assert asked_of(transport, f"{server.base}/Patient/p1", reach=reach).status == 200
    assert world.dialed == [server.origin.removeprefix("http://")]


def test_a_configured_proxy_is_asked_for_the_address_that_was_checked(server: FhirStub, authority: Authority) -> None:
    """[FHIR-77] The proxy does not undo FHIR-73: it is given the checked address, and no name to look up anew."""
    names = over_tls(server, authority.server_context("fhir.example"))
    proxy = Proxy({f"{PUBLIC}:443": port_of(server)})
    with a_raw_server(proxy.say) as port:
        world = Outside(
            names={"fhir.example": [[PUBLIC]], "proxy.hospital.example": [["10.9.9.9"]]}, routes={"10.9.9.9:3128": port}
        )
        with world.transport(ca_file=authority.file, https_proxy="http://proxy.hospital.example:3128") as transport:
            token = BoundToken(CANARY, R4)
            assert asked_of(transport, "https://fhir.example/r4/Patient/p1", token=token).status == 200
    assert proxy.heads == [f"CONNECT {PUBLIC}:443 HTTP/1.1\r\nHost: {PUBLIC}:443\r\n\r\n"]
    assert (names, world.dialed) == (["fhir.example"], ["10.9.9.9:3128"])
    assert server.asked[0].headers["Authorization"] == f"Bearer {CANARY}"


def test_a_proxy_opens_no_way_inside(server: FhirStub) -> None:
    """[FHIR-77] The proxy does not undo FHIR-73."""
    proxy = Proxy({"169.254.169.254:443": port_of(server)})
    with a_raw_server(proxy.say) as port:
        world = Outside(
            names={"fhir.example": [["169.254.169.254"]], "proxy.example": [[PUBLIC]]}, routes={f"{PUBLIC}:3128": port}
        )
        with world.transport(https_proxy="http://proxy.example:3128") as transport, pytest.raises(AddressRefused):
            asked_of(transport, "https://fhir.example/r4")
    assert (proxy.heads, world.dialed) == ([], [])


def test_a_listed_private_network_is_reached_without_the_proxy(server: FhirStub, authority: Authority) -> None:
    over_tls(server, authority.server_context("fhir.hospital.example"))
    world = Outside(names={"fhir.hospital.example": [["10.20.3.4"]]}, routes={"10.20.3.4:443": port_of(server)})
    reach = Reach(private_networks=(ip_network("10.20.0.0/16"),))
    with world.transport(ca_file=authority.file, https_proxy="http://proxy.example:3128") as transport:
        assert asked_of(transport, "https://fhir.hospital.example/r4/Patient/p1", reach=reach).status == 200
    assert world.dialed == ["10.20.3.4:443"]


@pytest.mark.parametrize("status", ["403 Forbidden", "302 Found", "407 Proxy Authentication Required"])
def test_a_proxy_that_opens_no_tunnel_is_no_answer(server: FhirStub, status: str) -> None:
    proxy = Proxy({}, status=status)
    with a_raw_server(proxy.say) as port:
        world = Outside(
            names={"fhir.example": [[PUBLIC]], "proxy.example": [[OTHER_PUBLIC]]}, routes={f"{OTHER_PUBLIC}:3128": port}
        )
        with world.transport(https_proxy="http://proxy.example:3128") as transport, pytest.raises(Unreachable):
            asked_of(transport, "https://fhir.example/r4", token=BoundToken(CANARY, R4))
    assert all(CANARY not in head for head in proxy.heads)


@pytest.mark.parametrize("proxy", ["https://proxy.example:3128", "http://proxy.example:3128/x", "proxy.example:3128"])
def test_what_is_no_proxy_for_tunnels_is_refused_at_the_start(proxy: str) -> None:
    with pytest.raises(BadAddress):
        Transport(https_proxy=proxy)


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

SMALL = Limits(page_bytes=100_000)


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


@pytest.mark.parametrize("body", [b"no gzip at all", gzip.compress(b"{}" * 1_000)[:-9], gzip.compress(b"{}") + b"x"])
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
