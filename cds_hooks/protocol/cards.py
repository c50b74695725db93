"""Cards and what hangs on them; the only writer of card JSON.

What a client should never receive cannot be built: each type refuses it with ImpossibleMessage. What only some clients
understand is left out when the response is written for one that does not (spec 14). No `repr` shows a text or resource.
"""

from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, InitVar, dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias
from uuid import uuid4

import orjson

from cds_hooks.protocol import checks
from cds_hooks.protocol.checks import ImpossibleMessage


def fresh_uuid() -> str:
    """A new bare UUID in lower case."""
    return str(uuid4())


class Indicator(StrEnum):
    """The urgency of a card."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class SelectionBehavior(StrEnum):
    """How many of a card's suggestions may be chosen."""

    AT_MOST_ONE = "at-most-one"
    ANY = "any"


class ActionSelectionBehavior(StrEnum):
    """How many of a suggestion's actions may be chosen (3.0, trial use)."""

    ALL = "all"
    ANY = "any"
    AT_MOST_ONE = "at-most-one"


class LinkType(StrEnum):
    """A page used as it stands, or a SMART app's launch URL."""

    ABSOLUTE = "absolute"
    SMART = "smart"


class Feature(StrEnum):
    """What is sent only to a client that has agreed to it: words of `features` in a client's entry."""

    SYSTEM_ACTIONS = "system-actions"
    AUTOLAUNCHABLE = "autolaunchable"
    ACTION_SELECTION_BEHAVIOR = "action-selection-behavior"


@dataclass(frozen=True, slots=True)
class ClientProfile:
    """What a CDS client understands: the request does not say, so it is agreed per client (VER-4)."""

    specification: str = "2.0"
    legacy_delete: bool = False
    features: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.specification not in {"1.0", "2.0", "3.0"}:
            raise ImpossibleMessage("a client's specification is none of 1.0, 2.0 and 3.0")

    def takes(self, feature: Feature, *, since: str) -> bool:
        """True if agreed, and the client's version has it at all."""
        return feature in self.features and self.specification >= since


CONSERVATIVE = ClientProfile()


@dataclass(frozen=True, slots=True)
class Coding:
    """A code of a code system (COD-1)."""

    code: str
    system: str
    display: str | None = None

    def __post_init__(self) -> None:
        checks.check_line(self.code)
        checks.check_line(self.system)
        if self.display is not None:
            checks.check_line(self.display)


@dataclass(frozen=True, slots=True)
class Source:
    """The primary origin of a card's guidance; its addresses say nothing of the patient."""

    label: str
    url: str | None = None
    icon: str | None = None
    topic: Coding | None = None
    _: KW_ONLY
    loopback_origin: InitVar[str | None] = None

    def __post_init__(self, loopback_origin: str | None) -> None:
        checks.check_line(self.label)
        for address in (self.url, self.icon):
            if address is not None:
                checks.check_address(address, loopback_origin)
        if self.topic is not None and not isinstance(self.topic, Coding):
            raise ImpossibleMessage("a topic is not a Coding")


@dataclass(frozen=True, slots=True)
class Link:
    """A page or an app to open: https, or below the loopback origin that the service itself is reached at."""

    label: str
    url: str
    type: LinkType = LinkType.ABSOLUTE
    app_context: str | None = field(default=None, repr=False)
    autolaunchable: bool = False
    _: KW_ONLY
    loopback_origin: InitVar[str | None] = None

    def __post_init__(self, loopback_origin: str | None) -> None:
        checks.check_line(self.label)
        checks.check_address(self.url, loopback_origin)
        if self.type is LinkType.SMART:
            checks.check_launch_address(self.url)
        elif self.app_context is not None:
            raise ImpossibleMessage("an absolute link has an appContext")
        if self.app_context is not None and not self.app_context.strip():
            raise ImpossibleMessage("a text is blank")


@dataclass(frozen=True, slots=True)
class CreateAction:
    """Create a resource; only a system action may lack a description, for nobody reads it."""

    description: str | None = field(repr=False)
    resource: Mapping[str, Any] = field(repr=False)
    _: KW_ONLY
    extension: Mapping[str, Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check_action(self.description)
        object.__setattr__(self, "resource", checks.check_resource(self.resource, drop_empty=False))
        object.__setattr__(self, "extension", checks.check_extension(self.extension))


@dataclass(frozen=True, slots=True)
class UpdateAction:
    """Replace a resource by the whole updated one, which has its id and keeps what we do not understand (ACT-4)."""

    description: str | None = field(repr=False)
    resource: Mapping[str, Any] = field(repr=False)
    _: KW_ONLY
    extension: Mapping[str, Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check_action(self.description)
        # It was the client's, who may have sent members without a value; they say nothing and are left out (GEN-2).
        object.__setattr__(self, "resource", checks.check_resource(self.resource, drop_empty=True))
        object.__setattr__(self, "extension", checks.check_extension(self.extension))
        checks.check_has_id(self.resource)


@dataclass(frozen=True, slots=True)
class DeleteAction:
    """Delete the resource named as `Type/id`."""

    description: str | None = field(repr=False)
    resource_id: str = field(repr=False)
    _: KW_ONLY
    extension: Mapping[str, Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check_action(self.description)
        checks.check_local_reference(self.resource_id)
        object.__setattr__(self, "extension", checks.check_extension(self.extension))


Action: TypeAlias = CreateAction | UpdateAction | DeleteAction


def _check_action(description: str | None) -> None:
    if description is not None:
        checks.check_line(description)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the user may choose; choosing it chooses its actions."""

    label: str = field(repr=False)
    _: KW_ONLY
    actions: tuple[Action, ...] = ()
    is_recommended: bool | None = None
    uuid: str = field(default_factory=fresh_uuid)
    action_selection_behavior: ActionSelectionBehavior | None = None
    extension: Mapping[str, Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        checks.check_line(self.label)
        checks.check_uuid(self.uuid)
        object.__setattr__(self, "actions", tuple(self.actions))
        object.__setattr__(self, "extension", checks.check_extension(self.extension))
        if any(action.description is None for action in self.actions):
            raise ImpossibleMessage("an action of a suggestion lacks a description")


@dataclass(frozen=True, slots=True)
class Card:
    """One message to the user. The summary carries it alone: clients may hide the detail until asked.

    `findings` name what the card is about, without spaces: an override of the card is remembered by them. Never sent.
    """

    summary: str = field(repr=False)
    _: KW_ONLY
    indicator: Indicator
    source: Source
    detail: str | None = field(default=None, repr=False)
    suggestions: tuple[Suggestion, ...] = ()
    selection_behavior: SelectionBehavior | None = None
    links: tuple[Link, ...] = ()
    override_reasons: tuple[Coding, ...] = ()
    uuid: str = field(default_factory=fresh_uuid)
    extension: Mapping[str, Any] | None = field(default=None, repr=False)
    findings: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        checks.check_summary(self.summary)
        if self.detail is not None:
            checks.check_markdown(self.detail)
        if not isinstance(self.indicator, Indicator):
            raise ImpossibleMessage("an indicator is not one of the three")
        if not isinstance(self.source, Source):
            raise ImpossibleMessage("a card lacks a source")
        checks.check_uuid(self.uuid)
        if any(not finding or len(finding.split()) > 1 for finding in self.findings):
            raise ImpossibleMessage("a finding has no name, or one with spaces: it could not be told from two")
        for name in ("suggestions", "links", "override_reasons"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "extension", checks.check_extension(self.extension))
        self._check_suggestions()
        self._check_override_reasons()

    def _check_suggestions(self) -> None:
        if not self.suggestions:
            return
        if not isinstance(self.selection_behavior, SelectionBehavior):
            raise ImpossibleMessage("a card has suggestions and no selection behavior")
        recommended = sum(suggestion.is_recommended is True for suggestion in self.suggestions)
        if recommended > 1 and self.selection_behavior is SelectionBehavior.AT_MOST_ONE:
            raise ImpossibleMessage("several suggestions are recommended where at most one may be chosen")

    def _check_override_reasons(self) -> None:
        if any(reason.display is None for reason in self.override_reasons):
            raise ImpossibleMessage("an override reason lacks a display")
        if len({(reason.system, reason.code) for reason in self.override_reasons}) < len(self.override_reasons):
            raise ImpossibleMessage("an override reason is offered twice")


_URGENCY = {Indicator.CRITICAL: 0, Indicator.WARNING: 1, Indicator.INFO: 2}


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to a hook call: cards, most urgent first, and actions that no human reviews."""

    cards: tuple[Card, ...] = ()
    system_actions: tuple[Action, ...] = ()

    def __post_init__(self) -> None:
        by_urgency = sorted(self.cards, key=lambda card: _URGENCY[card.indicator])
        object.__setattr__(self, "cards", tuple(by_urgency))
        object.__setattr__(self, "system_actions", tuple(self.system_actions))
        uuids = [card.uuid for card in self.cards]
        uuids += [suggestion.uuid for card in self.cards for suggestion in card.suggestions]
        if len(set(uuids)) < len(uuids):
            raise ImpossibleMessage("a uuid is used twice in one response")

    def to_json(self, profile: ClientProfile = CONSERVATIVE) -> bytes:
        """The body, with nothing in it that the client is not known to understand."""
        return orjson.dumps(self.to_object(profile))

    def to_object(self, profile: ClientProfile = CONSERVATIVE) -> dict[str, Any]:
        """The body before it is written. `cards` is always there, empty if there is nothing to say (RESP-1, RESP-2)."""
        answer: dict[str, Any] = {"cards": [_card(card, profile) for card in self.cards]}
        if self.system_actions and profile.takes(Feature.SYSTEM_ACTIONS, since="2.0"):
            answer["systemActions"] = [_action(action, profile) for action in self.system_actions]
        return answer


def _present(**members: Any) -> dict[str, Any]:
    """The members that have a value: an optional one without is left out (GEN-3)."""
    return {name: value for name, value in members.items() if value or value is False}


def _card(card: Card, profile: ClientProfile) -> dict[str, Any]:
    behavior = card.selection_behavior if card.suggestions else None
    if profile.specification == "1.0" and behavior is not None:
        behavior = SelectionBehavior.AT_MOST_ONE  # the only word it knows; each suggestion stands by itself
    return _present(
        uuid=card.uuid,
        summary=card.summary,
        detail=card.detail,
        indicator=card.indicator,
        source=_source(card.source),
        suggestions=[_suggestion(each, profile) for each in card.suggestions],
        selectionBehavior=behavior,
        overrideReasons=_codings(card.override_reasons),
        links=[_link(each, profile) for each in card.links],
        extension=card.extension,
    )


def _source(source: Source) -> dict[str, Any]:
    topic = None if source.topic is None else _coding(source.topic)
    return _present(label=source.label, url=source.url, icon=source.icon, topic=topic)


def _coding(coding: Coding) -> dict[str, Any]:
    return _present(code=coding.code, system=coding.system, display=coding.display)


def _codings(codings: Iterable[Coding]) -> list[dict[str, Any]]:
    return [_coding(coding) for coding in codings]


def _link(link: Link, profile: ClientProfile) -> dict[str, Any]:
    autolaunch = link.autolaunchable and profile.takes(Feature.AUTOLAUNCHABLE, since="2.0")
    return _present(
        label=link.label,
        url=link.url,
        type=link.type,
        appContext=link.app_context,
        autolaunchable=True if autolaunch else None,
    )


def _suggestion(suggestion: Suggestion, profile: ClientProfile) -> dict[str, Any]:
    behavior = suggestion.action_selection_behavior
    if not profile.takes(Feature.ACTION_SELECTION_BEHAVIOR, since="3.0"):
        behavior = None  # SUG-8
    return _present(
        label=suggestion.label,
        uuid=suggestion.uuid,
        isRecommended=suggestion.is_recommended,
        actions=[_action(action, profile) for action in suggestion.actions],
        actionSelectionBehavior=behavior,
        extension=suggestion.extension,
    )


def _action(action: Action, profile: ClientProfile) -> dict[str, Any]:
    match action:
        case CreateAction():
            own = {"type": "create", "resource": action.resource}
        case UpdateAction():
            own = {"type": "update", "resource": action.resource}
        case DeleteAction():
            # 1.0 had an id string in `resource`; some of its clients know nothing else (ACT-5).
            own = {"type": "delete", "resource" if profile.legacy_delete else "resourceId": action.resource_id}
    return own | _present(description=action.description, extension=action.extension)
