"""Requests as a CDS client writes them, one per hook, and what reading them says."""

from collections.abc import Callable
from typing import Any

from cds_hooks.errors import CdsError, Fault, MalformedRequest, WrongHook
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.requests import HookRequest

Json = dict[str, Any]

INSTANCE = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"
EVERY_HOOK = frozenset(Hook)


def a_draft(id: str = "m1", resource_type: str = "MedicationRequest", patient: str = "p1", **more: Any) -> Json:
    return {"resourceType": resource_type, "id": id, "subject": {"reference": f"Patient/{patient}"}, **more}


def a_bundle(*resources: Json) -> Json:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}


def _ids(**more: Any) -> Json:
    return {"userId": "Practitioner/u1", "patientId": "p1", "encounterId": "e1", **more}


def _appointment() -> Json:
    participants = [{"actor": {"reference": "Patient/p1"}}, {"actor": {"reference": "Practitioner/u1"}}]
    return {"resourceType": "Appointment", "id": "a1", "participant": participants}


def _task() -> Json:
    return {
        "resourceType": "Task",
        "id": "t1",
        "for": {"reference": "Patient/p1"},
        "basedOn": [{"reference": "ServiceRequest/s1"}],
    }


_CONTEXTS: dict[Hook, Callable[[], Json]] = {
    Hook.PATIENT_VIEW: _ids,
    Hook.ORDER_SELECT: lambda: _ids(selections=["MedicationRequest/m1"], draftOrders=a_bundle(a_draft())),
    Hook.ORDER_SIGN: lambda: _ids(draftOrders=a_bundle(a_draft())),
    Hook.ORDER_DISPATCH: lambda: {
        "patientId": "p1",
        "dispatchedOrders": ["ServiceRequest/s1"],
        "performer": "Organization/o1",
        "fulfillmentTasks": [_task()],
    },
    Hook.APPOINTMENT_BOOK: lambda: _ids(appointments=a_bundle(_appointment())),
    Hook.ENCOUNTER_START: _ids,
    Hook.ENCOUNTER_DISCHARGE: _ids,
    Hook.MEDICATION_REFILL: lambda: _ids(medications=a_bundle(a_draft())),
    Hook.ALLERGYINTOLERANCE_CREATE: lambda: _ids(
        allergyIntolerance={"resourceType": "AllergyIntolerance", "id": "al1", "patient": {"reference": "Patient/p1"}}
    ),
    Hook.PROBLEM_LIST_ITEM_CREATE: lambda: _ids(conditions=a_bundle(a_draft("c1", "Condition"))),
    Hook.MEDICATION_VERIFY: lambda: _ids(medication=a_draft()),
    Hook.MEDICATION_PRESCRIBE: lambda: _ids(medications=a_bundle(a_draft())),
    Hook.ORDER_REVIEW: lambda: _ids(orders=a_bundle(a_draft())),
}


def a_context(hook: Hook, **changed: Any) -> Json:
    """The usual context of a hook; a member given as `...` is left out."""
    return _changed(_CONTEXTS[hook](), changed)


def a_request(hook: Hook = Hook.PATIENT_VIEW, /, *, context: Any = None, **changed: Any) -> Json:
    """The usual request of a hook; a member given as `...` is left out."""
    message = {
        "hook": hook.value,
        "hookInstance": INSTANCE,
        "context": a_context(hook) if context is None else context,
    }
    return _changed(message, changed)


def an_authorization(**changed: Any) -> Json:
    block = {
        "access_token": "made-up",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "user/Observation.read patient/Patient.rs",
        "subject": "chartside",
        "patient": "p1",
    }
    return _changed(block, changed)


def a_request_with_access(**changed: Any) -> Json:
    """A patient-view request with a FHIR server, and a token whose block has these changes."""
    return a_request(fhirServer="https://ehr.example/r4", fhirAuthorization=an_authorization(**changed))


def _changed(message: Json, changed: Json) -> Json:
    merged = message | changed
    return {name: value for name, value in merged.items() if value is not ...}


def read(message: Json, *, strict: bool = False, hooks: frozenset[Hook] = EVERY_HOOK) -> HookRequest:
    return HookRequest.from_object(message, service_hooks=hooks, strict=strict)


def refusal(message: Json, *, strict: bool = False, hooks: frozenset[Hook] = EVERY_HOOK) -> CdsError:
    """The error that reading the message gives."""
    try:
        request = read(message, strict=strict, hooks=hooks)
    except (MalformedRequest, WrongHook) as error:
        return error
    raise AssertionError(f"was read: {request!r}")


def places(faults: tuple[Fault, ...]) -> list[str | None]:
    return [fault.expression for fault in faults]


def refused_places(message: Json, *, strict: bool = False, hooks: frozenset[Hook] = EVERY_HOOK) -> list[str | None]:
    return places(refusal(message, strict=strict, hooks=hooks).faults)


def warned_places(message: Json) -> list[str | None]:
    return places(read(message).warnings)
