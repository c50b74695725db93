"""What one call says to one FHIR server: URLs, headers, one request at a time; and what the server is known to take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from threading import Event
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from fhir_client.addresses import BadAddress, Base
from fhir_client.answers import Answer
from fhir_client.batching import UNSUPPORTED, Entry, batch_of, entries_in
from fhir_client.capabilities import Capabilities
from fhir_client.elements import Resource
from fhir_client.errors import BadResource, Reason, Refused
from fhir_client.questions import Limits, Parameters
from fhir_client.releases import Release
from fhir_client.replies import first_page_in, one_in, page_in, resource_in
from fhir_client.server import Outgoing, Server
from fhir_client.transport import Reply

# FHIR-47. Not 403: that denies this user these data, and to ask again by GET would put the patient into access logs.
_POST_SEARCH_UNSUPPORTED: Final = frozenset({404, 405, 415, 501})
_FHIR_JSON: Final = "application/fhir+json"
ACCEPT: Final = f"{_FHIR_JSON}, application/json;q=0.9"
_NOT_ACCEPTABLE: Final = 406
_NOTHING_KNOWN: Final = Capabilities()
_NO_NAMES: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(slots=True)
class Habits:
    """What one base was found to take, or not: remembered by the process, whoever asks (FHIR-47, FHIR-59, FHIR-12).

    Forgotten after hours (`since`): a server is upgraded, and a gateway that refused a POST once does not for ever.
    """

    since: float
    searches_by_post: bool = True
    takes_batch: bool | None = None
    takes_version: bool = True


@dataclass(frozen=True, slots=True)
class Manners:
    """How a server wants to be spoken to, where that is known of it; by default as the specification says.

    `release` is asked for where a base serves several (FHIR-12). `names` maps `Type.parameter` to the server's own name
    for the search parameter (FHIR-15). `batches` True: reads go as one batch; None: only where they would go out one
    after another, and the server is known to take one. Side by side five reads cost 1.2 times one, as a batch 1.0 to
    4.6 times, for a server may work through its entries in turn (tools/bench_fhir.py).
    """

    release: Release | None = None
    names: Mapping[str, str] = field(default_factory=lambda: _NO_NAMES)
    batches: bool | None = None


USUAL: Final = Manners()


class Dialogue:
    """Asks and reads, within one call. Raises the FhirError of what cannot be had."""

    def __init__(
        self,
        server: Server,
        base: Base,
        *,
        outgoing: Outgoing,
        habits: Habits,
        manners: Manners = USUAL,
        capabilities: Capabilities = _NOTHING_KNOWN,
    ) -> None:
        self.server = server
        self.base = base
        self._outgoing = outgoing
        self._habits = habits
        self._manners = manners
        self._capabilities = capabilities
        self._names = {**capabilities.names, **manners.names}

    def afresh(self) -> "Dialogue":
        """Give the same, to be stopped by itself."""
        return Dialogue(
            self.server,
            self.base,
            outgoing=replace(self._outgoing, stopped=Event()),
            habits=self._habits,
            manners=self._manners,
            capabilities=self._capabilities,
        )

    def stop(self) -> None:
        """Send nothing more."""
        self._outgoing.stopped.set()

    @property
    def has_token(self) -> bool:
        """Tell whether the call came with a token."""
        return self._outgoing.token is not None

    @property
    def limits(self) -> Limits:
        """Give how much one answer may be."""
        return self.server.limits

    @property
    def remaining(self) -> float:
        """Give the seconds that are left of the call."""
        return self._outgoing.deadline.remaining

    def prefers_batch(self, count: int) -> bool:
        """Tell whether so many reads had better go as one batch; never to find out whether batches are taken."""
        known = self._habits.takes_batch
        if known is False or self._manners.batches is False or count < 2:  # noqa: PLR2004 - one read is no batch
            return False
        if self._manners.batches:
            return True
        return self.limits.concurrency == 1 and (self._capabilities.takes_batch if known is None else known)

    def read(self, resource_type: str, resource_id: str) -> Resource:
        """Read one resource and check that it is the one (FHIR-51)."""
        reply = self._exchange("GET", self._url(read_path(resource_type, resource_id)))
        return one_in(resource_in(reply), resource_type, resource_id, etag=reply.headers.get("ETag"))

    def search(self, path: str, parameters: Parameters) -> Answer:
        """Give the first page, asked by POST to keep identifiers out of access logs, or by GET (FHIR-47)."""
        asked = self.named(path, parameters)
        if self._habits.searches_by_post:
            reply = self._exchange("POST", self._url(f"{path}/_search"), form=asked)
            if reply.status not in _POST_SEARCH_UNSUPPORTED:
                return first_page_in(resource_in(reply), path, asked)
        reply = self._exchange("GET", self._url(path, asked))
        if reply.status not in _POST_SEARCH_UNSUPPORTED:
            self._habits.searches_by_post = False
        return first_page_in(resource_in(reply), path, asked)

    def page(self, link: str, *, seen: set[str]) -> Answer:
        """Follow a `next` link as it stands, beneath this base only, and only once (FHIR-41 to FHIR-43)."""
        url = self.base.page(link)
        if url is None:
            raise BadResource(Reason.FOREIGN_PAGE)
        if url in seen:
            raise BadResource(Reason.REPEATED_PAGE)
        seen.add(url)
        return page_in(resource_in(self._exchange("GET", url)))

    def batch(self, urls: list[str]) -> list[Entry] | None:
        """Read them all in one request; None if the server takes no batch after all."""
        reply = self._exchange("POST", str(self.base), body=batch_of(urls))
        if reply.status in UNSUPPORTED:
            self._habits.takes_batch = False
            return None
        bundle = resource_in(reply)
        try:
            entries = entries_in(bundle, len(urls))
        except BadResource:
            self._habits.takes_batch = False
            return None
        self._habits.takes_batch = True
        return entries

    def named(self, resource_type: str, parameters: Parameters) -> Parameters:
        """Give the parameters by the names that this server has for them (FHIR-15)."""
        if not self._names:
            return parameters

        def local(name: str) -> str:
            return self._names.get(f"{resource_type}.{name}", name)

        return tuple((local(name), _sorted(value, local) if name == "_sort" else value) for name, value in parameters)

    def _url(self, path: str, parameters: Parameters = ()) -> str:
        try:
            return self.base.url(path, parameters)
        except BadAddress as error:
            raise Refused(Reason.REJECTED) from error

    def _exchange(self, method: str, url: str, *, form: Parameters = (), body: bytes | None = None) -> Reply:
        release = self._manners.release if self._habits.takes_version else None
        reply = self.server.exchange(method, url, outgoing=self._saying(release, body), form=form, body=body)
        if reply.status == _NOT_ACCEPTABLE and release is not None:
            reply = self.server.exchange(method, url, outgoing=self._saying(None, body), form=form, body=body)
            self._habits.takes_version = reply.status == _NOT_ACCEPTABLE
        return reply

    def _saying(self, release: Release | None, body: bytes | None) -> Outgoing:
        if release is None and body is None:
            return self._outgoing
        headers = dict(self._outgoing.headers)
        if release is not None:
            headers["Accept"] = f"{_FHIR_JSON}; fhirVersion={release}, {_FHIR_JSON};q=0.9, application/json;q=0.8"
        if body is not None:
            headers["Content-Type"] = _FHIR_JSON
        return replace(self._outgoing, headers=headers)


def read_path(resource_type: str, resource_id: str) -> str:
    """Give the path of a resource, beneath the base."""
    return f"{resource_type}/{quote(resource_id, safe='')}"


def _sorted(value: str, local: Callable[[str], str]) -> str:
    """Translate the names in a `_sort`: `-date,code`."""
    fields = value.split(",")
    return ",".join("-" + local(field[1:]) if field.startswith("-") else local(field) for field in fields)
