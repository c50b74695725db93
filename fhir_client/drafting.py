"""The resources that suggestions propose: built as fhir.resources models of FHIR R4B, so valid or not built.

For the types drafted here R4B is R4. A valid body is kept by what it says, and only whom it is about is put in on each
call: building the model costs a hundred times as much as the rest. So the texts are fixed words, without a patient's
values: those belong on the card.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import orjson

from fhir_client import versions
from fhir_client.codes import Code

_CLINICAL_STATUS: Final = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_VERIFICATION_STATUS: Final = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/condition-category"
_PRIORITIES: Final = frozenset({"routine", "urgent", "asap", "stat"})
# Who the body is about while it is validated; each call puts its own in.
_SOMEONE: Final = {"reference": "Patient/someone"}


# An id becomes part of a reference: nothing that would lead it elsewhere. FHIR's own characters are fewer, but clients
# send others (CTX-2, CTX-4), and their patients are to have suggestions too.
_ID: Final = re.compile(r"(?!\.{1,2}$)[^\s/,|&?#%<>\x00-\x1f\x7f]+")


class NotDrafted(ValueError):
    """A resource that cannot be drafted: it would not be valid FHIR."""


def service_request(
    code: Code | None,
    display: str,
    *,
    patient_id: str,
    encounter_id: str | None = None,
    reason_text: str | None = None,
    priority: str = "routine",
) -> dict[str, Any]:
    """Draft an order for a test or service, for the clinician to sign; without a code it is one in words."""
    body = _service_request(code, display, reason_text, _checked_priority(priority))
    return _about(body, "subject", patient_id, encounter_id)


def medication_request(
    code: Code | None, display: str, *, patient_id: str, encounter_id: str | None = None, reason_text: str
) -> dict[str, Any]:
    """Draft an order for a drug, for the clinician to dose and sign; without a code it is one in words."""
    return _about(_medication_request(code, display, reason_text), "subject", patient_id, encounter_id)


def condition(
    code: Code, display: str, *, patient_id: str, encounter_id: str | None = None, note: str | None = None
) -> dict[str, Any]:
    """Draft an entry of the problem list: active, and confirmed, as it comes to be only if a clinician accepts it."""
    return _about(_condition(code, display, note), "subject", patient_id, encounter_id)


def task(
    description: str, *, patient_id: str, encounter_id: str | None = None, priority: str = "routine"
) -> dict[str, Any]:
    """Draft something to do for the patient that is no order."""
    return _about(_task(description, _checked_priority(priority)), "for", patient_id, encounter_id)


def intolerance(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Give the entry of an allergy as one of an intolerance: the client's own resource, whole, but for its type.

    Raises:
        NotDrafted: it has no id by which it could be updated.
    """
    id_ = entry.get("id")
    _checked(id_ if isinstance(id_, str) else "")
    return {**entry, "type": versions.kind_of_allergy("intolerance", entry)}


def preload() -> None:
    """Import the models now: the first import takes a second that no call should wait for."""
    from fhir.resources.R4B import condition, medicationrequest, servicerequest, task  # noqa: F401, PLC0415


@lru_cache(maxsize=512)
def _service_request(code: Code | None, display: str, reason: str | None, priority: str) -> bytes:
    from fhir.resources.R4B.servicerequest import ServiceRequest  # noqa: PLC0415 - see the module's docstring

    body: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "order",
        "priority": priority,
        "code": _concept(code, display),
        "subject": _SOMEONE,
    }
    if reason is not None:
        body["reasonCode"] = [{"text": reason}]
    return _validated(ServiceRequest, body)


@lru_cache(maxsize=512)
def _medication_request(code: Code | None, display: str, reason: str) -> bytes:
    from fhir.resources.R4B.medicationrequest import MedicationRequest  # noqa: PLC0415 - see the module's docstring

    body: dict[str, Any] = {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": _concept(code, display),
        "subject": _SOMEONE,
        "reasonCode": [{"text": reason}],
    }
    return _validated(MedicationRequest, body)


@lru_cache(maxsize=512)
def _condition(code: Code, display: str, note: str | None) -> bytes:
    from fhir.resources.R4B.condition import Condition  # noqa: PLC0415 - see the module's docstring

    body: dict[str, Any] = {
        "resourceType": "Condition",
        "clinicalStatus": {"coding": [{"system": _CLINICAL_STATUS, "code": "active"}]},
        "verificationStatus": {"coding": [{"system": _VERIFICATION_STATUS, "code": "confirmed"}]},
        "category": [{"coding": [{"system": _CATEGORY, "code": "problem-list-item"}]}],
        "code": _concept(code, display),
        "subject": _SOMEONE,
    }
    if note is not None:
        body["note"] = [{"text": note}]
    return _validated(Condition, body)


@lru_cache(maxsize=512)
def _task(description: str, priority: str) -> bytes:
    from fhir.resources.R4B.task import Task  # noqa: PLC0415 - see the module's docstring

    body: dict[str, Any] = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "proposal",
        "priority": priority,
        "description": description,
        "for": _SOMEONE,
    }
    return _validated(Task, body)


def _validated(model: Any, body: Mapping[str, Any]) -> bytes:
    """Give the body as the model writes it. The model's own words for a fault could quote the body: they go no further.

    Raises:
        NotDrafted: the body is not valid FHIR.
    """
    try:
        valid: dict[str, Any] = model.model_validate(body).model_dump(mode="json", exclude_none=True)
    except ValueError:
        raise NotDrafted("the resource would not be valid FHIR") from None
    return orjson.dumps({"resourceType": body["resourceType"], **valid})


def _about(body: bytes, subject: str, patient_id: str, encounter_id: str | None) -> dict[str, Any]:
    """Copy the body, for one patient and encounter.

    FHIR's limit of 64 characters for an id is not enforced: the specification's own example is longer (CTX-4). The
    characters are: an id goes into a reference.
    """
    draft: dict[str, Any] = orjson.loads(body)
    draft[subject] = {"reference": f"Patient/{_checked(patient_id)}"}
    if encounter_id is not None:
        draft["encounter"] = {"reference": f"Encounter/{_checked(encounter_id)}"}
    return draft


def _checked(id_: str) -> str:
    if _ID.fullmatch(id_) is None:
        raise NotDrafted("an id is empty or has a character that no FHIR id has")
    return id_


def _checked_priority(priority: str) -> str:
    if priority not in _PRIORITIES:  # the model does not look into FHIR's value sets
        raise NotDrafted("the priority is none of FHIR's request priorities")
    return priority


def _concept(code: Code | None, display: str) -> dict[str, Any]:
    if code is None:
        return {"text": display}
    return {"coding": [{"system": code.system, "code": code.code, "display": display}], "text": display}
