"""Settings, frozen, from the environment: everything is read once, and every bad value is named at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from cds_hooks.policy import Policy
from cds_hooks.web.clients import ANONYMOUS, Client, Network, origin_of, read_clients
from cds_hooks.web.site import SiteFile, read_site
from fhir_client.addresses import BadAddress, Base

PREFIX = "CHARTSIDE_"
BASE_URL = "http://127.0.0.1:8000"
DATABASE_URL = "sqlite:///chartside.db"
DEADLINE_MS = 4000
MAX_BODY_BYTES = 10 * 1024 * 1024
LONGEST_DEADLINE_MS = 60_000
LARGEST_BODY = 1 << 30
_SECRETS = frozenset({"password", "sslpassword"})  # libpq takes them from an address; a secret is a file, never a value

_T = TypeVar("_T")


class Authentication(StrEnum):
    """Whether callers must prove who they are."""

    REQUIRED = "required"
    OFF = "off"


class SettingsError(Exception):
    """The settings cannot be used; `faults` names everything that is wrong with them, without the values."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        """Keep the faults, one line each."""
        self.faults = faults
        super().__init__("; ".join(faults))


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the environment decides (design/contract.md, section 4)."""

    base_url: str = BASE_URL
    authentication: Authentication = Authentication.REQUIRED
    allow_insecure: bool = False
    discovery: str = "open"
    metrics: str = "loopback"
    clients: tuple[Client, ...] = ()
    site: SiteFile = field(default_factory=SiteFile)
    database_url: str = field(default=DATABASE_URL, repr=False)
    signing_keys: Path | None = None
    ca_file: Path | None = None
    https_proxy: str | None = field(default=None, repr=False)
    trusted_proxies: tuple[Network, ...] = ()
    deadline_ms: int = DEADLINE_MS
    max_body_bytes: int = MAX_BODY_BYTES
    log_level: str = "info"
    now: datetime | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Read all settings.

        Raises:
            SettingsError: at least one cannot be used; it names them all.
        """
        reader = _Reader(environ)
        settings = cls(
            base_url=reader.read("BASE_URL", _base_url, BASE_URL),
            authentication=Authentication(reader.choice("AUTHENTICATION", ("required", "off"))),
            allow_insecure=reader.choice("ALLOW_INSECURE", ("no", "yes")) == "yes",
            discovery=reader.choice("DISCOVERY", ("open", "protected")),
            metrics=reader.choice("METRICS", ("loopback", "all")),
            clients=reader.clients(),
            site=reader.site(),
            database_url=reader.read("DATABASE_URL", _database_url, DATABASE_URL),
            signing_keys=reader.read("SIGNING_KEYS", _folder, None),
            ca_file=reader.read("CA_FILE", _file, None),
            https_proxy=reader.read("HTTPS_PROXY", _proxy, None),
            trusted_proxies=reader.read("TRUSTED_PROXIES", _networks, ()),
            deadline_ms=reader.whole("DEADLINE_MS", DEADLINE_MS, high=LONGEST_DEADLINE_MS),
            max_body_bytes=reader.whole("MAX_BODY_BYTES", MAX_BODY_BYTES, high=LARGEST_BODY),
            log_level=reader.choice("LOG_LEVEL", ("info", "debug", "warning", "error")),
            now=reader.read("NOW", _instant, None),
        )
        faults = [*reader.faults, *settings._contradictions()]
        if faults:
            raise SettingsError(tuple(faults))
        return settings

    @property
    def anonymous(self) -> Client:
        """Give the one caller while authentication is off; without an entry of its own it has prefetch only."""
        named = (client for client in self.clients if client.issuer == ANONYMOUS)
        return next(named, Client(ANONYMOUS))

    @property
    def callers(self) -> tuple[Client, ...]:
        """Give every client that may call under these settings: the anonymous one, or all that prove who they are."""
        if self.authentication is Authentication.OFF:
            return (self.anonymous,)
        return tuple(client for client in self.clients if client.issuer != ANONYMOUS)

    @property
    def loopback_only(self) -> bool:
        """Tell whether these settings may serve this machine alone."""
        is_open = self.authentication is Authentication.OFF and not self.allow_insecure
        return is_open or self.site.demonstration or self.now is not None

    @property
    def policy(self) -> Policy:
        """Give what the site decides, for the pipeline."""
        return Policy(
            site=self.site.site,
            ceilings=self.site.ceilings,
            pilots=self.site.pilots,
            remember_overrides=self.site.remember_overrides,
            demonstration=self.site.demonstration,
            base_url=self.base_url,
        )

    def serving_faults(self, host: str | None = None) -> tuple[str, ...]:
        """Name what forbids to serve with these settings; `host` is the address to listen on, where it is known."""
        if self.loopback_only and host is not None and not is_loopback(host):
            open_for = "authentication is off, or this is a demonstration, or the clock is fixed"
            return (f"--host: must be a loopback address: {open_for}",)
        return ()

    def _contradictions(self) -> list[str]:
        faults = []
        is_here = _is_loopback_url(self.base_url)
        is_off = self.authentication is Authentication.OFF
        if is_off and not self.allow_insecure and not is_here:
            faults.append(
                f"{PREFIX}AUTHENTICATION: off needs a loopback {PREFIX}BASE_URL, or {PREFIX}ALLOW_INSECURE=yes"
            )
        if self.site.demonstration and not is_here:
            faults.append(f"{PREFIX}SITE: demonstration: needs a loopback {PREFIX}BASE_URL")
        if self.now is not None and not (is_here and is_off and not self.allow_insecure):
            faults.append(
                f"{PREFIX}NOW: a fixed clock needs a loopback {PREFIX}BASE_URL and {PREFIX}AUTHENTICATION=off"
            )
        return faults


def unknown_names(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Name the variables that look like settings and are none: a misspelt one changes nothing, in silence.

    They stop no start: a platform may set some of its own, as Kubernetes does for a service called chartside.
    """
    known = {PREFIX + setting.name.upper() for setting in fields(Settings)} | {PREFIX + "OIDC_ISSUER"}
    return tuple(sorted(name for name in environ if name.startswith(PREFIX) and name not in known))


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address means this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class _Reader:
    """Reads one variable after the other and keeps what is wrong; an empty one counts as not set."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.faults: list[str] = []

    def read(self, name: str, parse: Callable[[str], _T], default: _T) -> _T:
        """Parse one variable; the parser's ValueError says what was expected, and nothing else."""
        text = self._environ.get(PREFIX + name, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except ValueError as error:
            self.faults.append(f"{PREFIX}{name}: {error}")
            return default

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """One of a few words; the first is the default."""

        def parse(text: str) -> str:
            if text not in allowed:
                raise ValueError(f"must be one of {', '.join(allowed)}")
            return text

        return self.read(name, parse, allowed[0])

    def whole(self, name: str, default: int, *, high: int) -> int:
        """A whole number from 1."""

        def parse(text: str) -> int:
            if not (text.isascii() and text.isdigit() and 1 <= int(text[:12]) <= high):
                raise ValueError(f"must be a whole number from 1 to {high}")
            return int(text)

        return self.read(name, parse, default)

    def clients(self) -> tuple[Client, ...]:
        """The clients that the file names; without a file there is none."""
        path = self.read("CLIENTS", Path, None)
        return () if path is None else read_clients(path, name=f"{PREFIX}CLIENTS", faults=self.faults)

    def site(self) -> SiteFile:
        """What the site's file says; without a file, what the defaults say."""
        path = self.read("SITE", Path, None)
        return SiteFile() if path is None else read_site(path, name=f"{PREFIX}SITE", faults=self.faults)


def _is_loopback_url(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname or "")


def _base_url(text: str) -> str:
    url = text.rstrip("/")
    origin = origin_of(url)
    if origin is None or "?" in url or "#" in url:
        raise ValueError("must be an http or https address without query or fragment")
    if origin.startswith("http://") and not _is_loopback_url(url):
        raise ValueError("must be https, unless it is a loopback address")
    return url


def _database_url(text: str) -> str:
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError("must be a database address like sqlite:///chartside.db") from None
    kind = url.get_backend_name()
    if kind not in {"sqlite", "postgresql"}:
        raise ValueError("must be sqlite or postgresql")
    if kind == "sqlite" and url.database in {None, "", ":memory:"}:
        raise ValueError("must name a file: a journal in memory is no journal")
    if url.password is not None or not _SECRETS.isdisjoint(url.query):
        raise ValueError("must hold no password: passfile= names libpq's password file")
    return text


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise ValueError("there is no such directory")
    return path


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ValueError("there is no such file")
    return path


def _proxy(text: str) -> str:
    try:
        proxy = Base.parse(text)
    except BadAddress:
        proxy = None
    if proxy is None or proxy.scheme != "http" or proxy.path:
        raise ValueError("must be the http address of a proxy: host and port, with no name, password or path")
    return text


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(","))
    except ValueError:
        raise ValueError("must be addresses or networks, separated by commas") from None


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a time like 2024-05-01T12:00:00Z") from None
    if instant.tzinfo is None:
        raise ValueError("must have a time zone, like 2024-05-01T12:00:00Z")
    return instant
