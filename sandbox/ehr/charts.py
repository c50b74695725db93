"""Where the EHR's charts come from: its own memory, or a FHIR server elsewhere."""

from http import HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import requests

from sandbox.ehr.errors import Refused
from sandbox.ehr.store import Resource

_TIMEOUT_SECONDS: Final = 20
_MOST_PAGES: Final = 20


class Charts(Protocol):
    """A source of charts; `base` is what a CDS service is told as `fhirServer`."""

    base: str

    def ask(self, relative: str, *, page_size: int | None = None) -> Resource:
        """Answer a relative read or search with its first page, or raise Refused."""
        ...

    def whole(self, relative: str) -> Resource:
        """Answer a relative search with all its pages in one Bundle."""
        ...


class RemoteCharts:
    """The charts of an open FHIR server elsewhere; nothing is ever written to it."""

    def __init__(self, base: str, http: requests.Session) -> None:
        self.base = base.rstrip("/")
        self._http = http

    def ask(self, relative: str, *, page_size: int | None = None) -> Resource:
        """Send the read or search as it stands."""
        joint = "&" if "?" in relative else "?"
        return self._get(f"{self.base}/{relative}{f'{joint}_count={page_size}' if page_size else ''}")

    def whole(self, relative: str) -> Resource:
        """Follow `next` links, as long as they stay on the server and within a bound."""
        first = page = self.ask(relative)
        entries: list[Any] = list(page.get("entry", ()))
        for _ in range(_MOST_PAGES):
            following = [link["url"] for link in page.get("link", ()) if link.get("relation") == "next"]
            if not following or urlsplit(following[0]).netloc != urlsplit(self.base).netloc:
                break
            page = self._get(following[0])
            entries.extend(page.get("entry", ()))
        links = [link for link in first.get("link", ()) if link.get("relation") != "next"]
        return {**first, "link": links, "entry": entries} if first["resourceType"] == "Bundle" else first

    def _get(self, url: str) -> Resource:
        try:
            answer = self._http.get(url, headers={"Accept": "application/fhir+json"}, timeout=_TIMEOUT_SECONDS)
        except requests.RequestException as error:
            raise Refused(503, "transient", "The FHIR server cannot be reached.") from error
        if answer.status_code != HTTPStatus.OK:
            raise Refused(answer.status_code, "processing", "The FHIR server refused.")
        try:
            found = answer.json()
        except requests.exceptions.JSONDecodeError as error:
            raise Refused(502, "structure", "The FHIR server did not answer with JSON.") from error
        if not isinstance(found, dict) or "resourceType" not in found:
            raise Refused(502, "structure", "The FHIR server did not answer with a resource.")
        return found
