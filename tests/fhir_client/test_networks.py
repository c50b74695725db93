from ipaddress import ip_address, ip_network

import pytest

from fhir_client.networks import Kind, barred

EVERYTHING = (ip_network("0.0.0.0/0"), ip_network("::/0"))


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "172.32.0.1",
        "100.128.0.1",
        "2606:4700::1111",
        "2a00:1450::1",
        "64:ff9b::808:808",
    ],
)
def test_a_public_address_may_be_called(address: str) -> None:
    assert barred(ip_address(address)) is None


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", Kind.LOOPBACK),
        ("::1", Kind.LOOPBACK),
        ("10.20.0.5", Kind.PRIVATE),
        ("172.16.0.1", Kind.PRIVATE),
        ("192.168.1.1", Kind.PRIVATE),
        ("100.64.0.1", Kind.PRIVATE),
        ("fd12::1", Kind.PRIVATE),
        ("169.254.169.254", Kind.METADATA),
        ("fd00:ec2::254", Kind.METADATA),
        ("169.254.0.1", Kind.LINK_LOCAL),
        ("fe80::1", Kind.LINK_LOCAL),
        ("fe80::1%eth0", Kind.LINK_LOCAL),
        ("224.0.0.251", Kind.MULTICAST),
        ("ff02::1", Kind.MULTICAST),
        ("0.0.0.0", Kind.UNSPECIFIED),  # noqa: S104 - an address to refuse
        ("::", Kind.UNSPECIFIED),
        ("255.255.255.255", Kind.RESERVED),
        ("fec0::1", Kind.RESERVED),
        ("::7f00:1", Kind.RESERVED),
        ("2001:db8::1", Kind.RESERVED),
    ],
)
def test_every_other_address_is_barred_by_its_kind(address: str, kind: Kind) -> None:
    """[FHIR-73] Block loopback, private, link-local (169.254.169.254, fd00:ec2::254), CGNAT, multicast, unspecified."""
    assert barred(ip_address(address)) is kind


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("::ffff:127.0.0.1", Kind.LOOPBACK),
        ("::ffff:10.0.0.1", Kind.PRIVATE),
        ("64:ff9b::7f00:1", Kind.LOOPBACK),
        ("64:ff9b::a9fe:a9fe", Kind.METADATA),
        ("2002:7f00:1::1", Kind.LOOPBACK),
        ("2002:a00:1::1", Kind.PRIVATE),
        ("2001:0:7f00:1::1", Kind.LOOPBACK),
        ("2001:0:808:808:0:0:80ff:fffe", Kind.LOOPBACK),  # the client's address, every bit turned: 127.0.0.1
    ],
)
def test_an_ipv4_address_inside_ipv6_is_looked_at(address: str, kind: Kind) -> None:
    """[FHIR-72] Refuse numeric hosts in IPv4-in-IPv6 form."""
    assert barred(ip_address(address)) is kind


def test_a_listed_private_network_is_open_and_its_neighbour_is_not() -> None:
    listed = (ip_network("10.20.0.0/16"), ip_network("fd12::/16"))
    assert barred(ip_address("10.20.3.4"), private_networks=listed) is None
    assert barred(ip_address("fd12::3"), private_networks=listed) is None
    assert barred(ip_address("::ffff:10.20.3.4"), private_networks=listed) is None
    assert barred(ip_address("10.21.0.1"), private_networks=listed) is Kind.PRIVATE
    assert barred(ip_address("fd13::3"), private_networks=listed) is Kind.PRIVATE


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "169.254.169.254",
        "fd00:ec2::254",
        "100.100.100.200",
        "169.254.0.1",
        "fe80::1",
        "224.0.0.1",
        "::",
    ],
)
def test_no_listing_opens_the_machine_itself_or_a_metadata_service(address: str) -> None:
    assert barred(ip_address(address), private_networks=EVERYTHING) is not None


def test_no_listing_is_reached_through_a_gateway() -> None:
    assert barred(ip_address("64:ff9b::a14:304"), private_networks=(ip_network("10.20.0.0/16"),)) is Kind.PRIVATE


def test_loopback_is_for_test_hosts() -> None:
    assert barred(ip_address("127.0.0.1"), loopback=True) is None
    assert barred(ip_address("::1"), loopback=True) is None
    assert barred(ip_address("10.0.0.1"), loopback=True) is Kind.PRIVATE
