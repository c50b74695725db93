"""Where a request came from: a proxy's word for it counts only if the proxy is one of CHARTSIDE_TRUSTED_PROXIES.

No header counts as proof of who calls, whoever sent it: Chartside takes no client certificate from a proxy (SEC-3).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from cds_hooks.web.clients import Network

_FORWARDED, _FOR, _PROTO = "HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"
# Every header by which proxies tell that they are one; to have any of them is to have come from elsewhere.
_TRACES = (_FORWARDED, _FOR, _PROTO, "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT", "HTTP_X_REAL_IP", "HTTP_VIA")
_PAIR = re.compile(r'(for|proto)=("?)([^";,\s]+)\2', re.IGNORECASE)
_PORT = re.compile(r"^(\[[0-9a-fA-F:.]+\]|[0-9.]+):\d{1,5}$")
_LONGEST_CHAIN = 2048

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Whence:
    """Where a request came from, as far as somebody we trust has said so.

    `address` is None where it cannot be known. `is_relayed` tells that a proxy has had it, trusted or not.
    """

    address: Address | None
    scheme: str
    is_relayed: bool

    @property
    def is_loopback(self) -> bool:
        """Tell whether it came from this machine, through nobody's hands but those of a trusted proxy."""
        return self.address is not None and self.address.is_loopback


def whence(environ: Mapping[str, Any], trusted: Sequence[Network]) -> Whence:
    """Give where a request came from, by its WSGI environment.

    Forwarded headers of a peer that is not trusted say nothing about the address; that they are there says that the
    peer is not the caller, so the address is unknown. Where a trusted proxy sends both kinds of header, one of them
    may be a stranger's that it passed on: then neither counts.
    """
    peer = _address(str(environ.get("REMOTE_ADDR", "")))
    scheme = str(environ.get("wsgi.url_scheme", "http"))
    if not any(name in environ for name in _TRACES):
        return Whence(peer, scheme, is_relayed=False)
    if peer is None or not _is_within(peer, trusted) or (_FORWARDED in environ and _FOR in environ):
        return Whence(None, scheme, is_relayed=True)
    hops, protocols = _chain(environ)
    return Whence(_first_stranger(hops, trusted), _scheme(protocols, scheme), is_relayed=True)


def _chain(environ: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Give the addresses and the schemes that the proxies noted, oldest first."""
    if _FORWARDED in environ:
        elements = [
            {name.lower(): value for name, _, value in _PAIR.findall(element)}
            for element in str(environ[_FORWARDED])[-_LONGEST_CHAIN:].split(",")
        ]
        return [hop.get("for", "") for hop in elements], [hop["proto"] for hop in elements if "proto" in hop]
    return _listed(environ, _FOR), _listed(environ, _PROTO)


def _listed(environ: Mapping[str, Any], name: str) -> list[str]:
    text = str(environ.get(name, ""))[-_LONGEST_CHAIN:]
    return [part.strip() for part in text.split(",")] if text else []


def _first_stranger(hops: Sequence[str], trusted: Sequence[Network]) -> Address | None:
    """From the nearest hop on, the first that is no proxy of ours: what lies beyond is that one's own story."""
    found = None
    for hop in reversed(hops):
        found = _address(hop)
        if found is None or not _is_within(found, trusted):
            return found
    return found


def _scheme(protocols: Sequence[str], otherwise: str) -> str:
    """The nearest proxy's word: it is the one we trust."""
    nearest = protocols[-1].lower() if protocols else otherwise
    return nearest if nearest in {"http", "https"} else "http"


@lru_cache(maxsize=1024)
def _address(text: str) -> Address | None:
    bare = text.strip('"')
    if match := _PORT.match(bare):
        bare = match[1]
    try:
        found = ip_address(bare.strip("[]"))
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _is_within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
