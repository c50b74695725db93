"""One question under way: its requests, the pages that follow, and at every moment what has come of it."""

from collections.abc import Iterable, Iterator
from typing import Protocol
from urllib.parse import quote, urlencode

from fhir_client.answers import Answer, missing
from fhir_client.batching import Entry
from fhir_client.dialogue import Dialogue, read_path
from fhir_client.errors import BadResource, FhirError, NotFound, Reason
from fhir_client.questions import Continue, Find, Question, Read, split
from fhir_client.replies import answer_to_read, first_page_in, one_in


class Work(Protocol):
    """What a thread of a server does; where it is not begun, it is given up."""

    def run(self) -> None:
        """Do it; what the server does to us is no error."""

    def give_up(self, reason: Reason) -> None:
        """Let what has come be all there is."""


class Inquiry:
    """A question and what has come of it; `answer` may be looked at while it runs."""

    def __init__(self, dialogue: Dialogue, question: Question) -> None:
        self._dialogue = dialogue
        self._question = question
        self._so_far: Answer | None = None
        self._gap: Answer | None = missing(Reason.NO_ANSWER)

    @property
    def answer(self) -> Answer:
        """Give all that has come, and why not more."""
        parts = [part for part in (self._so_far, self._gap) if part is not None]
        return parts[0].joined(parts[1]) if len(parts) > 1 else parts[0]

    @property
    def is_done(self) -> bool:
        """Tell whether there is nothing left to ask."""
        return self._gap is None

    def run(self) -> None:
        """Ask until nothing is left to ask, or no use is in asking."""
        try:
            for part in self._parts():
                self._so_far = part if self._so_far is None else self._so_far.joined(part)
            self._gap = None
        except FhirError as error:
            self._gap = missing(error.reason)

    def give_up(self, reason: Reason) -> None:
        """Let what has come be all there is."""
        self._gap = missing(reason)

    # ---- as an entry of a batch

    @property
    def batch_url(self) -> str | None:
        """Give the URL of its first request, relative to the base; None if it is not one that a batch may hold."""
        target = self._read_target
        if target is not None:
            return read_path(*target)
        if isinstance(self._question, Find):
            path, parameters = self._question.search.query(self._question.patient_id)
            if len(list(split(parameters, self._dialogue.limits.list_characters))) == 1:
                return f"{path}?{urlencode(self._dialogue.named(path, parameters), quote_via=quote, safe='')}"
        return None

    def take(self, entry: Entry) -> None:
        """Read what a batch holds for it; of a search this is the first page (FHIR-57)."""
        try:
            self._so_far = self._taken(entry)
            self._gap = None if self._so_far.next_link is None else self._gap
        except FhirError as error:
            self.end(error.reason)

    def end(self, reason: Reason) -> None:
        """Ask no more: there will be no answer."""
        self._so_far, self._gap = missing(reason), None

    def _taken(self, entry: Entry) -> Answer:
        match self._question:
            case Find(search, patient_id) if not search.is_read:
                path, parameters = search.query(patient_id)
                return first_page_in(entry.found, path, self._dialogue.named(path, parameters))
        return answer_to_read(lambda: one_in(entry.found, *self._target(), etag=entry.etag))

    # ----

    @property
    def _read_target(self) -> tuple[str, str] | None:
        """Give type and id of what is read, None if it is a search, or lies elsewhere."""
        match self._question:
            case Read(reference):
                return self._dialogue.base.reference(reference)
            case Find(search, patient_id) if search.is_read:
                return search.resource_type, patient_id
        return None

    def _target(self) -> tuple[str, str]:
        target = self._read_target
        if target is None:
            raise NotFound(Reason.ABSENT)
        return target

    def _parts(self) -> Iterator[Answer]:
        seen: set[str] = set()
        if self._so_far is not None:  # its first page came in a batch
            yield from self._following(self._so_far, seen)
            return
        match self._question:
            case Continue(link):
                yield from self._pages(self._dialogue.page(link, seen=seen), seen)
            case Find(search, patient_id) if not search.is_read:
                path, parameters = search.query(patient_id)
                for part in split(parameters, self._dialogue.limits.list_characters):
                    yield from self._pages(self._dialogue.search(path, part), seen)
            case _:
                yield answer_to_read(lambda: self._dialogue.read(*self._target()))

    def _pages(self, first: Answer, seen: set[str]) -> Iterator[Answer]:
        yield first
        yield from self._following(first, seen)

    def _following(self, page: Answer, seen: set[str]) -> Iterator[Answer]:
        limits, pages, entries = self._dialogue.limits, 1, len(page.resources)
        while page.next_link is not None:
            if pages >= limits.pages or entries >= limits.entries:
                raise BadResource(Reason.TOO_MANY_PAGES)
            page = self._dialogue.page(page.next_link, seen=seen)
            pages, entries = pages + 1, entries + len(page.resources)
            yield page


class Batch:
    """The first requests of several inquiries as one.

    `members` are those that a batch may hold; they stay open where the server takes none, or where more pages follow.
    """

    def __init__(self, dialogue: Dialogue, inquiries: Iterable[Inquiry]) -> None:
        self._dialogue = dialogue
        urls = [(inquiry, inquiry.batch_url) for inquiry in inquiries]
        self.members = [inquiry for inquiry, url in urls if url is not None]
        self.others = [inquiry for inquiry, url in urls if url is None]
        self._urls = [url for _, url in urls if url is not None]

    def run(self) -> None:
        """Send it, and give each member its entry."""
        try:
            entries = self._dialogue.batch(self._urls)
        except FhirError as error:
            self.give_up(error.reason)
            return
        for inquiry, entry in zip(self.members, entries or (), strict=False):
            inquiry.take(entry)

    def give_up(self, reason: Reason) -> None:
        """Let no member have an answer."""
        for inquiry in self.members:
            inquiry.end(reason)
