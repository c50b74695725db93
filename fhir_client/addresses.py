"""Which URLs may be called: one FHIR server's base address, what lies beneath it, and with which token."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import SplitResult, quote, unquote, urlencode, urljoin, urlsplit

_STANDARD_PORTS = {"http": 80, "https": 443}
# urlsplit drops tabs and newlines in silence, and clients disagree about a backslash: both are refused beforehand.
# A fragment is never sent, so it is of no use but to mislead.
_SUSPECT = re.compile(r"[\x00-\x20\x7f\\#]")
# Servers refuse lines half as long; preparing a request to megabytes takes seconds that no deadline can cut short.
LONGEST_LINK = 16_384
# Letters, digits, dots: no other script looks like these, and no percent sign hides them.
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}", re.ASCII)
_LONGEST_NAME = 253
_UNPRIVILEGED = 1024
# Where other things than web servers listen, which a well-chosen path makes do something (the Fetch standard's list
# of bad ports, and the databases, brokers and cluster managers that are found inside hospitals).
_ODD_PORTS = frozenset(
    {1080, 1433, 1434, 1521, 1719, 1720, 1723, 2049, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 3659, 4045, 4190}
    | {4444, 5060, 5061, 5432, 5672, 5900, 5984, 6000, 6379, 6443, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697}
    | {9042, 9092, 9200, 9300, 10080, 10250, 11211, 27017}
)
_SLASHES = re.compile(r"[/\\]")
_BEARER = re.compile(r"[\x21-\x7e]+")
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-._]+)(?:/_history/[A-Za-z0-9\-.]+)?")


class BadAddress(ValueError):
    """An address that may not be called at all, whoever lists it. The message does not repeat it."""


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
        if parts is None or "?" in address:
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
        try:
            url = urljoin(f"{self}/", link)
        except ValueError:
            return None
        return url if self.holds(url) else None

    def reference(self, reference: str) -> tuple[str, str] | None:
        """Give type and id of a reference that this server can resolve: relative, or absolute on this base."""
        if self.holds(reference):
            reference = urlsplit(reference).path[len(self.path) + 1 :]
        match = _REFERENCE.fullmatch(reference)
        return (match[1], match[2]) if match and _stays_put(match[2]) else None

    def holds(self, url: str) -> bool:
        """Tell whether an absolute URL has this origin and lies at this base or beneath it."""
        parts = _split(url)
        if parts is None or _origin(parts) != (self.scheme, self.host, self.port):
            return False
        return parts.path == self.path or parts.path.startswith(f"{self.path}/")

    def is_within(self, other: "Base") -> bool:
        """Tell whether this base is the other one or lies beneath it, on the same origin."""
        return self.origin == other.origin and f"{self.path}/".startswith(f"{other.path}/")


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a CDS client's addresses may lead beyond public https servers.

    That is into its private networks, and to its test hosts: the origins that may be plain http and on loopback.
    """

    private_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    test_hosts: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Give each test host its one form.

        Raises:
            BadAddress: one of them is no origin.
        """
        object.__setattr__(self, "test_hosts", frozenset(Base.parse(host).origin for host in self.test_hosts))

    def is_test_host(self, base: Base) -> bool:
        """Tell whether plain http and loopback are good enough for this server."""
        return base.origin in self.test_hosts


@dataclass(frozen=True, slots=True, repr=False)
class BoundToken:
    """A bearer token and the server it was issued for: nothing gives it out for another address (FHIR-71)."""

    _token: str
    base: Base

    def __post_init__(self) -> None:
        """Let no token write a header of its own.

        Raises:
            ValueError: these are not the characters of a token.
        """
        if not _BEARER.fullmatch(self._token):
            raise ValueError("not a bearer token")

    def __repr__(self) -> str:
        return "BoundToken()"

    def header(self, url: str) -> Mapping[str, str] | None:
        """Give the header that carries the token to this URL, None if it is not beneath the token's own base."""
        return {"Authorization": f"Bearer {self._token}"} if self.base.holds(url) else None


def called(url: str) -> tuple[Base, str]:
    """Take a URL apart into its origin, as a base, and the path and query to ask for there.

    Raises:
        BadAddress: a URL that is never called, whoever wrote it.
    """
    parts = _split(url)
    if parts is None:
        raise BadAddress("not an address that may be called")
    scheme, host, port = _origin(parts)
    return Base(scheme, host, port, ""), (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


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
    """Split an absolute http(s) URL, None of one that two readers could read in two ways (FHIR-72)."""
    if _SUSPECT.search(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    is_plain = parts.scheme in _STANDARD_PORTS and "@" not in parts.netloc and _stays_put(parts.path)
    return parts if is_plain and _is_host(parts) and not _is_odd(port, parts.scheme) else None


def _is_host(parts: SplitResult) -> bool:
    """Tell whether the host is a plain name, or an address in the one form that nobody reads differently."""
    host = parts.hostname or ""
    if parts.netloc.startswith("["):
        return _is_ipv6(host)
    last = host.rpartition(".")[2]
    if last.isdigit() or last.startswith("0x"):
        # 2130706433, 0177.0.0.1, 127.1 and 0x7f.1 are all 127.0.0.1 to inet_aton.
        return _is_ipv4(host)
    # xn--: what it shows is not what it says.
    is_named = bool(_NAME.fullmatch(host)) and not any(label.startswith("xn--") for label in host.split("."))
    return is_named and len(host) <= _LONGEST_NAME


def _is_ipv4(host: str) -> bool:
    try:
        return str(IPv4Address(host)) == host
    except AddressValueError:
        return False


def _is_ipv6(host: str) -> bool:
    """Tell whether this is IPv6 in its canonical form, with no zone, and no IPv4 address inside."""
    try:
        address = IPv6Address(host)
    except AddressValueError:
        return False
    has_ipv4 = "." in host or any((address.ipv4_mapped, address.sixtofour, address.teredo))
    return str(address) == host and address.scope_id is None and not has_ipv4


def _is_odd(port: int | None, scheme: str) -> bool:
    if port is None or port == _STANDARD_PORTS[scheme]:
        return False
    return port < _UNPRIVILEGED or port in _ODD_PORTS


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, parts.hostname or "", parts.port or _STANDARD_PORTS[parts.scheme]


def _stays_put(path: str) -> bool:
    # Servers and proxies resolve dot segments after every check of ours: also encoded ones, behind encoded slashes, and
    # with a path parameter (`..;`), which Tomcat drops first.
    segments = _SLASHES.split(unquote(path))
    return not any(segment.partition(";")[0] in (".", "..") for segment in segments)
