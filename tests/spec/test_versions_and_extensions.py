"""CDS Hooks, versions and extensions."""

from typing import Any

import pytest

from cds_hooks.protocol.cards import (
    Action,
    CreateAction,
    DeleteAction,
    SelectionBehavior,
    UpdateAction,
)
from cds_hooks.protocol.checks import ImpossibleMessage
from cds_hooks.protocol.hooks import HOOKS, Hook
from tests.spec.cards import ORDER, a_card, a_suggestion, sent_card
from tests.spec.messages import a_request, read

KINDS = ["text", 1, 1.5, True, {"deep": {"a": [1]}}, ["a", 2]]


def test_the_version_of_a_hook_is_a_minimum_of_the_specification() -> None:
    """[VER-2] A hook's specificationVersion is a minimum: no hook we answer needs more than 2.0."""
    assert {definition.specification for definition in HOOKS.values()} == {"1.0", "2.0"}


def test_hook_names_read_noun_verb_without_a_domain() -> None:
    """[VER-3] standard ones never do. Names read noun-verb."""
    assert all("." not in hook.value and "-" in hook.value for hook in Hook)


@pytest.mark.parametrize("value", KINDS)
def test_the_value_of_an_extension_may_be_of_any_kind(value: Any) -> None:
    """[EXT-3] Values may be any JSON: round-trip of each kind."""
    extension = {"com.example.x": value}
    assert sent_card(a_card(extension=extension))["extension"] == extension
    assert read(a_request(extension=extension), strict=True).extension == extension


@pytest.mark.parametrize("extension", [{"com.example.unknown": value} for value in KINDS] + [{"plain": None}])
def test_an_unknown_extension_changes_nothing(extension: dict[str, Any]) -> None:
    """[EXT-4] Unknown extensions change nothing; supported ones are optional for the caller."""
    usual, extended = read(a_request(), strict=True), read(a_request(extension=extension), strict=True)
    assert (extended.context, extended.prefetch, extended.warnings) == (usual.context, usual.prefetch, usual.warnings)


@pytest.mark.parametrize(
    "action",
    [
        CreateAction("x", ORDER, extension={"com.example.x": 1}),
        UpdateAction("x", ORDER | {"id": "s1"}, extension={"com.example.x": 1}),
        DeleteAction("x", "ServiceRequest/s1", extension={"com.example.x": 1}),
    ],
)
def test_an_extension_is_an_object_wherever_it_is_sent(action: Action) -> None:
    """[EXT-1] Emitted ones are objects; never arrays in FHIR style."""
    suggestion = a_suggestion(actions=(action,), extension={"com.example.y": 2})
    received = sent_card(a_card(suggestions=(suggestion,), selection_behavior=SelectionBehavior.ANY))["suggestions"][0]
    assert received["extension"] == {"com.example.y": 2}
    assert received["actions"][0]["extension"] == {"com.example.x": 1}


@pytest.mark.parametrize("extension", [[], [{"url": "u"}], {}, {"plain": 1}])
def test_no_array_or_unprefixed_key_can_be_sent(extension: Any) -> None:
    """[EXT-1, EXT-2] Emitted ones are objects; lint of our keys."""
    with pytest.raises(ImpossibleMessage):
        a_suggestion(extension=extension)
    for make in (lambda: CreateAction("x", ORDER, extension=extension), lambda: a_card(extension=extension)):
        with pytest.raises(ImpossibleMessage):
            make()
