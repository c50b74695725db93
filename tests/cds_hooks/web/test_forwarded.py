"""A proxy's word counts if it is one of ours; a stranger's header changes nothing but that it was there."""

from ipaddress import ip_address, ip_network

import pytest

from cds_hooks.web.forwarded import Whence, whence

PROXIES = (ip_network("10.0.0.0/24"), ip_network("::1/128"))
CALLER = ip_address("203.0.113.7")


def asked(peer: str, **headers: str) -> dict[str, str]:
    return {
        "REMOTE_ADDR": peer,
        "wsgi.url_scheme": "http",
        **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
    }


def test_without_headers_the_peer_is_the_caller() -> None:
    assert whence(asked("203.0.113.7"), PROXIES) == Whence(CALLER, "http", is_relayed=False)
    assert whence(asked("127.0.0.1"), ()).is_loopback
    assert whence(asked("::ffff:127.0.0.1"), ()).is_loopback
    assert not whence(asked("203.0.113.7"), ()).is_loopback
    assert not whence(asked(""), ()).is_loopback


@pytest.mark.parametrize(
    "headers",
    [
        {"x_forwarded_for": "127.0.0.1"},
        {"forwarded": "for=127.0.0.1;proto=https"},
        {"x_forwarded_proto": "https"},
        {"x_real_ip": "127.0.0.1"},
        {"x_forwarded_host": "localhost"},
        {"via": "1.1 cache"},
    ],
)
@pytest.mark.parametrize("peer", ["203.0.113.7", "127.0.0.1", "::1", "10.0.1.1", "nonsense", ""])
def test_a_stranger_is_not_believed_and_is_never_loopback(peer: str, headers: dict[str, str]) -> None:
    """[SEC-3] Proxy-supplied client identity accepted only from the trusted hop."""
    found = whence(asked(peer, **headers), (ip_network("10.0.0.0/24"),))
    assert found == Whence(None, "http", is_relayed=True)
    assert not found.is_loopback


@pytest.mark.parametrize(
    ("headers", "address", "scheme"),
    [
        ({"x_forwarded_for": "203.0.113.7", "x_forwarded_proto": "https"}, "203.0.113.7", "https"),
        ({"x_forwarded_for": "127.0.0.1, 203.0.113.7"}, "203.0.113.7", "http"),
        ({"x_forwarded_for": "127.0.0.1, 203.0.113.7, 10.0.0.9"}, "203.0.113.7", "http"),
        ({"x_forwarded_for": "10.0.0.9"}, "10.0.0.9", "http"),
        ({"x_forwarded_for": "203.0.113.7:4711"}, "203.0.113.7", "http"),
        ({"x_forwarded_for": "[2001:db8::1]:4711"}, "2001:db8::1", "http"),
        ({"x_forwarded_for": "203.0.113.7", "x_forwarded_proto": "http, https"}, "203.0.113.7", "https"),
        ({"x_forwarded_for": "203.0.113.7", "x_forwarded_proto": "HTTPS"}, "203.0.113.7", "https"),
        ({"x_forwarded_for": "203.0.113.7", "x_forwarded_proto": "javascript"}, "203.0.113.7", "http"),
        ({"forwarded": "for=203.0.113.7;proto=https;by=10.0.0.1"}, "203.0.113.7", "https"),
        ({"forwarded": 'For="[2001:db8::1]:4711"'}, "2001:db8::1", "http"),
        ({"forwarded": "for=127.0.0.1, for=203.0.113.7;proto=https"}, "203.0.113.7", "https"),
    ],
)
def test_a_trusted_proxy_tells_the_nearest_stranger(headers: dict[str, str], address: str, scheme: str) -> None:
    found = whence(asked("10.0.0.1", **headers), PROXIES)
    assert found == Whence(ip_address(address), scheme, is_relayed=True)


@pytest.mark.parametrize(
    "headers",
    [
        {"x_forwarded_for": "127.0.0.1, unknown"},
        {"x_forwarded_for": ""},
        {"x_forwarded_for": "127.0.0.1,"},
        {"forwarded": "for=_hidden"},
        {"forwarded": "proto=https"},
        {"x_forwarded_proto": "https"},
        {"forwarded": "for=127.0.0.1", "x_forwarded_for": "203.0.113.7"},
    ],
)
def test_what_a_trusted_proxy_does_not_tell_is_unknown_and_no_loopback(headers: dict[str, str]) -> None:
    found = whence(asked("10.0.0.1", **headers), PROXIES)
    assert found.address is None
    assert not found.is_loopback


def test_a_caller_on_this_machine_is_still_one_behind_our_own_proxy() -> None:
    assert whence(asked("::1", x_forwarded_for="127.0.0.1"), PROXIES).is_loopback


@pytest.mark.parametrize("name", ["x_ssl_client_s_dn", "x_client_cert", "x_forwarded_client_cert", "ssl_client_verify"])
def test_no_header_is_a_client_certificate(name: str) -> None:
    """[SEC-3] Mutual TLS ends at the proxy: no header of it says who calls, from a trusted hop or any other."""
    for peer in ("10.0.0.1", "203.0.113.7"):
        plain = whence(asked(peer), PROXIES)
        assert whence(asked(peer, **{name: "CN=ehr.example"}), PROXIES) == plain
