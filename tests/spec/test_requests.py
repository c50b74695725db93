"""CDS Hooks, request: the envelope, the token block, and what reading a stranger's JSON must survive."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cds_hooks.errors import CdsError, MalformedRequest, WrongHook
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.requests import HookRequest
from tests.spec.messages import (
    EVERY_HOOK,
    INSTANCE,
    Json,
    a_bundle,
    a_context,
    a_draft,
    a_request,
    an_authorization,
    read,
    refusal,
    refused_places,
    warned_places,
)

PATIENT_VIEW_ONLY = frozenset({Hook.PATIENT_VIEW})

# Each member, and a value of a type it may not have.
WRONG_TYPES: list[tuple[Hook, tuple[str | int, ...], Any, str]] = [
    (Hook.PATIENT_VIEW, ("hook",), 7, "hook"),
    (Hook.PATIENT_VIEW, ("hookInstance",), ["x"], "hookInstance"),
    (Hook.PATIENT_VIEW, ("fhirServer",), {"url": "x"}, "fhirServer"),
    (Hook.PATIENT_VIEW, ("fhirAuthorization",), ["x"], "fhirAuthorization"),
    (Hook.PATIENT_VIEW, ("prefetch",), ["x"], "prefetch"),
    (Hook.PATIENT_VIEW, ("prefetch",), {"patient": 3}, "prefetch[0]"),
    (Hook.PATIENT_VIEW, ("context",), "x", "context"),
    (Hook.PATIENT_VIEW, ("context", "userId"), {"id": "u1"}, "context.userId"),
    (Hook.PATIENT_VIEW, ("context", "patientId"), 1288992, "context.patientId"),
    (Hook.PATIENT_VIEW, ("context", "encounterId"), True, "context.encounterId"),
    (Hook.ENCOUNTER_START, ("context", "encounterId"), 5, "context.encounterId"),
    (Hook.ORDER_SELECT, ("context", "selections"), {"a": 1}, "context.selections"),
    (Hook.ORDER_SELECT, ("context", "selections"), [3], "context.selections[0]"),
    (Hook.ORDER_SELECT, ("context", "draftOrders"), "x", "context.draftOrders"),
    (Hook.ORDER_SIGN, ("context", "draftOrders"), [a_draft()], "context.draftOrders"),
    (Hook.ORDER_SIGN, ("context", "draftOrders", "entry"), {"a": 1}, "context.draftOrders.entry"),
    (Hook.ORDER_SIGN, ("context", "draftOrders", "entry", 0), "x", "context.draftOrders.entry[0]"),
    (Hook.ORDER_SIGN, ("context", "draftOrders", "entry", 0, "resource"), 1, "context.draftOrders.entry[0].resource"),
    (
        Hook.ORDER_SIGN,
        ("context", "draftOrders", "entry", 0, "resource", "resourceType"),
        {"a": 1},
        "context.draftOrders.entry[0].resource.resourceType",
    ),
    (Hook.ORDER_DISPATCH, ("context", "dispatchedOrders"), 1, "context.dispatchedOrders"),
    (Hook.ORDER_DISPATCH, ("context", "dispatchedOrders"), [None], "context.dispatchedOrders[0]"),
    (Hook.ORDER_DISPATCH, ("context", "performer"), ["x"], "context.performer"),
    (Hook.ORDER_DISPATCH, ("context", "fulfillmentTasks"), 4, "context.fulfillmentTasks"),
    (Hook.ORDER_DISPATCH, ("context", "fulfillmentTasks"), [4], "context.fulfillmentTasks[0]"),
    (Hook.APPOINTMENT_BOOK, ("context", "appointments"), 4, "context.appointments"),
    (Hook.MEDICATION_REFILL, ("context", "medications"), 4, "context.medications"),
    (Hook.MEDICATION_VERIFY, ("context", "medication"), ["x"], "context.medication"),
    (Hook.ALLERGYINTOLERANCE_CREATE, ("context", "allergyIntolerance"), "x", "context.allergyIntolerance"),
    (
        Hook.ALLERGYINTOLERANCE_CREATE,
        ("context", "allergyIntolerance"),
        {"resource": "x"},
        "context.allergyIntolerance.resource",
    ),
    (Hook.PROBLEM_LIST_ITEM_CREATE, ("context", "conditions"), 4, "context.conditions"),
    (Hook.MEDICATION_PRESCRIBE, ("context", "medications"), 4, "context.medications"),
    (Hook.ORDER_REVIEW, ("context", "orders"), 4, "context.orders"),
]


def replaced(message: Json, path: tuple[str | int, ...], value: Any) -> Json:
    copy: Json = json.loads(json.dumps(message))
    holder: Any = copy
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return copy


def from_json(body: bytes, **more: Any) -> HookRequest:
    return HookRequest.from_json(body, service_hooks=EVERY_HOOK, **more)


def test_a_missing_hook_is_refused() -> None:
    """[REQ-2] `hook`: string, 1..1: missing is a 400."""
    assert refused_places(a_request(hook=...)) == ["hook"]


def test_a_hook_this_service_does_not_answer_is_refused_by_name_of_the_field() -> None:
    """[REQ-2] Valid but not served by this id: 400 naming the field."""
    error = refusal(a_request(Hook.ORDER_SIGN), hooks=PATIENT_VIEW_ONLY)
    assert isinstance(error, WrongHook)
    assert error.status == 400
    assert [fault.expression for fault in error.faults] == ["hook"]


def test_a_hook_nobody_knows_is_the_wrong_hook() -> None:
    """[HOOK-10] Unknown hook name for a known id gives 400."""
    error = refusal(a_request(hook="fancy-structure"), hooks=PATIENT_VIEW_ONLY)
    assert isinstance(error, WrongHook)
    assert "fancy" not in str(error)


def test_the_wrong_hook_does_not_hide_the_other_faults() -> None:
    message = a_request(Hook.ORDER_SIGN, hookInstance=..., prefetch=[1], context=_without_patient())
    places = refused_places(message, hooks=PATIENT_VIEW_ONLY)
    assert places == ["hook", "hookInstance", "context.patientId", "prefetch"]


def _without_patient() -> Json:
    return a_context(Hook.ORDER_SIGN, patientId=...)


def test_without_a_hook_the_context_is_judged_by_the_only_hook_it_can_be_for() -> None:
    message = a_request(hook=..., context={"userId": "Practitioner/u1"})
    assert refused_places(message, hooks=PATIENT_VIEW_ONLY) == ["hook", "context.patientId"]
    assert refused_places(message) == ["hook"]


def test_a_missing_hook_instance_is_refused() -> None:
    """[REQ-3] `hookInstance`: string, 1..1, a UUID. Missing: 400."""
    assert refused_places(a_request(hookInstance=...)) == ["hookInstance"]


def test_a_hook_instance_that_is_no_uuid_is_refused_by_a_strict_reader_only() -> None:
    """[REQ-3] Non-UUID: 400 in strict mode, warning in lenient mode."""
    message = a_request(hookInstance="not-a-uuid")
    assert refused_places(message, strict=True) == ["hookInstance"]
    assert warned_places(message) == ["hookInstance"]
    assert read(message).hook_instance == "not-a-uuid"


@pytest.mark.parametrize("instance", [INSTANCE, INSTANCE.upper()])
def test_a_hook_instance_may_have_either_letter_case(instance: str) -> None:
    """[REQ-3] Both letter cases accepted."""
    request = read(a_request(hookInstance=instance), strict=True)
    assert (request.hook_instance, request.warnings) == (instance, ())


@pytest.mark.parametrize("instance", ["a b", "a\x00", "é", "x" * 256])
def test_a_hook_instance_that_could_not_be_kept_is_refused(instance: str) -> None:
    assert refused_places(a_request(hookInstance=instance)) == ["hookInstance"]


@pytest.mark.parametrize("context", [..., {}, [], [1], "x"])
def test_a_context_that_is_no_object_is_refused(context: object) -> None:
    """[REQ-9] `context`: object 1..1. Missing, null or array: 400."""
    assert refused_places(a_request() | {"context": None}) == ["context"]
    assert refused_places(a_request(context=context)) == ["context"]


def test_a_request_without_prefetch_is_a_normal_request() -> None:
    """[REQ-10] Missing prefetch is a normal request."""
    request = read(a_request(), strict=True)
    assert (dict(request.prefetch), request.warnings) == ({}, ())


@pytest.mark.parametrize("prefetch", [["x"], "x", 1])
def test_a_prefetch_that_is_no_object_is_refused(prefetch: object) -> None:
    """[REQ-10] `prefetch`: object 0..1, key to FHIR resource or null. Array: 400."""
    assert refused_places(a_request(prefetch=prefetch)) == ["prefetch"]


def test_prefetched_null_and_an_absent_key_stay_apart() -> None:
    prefetch = read(a_request(prefetch={"a": None, "b": a_draft()}), strict=True).prefetch
    assert dict(prefetch) == {"a": None, "b": a_draft()}


def test_a_fault_repeats_a_prefetch_key_only_if_it_is_ours() -> None:
    """[REQ-16] An error lists every problem found, with JSON paths, without echoing values."""
    message = a_request(prefetch={"patient": 1, "Zzmarker": 2})
    with pytest.raises(MalformedRequest) as refused:
        HookRequest.from_object(message, service_hooks=EVERY_HOOK, prefetch_keys={"patient"})
    assert [fault.expression for fault in refused.value.faults] == ["prefetch.patient", "prefetch[1]"]


def test_an_extension_that_is_no_object_is_refused_by_a_strict_reader_only() -> None:
    """[REQ-11] Non-object: 400 strict, ignored lenient."""
    message = a_request(extension=["x"])
    assert refused_places(message, strict=True) == ["extension"]
    request = read(message)
    assert (dict(request.extension), [fault.expression for fault in request.warnings]) == ({}, ["extension"])


@pytest.mark.parametrize("depth", [1100, 100_000])
def test_deep_nesting_is_refused_without_a_crash(depth: int) -> None:
    """[REQ-14] Deep nesting gives 400 without a crash."""
    body = b'{"hook":' * depth + b"1" + b"}" * depth
    with pytest.raises(MalformedRequest):
        from_json(body)


def test_three_faults_give_three_issues_and_no_value() -> None:
    """[REQ-16] Body with three faults gives three issues and no PHI."""
    message = a_request(
        hookInstance=["Zzmarker"], prefetch="Zzmarker", context=a_context(Hook.PATIENT_VIEW, patientId="Zz marker")
    )
    error = refusal(message)
    assert [fault.expression for fault in error.faults] == ["hookInstance", "context.patientId", "prefetch"]
    assert "marker" not in repr(error) + str(error) + repr(error.faults)


def test_the_faults_listed_are_at_most_a_hundred_and_a_word_that_there_are_more() -> None:
    message = a_request(Hook.ORDER_SIGN, context=a_context(Hook.ORDER_SIGN, draftOrders={"entry": [1] * 5000}))
    faults = refusal(message).faults
    assert len(faults) == 101
    assert faults[-1].text == "there are more; the first hundred are listed"


@pytest.mark.parametrize(("hook", "path", "value", "place"), WRONG_TYPES)
def test_a_wrong_type_is_named_by_its_path(hook: Hook, path: tuple[str | int, ...], value: Any, place: str) -> None:
    """[REQ-16] An error lists every problem found, with JSON paths."""
    message = replaced(a_request(hook), path, value)
    assert place in refused_places(message)
    assert place in refused_places(message, strict=True)


@pytest.mark.parametrize("hook", sorted(EVERY_HOOK))
def test_each_hooks_usual_request_passes_a_strict_reader(hook: Hook) -> None:
    request = read(a_request(hook), strict=True)
    assert (request.hook, request.warnings, request.context.patient_id) == (hook, (), "p1")


def test_no_repr_shows_a_token_an_id_or_a_resource() -> None:
    """[ACC-9] Token is transient: not stored, not logged."""
    context = a_context(
        Hook.ORDER_SELECT,
        userId="Practitioner/Zzmarker",
        patientId="Zzmarker",
        encounterId="Zzmarker",
        selections=["MedicationRequest/Zzmarker"],
        draftOrders=a_bundle(a_draft("Zzmarker", patient="Zzmarker")),
    )
    block = an_authorization(access_token="Zzmarker", patient="Zzmarker")
    message = a_request(
        Hook.ORDER_SELECT,
        context=context,
        fhirServer="https://ehr.example/r4",
        fhirAuthorization=block,
        prefetch={"Zzmarker": None},
    )
    request = read(message, strict=True)
    assert repr(request) == "HookRequest(order-select, drafts=1, prefetch=1, warnings=0)"
    assert "Zzmarker" not in repr(request.context) + repr(request.fhir_access)


# Any JSON, any bytes: an answer or one of the two errors, and never a value in them.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["hook", "hookInstance", "fhirServer", "fhirAuthorization", "prefetch", "extension"]
    + ["context." + name for hook in Hook for name in a_context(hook)]
    + ["context.order", "context.task", "context.fulfillment-tasks", "context.allergyIntolerances"]
)


@given(st.binary(max_size=64))
@example(b"")
@example(b"null")
@example(b'{"hook": NaN}')
@example(b'"\\ud800"')
def test_any_bytes_are_refused_or_read(body: bytes) -> None:
    with pytest.raises(CdsError) as refused:
        from_json(body)
    assert refused.value.status == 400


@given(st.sampled_from(Hook), st.dictionaries(NAMES, JSON, max_size=5), st.booleans())
def test_any_json_at_any_member_is_refused_or_read(hook: Hook, changes: Json, strict: bool) -> None:
    message = a_request(hook)
    for path, value in changes.items():
        where, _, name = path.rpartition(".")
        holder = message["context"] if where else message
        if isinstance(holder, dict):
            holder[name] = value
    outcome = _outcome(orjson.dumps(message), strict=strict)
    if isinstance(outcome, CdsError):
        assert {fault.severity for fault in outcome.faults} == {"error"}
    else:
        assert outcome.context.patient_id
        assert len(outcome.context.selected) <= len(outcome.context.drafts)
        assert {warning.severity for warning in outcome.warnings} <= {"warning"}


def _outcome(body: bytes, *, strict: bool) -> HookRequest | CdsError:
    try:
        return from_json(body, strict=strict)
    except (MalformedRequest, WrongHook) as error:
        return error


@given(JSON)
def test_any_json_as_a_resource_is_refused_or_read(value: object) -> None:
    for hook, name in ((Hook.ORDER_SIGN, "draftOrders"), (Hook.APPOINTMENT_BOOK, "appointments")):
        resource = {"resourceType": "Appointment", "subject": value, "participant": value, "id": value}
        request = read(a_request(hook, context=a_context(hook, **{name: a_bundle(resource)})))
        assert request.context.drafts == (resource,)
