"""The CDS clients we trust, as the file behind CHARTSIDE_CLIENTS declares them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from cds_hooks.protocol.cards import ClientProfile
from cds_hooks.web.tables import Table
from fhir_client.addresses import BadAddress, Base, called

ANONYMOUS = "anonymous"  # the one caller while authentication is off
SPECIFICATIONS = ("1.0", "2.0", "3.0")
ALGORITHMS = ("ES384", "RS384", "ES256", "RS256", "PS256", "PS384")  # SEC-13
HIGHEST_RATE = 1_000_000
_STANDARD_PORTS = {"https": ":443", "http": ":80"}

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Client:
    """One CDS client: what it is trusted with, and what may be sent to it.

    `tenants` and `services` are None where any is allowed. `fhir_servers` are base addresses: no other server is ever
    called on the client's behalf. `test_hosts` are the origins that may be plain http.
    """

    issuer: str
    profile: ClientProfile = field(default_factory=ClientProfile)
    strict: bool = False
    jwks_file: Path | None = None
    jwks_url: str | None = None
    fhir_servers: frozenset[str] = frozenset()
    algorithms: tuple[str, ...] = ("ES384", "RS384")
    replay: str = "enforce"
    feedback_audience: str = "both"
    client_id: str | None = None
    token_endpoint: str | None = None
    tenants: frozenset[str] | None = None
    services: frozenset[str] | None = None
    origins: frozenset[str] = frozenset()
    private_networks: tuple[Network, ...] = ()
    test_hosts: frozenset[str] = frozenset()
    rate_limit: int | None = None

    def may_use(self, service_id: str) -> bool:
        """Tell whether a service is on this client's list."""
        return self.services is None or service_id in self.services


def read_clients(path: Path, *, name: str, faults: list[str]) -> tuple[Client, ...]:
    """Read the file; what is wrong with it is added to `faults`."""
    file = Table.from_file(path, name=name, faults=faults)
    clients = tuple(_client(table) for table in file.tables("client"))
    file.close()
    issuers = [client.issuer for client in clients]
    faults.extend(
        f"{name}: client[{place}]: issuer: is named twice"
        for place, issuer in enumerate(issuers)
        if issuer and issuer in issuers[:place]
    )
    return clients


def origin_of(url: str) -> str | None:
    """Give scheme, host and port of an absolute web address, or None where it is none or carries credentials."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if port is None else f":{port}")


def _client(table: Table) -> Client:
    _refuse_wildcards(table)
    test_hosts = _test_hosts(table)
    client = Client(
        issuer=_issuer(table),
        profile=ClientProfile(
            specification=table.choice("specification", SPECIFICATIONS, "2.0"),
            legacy_delete=table.truth("legacy_delete", default=False),
            features=frozenset(table.texts("features") or ()),
        ),
        strict=table.choice("mode", ("lenient", "strict"), "lenient") == "strict",
        jwks_file=table.file("jwks_file"),
        jwks_url=_address(table, "jwks_url", test_hosts),
        fhir_servers=_fhir_servers(table, test_hosts),
        algorithms=_algorithms(table),
        replay=table.choice("replay", ("enforce", "report", "off"), "enforce"),
        feedback_audience=table.choice("feedback_audience", ("both", "feedback", "service"), "both"),
        client_id=table.text("client_id"),
        token_endpoint=_address(table, "token_endpoint", test_hosts),
        tenants=_names(table, "tenants"),
        services=_names(table, "services"),
        origins=_origins(table, "origins", schemes=("https",), also=test_hosts),
        private_networks=_networks(table),
        test_hosts=test_hosts,
        rate_limit=table.whole("rate_limit", low=1, high=HIGHEST_RATE),
    )
    _check_keys(table, client)
    table.close()
    return client


def _refuse_wildcards(table: Table) -> None:
    """Every list names each thing it allows (FHIR-76, SEC-41): a star would look as if it meant all, and match nothing.

    So does a network without a prefix, which holds every address there is.
    """
    for key, value in table.values.items():
        texts = [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]
        if any("*" in text or text.endswith("/0") for text in texts):
            table.fault(key, "must name each one: there are no wildcards")


def _issuer(table: Table) -> str:
    issuer = table.text("issuer")
    if issuer is None:
        table.fault("issuer", "is required")
        return ""
    return issuer


def _check_keys(table: Table, client: Client) -> None:
    named = [key for key in ("jwks_file", "jwks_url") if key in table.values]
    if client.issuer == ANONYMOUS and named:
        table.fault(named[0], "the anonymous client has no keys")
    elif client.issuer != ANONYMOUS and len(named) != 1:
        table.fault("jwks_file", "exactly one of jwks_file and jwks_url is required")


def _names(table: Table, key: str) -> frozenset[str] | None:
    names = table.texts(key)
    return None if names is None else frozenset(names)


def _algorithms(table: Table) -> tuple[str, ...]:
    named = table.texts("algorithms")
    if named is None:
        return ("ES384", "RS384")
    if not named or not set(named) <= set(ALGORITHMS):
        table.fault("algorithms", f"must be some of {', '.join(ALGORITHMS)}")
    return named


def _is_allowed(url: str, test_hosts: frozenset[str]) -> bool:
    origin = origin_of(url)
    return origin is not None and (origin.startswith("https://") or origin in test_hosts)


def _address(table: Table, key: str, test_hosts: frozenset[str]) -> str | None:
    url = table.text(key)
    if url is not None and not (_is_allowed(url, test_hosts) and _may_be_called(url)):
        table.fault(key, "must be an https address, or on one of test_hosts")
    return url


def _may_be_called(url: str) -> bool:
    """Tell what calling it would find out: no user info, no odd port, no number for a name (FHIR-72, FHIR-75)."""
    try:
        called(url)
    except BadAddress:
        return False
    return True


def _test_hosts(table: Table) -> frozenset[str]:
    hosts = _origins(table, "test_hosts", schemes=("http", "https"))
    if not all(_is_base(host) for host in hosts if origin_of(host) == host):
        table.fault("test_hosts", "must be origins that may be called: not below port 1024 but the standard ones")
        return frozenset()
    return hosts


def _fhir_servers(table: Table, test_hosts: frozenset[str]) -> frozenset[str]:
    servers = table.texts("fhir_servers") or ()
    if not all(_is_base(url) and _is_allowed(url, test_hosts) for url in servers):
        table.fault("fhir_servers", "must be https addresses without a query, or on one of test_hosts")
    return frozenset(servers)


def _is_base(url: str) -> bool:
    try:
        Base.parse(url)
    except BadAddress:
        return False
    return True


def _origins(table: Table, key: str, *, schemes: Iterable[str], also: frozenset[str] = frozenset()) -> frozenset[str]:
    named = table.texts(key) or ()
    if any(origin_of(url) != url or not (url.split(":")[0] in schemes or url in also) for url in named):
        table.fault(key, "must be origins: scheme, host and port, nothing more")
    if any(url.endswith(_STANDARD_PORTS.get(url.split(":")[0], "/")) for url in named):
        table.fault(key, "must be without a standard port, as browsers write origins")
    return frozenset(named)


def _networks(table: Table) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(text) for text in table.texts("private_networks") or ())
    except ValueError:
        table.fault("private_networks", "must be networks like 10.20.0.0/16")
        return ()
