"""CDS Hooks, context: the fields that hooks share, and whose chart it is."""

import pytest

from cds_hooks.protocol.hooks import Hook, UserId
from tests.spec.messages import Json, a_bundle, a_context, a_draft, a_request, read, refused_places, warned_places

ORDER_SIGN = Hook.ORDER_SIGN


def with_user(user: object) -> Json:
    return a_request(context=a_context(Hook.PATIENT_VIEW, userId=user))


def signing(*drafts: Json) -> Json:
    return a_request(ORDER_SIGN, context=a_context(ORDER_SIGN, draftOrders=a_bundle(*drafts)))


@pytest.mark.parametrize("user", ["Practitioner/1", "PractitionerRole/a.b-c", "Patient/x_1", "RelatedPerson/9"])
def test_a_user_is_type_and_id(user: str) -> None:
    """[CTX-1, CTX-2] `Practitioner/1`, `PractitionerRole/a.b-c` pass; letters, digits, `_`, `-`, `.`."""
    request = read(with_user(user), strict=True)
    assert request.context.user is not None
    assert request.context.user.reference == user


@pytest.mark.parametrize("user", ["1", "Practitioner/", "/1", "https://ehr.example/Practitioner/1", "Practitioner/é"])
def test_any_other_form_of_user_fails_a_strict_reader(user: str) -> None:
    """[CTX-1, CTX-2] `1`, `Practitioner/`, full URL fail strict mode."""
    assert refused_places(with_user(user), strict=True) == ["context.userId"]


@pytest.mark.parametrize(
    "user",
    ["https://ehr.example/r4/Practitioner/1", "Practitioner/1/_history/2", "http://h/x/Practitioner/1/_history/2"],
)
def test_a_lenient_reader_takes_type_and_id_from_a_longer_reference(user: str) -> None:
    """[CTX-1] `userId` is `Type/id`."""
    assert read(with_user(user)).context.user == UserId("Practitioner", "1")
    assert warned_places(with_user(user)) == ["context.userId"]


def test_a_user_that_cannot_be_read_is_nobody_to_a_lenient_reader() -> None:
    assert read(with_user("u1")).context.user is None
    assert warned_places(with_user("u1")) == ["context.userId"]


def test_a_missing_user_is_refused_where_the_hook_has_one() -> None:
    assert refused_places(with_user(...)) == ["context.userId"]


def test_patients_and_proxies_are_users_only_where_the_hook_says_so() -> None:
    """[CTX-1] Patient and RelatedPerson where the hook says so."""
    message = a_request(ORDER_SIGN, context=a_context(ORDER_SIGN, userId="Patient/p1"))
    assert refused_places(message, strict=True) == ["context.userId"]
    assert warned_places(message) == ["context.userId"]
    user = read(message).context.user
    assert user is not None
    assert user.is_patient_or_proxy


@pytest.mark.parametrize(("field", "type_"), [("patientId", "Patient"), ("encounterId", "Encounter")])
@pytest.mark.parametrize("form", ["{}/x1", "https://ehr.example/r4/{}/x1"])
def test_an_id_with_its_type_is_flagged_and_a_lenient_reader_strips_it(field: str, type_: str, form: str) -> None:
    """[CTX-3] `Patient/123` is flagged; lenient mode strips the type."""
    message = a_request(context=a_context(Hook.PATIENT_VIEW, **{field: form.format(type_)}))
    assert refused_places(message, strict=True) == [f"context.{field}"]
    context = read(message).context
    assert "x1" in {context.patient_id, context.encounter_id}
    assert warned_places(message) == [f"context.{field}"]


@pytest.mark.parametrize(
    "id_",
    ["Encounter/1", "a/b", "1&_include=*", "1?x", "1#x", "a b", "..", ".", "a..b", "1,2", "1|2", "a\x00", "%2e", "$x"],
)
def test_an_id_that_would_ask_for_something_else_is_refused_in_both_modes(id_: str) -> None:
    """[CTX-3] `patientId`, `encounterId` are logical ids, no type prefix."""
    message = a_request(context=a_context(Hook.PATIENT_VIEW, patientId=id_))
    for strict in (False, True):
        assert refused_places(message, strict=strict) == ["context.patientId"]


def test_an_id_may_be_longer_than_fhir_allows() -> None:
    """[CTX-4] 200-character id accepted."""
    long = "x" * 200
    context = a_context(ORDER_SIGN, patientId=long, draftOrders=a_bundle(a_draft(long, patient=long)))
    request = read(a_request(ORDER_SIGN, context=context), strict=True)
    assert (request.context.patient_id, request.context.drafts[0]["id"]) == (long, long)


@pytest.mark.parametrize("type_", [..., None, "batch", "searchset", 5])
def test_a_bundle_may_have_any_type_or_none(type_: object) -> None:
    """[CTX-5] Bundles in context SHOULD have type `collection`; missing or other type accepted."""
    bundle = {name: value for name, value in (a_bundle(a_draft()) | {"type": type_}).items() if value is not ...}
    assert len(read(a_request(ORDER_SIGN, context=a_context(ORDER_SIGN, draftOrders=bundle))).context.drafts) == 1


@pytest.mark.parametrize("hook", list(Hook))
def test_members_that_a_hook_does_not_define_are_ignored(hook: Hook) -> None:
    """[CTX-7, GEN-8] Unknown hook-specific members ignored."""
    usual = read(a_request(hook), strict=True)
    more = read(a_request(hook, zzz=1, context=a_context(hook, zzz={"a": [None]})), strict=True)
    assert (more.context, more.warnings) == (usual.context, usual.warnings)


@pytest.mark.parametrize("hook", sorted(set(Hook) - {Hook.ENCOUNTER_START, Hook.ENCOUNTER_DISCHARGE}))
def test_an_encounter_is_never_required_where_it_is_optional(hook: Hook) -> None:
    """[CTX-7] Optional ones never required."""
    assert read(a_request(hook, context=a_context(hook, encounterId=...)), strict=True).context.encounter_id is None


def test_a_context_of_ids_only_is_enough() -> None:
    assert read(a_request(), strict=True).context.drafts == ()


@pytest.mark.parametrize("name", ["subject", "patient", "for"])
@pytest.mark.parametrize(
    "reference",
    [
        {"reference": "Patient/p2"},
        {"reference": "https://ehr.example/r4/Patient/p2"},
        {"reference": "Patient/p2/_history/3"},
        "Patient/p2",
    ],
)
def test_a_draft_for_another_patient_is_refused(name: str, reference: object) -> None:
    """[REQ-15] Draft order for another patient: 400."""
    message = signing(a_draft("m0"), a_draft() | {"subject": None, name: reference})
    for strict in (False, True):
        assert refused_places(message, strict=strict) == [f"context.draftOrders.entry[1].resource.{name}"]


@pytest.mark.parametrize(
    "reference",
    [
        {"reference": "Patient/p1"},
        {"reference": "https://other.example/fhir/Patient/p1/_history/9"},
        {"reference": "urn:uuid:4a5f0c1e-30b1-4b4a-8b2e-0d3f6c1c2b11"},
        {"reference": "#contained"},
        {"reference": "Group/p2"},
        {"reference": "p2"},
        {"identifier": {"value": "p2"}},
        {"reference": 5},
        ["Patient/p2"],
        None,
    ],
)
def test_a_reference_to_our_patient_or_one_that_cannot_be_decided_is_no_fault(reference: object) -> None:
    """[REQ-15] Patient consistency: subject of each context resource and `context.patientId` name one patient."""
    draft = a_draft() | {"subject": reference}
    assert read(signing(draft), strict=True).context.drafts == (draft,)


def test_a_patient_id_stripped_of_its_type_is_the_one_compared() -> None:
    context = a_context(ORDER_SIGN, patientId="Patient/p1", draftOrders=a_bundle(a_draft(patient="p2")))
    assert "context.draftOrders.entry[0].resource.subject" in refused_places(a_request(ORDER_SIGN, context=context))


@pytest.mark.parametrize(("patients", "refused"), [(["p2"], True), (["p1"], False), (["p2", "p1"], False), ([], False)])
def test_an_appointment_is_for_our_patient_if_anybodys(patients: list[str], refused: bool) -> None:
    """[REQ-15] Patient consistency: the patient takes part, whoever else does."""
    hook = Hook.APPOINTMENT_BOOK
    participants = [{"actor": {"reference": f"Patient/{patient}"}} for patient in patients]
    appointment = {"resourceType": "Appointment", "participant": [*participants, {"actor": {}}, 5]}
    message = a_request(hook, context=a_context(hook, appointments=a_bundle(appointment)))
    place = "context.appointments.entry[0].resource.participant"
    if refused:
        assert refused_places(message) == [place]
    else:
        assert read(message).context.drafts == (appointment,)


def test_a_draft_is_kept_whole_and_as_it_came() -> None:
    draft = a_draft(extension=[{"url": "u", "valueString": "kept"}], note=[], zzz={"deep": [None, {}]})
    copy = dict(draft)
    (kept,) = read(signing(draft)).context.drafts
    assert kept is draft
    assert kept == copy
