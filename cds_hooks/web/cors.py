"""Cross-origin calls: CDS clients that run in a browser, from the origins that the clients file lists (SEC-40, SEC-41).

An origin is answered because it is listed, never because it was sent; credentials of the browser (cookies) are never
asked for, so a page elsewhere gains nothing from a user who is signed in.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from cds_hooks.web.clients import Client

_VARY = "Origin"
# What an answer depends on, besides the origin, when a browser asks beforehand.
_PREFLIGHT_VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
_METHODS = "GET, POST"
_HEADERS = "Authorization, Content-Type"
# What a page may read of an answer: what to quote to our operators, and when to try again.
_EXPOSED = "X-Request-Id, Retry-After"
_MAX_AGE = "600"  # browsers keep a preflight's answer ten minutes: an origin that was struck off is soon forgotten
_UNLISTED: Mapping[str, str] = MappingProxyType({"Vary": _VARY})
_UNLISTED_PREFLIGHT: Mapping[str, str] = MappingProxyType({"Vary": _PREFLIGHT_VARY})


class Cors:
    """The headers for browsers; everything is decided when it is made."""

    def __init__(self, clients: Iterable[Client]) -> None:
        """Allow the origins that these clients list."""
        origins = frozenset(origin for client in clients for origin in client.origins)
        self._allowed: Mapping[str, Mapping[str, str]] = {origin: _allowed(origin) for origin in origins}
        self._preflights: Mapping[str, Mapping[str, str]] = {origin: _preflight(origin) for origin in origins}

    def preflight(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Answer an OPTIONS request, which a browser sends without any token, from its headers."""
        return self._preflights.get(headers.get("Origin", ""), _UNLISTED_PREFLIGHT)

    def headers_for(self, origin: str | None, client: Client | None = None) -> Mapping[str, str]:
        """Give the headers of any other answer; once the caller is known, its own list alone counts."""
        if origin is None or (client is not None and origin not in client.origins):
            return _UNLISTED
        return self._allowed.get(origin, _UNLISTED)


def _allowed(origin: str) -> Mapping[str, str]:
    return MappingProxyType(
        {"Vary": _VARY, "Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": _EXPOSED}
    )


def _preflight(origin: str) -> Mapping[str, str]:
    return MappingProxyType(
        {
            "Vary": _PREFLIGHT_VARY,
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _HEADERS,
            "Access-Control-Max-Age": _MAX_AGE,
        }
    )
