"""Which URLs may be called: one FHIR server's base address, and what lies beneath it."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urlencode, urljoin, urlsplit

_STANDARD_PORTS = {"http": 80, "https": 443}
# urlsplit drops tabs and newlines in silence, and clients disagree about a backslash: both are refused beforehand.
_SUSPECT = re.compile(r"[\x00-\x20\x7f\\]")
# Servers refuse lines half as long; preparing a request to megabytes takes seconds that no deadline can cut short.
LONGEST_LINK = 16_384
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-._]+)(?:/_history/[A-Za-z0-9\-.]+)?")


class BadAddress(ValueError):
    """An address that is not the base of a FHIR server. The message does not repeat it."""


@dataclass(frozen=True, slots=True)
class Base:
    """The base address of a FHIR server, normalised: lower-case host, no standard port, no slash at the end."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, address: str) -> "Base":
        """Read a base address.

        Raises:
            BadAddress: it is not http or https, or carries more than host, port and path.
        """
        parts = _split(address)
        if parts is None or parts.query or parts.fragment or "?" in address or "#" in address:
            raise BadAddress("not the base address of a FHIR server")
        scheme, host, port = _origin(parts)
        return cls(scheme, host, port, parts.path.rstrip("/"))

    @property
    def origin(self) -> str:
        """Give scheme, host and port as one text: `https://fhir.example`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _STANDARD_PORTS[self.scheme] else f":{self.port}")

    def __str__(self) -> str:
        return self.origin + self.path

    def url(self, path: str, parameters: Iterable[tuple[str, str]] = ()) -> str:
        """Build a URL beneath the base from an encoded path and unencoded parameters (FHIR-40).

        Raises:
            BadAddress: the path would lead out of the base.
        """
        if not _stays_put(path):
            raise BadAddress("a path that leads out of the FHIR server's base")
        query = urlencode(list(parameters), quote_via=quote, safe="")
        return f"{self}/{path}" + (f"?{query}" if query else "")

    def page(self, link: str) -> str | None:
        """Give the absolute URL of a `next` link, None if it leads elsewhere or is endless (FHIR-42)."""
        if len(link) > LONGEST_LINK or _SUSPECT.search(link):
            return None
        url = urljoin(f"{self}/", link)
        return url if self._holds(url) else None

    def reference(self, reference: str) -> tuple[str, str] | None:
        """Give type and id of a reference that this server can resolve: relative, or absolute on this base."""
        if self._holds(reference):
            reference = urlsplit(reference).path[len(self.path) + 1 :]
        match = _REFERENCE.fullmatch(reference)
        return (match[1], match[2]) if match and _stays_put(match[2]) else None

    def is_within(self, other: "Base") -> bool:
        """Tell whether this base is the other one or lies beneath it, on the same origin."""
        return self.origin == other.origin and f"{self.path}/".startswith(f"{other.path}/")

    def _holds(self, url: str) -> bool:
        parts = _split(url)
        if parts is None or _origin(parts) != (self.scheme, self.host, self.port):
            return False
        return parts.path == self.path or parts.path.startswith(f"{self.path}/")


def admitted(address: str, *, servers: Collection[str], test_hosts: Collection[str] = ()) -> Base | None:
    """Give the base of a caller's FHIR server if it is on that caller's list, else None (FHIR-70).

    `servers` are base addresses, `test_hosts` the origins for which plain http is good enough.
    """
    try:
        base = Base.parse(address)
    except BadAddress:
        return None
    if not any(base.is_within(Base.parse(server)) for server in servers):
        return None
    return base if base.scheme == "https" or is_test_host(base, test_hosts) else None


def is_test_host(base: Base, test_hosts: Collection[str]) -> bool:
    """Tell whether the server's origin is one of the listed test hosts."""
    return any(base.origin == Base.parse(host).origin for host in test_hosts)


def _split(url: str) -> SplitResult | None:
    """Split an absolute http(s) URL without user info, suspect characters or dot segments; else None."""
    if _SUSPECT.search(url):
        return None
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        return None
    is_plain = parts.scheme in _STANDARD_PORTS and bool(parts.hostname) and "@" not in parts.netloc
    return parts if is_plain and _stays_put(parts.path) else None


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, parts.hostname or "", parts.port or _STANDARD_PORTS[parts.scheme]


def _stays_put(path: str) -> bool:
    # requests resolves dot segments, also encoded ones, after every check of ours.
    return not any(unquote(segment) in (".", "..") for segment in path.split("/"))
