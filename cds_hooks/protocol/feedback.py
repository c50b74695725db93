"""What became of a card: accepted or overridden, and why. One bad entry fails the batch, so a retry is safe (FB-17)."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson

from cds_hooks.errors import MalformedRequest
from cds_hooks.protocol.reading import Members, Problems, is_blank, read_object

LONGEST_COMMENT = 4000
_LONGEST_ID = 255

_UUID = re.compile(r"(?:urn:uuid:)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.IGNORECASE)
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}):(\d{2})(?:\.(\d{1,20}))?([Zz]|[+-]\d{2}:\d{2})?", re.ASCII)


class Outcome(StrEnum):
    """What the user did with a card."""

    ACCEPTED = "accepted"
    OVERRIDDEN = "overridden"


class Flag(StrEnum):
    """What a lenient reader let pass in an entry, for those who count."""

    NO_SUGGESTIONS = "accepted-without-suggestions"
    NO_OFFSET = "time-without-offset"
    NO_SYSTEM = "reason-without-system"
    EMPTY_REASON = "empty-override-reason"
    SHORTENED = "comment-shortened"


@dataclass(frozen=True, slots=True)
class GivenReason:
    """The reason chosen: one of ours or one of the client's; some clients leave out its system (COD-1)."""

    code: str
    system: str | None = None
    display: str | None = None


@dataclass(frozen=True, slots=True)
class OverrideReason:
    """Why a card was overridden. The comment is the user's own words: treat them as the patient's data (FB-10)."""

    reason: GivenReason | None
    user_comment: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CardFeedback:
    """What became of one card, once. A later entry for the same card is another one (FB-14)."""

    card_uuid: str
    outcome: Outcome
    accepted_suggestions: tuple[str, ...]
    override_reason: OverrideReason | None
    outcome_timestamp: datetime
    flags: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Equal for entries that say the same, however they were written: what makes storing idempotent."""
        given = self.override_reason
        reason = None if given is None or given.reason is None else given.reason
        content = [
            self.card_uuid,
            self.outcome.value,
            sorted(self.accepted_suggestions),
            None if reason is None else [reason.code, reason.system, reason.display],
            None if given is None else given.user_comment,
            self.outcome_timestamp.isoformat(),
        ]
        return hashlib.sha256(orjson.dumps(content)).hexdigest()


class Feedback:
    """The body of a feedback call."""

    @staticmethod
    def from_json(body: bytes, *, strict: bool = False) -> tuple[CardFeedback, ...]:
        """Every entry, or MalformedRequest with every fault; an empty array is a no-op (FB-2)."""
        return Feedback.from_object(read_object(body), strict=strict)

    @staticmethod
    def from_object(message: Any, *, strict: bool = False) -> tuple[CardFeedback, ...]:
        """Every entry of a parsed body, or MalformedRequest with every fault."""
        problems = Problems(strict)
        entries = tuple(_entries(message, problems))
        if problems.faults:
            raise MalformedRequest(*problems.faults)
        return tuple(entry for entry in entries if entry is not None)


def _entries(message: Any, problems: Problems) -> Iterator[CardFeedback | None]:
    entries = message.get("feedback")
    if entries is None:
        problems.fault("required", "a required member is missing", "feedback")
    elif not isinstance(entries, list):
        problems.fault("structure", "must be an array", "feedback")
    else:
        for index, entry in enumerate(entries):
            place = f"feedback[{index}]"
            if isinstance(entry, dict):
                yield _Entry(Members(entry, place, problems)).read()
            else:
                problems.fault("structure", "must be an object", place)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry on its way in, with the flags it earns."""

    members: Members
    flags: list[Flag] = field(default_factory=list)

    def read(self) -> CardFeedback | None:
        """The entry, or None after a fault."""
        card = self._identifier(self.members, "card")
        outcome = self._outcome()
        suggestions = self._accepted_suggestions(outcome)
        reason = self._override_reason()
        timestamp = self._timestamp()
        if outcome is None or timestamp is None:
            return None
        return CardFeedback(card, outcome, suggestions, reason, timestamp, tuple(self.flags))

    def _tolerate(self, flag: Flag, code: str, text: str, place: str) -> None:
        self.members.problems.breach(code, text, place)
        self.flags.append(flag)

    def _identifier(self, members: Members, name: str) -> str:
        """A uuid of ours as we wrote it: bare and in lower case. Another id is kept, and will match no card (FB-3)."""
        text = members.text(name)
        if len(text) > _LONGEST_ID or not text.isprintable():
            members.problems.fault("value", "is not an identifier", members.at(name))
        uuid = _UUID.fullmatch(text)
        return text if uuid is None else uuid.group(1).lower()

    def _outcome(self) -> Outcome | None:
        text = self.members.text("outcome")
        try:
            return Outcome(text)
        except ValueError:
            if text:
                self.members.problems.fault("value", "must be accepted or overridden", self.members.at("outcome"))
            return None

    def _accepted_suggestions(self, outcome: Outcome | None) -> tuple[str, ...]:
        name = "acceptedSuggestions"
        accepted = outcome is Outcome.ACCEPTED
        value = self.members.json.get(name) if accepted else self.members.given(name)
        place = self.members.at(name)
        if is_blank(value):
            if accepted:
                self._tolerate(Flag.NO_SUGGESTIONS, "required", "required when a card is accepted", place)
            return ()
        if not isinstance(value, list):
            self.members.problems.fault("structure", "must be an array", place)
            return ()
        return tuple(self._suggestion(each, f"{place}[{index}]") for index, each in enumerate(value))

    def _suggestion(self, value: Any, place: str) -> str:
        if not isinstance(value, dict):
            self.members.problems.fault("structure", "must be an object", place)
            return ""
        return self._identifier(Members(value, place, self.members.problems), "id")

    def _override_reason(self) -> OverrideReason | None:
        name = "overrideReason"
        value = self.members.json.get(name)
        place = self.members.at(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.members.problems.fault("structure", "must be an object", place)
            return None
        members = Members(value, place, self.members.problems)
        reason = self._reason(members)
        comment = self._comment(members)
        if is_blank(value.get("reason")) and is_blank(value.get("userComment")):
            self._tolerate(Flag.EMPTY_REASON, "invariant", "must have a reason or a comment", place)
            return None
        return OverrideReason(reason, comment)

    def _reason(self, parent: Members) -> GivenReason | None:
        json = parent.optional_mapping("reason")
        if not json:
            return None
        members = Members(json, parent.at("reason"), parent.problems)
        if is_blank(json.get("system")):
            self._tolerate(Flag.NO_SYSTEM, "required", "a required member is missing", members.at("system"))
            return GivenReason(members.text("code"), None, members.optional_text("display"))
        return GivenReason(members.text("code"), members.text("system"), members.optional_text("display"))

    def _comment(self, parent: Members) -> str | None:
        comment = parent.optional_text("userComment")
        if comment is None or len(comment) <= LONGEST_COMMENT:
            return comment
        self._tolerate(Flag.SHORTENED, "too-long", "is longer than is kept", parent.at("userComment"))
        return comment[:LONGEST_COMMENT]

    def _timestamp(self) -> datetime | None:
        text = self.members.text("outcomeTimestamp")
        place = self.members.at("outcomeTimestamp")
        match = _TIME.fullmatch(text)
        moment = None if match is None else _moment(*match.groups())
        if moment is None:
            if text:
                self.members.problems.fault("value", "must be a date-time of RFC 3339", place)
            return None
        if match is not None and match.group(5) is None:
            self._tolerate(Flag.NO_OFFSET, "value", "must have an offset", place)
        return moment


def _moment(date: str, minutes: str, seconds: str, fraction: str | None, offset: str | None) -> datetime | None:
    """The instant in UTC; a leap second is the last microsecond before it; no offset counts as UTC."""
    if seconds == "60":
        seconds, fraction = "59", "999999"
    microseconds = (fraction or "0")[:6]
    zone = "+00:00" if offset is None or offset in "Zz" else offset
    try:
        return datetime.fromisoformat(f"{date}T{minutes}:{seconds}.{microseconds}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
