"""Proves the connection to a CDS client from this side: its keys, its FHIR servers, the clocks, and our own door.

Nothing of a patient's is asked for, and nothing that a server sends is repeated but a version number.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from ipaddress import ip_network
from typing import Any
from uuid import uuid4

import orjson

from cds_hooks.web.authentication import LEEWAY_SECONDS
from cds_hooks.web.clients import Client
from cds_hooks.web.key_sets import fetching_by, read_key_file
from cds_hooks.web.public_keys import Key, KeysUnavailable, usable_keys
from fhir_client.addresses import BadAddress, Base, BoundToken, Reach, called
from fhir_client.errors import AddressRefused, FhirError
from fhir_client.questions import Deadline, Limits
from fhir_client.transport import Reply, Transport

PATIENCE_SECONDS = 10.0
_OK, _UNAUTHORIZED = 200, 401
_LIMITS = Limits(page_bytes=4 * 1024 * 1024)  # some capability statements are megabytes long
_VERSION = re.compile(r"\d{1,2}\.\d{1,2}\.\d{1,2}(?:-[a-z0-9]{1,12})?")
_JSON = "application/json"
# Our own service lies where the operator says, behind whatever name and network.
_ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))

Sign = Callable[[str], str]


class Verdict(StrEnum):
    """What a check has found."""

    OK = "ok"
    NOTE = "note"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check and what came of it."""

    verdict: Verdict
    words: str

    def __str__(self) -> str:
        return f"{self.verdict.value:6} {self.words}"


@dataclass(slots=True)
class Prover:
    """Makes the checks, one request at a time."""

    client: Client
    transport: Transport
    now: Callable[[], datetime]
    reach: Reach = field(init=False)

    def __post_init__(self) -> None:
        """Reach what the client's entry lets its calls reach, and nothing more."""
        self.reach = Reach(self.client.private_networks, self.client.test_hosts)

    def keys(self) -> Iterator[Finding]:
        """Check that the key set can be had and holds a key that may be used."""
        try:
            body, headers = self._key_set()
            keys = usable_keys(body)
        except KeysUnavailable as error:
            why = f": {_words(error.__cause__)}" if isinstance(error.__cause__, FhirError) else ""
            yield Finding(Verdict.FAILED, f"keys: {error}{why}")
            return
        fitting = [key for key in keys.values() if key.algorithms & set(self.client.algorithms)]
        for key in keys.values():
            yield self._key(key)
        left_out = _listed(body) - len(keys)
        if left_out:
            yield Finding(Verdict.NOTE, f"keys: {left_out} of the set are left out: weak, private, or of one id")
        if not fitting:
            yield Finding(Verdict.FAILED, f"keys: none for {', '.join(self.client.algorithms)}")
        yield from self._clock("keys", headers)

    def fhir_servers(self) -> Iterator[Finding]:
        """Check that each FHIR server can be reached and says what it is."""
        if not self.client.fhir_servers:
            yield Finding(Verdict.NOTE, "FHIR: no server is listed: prefetch only")
        for server in sorted(self.client.fhir_servers):
            yield from self._fhir_server(server)

    def door(self, discovery: str, sign: Sign | None) -> Iterator[Finding]:
        """Check our own service as the client sees it: who has no token is refused, who has one is answered."""
        try:
            base = Base.parse(discovery)
        except BadAddress:
            yield Finding(Verdict.FAILED, "service: discovery must be an address that ends with /cds-services")
            return
        ours = Reach(_ANYWHERE, frozenset({base.origin}))
        services: list[dict[str, Any]] = []
        for finding, found in self._discovery(discovery, ours, sign):
            services = found or services
            yield finding
        service = next((entry for entry in services if self._may_try(entry)), None)
        if service is None:
            yield Finding(Verdict.FAILED, "service: no service of the client's answers patient-view")
            return
        url = f"{discovery.rstrip('/')}/{service['id']}"
        body = orjson.dumps(_synthetic_call(service))
        yield self._expected("a call without a token", self._ask("POST", url, ours, body=body), _UNAUTHORIZED)
        if sign is not None:
            yield self._expected("a signed call", self._ask("POST", url, ours, sign(url), body), _OK)

    def _key_set(self) -> tuple[bytes, Mapping[str, str]]:
        if self.client.jwks_url is None:
            return read_key_file(self.client), {}
        return fetching_by(self.transport, time.monotonic)(self.client.jwks_url, self.client)

    def _key(self, key: Key) -> Finding:
        used = key.algorithms & set(self.client.algorithms)
        kid = key.kid if key.kid.isprintable() else "an id that cannot be printed"
        if used:
            return Finding(Verdict.OK, f"keys: {kid}: {', '.join(sorted(used))}")
        return Finding(Verdict.NOTE, f"keys: {kid}: only {', '.join(sorted(key.algorithms))}, not on the client's list")

    def _fhir_server(self, server: str) -> Iterator[Finding]:
        reply = self._ask("GET", Base.parse(server).url("metadata"), self.reach, accept="application/fhir+json")
        if isinstance(reply, str):
            yield Finding(Verdict.FAILED, f"FHIR: {server}: {reply}")
            return
        version = _member(reply.body, "fhirVersion")
        if reply.status != _OK:
            yield Finding(Verdict.FAILED, f"FHIR: {server}: /metadata is answered {reply.status}")
        elif not isinstance(version, str) or not _VERSION.fullmatch(version):
            yield Finding(Verdict.FAILED, f"FHIR: {server}: /metadata is no capability statement")
        elif not version.startswith("4."):
            yield Finding(Verdict.FAILED, f"FHIR: {server}: speaks FHIR {version}, not R4")
        else:
            yield Finding(Verdict.OK, f"FHIR: {server}: speaks FHIR {version}")
        yield from self._clock(f"FHIR: {server}", reply.headers)

    def _clock(self, what: str, headers: Mapping[str, str]) -> Iterator[Finding]:
        """Tokens live minutes: clocks that differ by more than the leeway make every one of them too old or too new."""
        try:
            theirs = parsedate_to_datetime(headers["Date"])
            seconds = round((theirs - self.now()).total_seconds())
        except (KeyError, ValueError, TypeError):
            return
        if abs(seconds) > LEEWAY_SECONDS:
            yield Finding(Verdict.FAILED, f"{what}: its clock is {seconds:+d} s from ours")
        else:
            yield Finding(Verdict.OK, f"{what}: its clock is {seconds:+d} s from ours")

    def _discovery(
        self, discovery: str, ours: Reach, sign: Sign | None
    ) -> Iterator[tuple[Finding, list[dict[str, Any]]]]:
        for what, token in (("without a token", None), ("signed", None if sign is None else sign(discovery))):
            if what == "signed" and token is None:
                return
            reply = self._ask("GET", discovery, ours, token)
            listed = [] if isinstance(reply, str) else _member(reply.body, "services")
            services = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
            if not isinstance(reply, str) and reply.status == _UNAUTHORIZED and token is None:
                yield Finding(Verdict.OK, "service: discovery without a token is refused"), []
            else:
                yield self._expected(f"discovery {what}", reply, _OK), services

    def _may_try(self, entry: Mapping[str, Any]) -> bool:
        name = entry.get("id")
        return entry.get("hook") == "patient-view" and isinstance(name, str) and self.client.may_use(name)

    def _ask(
        self,
        method: str,
        url: str,
        reach: Reach,
        token: str | None = None,
        body: bytes | None = None,
        accept: str = _JSON,
    ) -> Reply | str:
        """Give the answer, or in our words why there is none."""
        headers = {"Accept": accept} if body is None else {"Accept": accept, "Content-Type": _JSON}
        try:
            bound = None if token is None else BoundToken(token, called(url)[0])
            return self.transport.exchange(
                method,
                url,
                headers=headers,
                token=bound,
                body=body,
                reach=reach,
                limits=_LIMITS,
                deadline=Deadline.after(PATIENCE_SECONDS, time.monotonic),
            )
        except FhirError as error:
            return _words(error)

    @staticmethod
    def _expected(what: str, reply: Reply | str, status: int) -> Finding:
        if isinstance(reply, str):
            return Finding(Verdict.FAILED, f"service: {what}: {reply}")
        if reply.status != status:
            return Finding(Verdict.FAILED, f"service: {what} is answered {reply.status}, not {status}")
        return Finding(Verdict.OK, f"service: {what} is answered {status}")


def _words(error: FhirError) -> str:
    """Say why there is no answer. What is asked is not always a FHIR server; and the operator may know the address."""
    if isinstance(error, AddressRefused):
        return f"its address is not called: {error.why}"
    return str(error).replace("the FHIR server", "the server")


def _member(body: bytes, name: str) -> object:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return found.get(name) if isinstance(found, dict) else None


def _listed(body: bytes) -> int:
    listed = _member(body, "keys")
    return len(listed) if isinstance(listed, list) else 0


def _synthetic_call(service: Mapping[str, Any]) -> dict[str, Any]:
    """Build a call about nobody: a made-up patient of whom nothing else is known."""
    templates = service.get("prefetch")
    keys = templates if isinstance(templates, dict) else {}
    patient = {
        "resourceType": "Patient",
        "id": "synthetic",
        "gender": "female",
        "birthDate": "1960-06-02",
        "name": [{"family": "Synthetic", "given": ["Connection test"]}],
    }
    prefetch = {key: patient if template == "Patient/{{context.patientId}}" else None for key, template in keys.items()}
    return {
        "hook": "patient-view",
        "hookInstance": str(uuid4()),
        "context": {"userId": "Practitioner/synthetic", "patientId": "synthetic"},
        "prefetch": prefetch,
    }
