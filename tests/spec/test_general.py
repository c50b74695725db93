"""CDS Hooks, JSON in general."""

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_hooks.errors import MalformedRequest
from cds_hooks.protocol.cards import (
    ClientProfile,
    Coding,
    CreateAction,
    Link,
    LinkType,
    Response,
    SelectionBehavior,
    Source,
    UpdateAction,
)
from cds_hooks.protocol.checks import ImpossibleMessage
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.requests import HookRequest
from tests.spec.cards import (
    CLIENTS,
    ORDER,
    a_card,
    a_create,
    a_delete,
    a_suggestion,
    an_update,
    empty_values,
    sent,
    sent_card,
)
from tests.spec.messages import EVERY_HOOK, a_context, a_request, read, refused_places, warned_places

FULL = a_card(
    detail="**Bold** and a table",
    source=Source(
        "A guideline",
        "https://guideline.example/x",
        "https://guideline.example/i.png",
        Coding("c", "https://t.example"),
    ),
    suggestions=(
        a_suggestion(actions=(a_create(), an_update(), a_delete()), is_recommended=True),
        a_suggestion(is_recommended=False, actions=()),
    ),
    selection_behavior=SelectionBehavior.ANY,
    links=(Link("App", "https://app.example/launch", LinkType.SMART, "x=1", autolaunchable=True),),
    override_reasons=(Coding("known", "https://r.example", "Already known"),),
    extension={"com.example.rank": 1},
)


@pytest.mark.parametrize("profile", CLIENTS)
def test_every_answer_parses_with_a_strict_parser(profile: ClientProfile) -> None:
    """[GEN-1] Bodies are RFC 8259 JSON."""
    answer = sent(Response((FULL, a_card()), (a_create(None), a_delete(None))), profile)
    assert [card["summary"] for card in answer["cards"]] == ["A finding", "A finding"]


@pytest.mark.parametrize("profile", CLIENTS)
def test_no_member_of_an_answer_is_null_or_empty(profile: ClientProfile) -> None:
    """[GEN-2] No member may be null, `""`, `[]` or `{}` unless a rule allows it."""
    assert list(empty_values(sent(Response((FULL, a_card()), (a_create(None),)), profile))) == []


def test_a_card_without_options_has_the_required_members_only() -> None:
    """[GEN-3] An optional member without a value is left out."""
    assert set(sent_card(a_card())) == {"uuid", "summary", "indicator", "source"}
    assert set(sent_card(a_card())["source"]) == {"label"}


def test_the_only_empty_array_is_that_of_no_cards() -> None:
    """[GEN-4, RESP-2] Permitted empties: `cards: []`. `systemActions` is left out when empty."""
    assert sent(Response(), ClientProfile(features=frozenset({"system-actions"}))) == {"cards": []}


def test_resources_are_nested_objects() -> None:
    """[GEN-5] FHIR resources inside a message use FHIR's JSON form, as nested objects."""
    card = a_card(suggestions=(a_suggestion(),), selection_behavior=SelectionBehavior.ANY)
    assert sent_card(card)["suggestions"][0]["actions"][0]["resource"] == ORDER


@pytest.mark.parametrize("resource", ['{"resourceType": "ServiceRequest"}', ["ServiceRequest"], None])
def test_a_resource_that_is_no_object_cannot_be_proposed(resource: Any) -> None:
    """[GEN-5] Never strings holding JSON."""
    with pytest.raises(ImpossibleMessage):
        CreateAction("Order it", resource)


@pytest.mark.parametrize(
    "body", [b'{"a": 1 /* c */}', b'{"a": 1, // c\n}', b'{"a": 1,}', b'{"a": [1,]}', b"{'a': 1}", b"", b"{", b"\xff{}"]
)
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    """[GEN-6] No comments and no trailing commas: 400."""
    with pytest.raises(MalformedRequest) as refused:
        HookRequest.from_json(body, service_hooks=EVERY_HOOK)
    assert refused.value.status == 400
    assert refused.value.__cause__ is None  # the parser's own error carries the body


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_a_number_that_is_not_finite_is_refused_on_input(number: bytes) -> None:
    """[GEN-7] Never emit NaN or Infinity; reject them on input."""
    body = b'{"hook": "patient-view", "prefetch": {"a": {"value": ' + number + b"}}}"
    with pytest.raises(MalformedRequest):
        HookRequest.from_json(body, service_hooks=EVERY_HOOK)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("Infinity"), 2**64])
@pytest.mark.parametrize("nested", [False, True])
def test_a_number_that_json_cannot_say_cannot_be_proposed(number: float, nested: bool) -> None:
    """[GEN-7] Model returning NaN gives no `NaN` text in the body."""
    value = [{"value": number}] if nested else number
    with pytest.raises(ImpossibleMessage):
        CreateAction("Order it", ORDER | {"value": value})
    with pytest.raises(ImpossibleMessage):
        UpdateAction("Change it", ORDER | {"id": "s1", "value": value})
    with pytest.raises(ImpossibleMessage):
        a_card(extension={"com.example.value": value})


def test_decimals_of_fhir_models_become_numbers() -> None:
    action = CreateAction("Order it", ORDER | {"a": Decimal("1.50"), "b": Decimal(3)})
    assert (action.resource["a"], action.resource["b"]) == (1.5, 3)
    assert type(action.resource["b"]) is int


@pytest.mark.parametrize("value", [None, "", [], {}, [{}], [[]], [""], {"a": None}])
def test_a_member_without_a_value_is_refused_in_a_new_resource_and_left_out_of_an_updated_one(value: Any) -> None:
    """[GEN-2] No member may be null or empty: also inside resources, where a client's own may have some."""
    with pytest.raises(ImpossibleMessage):
        CreateAction("Order it", ORDER | {"note": value})
    assert UpdateAction("Change it", ORDER | {"id": "s1", "note": value}).resource == ORDER | {"id": "s1"}


def test_null_stays_where_fhir_pairs_by_position() -> None:
    resource = ORDER | {"id": "s1", "given": [None, "B"], "_given": [{"id": "x"}, None]}
    assert UpdateAction("Change it", resource).resource == resource


@pytest.mark.parametrize("value", [b"x", {1: "x"}, {1, 2}, object(), "\ud800"])
def test_what_json_cannot_say_cannot_be_proposed(value: Any) -> None:
    with pytest.raises(ImpossibleMessage):
        CreateAction("Order it", ORDER | {"value": value})


def test_a_resource_nested_too_deeply_cannot_be_proposed() -> None:
    deep: Any = "x"
    for _ in range(300):
        deep = {"a": deep}
    with pytest.raises(ImpossibleMessage):
        UpdateAction("Change it", ORDER | {"id": "s1", "deep": deep})


@pytest.mark.parametrize("name", ["", "context.", "fhirAuthorization."])
def test_unknown_members_are_ignored(name: str) -> None:
    """[GEN-8] Add `zzz` at root, in context and in fhirAuthorization: same 200 answer."""
    block = {"access_token": "t", "token_type": "Bearer", "expires_in": 1, "scope": "s", "subject": "s"}
    message = a_request(fhirServer="https://ehr.example", fhirAuthorization=block, context=a_context(Hook.PATIENT_VIEW))
    usual = read(message, strict=True)
    holder = message if not name else message[name[:-1]]
    holder["zzz"] = {"a": None}
    assert read(message, strict=True) == usual


@pytest.mark.parametrize("name", ["fhirServer", "fhirAuthorization", "prefetch", "extension"])
@pytest.mark.parametrize("value", [None, "", [], {}])
def test_an_optional_member_without_a_value_counts_as_absent(name: str, value: object) -> None:
    """[GEN-9] Lenient in, strict out: null or empty optional members in a request count as absent."""
    message = a_request(**{name: value})
    found, absent = read(message), read(a_request())
    assert (found.fhir_server, found.fhir_access, found.prefetch, found.extension) == (
        absent.fhir_server,
        absent.fhir_access,
        absent.prefetch,
        absent.extension,
    )
    assert warned_places(message) == [name]
    assert refused_places(message, strict=True) == [name]


@pytest.mark.parametrize("value", [None, ""])
def test_an_encounter_without_a_value_counts_as_absent(value: object) -> None:
    """[GEN-9] `"encounterId": ""` behaves as if missing."""
    message = a_request(context=a_context(Hook.PATIENT_VIEW, encounterId=value))
    assert read(message).context.encounter_id is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=5))
def test_any_update_that_can_be_built_can_be_sent_and_has_no_empty_member(extra: dict[str, Any]) -> None:
    try:
        action = UpdateAction("Change it", extra | ORDER | {"id": "s1"})
    except ImpossibleMessage:
        return
    card = a_card(suggestions=(a_suggestion(actions=(action,)),), selection_behavior=SelectionBehavior.ANY)
    resource = sent_card(card)["suggestions"][0]["actions"][0]["resource"]
    # Null inside an array is FHIR's own; every such place ends in its index.
    assert all(place.rpartition(".")[2].isdigit() for place in empty_values(resource))
