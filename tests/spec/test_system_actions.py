"""CDS Hooks, system actions: what is done without a human."""

import pytest

from cds_hooks.protocol.cards import ClientProfile, CreateAction, Response
from cds_hooks.protocol.checks import ImpossibleMessage
from tests.spec.cards import ORDER, a_create, a_delete, an_update, sent

AGREED = ClientProfile("2.0", features=frozenset({"system-actions"}))


def test_system_actions_have_the_members_of_actions() -> None:
    """[SYS-1, RESP-3] `systemActions`: array of actions; same members as an action; no card shows them."""
    answer = sent(Response(system_actions=(a_create(), an_update(), a_delete())), AGREED)
    assert answer == {
        "cards": [],
        "systemActions": [
            {"type": "create", "description": "Order it", "resource": ORDER},
            {"type": "update", "description": "Change it", "resource": ORDER | {"id": "s1"}},
            {"type": "delete", "description": "Stop it", "resourceId": "ServiceRequest/s1"},
        ],
    }


def test_a_system_action_may_lack_a_description() -> None:
    """[ACT-2] optional in system actions."""
    answer = sent(Response(system_actions=(a_create(None),)), AGREED)
    assert answer["systemActions"] == [{"type": "create", "resource": ORDER}]


def test_without_an_agreement_no_system_action_is_sent() -> None:
    """[SYS-2] Off unless the client profile allows."""
    assert sent(Response(system_actions=(a_create(),)), ClientProfile("2.0")) == {"cards": []}


def test_a_system_action_may_carry_an_extension() -> None:
    action = CreateAction(None, ORDER, extension={"davinci-crd.if-none-exist": "code=x"})
    answer = sent(Response(system_actions=(action,)), AGREED)
    assert answer["systemActions"][0]["extension"] == {"davinci-crd.if-none-exist": "code=x"}


def test_a_blank_description_is_no_description() -> None:
    with pytest.raises(ImpossibleMessage):
        a_create(" ")
