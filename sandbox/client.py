"""The CDS client of the sandbox EHR: it discovers, prefetches, calls, and reports what became of the cards."""

import re
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, Literal
from urllib.parse import quote

import orjson
import requests

from sandbox.choices import Prefetching, TokenState
from sandbox.ehr.access import Grant, Grants, Health
from sandbox.ehr.charts import Charts
from sandbox.ehr.errors import Refused, outcome
from sandbox.ehr.store import Resource
from sandbox.signing import Headers, Sign, token_in, unsigned

_SMALL_PAGE: Final = 3
_TIMEOUT_SECONDS: Final = 30
_EXPIRES_IN_SECONDS: Final = 300
_REFUSALS: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_TOKEN: Final = re.compile(r"\{\{\s*([^}]*?)\s*\}\}")
# The hooks that this EHR fires, and what each needs beside the chart.
Need = Literal["nothing", "encounter", "drafts", "allergy"]
HOOKS: Final[Mapping[str, Need]] = {
    "patient-view": "nothing",
    "encounter-start": "encounter",
    "encounter-discharge": "encounter",
    "order-select": "drafts",
    "order-sign": "drafts",
    "allergyintolerance-create": "allergy",
}
_USER_TOKENS: Final = {
    "Practitioner": "userPractitionerId",
    "PractitionerRole": "userPractitionerRoleId",
    "Patient": "userPatientId",
    "RelatedPerson": "userRelatedPersonId",
}

_JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}


class NoServices(Exception):
    """The CDS service's discovery gave nothing to call; the message says why."""


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """One entry of discovery."""

    id: str
    hook: str
    title: str
    description: str
    prefetch: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong on the EHR's side of a call."""

    prefetch: Prefetching = "complete"
    without: tuple[str, ...] = ()
    server: Health = "well"
    token: TokenState = "good"  # noqa: S105 - how a token is, not one


@dataclass(frozen=True, slots=True)
class Entered:
    """What is typed in and not in the chart: draft orders, which of them were just picked, an entry of an allergy."""

    drafts: tuple[Resource, ...] = ()
    picked: tuple[str, ...] = ()
    allergy: Resource | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """Who opens whose chart, in which encounter, and what was entered."""

    patient: str
    user: str
    encounter: str | None = None
    entered: Entered = Entered()

    def context(self) -> dict[str, str]:
        """Write the part of the context that all hooks share."""
        context = {"userId": self.user, "patientId": self.patient}
        return context if self.encounter is None else {**context, "encounterId": self.encounter}

    def context_of(self, hook: str) -> dict[str, Any]:
        """Write the whole context of a hook."""
        context: dict[str, Any] = self.context()
        if HOOKS[hook] == "drafts":
            entries = [{"resource": draft} for draft in self.entered.drafts]
            context["draftOrders"] = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        if hook == "order-select":
            context["selections"] = list(self.entered.picked)
        if HOOKS[hook] == "allergy":
            context["allergyIntolerance"] = self.entered.allergy
        return context


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it went over the wire, and what came back."""

    id: str
    service: ServiceEntry
    request: dict[str, Any]
    status: int | None
    response: Any
    problem: str | None
    milliseconds: float
    token: dict[str, Any] | None = None

    @property
    def cards(self) -> list[dict[str, Any]]:
        """The cards of a good answer."""
        found = self.response.get("cards") if self.status == HTTPStatus.OK and isinstance(self.response, dict) else None
        return [card for card in found if isinstance(card, dict)] if isinstance(found, list) else []


class CdsClient:
    """Calls the CDS service at `base` about the charts of one EHR."""

    def __init__(
        self,
        base: str,
        charts: Charts,
        grants: Grants | None,
        *,
        http: requests.Session,
        sign: Sign = unsigned,
    ) -> None:
        self.base = base.rstrip("/").removesuffix("/cds-services")
        self._charts = charts
        self._grants = grants
        self._http = http
        self._sign = sign

    def discover(self) -> list[ServiceEntry]:
        """Read the service's discovery, or raise NoServices."""
        url = f"{self.base}/cds-services"
        try:
            headers = self._sign({"Accept": "application/json"}, url, "good")
            answer = self._http.get(url, headers=headers, timeout=_TIMEOUT_SECONDS)
            if answer.status_code in _REFUSALS:
                raise NoServices(f"discovery was refused with {answer.status_code}: the service does not know this EHR")
            answer.raise_for_status()
            return [_entry(entry) for entry in orjson.loads(answer.content)["services"]]
        except requests.RequestException as error:
            raise NoServices("discovery could not be read") from error
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise NoServices("discovery is not what CDS Hooks describes") from error

    def call(self, service: ServiceEntry, moment: Moment, faults: Faults = Faults()) -> Call:
        """Fire the service's hook once; a failure is part of the result."""
        token = self._grants.issue(Grant(moment.patient, faults.server)) if self._grants else None
        try:
            request = self._request(service, moment, faults, token)
            return self._post(service, request, faults.token)
        finally:
            if token is not None and self._grants is not None:
                self._grants.revoke(token)

    def _request(self, service: ServiceEntry, moment: Moment, faults: Faults, token: str | None) -> dict[str, Any]:
        request: dict[str, Any] = {
            "hook": service.hook,
            "hookInstance": str(uuid.uuid4()),
            "context": moment.context_of(service.hook),
        }
        if faults.server != "absent":
            request["fhirServer"] = self._charts.base
            if token is not None:
                request["fhirAuthorization"] = _authorization(token, moment.patient)
        prefetch = self._prefetch(service, moment, faults)
        return {**request, "prefetch": prefetch} if prefetch else request

    def _prefetch(self, service: ServiceEntry, moment: Moment, faults: Faults) -> dict[str, Any]:
        if faults.prefetch == "none":
            return {}
        keys = [key for key in service.prefetch if key not in faults.without]
        if faults.prefetch == "partial":
            keys = keys[::2]
        prefetch: dict[str, Any] = {}
        for key in keys:
            relative = expanded(service.prefetch[key], moment)
            # A template with a token that has no value here cannot be honoured: the key is left out.
            if relative is not None:
                prefetch[key] = self._prefetched(relative, faults)
        return prefetch

    def _prefetched(self, relative: str, faults: Faults) -> Resource | None:
        if faults.prefetch == "failing":
            return outcome("transient", "The EHR could not read this.")
        try:
            if faults.prefetch == "paged":
                return self._charts.ask(relative, page_size=_SMALL_PAGE if "?" in relative else None)
            # Where the template sets a page size, the answer is that page and a link; else everything.
            return self._charts.ask(relative) if _has_page_size(relative) else self._charts.whole(relative)
        except Refused as refused:
            return None if refused.status in (404, 410) else refused.outcome()

    def _post(self, service: ServiceEntry, request: dict[str, Any], state: TokenState) -> Call:
        url = f"{self.base}/cds-services/{quote(service.id, safe='')}"
        body = orjson.dumps(request)
        headers = self._sign(_JSON, url, state)
        status, response, problem = None, None, None
        started = time.perf_counter()
        try:
            if state == "replayed":
                # What somebody who listens could do: the same request again. The second answer is the one to show.
                self._send(url, body, headers)
            answer = self._send(url, body, headers)
            status, response = answer.status_code, orjson.loads(answer.content)
        except requests.RequestException:
            problem = "the CDS service could not be reached"
        except orjson.JSONDecodeError:
            problem = "the answer is not JSON"
        milliseconds = (time.perf_counter() - started) * 1000
        token = token_in(headers)
        return Call(str(uuid.uuid4()), service, request, status, response, problem, milliseconds, token)

    def _send(self, url: str, body: bytes, headers: Headers) -> requests.Response:
        return self._http.post(url, data=body, headers=headers, timeout=_TIMEOUT_SECONDS)

    def accepted(self, service: str, card: str, suggestions: Sequence[str], at: datetime) -> tuple[int, Any]:
        """Report that suggestions of a card were accepted."""
        accepted = [{"id": suggestion} for suggestion in suggestions]
        return self._feedback(service, {"card": card, "outcome": "accepted", "acceptedSuggestions": accepted}, at)

    def overridden(
        self,
        service: str,
        card: str,
        at: datetime,
        *,
        reason: Mapping[str, str] | None,
        comment: str | None,
    ) -> tuple[int, Any]:
        """Report that a card was overridden, with a reason, a comment, both or neither."""
        why: dict[str, Any] = {}
        if reason is not None:
            why["reason"] = dict(reason)
        if comment:
            why["userComment"] = comment
        entry: dict[str, Any] = {"card": card, "outcome": "overridden"}
        return self._feedback(service, {**entry, "overrideReason": why} if why else entry, at)

    def _feedback(self, service: str, entry: dict[str, Any], at: datetime) -> tuple[int, Any]:
        url = f"{self.base}/cds-services/{quote(service, safe='')}/feedback"
        stamp = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        body = orjson.dumps({"feedback": [{**entry, "outcomeTimestamp": stamp}]})
        try:
            answer = self._send(url, body, self._sign(_JSON, url, "good"))
            return answer.status_code, orjson.loads(answer.content or b"null")
        except requests.RequestException:
            return 0, None
        except orjson.JSONDecodeError:
            return answer.status_code, None


def _entry(entry: Mapping[str, Any]) -> ServiceEntry:
    return ServiceEntry(
        id=entry["id"],
        hook=entry["hook"],
        title=entry.get("title", entry["id"]),
        description=entry["description"],
        prefetch=entry.get("prefetch", {}),
    )


def _authorization(token: str, patient: str) -> dict[str, Any]:
    return {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": _EXPIRES_IN_SECONDS,
        "scope": "patient/*.rs",
        "subject": "cds-service",
        "patient": patient,
    }


def _has_page_size(relative: str) -> bool:
    return "_count=" in relative


def expanded(template: str, moment: Moment) -> str | None:
    """Put the context's and the user's values into a template; None when one of its tokens has no value."""
    values = {f"context.{name}": value for name, value in moment.context().items()}
    kind, _, identity = moment.user.partition("/")
    if kind in _USER_TOKENS:
        values[_USER_TOKENS[kind]] = identity
    names = _TOKEN.findall(template)
    if any(name not in values for name in names):
        return None
    # A user id is a reference: its slash is part of the path that it expands to.
    return _TOKEN.sub(lambda found: quote(values[found.group(1)], safe="/"), template)
