"""The request of a hook call; the only reader of request JSON.

All faults are found at once and named by path (REQ-16). A lenient reader, the usual one, lets pass what real clients do
wrong without harm and says so in `warnings`; a strict one refuses it. Prefetched resources are not looked into here.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from cds_hooks.errors import Fault, MalformedRequest, WrongHook
from cds_hooks.protocol.contexts import read_context
from cds_hooks.protocol.hooks import Context, Hook, Resource
from cds_hooks.protocol.reading import NOTHING, JsonObject, Members, Problems, is_blank, read_object
from cds_hooks.protocol.references import read_id
from cds_hooks.protocol.scopes import Scope, parse_scopes

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_TOLERATED_INSTANCE = re.compile(r"[\x21-\x7e]{1,255}")
_BASE_URL = re.compile(r"(?i:https?)://[^\x00-\x20\x7f/?#@\\]+(?:/[^\x00-\x20\x7f?#\\]*)?")
_SAFE_DIGITS = 15
_TOKEN = re.compile(r"[\x21-\x7e]+")  # it becomes a header


@dataclass(frozen=True, slots=True)
class FhirAccess:
    """A token for the client's FHIR server: for this call only, never stored and never logged (ACC-9)."""

    access_token: str = field(repr=False)
    token_type: str
    expires_in: int
    scope: str
    subject: str
    patient: str | None = field(default=None, repr=False)

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes on resources."""
        return parse_scopes(self.scope)

    def allows(self, resource_type: str, permission: str) -> bool:
        """True if a scope lets us do this ("r" read, "s" search) with resources of the type."""
        return any(scope.allows(resource_type, permission) for scope in self.scopes)


@dataclass(frozen=True, slots=True, repr=False)
class HookRequest:
    """One hook call. In `prefetch` null is None (the client looked) and an absent key is absent (it did not look)."""

    hook: Hook
    hook_instance: str
    context: Context
    fhir_server: str | None = None
    fhir_access: FhirAccess | None = None
    prefetch: Mapping[str, Resource | None] = field(default_factory=dict)
    extension: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[Fault, ...] = ()
    _body: bytes = field(default=b"", repr=False, compare=False)

    @classmethod
    def from_json(
        cls,
        body: bytes,
        *,
        service_hooks: Collection[Hook],
        strict: bool = False,
        prefetch_keys: Collection[str] = (),
    ) -> "HookRequest":
        """The request in a body, or MalformedRequest or WrongHook with every fault."""
        request = cls.from_object(
            read_object(body), service_hooks=service_hooks, strict=strict, prefetch_keys=prefetch_keys
        )
        object.__setattr__(request, "_body", body)
        return request

    @classmethod
    def from_object(
        cls,
        message: JsonObject,
        *,
        service_hooks: Collection[Hook],
        strict: bool = False,
        prefetch_keys: Collection[str] = (),
    ) -> "HookRequest":
        """The request in a parsed body. Faults name the prefetch keys that are ours, and count the others."""
        problems = Problems(strict)
        root = Members(message, "", problems)
        hook = _read_hook(root)
        served = hook in service_hooks
        if hook is not None and not served:
            problems.fault("not-supported", "this service does not answer the hook", "hook")
        hook_instance = _read_hook_instance(root)
        context = _read_context(root, hook, service_hooks)
        fhir_server, fhir_access = _read_access(root, context)
        prefetch = _read_prefetch(root, prefetch_keys)
        extension = _read_extension(root)
        if hook is not None and not served:
            raise WrongHook(*problems.faults)
        if problems.faults or not isinstance(hook, Hook) or context is None:
            raise MalformedRequest(*problems.faults)
        return cls(
            hook, hook_instance, context, fhir_server, fhir_access, prefetch, extension, tuple(problems.warnings)
        )

    def as_sent(self, draft: Resource) -> dict[str, Any]:
        """One of the context's drafts as the client wrote it, for an update: `1.50` is not 1.5 (FHIR-17).

        Its decimals are not numbers but what JSON is written from. The body is read again for it: updates are few, and
        to read every body so would take several times as long.

        Raises:
            ValueError: it is none of the drafts.
        """
        place = next((place for place, each in enumerate(self.context.drafts) if each == draft), None)
        if place is None:
            raise ValueError("it is none of the drafts")
        if not self._body:  # it came as an object
            return dict(draft)
        message = json.loads(self._body, parse_float=_as_written, parse_int=_as_written)
        again = read_context(self.hook, Members(message["context"], "context", Problems(strict=False)))
        return dict(again.drafts[place])

    def __repr__(self) -> str:
        """Counts only."""
        counts = f"drafts={len(self.context.drafts)}, prefetch={len(self.prefetch)}, warnings={len(self.warnings)}"
        return f"HookRequest({self.hook.value}, {counts})"


def _as_written(text: str) -> int | orjson.Fragment:
    """Keep a number as its text, except those that lose nothing as a number."""
    return int(text) if len(text) <= _SAFE_DIGITS and text.lstrip("-").isdigit() else orjson.Fragment(text.encode())


def _read_hook(root: Members) -> Hook | str | None:
    """The hook; its bare name if the library has none of that name; None after a fault."""
    name = root.text("hook")
    try:
        return Hook(name)
    except ValueError:
        return name or None


def _read_hook_instance(root: Members) -> str:
    text = root.text("hookInstance")
    if text and _UUID.fullmatch(text) is None:
        if _TOLERATED_INSTANCE.fullmatch(text) is None:
            root.problems.fault("value", "is not an identifier", "hookInstance")
        else:
            root.problems.breach("value", "must be a UUID", "hookInstance")
    return text


def _read_context(root: Members, hook: Hook | str | None, service_hooks: Collection[Hook]) -> Context | None:
    """The context, judged by the hook named; without a known one, by the only hook it can have been meant for."""
    json = root.mapping("context")
    if json is NOTHING:
        return None
    if not isinstance(hook, Hook):
        if len(service_hooks) != 1:
            return None
        (hook,) = service_hooks
    return read_context(hook, Members(json, "context", root.problems))


def _read_access(root: Members, context: Context | None) -> tuple[str | None, FhirAccess | None]:
    problems = root.problems
    fhir_server = root.optional_text("fhirServer")
    if fhir_server is not None and _BASE_URL.fullmatch(fhir_server) is None:
        if fhir_server:
            problems.breach("value", "must be an absolute http(s) base URL", "fhirServer")
        fhir_server = None
    json = root.optional_mapping("fhirAuthorization")
    if json is None or json is NOTHING:
        return fhir_server, None
    access = _read_authorization(json, problems, context)
    if is_blank(root.json.get("fhirServer")):
        problems.breach("required", "fhirServer is required with fhirAuthorization", "fhirServer")
    return fhir_server, access if fhir_server is not None else None


def _read_authorization(json: JsonObject, problems: Problems, context: Context | None) -> FhirAccess | None:
    """The token; if its block is broken, a lenient reader goes on without FHIR access."""
    own = Problems(problems.strict)
    members = Members(json, "fhirAuthorization", own)
    token = members.text("access_token")
    if token and _TOKEN.fullmatch(token) is None:
        own.fault("value", "is not a bearer token", members.at("access_token"))
    patient = members.optional_text("patient")
    if patient:
        patient = read_id(patient, "Patient", place=members.at("patient"), problems=own)
    access = FhirAccess(
        access_token=token,
        token_type=_read_token_type(members),
        expires_in=_read_expires_in(members),
        scope=members.text("scope"),
        subject=members.text("subject"),
        patient=patient,
    )
    _check_patient(access, problems, context)
    for warning in own.warnings:
        problems.warn(warning.code, warning.text, warning.expression)
    for fault in own.faults:
        problems.breach(fault.code, fault.text, fault.expression)
    return None if own.faults else access


def _read_token_type(members: Members) -> str:
    token_type = members.text("token_type")
    if token_type.lower() != "bearer":
        if token_type:
            members.problems.fault("not-supported", "must be Bearer", members.at("token_type"))
    elif token_type != "Bearer":  # noqa: S105 - the scheme's name
        members.problems.breach("value", "must be spelled Bearer", members.at("token_type"))
    return "Bearer"


def _read_expires_in(members: Members) -> int:
    value = members.required("expires_in")
    place = members.at("expires_in")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:  # noqa: PLR2004 - 30 years
        members.problems.breach("structure", "must be a number", place)
        value = int(value)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int):
        members.problems.fault("structure", "must be a whole number of seconds", place)
        return 0
    if value <= 0:
        members.problems.fault("value", "has already expired", place)
    return value


def _check_patient(access: FhirAccess, problems: Problems, context: Context | None) -> None:
    if access.patient is None:
        if any(scope.compartment == "patient" for scope in access.scopes):
            problems.warn("invariant", "expected with a patient/ scope", "fhirAuthorization.patient")  # cds-r-2
    elif context is not None and context.patient_id and access.patient not in {"", context.patient_id}:
        text = "names another patient than context.patientId"
        problems.fault("business-rule", text, "fhirAuthorization.patient")


def _read_prefetch(root: Members, known: Collection[str]) -> Mapping[str, Resource | None]:
    prefetch = root.optional_mapping("prefetch")
    if prefetch is None:
        return NOTHING
    for index, (key, value) in enumerate(prefetch.items()):
        if value is not None and not isinstance(value, dict):
            # A stranger's key may say anything; ours may be repeated.
            place = f"prefetch.{key}" if key in known else f"prefetch[{index}]"
            root.problems.fault("structure", "must be a FHIR resource or null", place)
    return prefetch


def _read_extension(root: Members) -> JsonObject:
    extension = root.given("extension")
    if extension is None:
        return NOTHING
    if isinstance(extension, dict):
        return extension
    root.problems.breach("structure", "must be an object", "extension")
    return NOTHING
