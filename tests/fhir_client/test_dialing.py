"""Which addresses are connected to, and how the other side is known; names and connections are the tests' own."""

import json
from io import DEFAULT_BUFFER_SIZE
from ipaddress import ip_address, ip_network
from pathlib import Path
from socket import socket
from ssl import TLSVersion

import pytest

from fhir_client.addresses import BadAddress, Base, BoundToken, Reach
from fhir_client.dialing import UnfitAuthorities, resolve, trusting
from fhir_client.errors import AddressRefused, Reason, Unreachable
from fhir_client.transport import Transport
from tests.fhir_stub import FhirStub, Says, a_fhir_server
from tests.outside import (
    OTHER_PUBLIC,
    PUBLIC,
    Authority,
    Outside,
    Proxy,
    a_raw_server,
    a_test_host,
    asked_of,
    over_tls,
    port_of,
)

HOSTILE = json.loads((Path(__file__).parent / "hostile_addresses.json").read_text(encoding="utf-8"))
CANARY = "canary-token-7f3a"
R4 = Base.parse("https://fhir.example/r4")
pytestmark = pytest.mark.usefixtures("nothing_leaves_the_machine")


@pytest.fixture
def server(server: FhirStub) -> FhirStub:
    server.on("GET", "Patient/p1", Says({"resourceType": "Patient", "id": "p1"}))
    return server


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


def test_what_was_planted_behind_an_answer_answers_no_later_request(authority: Authority) -> None:
    context = authority.server_context("fhir.example")
    # One record, and the first answer as long as one read: what is planted lies decrypted, where no poll sees it.
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    first = head % (DEFAULT_BUFFER_SIZE - len(head % 8000)) + b" " * (DEFAULT_BUFFER_SIZE - len(head % 8000))
    planted = head % 7 + b"planted"

    def say(client: socket) -> None:
        with context.wrap_socket(client, server_side=True) as secured:
            secured.recv(65_536)
            secured.sendall(first + planted)
            secured.recv(65_536)

    with a_raw_server(say) as port:
        world = Outside(names={"fhir.example": [[PUBLIC]]}, routes={f"{PUBLIC}:443": port})
        with world.transport(ca_file=authority.file) as transport:
            for _ in range(2):
                assert asked_of(transport, "https://fhir.example/r4").body.isspace()


def test_the_systems_resolver_is_asked_unless_told_otherwise() -> None:
    found = resolve("localhost", 443)
    assert found
    assert all(ip_address(address).is_loopback for address in found)


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
