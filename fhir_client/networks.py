"""Which IP addresses may be connected to: public ones, and private ones that a CDS client's entry lists (FHIR-73)."""

from collections.abc import Iterable
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Kind(StrEnum):
    """Why an address is not one for strangers' URLs to lead to."""

    METADATA = "metadata"  # answers whoever asks with the machine's own credentials
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    MULTICAST = "multicast"
    UNSPECIFIED = "unspecified"
    RESERVED = "reserved"
    PRIVATE = "private"


# The IANA special-purpose registries, and the metadata services of the large clouds. Ours, and not the `is_private`
# of ipaddress: what that answers has changed between Python releases, and leaves out half of this.
_KINDS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    (
        Kind.METADATA,
        (
            "169.254.169.254/32",
            "169.254.170.2/32",
            "fd00:ec2::/32",
            "fd20:ce::254/128",
            "100.100.100.200/32",
            "192.0.0.192/32",
            "168.63.129.16/32",
        ),
    ),
    (Kind.LOOPBACK, ("127.0.0.0/8", "::1/128")),
    (Kind.UNSPECIFIED, ("0.0.0.0/8", "::/128")),
    (Kind.LINK_LOCAL, ("169.254.0.0/16", "fe80::/10")),
    (Kind.MULTICAST, ("224.0.0.0/4", "ff00::/8")),
    (Kind.PRIVATE, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "fc00::/7")),
    (
        Kind.RESERVED,
        (
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "240.0.0.0/4",
            "2001::/23",
            "2001:db8::/32",
            "3fff::/20",
            # All that is not yet global unicast: the site-local fec0::/10 and the IPv4-compatible ::/96 among it.
            "::/3",
            "4000::/2",
            "8000::/1",
        ),
    ),
)
_TABLE = tuple((kind, ip_network(network)) for kind, networks in _KINDS for network in networks)
_NAT64 = IPv6Network("64:ff9b::/96")
_6TO4 = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")


def barred(address: Address, *, private_networks: Iterable[Network] = (), loopback: bool = False) -> Kind | None:
    """Tell why this address may not be connected to, None if it may.

    Listing opens private networks only: no entry opens the machine's own addresses, its link, or a metadata service.
    """
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return barred(address.ipv4_mapped, private_networks=private_networks, loopback=loopback)
    embedded = _embedded(address)
    if embedded:
        # Someone else's gateway would unpack these: a listed private network is not what they were listed for.
        return next((kind for kind in map(_kind, embedded) if kind is not None), None)
    kind = _kind(address)
    if kind is Kind.LOOPBACK and loopback:
        return None
    if kind is Kind.PRIVATE and any(_holds(network, address) for network in private_networks):
        return None
    return kind


def _kind(address: Address) -> Kind | None:
    return next((kind for kind, network in _TABLE if _holds(network, address)), None)


def _holds(network: Network, address: Address) -> bool:
    return network.version == address.version and address in network


def _embedded(address: Address) -> tuple[IPv4Address, ...]:
    """Give the IPv4 addresses that a gateway would send a packet for this one to."""
    if not isinstance(address, IPv6Address):
        return ()
    whole = int(address)
    if address in _NAT64:
        return (IPv4Address(whole & 0xFFFF_FFFF),)
    if address in _6TO4:
        return (IPv4Address((whole >> 80) & 0xFFFF_FFFF),)
    if address in _TEREDO:
        return (IPv4Address((whole >> 64) & 0xFFFF_FFFF), IPv4Address(~whole & 0xFFFF_FFFF))
    return ()
