"""The hook library: the metadata of each hook, and its context with the tolerances real clients need."""

import re
from typing import Any

import pytest

from cds_hooks.protocol.hooks import (
    HOOKS,
    AllergyIntoleranceCreateContext,
    Hook,
    MedicationContext,
    OrderDispatchContext,
    OrderSelectContext,
    OrderSignContext,
)
from tests.spec.messages import a_bundle, a_context, a_draft, a_request, read, refused_places, warned_places

SELECT, SIGN, DISPATCH = Hook.ORDER_SELECT, Hook.ORDER_SIGN, Hook.ORDER_DISPATCH

# The library's metadata tables: specification, hook version as advertised, maturity, deprecated.
METADATA = {
    "patient-view": ("1.0", "1.0", 5, False),
    "order-select": ("1.0", "1.0", 4, False),
    "order-sign": ("1.0", "1.0", 5, False),
    "order-dispatch": ("2.0", "1.1", 0, False),
    "appointment-book": ("1.0", "1.0", 1, False),
    "encounter-start": ("1.0", "1.0", 1, False),
    "encounter-discharge": ("1.0", "1.0", 1, False),
    "medication-refill": ("2.0", "0.1.0", 1, False),
    "allergyintolerance-create": ("1.0", "0.1.0", 1, False),
    "problem-list-item-create": ("1.0", "0.1.0", 1, False),
    "medication-verify": ("1.0", None, 1, False),
    "medication-prescribe": ("1.0", "1.0", 2, True),
    "order-review": ("1.0", "1.0", 3, True),
}

# What each context requires: HOOK-9, a change of this table is a change of the hook.
REQUIRED = {
    "patient-view": {"userId", "patientId"},
    "order-select": {"userId", "patientId", "selections", "draftOrders"},
    "order-sign": {"userId", "patientId", "draftOrders"},
    "order-dispatch": {"patientId", "dispatchedOrders"},
    "appointment-book": {"userId", "patientId", "appointments"},
    "encounter-start": {"userId", "patientId", "encounterId"},
    "encounter-discharge": {"userId", "patientId", "encounterId"},
    "medication-refill": {"patientId", "medications"},
    "allergyintolerance-create": {"userId", "patientId", "allergyIntolerance"},
    "problem-list-item-create": {"userId", "patientId", "conditions"},
    "medication-verify": {"userId", "patientId", "medication"},
    "medication-prescribe": {"userId", "patientId", "medications"},
    "order-review": {"userId", "patientId", "orders"},
}


def of(hook: Hook, **changed: Any) -> dict[str, Any]:
    return a_request(hook, context=a_context(hook, **changed))


def test_every_hook_of_the_library_is_known_by_its_metadata() -> None:
    """[HOOK-1, VER-2] `hookVersion` equals the version in the metadata table; specification is a minimum."""
    found = {
        hook.value: (each.specification, each.hook_version, each.maturity, each.deprecated)
        for hook, each in HOOKS.items()
    }
    assert found == METADATA
    assert set(HOOKS) == set(Hook)


def test_no_standard_hook_has_a_reverse_domain_name() -> None:
    """[VER-3] Organisation-specific hooks use reverse-domain names; standard ones never do."""
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)+", hook.value) for hook in Hook)


@pytest.mark.parametrize("hook", list(Hook))
@pytest.mark.parametrize("value", [..., None, "", [], {}])
def test_each_context_requires_what_its_table_says(hook: Hook, value: object) -> None:
    """[HOOK-9] Contract snapshot of each context model."""
    place = {name: f"context.{name}" for name in a_context(hook)}
    required = {name for name in place if _refuses_absence(hook, name, value, place[name])}
    assert required == REQUIRED[hook.value]


def _refuses_absence(hook: Hook, name: str, value: object, place: str) -> bool:
    context = a_context(hook)
    if value is ...:
        del context[name]
    else:
        context[name] = value
    try:
        read(a_request(hook, context=context))
    except Exception as error:  # noqa: BLE001 - the faults are looked at
        return place in [fault.expression for fault in error.faults]  # type: ignore[attr-defined]
    return False


def test_a_chart_can_be_viewed_without_an_encounter() -> None:
    """[PV-1] Works without an encounter."""
    assert read(of(Hook.PATIENT_VIEW, encounterId=...), strict=True).context.encounter_id is None


@pytest.mark.parametrize(
    ("user", "expected"), [("Patient/1", True), ("RelatedPerson/1", True), ("Practitioner/1", False)]
)
def test_the_kind_of_user_is_told(user: str, expected: bool) -> None:
    found = read(of(Hook.PATIENT_VIEW, userId=user), strict=True).context.user
    assert found is not None
    assert found.is_patient_or_proxy is expected


def test_an_entry_without_full_url_or_content_is_no_trouble() -> None:
    """[HOOK-3] Accept entries without `fullUrl`; skip empty entries."""
    bundle = {"resourceType": "Bundle", "entry": [{}, None, {"fullUrl": "x"}, {"resource": a_draft()}]}
    assert read(of(SIGN, draftOrders=bundle)).context.drafts == (a_draft(),)


def test_a_bundle_that_does_not_say_so_is_one_if_it_has_entries() -> None:
    """[HOOK-3] Bundles: accept any `type` or none."""
    assert read(of(SIGN, draftOrders={"entry": [{"resource": a_draft()}]})).context.drafts == (a_draft(),)


def test_a_bundle_without_entries_has_no_drafts() -> None:
    assert read(of(SIGN, draftOrders={"resourceType": "Bundle"}), strict=True).context.drafts == ()


def test_resources_of_any_type_are_kept() -> None:
    """[HOOK-5] Unknown resource types in a Bundle are kept and ignored, not an error."""
    drafts = (a_draft(resource_type="CommunicationRequest"), a_draft(resource_type="MedicationOrder"))
    assert read(of(SIGN, draftOrders=a_bundle(*drafts)), strict=True).context.drafts == drafts


def test_a_resource_without_a_type_is_refused() -> None:
    places = refused_places(of(SIGN, draftOrders=a_bundle({"id": "m1"})))
    assert places == ["context.draftOrders.entry[0].resource.resourceType"]


def test_invalid_fhir_in_a_draft_is_tolerated() -> None:
    """[HOOK-6, PLC-2] Library examples are often invalid FHIR; `category` may be a string in examples."""
    condition = a_draft(resource_type="Condition", category="problem-list-item", clinicalStatus="active") | {"id": 5}
    hook = Hook.PROBLEM_LIST_ITEM_CREATE
    assert read(of(hook, conditions=a_bundle(condition)), strict=True).context.drafts == (condition,)


def test_a_single_resource_in_place_of_a_bundle_is_taken_leniently() -> None:
    message = of(SIGN, draftOrders=a_draft())
    assert read(message).context.drafts == (a_draft(),)
    assert warned_places(message) == ["context.draftOrders"]
    assert refused_places(message, strict=True) == ["context.draftOrders"]


def test_the_selected_orders_are_told_from_the_other_drafts() -> None:
    background, chosen = a_draft("m0"), a_draft("m1")
    context = read(of(SELECT, draftOrders=a_bundle(background, chosen)), strict=True).context
    assert isinstance(context, OrderSelectContext)
    assert (context.selections, context.selected, context.drafts) == (
        ("MedicationRequest/m1",),
        (chosen,),
        (background, chosen),
    )


@pytest.mark.parametrize("draft", [{"resourceType": "MedicationRequest", "id": "m1"}, a_draft(code={"text": "x"})])
def test_an_order_may_still_lack_its_details(draft: dict[str, Any]) -> None:
    """[OSEL-2] Missing details (dose, timing) are normal."""
    assert read(of(SELECT, draftOrders=a_bundle(draft)), strict=True).context.selected == (draft,)


def test_a_selection_that_is_no_draft_is_refused_or_ignored_with_a_warning() -> None:
    """[OSEL-3] A selection that is not in the Bundle is a 400 strict, ignored with a warning lenient."""
    message = of(SELECT, selections=["MedicationRequest/m1", "ServiceRequest/m1"])
    assert refused_places(message, strict=True) == ["context.selections[1]"]
    assert warned_places(message) == ["context.selections[1]"]
    assert read(message).context.selected == (a_draft(),)


def test_a_selection_is_matched_on_type_and_id() -> None:
    """[OSEL-3] Match on type and id."""
    other = a_draft(resource_type="ServiceRequest")
    context = read(of(SELECT, draftOrders=a_bundle(other, a_draft())), strict=True).context
    assert context.selected == (a_draft(),)


def test_a_bare_id_is_a_selection_leniently_when_unique() -> None:
    """[OSEL-3] A bare id is accepted leniently when unique."""
    unique = of(SELECT, selections=["m1"])
    assert read(unique).context.selected == (a_draft(),)
    assert refused_places(unique, strict=True) == ["context.selections[0]"]
    twice = of(SELECT, selections=["m1"], draftOrders=a_bundle(a_draft(), a_draft(resource_type="ServiceRequest")))
    assert read(twice).context.selected == ()


def test_an_order_selected_twice_is_selected_once() -> None:
    assert read(of(SELECT, selections=["MedicationRequest/m1"] * 2)).context.selected == (a_draft(),)


def test_orders_to_be_signed_may_have_any_status() -> None:
    """[OSIG-1] Status may differ from draft on re-signing, and be mixed."""
    drafts = (a_draft("m1", status="active"), a_draft("m2", status="draft"), a_draft("m3"))
    context = read(of(SIGN, draftOrders=a_bundle(*drafts)), strict=True).context
    assert (context.drafts, context.selected) == (drafts, drafts)


def test_a_dispatch_has_no_user_and_no_encounter() -> None:
    """[ODIS-1] No userId: code must not expect a user."""
    context = read(of(DISPATCH, userId="Practitioner/1"), strict=True).context
    assert isinstance(context, OrderDispatchContext)
    assert (context.user, context.encounter_id) == (None, None)
    assert (context.dispatched_orders, context.performer) == (("ServiceRequest/s1",), "Organization/o1")


def test_the_names_of_the_first_version_of_dispatch_are_mapped() -> None:
    """[ODIS-2] Version 1.0 names `order` (string) and `task` (object) are mapped to the 1.1 lists."""
    usual = a_context(DISPATCH)
    old = {"patientId": "p1", "order": "ServiceRequest/s1", "performer": "Organization/o1"}
    message = a_request(DISPATCH, context=old | {"task": usual["fulfillmentTasks"][0]})
    assert read(message).context == read(a_request(DISPATCH)).context


@pytest.mark.parametrize("name", ["fulfillmentTasks", "fulfillment-tasks"])
def test_tasks_come_under_either_spelling(name: str) -> None:
    """[ODIS-3] `fulfillment-tasks` (spelling in an example) is accepted."""
    context = a_context(DISPATCH)
    tasks = context.pop("fulfillmentTasks")
    found = read(a_request(DISPATCH, context=context | {name: tasks}), strict=True).context
    assert found.drafts == tuple(tasks)


def test_a_task_may_be_a_string_and_a_performer_absent() -> None:
    """[ODIS-3] Entries may be Task objects or strings; `performer` may be absent."""
    context = read(of(DISPATCH, fulfillmentTasks=["Task/t1"], performer=...), strict=True).context
    assert isinstance(context, OrderDispatchContext)
    assert (context.performer, context.fulfillment_tasks) == (None, ())


def test_a_task_for_another_order_is_ignored_with_a_warning() -> None:
    """[ODIS-5] Stray Task ignored with a warning."""
    tasks = [
        {"resourceType": "Task", "focus": {"reference": "https://h/ServiceRequest/s1"}},
        {"resourceType": "Task", "focus": {"reference": "ServiceRequest/other"}},
        {"resourceType": "Task"},
    ]
    message = of(DISPATCH, fulfillmentTasks=tasks)
    assert read(message).context.drafts == (tasks[0],)
    assert warned_places(message) == ["context.fulfillmentTasks[1]", "context.fulfillmentTasks[2]"]


def test_a_task_of_another_patient_is_refused() -> None:
    """[REQ-15] Patient consistency holds for Tasks too."""
    task = a_context(DISPATCH)["fulfillmentTasks"][0] | {"for": {"reference": "Patient/p2"}}
    assert refused_places(of(DISPATCH, fulfillmentTasks=[task])) == ["context.fulfillmentTasks[0].for"]


def test_an_order_that_is_no_local_reference_fails_a_strict_reader() -> None:
    message = of(DISPATCH, dispatchedOrders=["ServiceRequest/s1", "https://h/ServiceRequest/s2", "s3"])
    assert refused_places(message, strict=True) == ["context.dispatchedOrders[1]", "context.dispatchedOrders[2]"]
    context = read(message).context
    assert isinstance(context, OrderDispatchContext)
    assert context.dispatched_orders == ("ServiceRequest/s1", "ServiceRequest/s2")


@pytest.mark.parametrize("appointment", [{"status": "booked"}, {"status": "proposed", "requestedPeriod": [{}]}])
def test_an_appointment_may_have_any_status_and_no_start(appointment: dict[str, Any]) -> None:
    """[APPT-1] booked Appointment accepted."""
    appointment = {"resourceType": "Appointment"} | appointment
    hook = Hook.APPOINTMENT_BOOK
    assert read(of(hook, appointments=a_bundle(appointment)), strict=True).context.drafts == (appointment,)


def test_the_patient_may_book() -> None:
    user = read(of(Hook.APPOINTMENT_BOOK, userId="Patient/p1"), strict=True).context.user
    assert user is not None
    assert user.is_patient_or_proxy


@pytest.mark.parametrize("hook", [Hook.ENCOUNTER_START, Hook.ENCOUNTER_DISCHARGE])
def test_an_encounter_hook_has_its_encounter(hook: Hook) -> None:
    assert read(of(hook), strict=True).context == read(of(hook), strict=True).context
    assert read(of(hook), strict=True).context.encounter_id == "e1"


def test_a_refill_needs_neither_user_nor_encounter() -> None:
    """[MR-1] Runs without a user and encounter."""
    context = read(of(Hook.MEDICATION_REFILL, userId=..., encounterId=...), strict=True).context
    assert isinstance(context, MedicationContext)
    assert (context.user, context.encounter_id, context.medications) == (None, None, (a_draft(),))


ALLERGY = {"resourceType": "AllergyIntolerance", "id": "al1", "patient": {"reference": "Patient/p1"}}


@pytest.mark.parametrize(
    "member",
    [
        {"allergyIntolerance": ALLERGY},
        {"allergyIntolerance": {"resource": ALLERGY}},
        {"allergyIntolerances": a_bundle(ALLERGY)},
    ],
)
def test_an_allergy_comes_in_three_shapes(member: dict[str, Any]) -> None:
    """[AIC-1] Accept the bare resource, a `{"resource": ...}` wrapper, and `allergyIntolerances` as Bundle."""
    hook = Hook.ALLERGYINTOLERANCE_CREATE
    context = a_context(hook, allergyIntolerance=...) | member
    for strict in (False, True):
        found = read(a_request(hook, context=context), strict=strict).context
        assert isinstance(found, AllergyIntoleranceCreateContext)
        assert found.allergy_intolerances == found.drafts == found.selected == (ALLERGY,)


def test_a_role_may_record_an_allergy() -> None:
    """[AIC-2] Accept PractitionerRole users too."""
    assert read(of(Hook.ALLERGYINTOLERANCE_CREATE, userId="PractitionerRole/1"), strict=True).warnings == ()


def test_another_resource_in_place_of_an_allergy_fails_a_strict_reader() -> None:
    message = of(Hook.ALLERGYINTOLERANCE_CREATE, allergyIntolerance=a_draft())
    assert refused_places(message, strict=True) == ["context.allergyIntolerance.resourceType"]
    assert warned_places(message) == ["context.allergyIntolerance.resourceType"]


@pytest.mark.parametrize(
    "member", [{"medication": a_draft()}, {"order": {"resource": a_draft()}}, {"order": a_draft()}]
)
def test_an_order_to_verify_comes_in_two_shapes(member: dict[str, Any]) -> None:
    """[MV-1] Examples use `order.resource`: accept both."""
    hook = Hook.MEDICATION_VERIFY
    context = a_context(hook, medication=...) | member
    for strict in (False, True):
        assert read(a_request(hook, context=context), strict=strict).context.drafts == (a_draft(),)


@pytest.mark.parametrize(("hook", "name"), [(Hook.MEDICATION_PRESCRIBE, "medications"), (Hook.ORDER_REVIEW, "orders")])
def test_the_deprecated_hooks_are_read_as_orders_to_be_signed(hook: Hook, name: str) -> None:
    """[OLD-1] `medications` and `orders` map to draftOrders; all entries count as selected."""
    drafts = (a_draft("m1"), a_draft("m2", "MedicationOrder"))
    old = read(of(hook, **{name: a_bundle(*drafts)}), strict=True)
    new = read(of(SIGN, draftOrders=a_bundle(*drafts)), strict=True)
    assert isinstance(old.context, OrderSignContext)
    assert (old.context, old.context.selected, old.hook) == (new.context, drafts, hook)
