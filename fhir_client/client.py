"""Asks a FHIR server: reads, searches and their further pages, in parallel, within one deadline. Never writes."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self
from urllib.parse import quote

import orjson

from fhir_client.addresses import BadAddress, Base, BoundToken, Reach
from fhir_client.answers import Answer, missing, page_of
from fhir_client.elements import Resource
from fhir_client.errors import BadResource, FhirError, NotFound, Reason, Refused, error_of
from fhir_client.questions import USUAL, Continue, Deadline, Find, Limits, Parameters, Question, Read, split
from fhir_client.transport import OnRefused, Reply, Transport

_POST_SEARCH_UNSUPPORTED = frozenset({404, 405, 415, 501})  # FHIR-47
_ACCEPT = "application/fhir+json, application/json;q=0.9"


class Connections:
    """The open connections to FHIR servers; made once, shared by all calls, which share nothing else."""

    def __init__(
        self,
        *,
        ca_file: Path | None = None,
        https_proxy: str | None = None,
        limits: Limits = USUAL,
        user_agent: str = "chartside",
        on_refused: OnRefused | None = None,
        transport: Transport | None = None,
    ) -> None:
        """Open nothing yet: a connection is made when a server is first asked.

        `on_refused` is told host and reason of every address that was refused (FHIR-80).
        """
        self._transport = transport or Transport(ca_file=ca_file, https_proxy=https_proxy, on_refused=on_refused)
        self._limits = limits
        self._headers = {"Accept": _ACCEPT, "User-Agent": user_agent}
        self._servers: dict[str, _Server] = {}
        self._lock = Lock()

    def client(
        self, base: Base, *, token: str | None, deadline: Deadline, request_id: str, reach: Reach | None = None
    ) -> "FhirClient":
        """Give the client of one call: `base` is trusted, the token was issued for it, both end with the call.

        `reach` is where its addresses may lead; without it, to public https servers only.
        """
        with self._lock:
            server = self._servers.get(base.origin)
            if server is None:
                server = self._servers[base.origin] = _Server(self._transport, self._limits)
        bound = None if token is None else BoundToken(token, base)
        headers = {**self._headers, "X-Request-Id": request_id}
        return FhirClient(server, base, headers=headers, token=bound, reach=reach or Reach(), deadline=deadline)

    def close(self) -> None:
        """Close every connection; requests under way are not waited for."""
        with self._lock:
            servers, self._servers = self._servers, {}
        for server in servers.values():
            server.close()
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class FhirClient:
    """One server, asked within one call, with that call's token and deadline."""

    def __init__(
        self,
        server: "_Server",
        base: Base,
        *,
        headers: Mapping[str, str],
        token: BoundToken | None,
        reach: Reach,
        deadline: Deadline,
    ) -> None:
        """Use `Connections.client`."""
        self._server = server
        self._base = base
        self._headers = headers
        self._token = token
        self._reach = reach
        self._deadline = deadline

    def __repr__(self) -> str:
        return f"FhirClient(token={'none' if self._token is None else 'given'})"

    def ask(self, questions: Mapping[str, Question]) -> Mapping[str, Answer]:
        """Ask all at once and answer all by the deadline, with whatever has come by then (FHIR-5)."""
        inquiries = {key: _Inquiry(self, question) for key, question in questions.items()}
        futures = [self._server.executor.submit(inquiry.run) for inquiry in inquiries.values()]
        answered, late = wait(futures, timeout=self._deadline.remaining)
        for future in late:
            future.cancel()
        for future in answered:
            future.result()  # raises errors of ours; those of the server are answers
        return {key: inquiry.answer for key, inquiry in inquiries.items()}

    def local(self, reference: str) -> str | None:
        """Give `Type/id` of a reference that this server resolves, None of one that leads elsewhere (FHIR-35)."""
        target = self._base.reference(reference)
        return None if target is None else "/".join(target)

    def read(self, reference: str) -> Resource:
        """Read one resource by its reference.

        Raises:
            FhirError: the server has no such resource, or it cannot be had.
        """
        target = self._base.reference(reference)
        if target is None:
            raise NotFound(Reason.ABSENT)
        return self.read_by_id(*target)

    def read_by_id(self, resource_type: str, resource_id: str) -> Resource:
        """Read one resource and check that it is the one (FHIR-51).

        Raises:
            FhirError: the server has no such resource, or it cannot be had.
        """
        resource = _resource(self._exchange("GET", self._url(f"{resource_type}/{quote(resource_id, safe='')}")))
        if (resource["resourceType"], resource.get("id")) != (resource_type, resource_id):
            raise BadResource(Reason.NOT_ASKED_FOR)
        return resource

    def search(self, path: str, parameters: Parameters) -> Answer:
        """Give the first page, asked by POST to keep identifiers out of access logs, or by GET (FHIR-47).

        Raises:
            FhirError: the server gave no searchset.
        """
        if self._server.searches_by_post:
            reply = self._exchange("POST", self._url(f"{path}/_search"), form=parameters)
            if reply.status not in _POST_SEARCH_UNSUPPORTED:
                return _first_page(reply, path)
        reply = self._exchange("GET", self._url(path, parameters))
        if reply.status not in _POST_SEARCH_UNSUPPORTED:
            self._server.searches_by_post = False
        return _first_page(reply, path)

    def page(self, link: str, *, seen: set[str]) -> Answer:
        """Follow a `next` link as it stands, beneath this base only, and only once (FHIR-41 to FHIR-43).

        Raises:
            FhirError: the link may not be followed, or led to no searchset.
        """
        url = self._base.page(link)
        if url is None:
            raise BadResource(Reason.FOREIGN_PAGE)
        if url in seen:
            raise BadResource(Reason.REPEATED_PAGE)
        seen.add(url)
        return _page(self._exchange("GET", url))

    @property
    def limits(self) -> Limits:
        """Give how much one answer may be."""
        return self._server.limits

    def _url(self, path: str, parameters: Parameters = ()) -> str:
        try:
            return self._base.url(path, parameters)
        except BadAddress as error:
            raise Refused(Reason.REJECTED) from error

    def _exchange(self, method: str, url: str, *, form: Parameters = ()) -> Reply:
        return self._server.transport.exchange(
            method,
            url,
            headers=self._headers,
            token=self._token,
            form=form,
            reach=self._reach,
            limits=self._server.limits,
            deadline=self._deadline,
        )


class _Inquiry:
    """One question under way; `answer` is at every moment what has come of it."""

    def __init__(self, client: FhirClient, question: Question) -> None:
        self._client = client
        self._question = question
        self._so_far: Answer | None = None
        self._gap: Answer | None = missing(Reason.NO_ANSWER)

    @property
    def answer(self) -> Answer:
        parts = [part for part in (self._so_far, self._gap) if part is not None]
        return parts[0].joined(parts[1]) if len(parts) > 1 else parts[0]

    def run(self) -> None:
        """Ask until nothing is left to ask, or no use is in asking."""
        try:
            for part in self._parts():
                self._so_far = part if self._so_far is None else self._so_far.joined(part)
            self._gap = None
        except FhirError as error:
            self._gap = missing(error.reason)

    def _parts(self) -> Iterator[Answer]:
        seen: set[str] = set()
        match self._question:
            case Read(reference):
                yield _read(lambda: self._client.read(reference))
            case Find(search, patient_id) if search.is_read:
                yield _read(lambda: self._client.read_by_id(search.resource_type, patient_id))
            case Find(search, patient_id):
                path, parameters = search.query(patient_id)
                for part in split(parameters, self._client.limits.list_characters):
                    yield from self._pages(self._client.search(path, part), seen)
            case Continue(link):
                yield from self._pages(self._client.page(link, seen=seen), seen)

    def _pages(self, page: Answer, seen: set[str]) -> Iterator[Answer]:
        limits, entries = self._client.limits, 0
        for _ in range(limits.pages):
            yield page
            if page.next_link is None:
                return
            entries += len(page.resources)
            if entries >= limits.entries:
                break
            page = self._client.page(page.next_link, seen=seen)
        raise BadResource(Reason.TOO_MANY_PAGES)


class _Server:
    """The threads and the habits of one origin; a slow server holds up its own callers only."""

    def __init__(self, transport: Transport, limits: Limits) -> None:
        self.transport = transport
        self.limits = limits
        self.executor = ThreadPoolExecutor(limits.concurrency, thread_name_prefix="fhir")
        self.searches_by_post = True

    def close(self) -> None:
        self.executor.shutdown(wait=False, cancel_futures=True)


def _resource(reply: Reply) -> Resource:
    """Read the resource of a successful reply; the body of any other is not looked at."""
    error = error_of(reply.status)
    if error is not None:
        raise error
    media_type = reply.media_type
    if media_type and not media_type.endswith("json") and "json+" not in media_type:
        raise BadResource(Reason.NOT_FHIR)
    try:
        resource = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        raise BadResource(Reason.NOT_FHIR) from None  # the cause holds the whole body
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        raise BadResource(Reason.NOT_FHIR)
    if resource["resourceType"] == "OperationOutcome":
        raise BadResource(Reason.OUTCOME)
    return resource


def _page(reply: Reply) -> Answer:
    bundle = _resource(reply)
    if bundle["resourceType"] != "Bundle":
        raise BadResource(Reason.NOT_ASKED_FOR)
    return page_of(bundle)


def _first_page(reply: Reply, resource_type: str) -> Answer:
    """Read what a search found; if all of it is of other types, the search was not answered, and nothing is known."""
    answer = _page(reply)
    if answer.resources and all(resource.get("resourceType") != resource_type for resource in answer.resources):
        raise BadResource(Reason.NOT_ASKED_FOR)
    return answer


def _read(read: Callable[[], Resource]) -> Answer:
    try:
        return Answer((read(),))
    except NotFound as error:
        # The server looked: nothing is there, which is an answer. Of a search it would mean that it cannot search.
        return Answer(reason=error.reason)
