"""CDS Hooks, suggestions and their actions."""

from typing import Any

import orjson
import pytest

from cds_hooks.protocol.cards import (
    ActionSelectionBehavior,
    ClientProfile,
    CreateAction,
    DeleteAction,
    Response,
    SelectionBehavior,
    Suggestion,
    UpdateAction,
)
from cds_hooks.protocol.checks import ImpossibleMessage
from cds_hooks.protocol.hooks import Hook
from cds_hooks.protocol.requests import HookRequest
from tests.spec.cards import ORDER, a_card, a_create, a_delete, a_suggestion, an_update, sent_card
from tests.spec.messages import a_bundle, a_context, a_draft, a_request

ANY, AT_MOST_ONE = SelectionBehavior.ANY, SelectionBehavior.AT_MOST_ONE
KNOWS_ALL = ClientProfile("3.0", features=frozenset({"action-selection-behavior"}))


def sent_suggestion(suggestion: Suggestion, profile: ClientProfile | None = None) -> dict[str, Any]:
    card = a_card(suggestions=(suggestion,), selection_behavior=ANY)
    return dict(sent_card(card, profile)["suggestions"][0])


def sent_action(action: Any, profile: ClientProfile | None = None) -> dict[str, Any]:
    return dict(sent_suggestion(a_suggestion(actions=(action,)), profile)["actions"][0])


@pytest.mark.parametrize("label", ["", "  ", "a\nb", "<b>x"])
def test_a_suggestion_has_a_label(label: str) -> None:
    """[SUG-1] `label` 1..1, non-empty."""
    with pytest.raises(ImpossibleMessage):
        a_suggestion(label)
    assert sent_suggestion(a_suggestion("Order a test"))["label"] == "Order a test"


def test_a_suggestion_always_has_a_fresh_uuid() -> None:
    """[SUG-2] Always set; unique within response."""
    assert len({sent_suggestion(a_suggestion())["uuid"] for _ in range(20)}) == 20


def test_several_are_recommended_only_where_any_may_be_chosen() -> None:
    """[SUG-3] Several true only under `any` (cds-resp-1)."""
    both = (a_suggestion(is_recommended=True), a_suggestion(is_recommended=True))
    with pytest.raises(ImpossibleMessage):
        a_card(suggestions=both, selection_behavior=AT_MOST_ONE)
    one = (a_suggestion(is_recommended=True), a_suggestion(is_recommended=False), a_suggestion())
    received = sent_card(a_card(suggestions=one, selection_behavior=AT_MOST_ONE))["suggestions"]
    assert [each.get("isRecommended") for each in received] == [True, False, None]
    assert len(sent_card(a_card(suggestions=both, selection_behavior=ANY))["suggestions"]) == 2


def test_a_suggestion_without_actions_has_no_such_key() -> None:
    """[SUG-4] `actions` 0..*: key absent when empty."""
    assert "actions" not in sent_suggestion(a_suggestion(actions=()))


@pytest.mark.parametrize("action", [a_create(None), an_update(None), a_delete(None)])
def test_each_action_of_a_suggestion_has_a_description(action: Any) -> None:
    """[SUG-6, ACT-2] Each action inside a suggestion has `description` (cds-resp-5)."""
    with pytest.raises(ImpossibleMessage):
        a_suggestion(actions=(action,))


@pytest.mark.parametrize("description", ["", " ", "a\nb"])
def test_a_description_is_a_line_of_words(description: str) -> None:
    """[ACT-2] `description` 1..1 in cards."""
    for make in (a_create, an_update, a_delete):
        with pytest.raises(ImpossibleMessage):
            make(description)


def test_how_many_actions_may_be_chosen_is_one_of_three_words() -> None:
    """[SUG-7] `actionSelectionBehavior`: `all` (default), `any`, `at-most-one` (cds-resp-7)."""
    words = [
        sent_suggestion(a_suggestion(action_selection_behavior=each), KNOWS_ALL)["actionSelectionBehavior"]
        for each in ActionSelectionBehavior
    ]
    assert words == ["all", "any", "at-most-one"]
    assert "actionSelectionBehavior" not in sent_suggestion(a_suggestion(), KNOWS_ALL)


def test_the_three_types_of_action_are_written_as_the_specification_has_them() -> None:
    """[ACT-1] `create`, `update`, `delete`, lower case."""
    assert sent_action(a_create()) == {"type": "create", "description": "Order it", "resource": ORDER}
    assert sent_action(an_update()) == {"type": "update", "description": "Change it", "resource": ORDER | {"id": "s1"}}
    assert sent_action(a_delete()) == {"type": "delete", "description": "Stop it", "resourceId": "ServiceRequest/s1"}


@pytest.mark.parametrize(
    "resource", [{}, {"id": "x"}, {"resourceType": ""}, {"resourceType": 5}, {"resourceType": "A/b"}]
)
def test_a_resource_says_its_type(resource: dict[str, Any]) -> None:
    """[ACT-3] Has resourceType."""
    for make in (CreateAction, UpdateAction):
        with pytest.raises(ImpossibleMessage):
            make("Order it", resource | ({"id": "s1"} if make is UpdateAction else {}))


def test_a_resource_is_kept_as_it_was_when_proposed() -> None:
    order = {"resourceType": "ServiceRequest", "note": [{"text": "before"}]}
    action = CreateAction("Order it", order)
    order["note"][0]["text"] = "after"  # type: ignore[index]
    assert sent_action(action)["resource"]["note"] == [{"text": "before"}]


def test_unknown_elements_of_an_updated_resource_survive() -> None:
    """[ACT-4, ACT-6] The whole updated resource; unknown elements, extensions and meta.versionId survive."""
    draft = ORDER | {
        "id": "s1",
        "meta": {"versionId": "7"},
        "extension": [{"url": "u", "valueCode": "x"}],
        "zzz": {"deep": [1, {"a": True}]},
    }
    assert sent_action(UpdateAction("Change it", draft | {"status": "active"}))["resource"] == draft | {
        "status": "active"
    }


@pytest.mark.parametrize("number", ["1.50", "0.0", "-1e-7", "12345678901234567890.10", "98765432109876543210", "7"])
def test_a_draft_that_is_handed_back_keeps_its_decimals_and_what_we_do_not_know(number: str) -> None:
    """[FHIR-17] Unknown elements and primitive siblings survive; decimals keep their precision."""
    marked = {"_status": {"id": "x"}, "zzz": {"a": ["NUMBER"]}, "doseQuantity": {"value": "NUMBER"}}
    resource = {"resourceType": "MedicationRequest", "id": "m1", "status": "draft", **marked}
    draft = orjson.dumps(resource).replace(b'"NUMBER"', number.encode())
    call = a_request(
        Hook.ORDER_SIGN, context=a_context(Hook.ORDER_SIGN, draftOrders=a_bundle(a_draft(), {"id": "DRAFT"}))
    )
    body = orjson.dumps(call).replace(b'{"id":"DRAFT"}', draft)
    request = HookRequest.from_json(body, service_hooks=[Hook.ORDER_SIGN])
    changed = request.as_sent(request.context.drafts[1]) | {"status": "active"}
    action = UpdateAction("Change it", changed)
    suggestion = a_suggestion(actions=(action,))
    response = Response(cards=(a_card(suggestions=(suggestion,), selection_behavior=ANY),))
    assert draft.replace(b'"draft"', b'"active"') in response.to_json()


def test_only_a_draft_of_the_request_can_be_handed_back() -> None:
    request = HookRequest.from_object(a_request(Hook.ORDER_SIGN), service_hooks=[Hook.ORDER_SIGN])
    (draft,) = request.context.drafts
    assert request.as_sent(draft) == draft
    with pytest.raises(ValueError, match="none of the drafts"):
        request.as_sent({**draft, "id": "another"})


@pytest.mark.parametrize("id_", [None, "", "a/b", 5, ".."])
def test_an_update_names_the_resource_it_replaces(id_: object) -> None:
    """[ACT-4] The whole updated resource: one without a usable id would update nothing."""
    with pytest.raises(ImpossibleMessage):
        UpdateAction("Change it", ORDER | {"id": id_})


@pytest.mark.parametrize(
    "target", ["", "s1", "ServiceRequest/", "https://h/ServiceRequest/s1", "ServiceRequest/..", "a/b/c"]
)
def test_a_delete_names_type_and_id(target: str) -> None:
    """[ACT-5] delete: `resourceId` as relative reference `Type/id`, no `resource`."""
    with pytest.raises(ImpossibleMessage):
        DeleteAction("Stop it", target)


def test_a_client_that_needs_the_old_form_of_delete_gets_it() -> None:
    """[ACT-5] The old form, an id string in `resource`; only by client profile."""
    received = sent_action(a_delete(), ClientProfile("1.0", legacy_delete=True))
    assert received == {"type": "delete", "description": "Stop it", "resource": "ServiceRequest/s1"}
    assert "resourceId" in sent_action(a_delete(), ClientProfile("1.0"))
