"""What may not be said in a message of ours; each check refuses where the thing is made.

The texts of ImpossibleMessage are fixed words: they may end in a log, and what was refused may be a patient's.
"""

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from cds_hooks.protocol.references import TYPED_ID, is_plain_id

SUMMARY_LIMIT = 140  # a summary is shorter than this (CARD-2)
_DEEPEST = 200  # orjson writes at most 254 levels
_LARGEST = 2**63  # orjson writes no larger whole number

_MARKUP = re.compile(r"<[A-Za-z/!?]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_IN_MARKDOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LOOPBACK_ORIGIN = re.compile(r"https?://(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?")
_URL = re.compile(r"[\x21-\x7e]+")


class ImpossibleMessage(ValueError):
    """A message that no client should ever receive: a fault of ours, found where it is made."""


def check_line(text: str) -> None:
    """One line of plain words: not blank, no control character, nothing that a browser takes for markup."""
    if not text.strip():
        raise ImpossibleMessage("a text is blank")
    if _CONTROL.search(text):
        raise ImpossibleMessage("a line has a control character or a line break")
    if _MARKUP.search(text):
        raise ImpossibleMessage("a text has markup")
    _check_unicode(text)


def check_summary(text: str) -> None:
    """A line of fewer than 140 characters, whichever way the client counts them (CARD-2)."""
    check_line(text)
    # An emoji is one code point, and two units to a client written in JavaScript, Java or C#.
    if len(text.encode("utf-16-le")) // 2 >= SUMMARY_LIMIT:
        raise ImpossibleMessage("a summary has 140 characters or more")


def check_markdown(text: str) -> None:
    """Markdown without HTML: some clients render it as it stands (CARD-3)."""
    if not text.strip():
        raise ImpossibleMessage("a text is blank")
    if _CONTROL_IN_MARKDOWN.search(text):
        raise ImpossibleMessage("a text has a control character")
    if _MARKUP.search(text):
        raise ImpossibleMessage("a text has markup")
    _check_unicode(text)


def _check_unicode(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ImpossibleMessage("a text has half a surrogate pair") from None


def check_uuid(text: str) -> None:
    """A bare UUID in lower case (CARD-1)."""
    if _UUID.fullmatch(text) is None:
        raise ImpossibleMessage("a uuid is not a bare UUID in lower case")


def check_address(url: str, loopback_origin: str | None) -> None:
    """Absolute https, or exactly the origin of a loopback base URL (LINK-2)."""
    if _URL.fullmatch(url) is None or _MARKUP.search(url):
        raise ImpossibleMessage("an address has characters that addresses do not have")
    if loopback_origin is not None and _LOOPBACK_ORIGIN.fullmatch(loopback_origin) is None:
        raise ImpossibleMessage("a loopback origin is not one")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ImpossibleMessage("an address cannot be read") from None
    if parts.username is not None:
        raise ImpossibleMessage("an address has a user name")
    if parts.scheme == "https" and parts.hostname:
        return
    if loopback_origin is None or f"{parts.scheme}://{parts.netloc}" != loopback_origin:
        raise ImpossibleMessage("an address is neither absolute https nor on the loopback origin")


def check_launch_address(url: str) -> None:
    """A SMART launch URL carries neither `iss` nor `launch`: the client adds them (LINK-2)."""
    if {"iss", "launch"} & {name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}:
        raise ImpossibleMessage("a launch address has the parameters that the client adds")


def check_local_reference(text: str) -> None:
    """`Type/id` (ACT-5)."""
    if TYPED_ID.fullmatch(text) is None or not is_plain_id(text.partition("/")[2]):
        raise ImpossibleMessage("a resource is not named as Type/id")


def check_extension(extension: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """A copy of an object whose keys are globally unique, by a dotted prefix (EXT-1, EXT-2)."""
    if extension is None:
        return None
    if not isinstance(extension, Mapping):
        raise ImpossibleMessage("an extension is not an object")
    if not extension or not all("." in str(key) for key in extension):
        raise ImpossibleMessage("an extension has no key, or one without a dotted prefix")
    copy: Mapping[str, Any] = json_copy(extension, drop_empty=False)
    return copy


def check_resource(resource: Mapping[str, Any], *, drop_empty: bool) -> Mapping[str, Any]:
    """A copy of a FHIR resource that says its type and holds only what JSON and GEN-2 allow."""
    if not isinstance(resource, Mapping):
        raise ImpossibleMessage("a resource is not an object")
    resource_type = resource.get("resourceType")
    if not isinstance(resource_type, str) or not resource_type.isalpha():
        raise ImpossibleMessage("a resource does not say its type")
    copy: Mapping[str, Any] = json_copy(resource, drop_empty=drop_empty)
    return copy


def check_has_id(resource: Mapping[str, Any]) -> None:
    """A resource that exists has an id (ACT-4)."""
    id = resource.get("id")
    if not isinstance(id, str) or not is_plain_id(id):
        raise ImpossibleMessage("a resource to be updated has no usable id")


def json_copy(value: Any, *, drop_empty: bool, depth: int = 0) -> Any:
    """A copy with nothing that JSON cannot say (NaN, dates) and nothing without a value.

    What has no value is refused, or with `drop_empty` left out: a resource that a client sent and we hand back may have
    such members. Null stays inside arrays, where FHIR pairs primitives with their extensions by position.
    """
    if depth > _DEEPEST:
        raise ImpossibleMessage("a message is nested too deeply")
    if isinstance(value, str):  # most of a resource
        _check_unicode(value)
        return value
    if isinstance(value, (dict, Mapping)):  # dict first: to ask for a Mapping takes ten times as long
        return _object_copy(value, drop_empty=drop_empty, depth=depth)
    if isinstance(value, (list, tuple)):
        copies = [None if item is None else json_copy(item, drop_empty=drop_empty, depth=depth + 1) for item in value]
        return [copy for copy in copies if copy is None or not _is_empty(copy, drop_empty=drop_empty)]
    if isinstance(value, orjson.Fragment):  # a number as the client wrote it (HookRequest.as_sent)
        return value
    if isinstance(value, Decimal):  # fhir.resources gives decimals as these
        value = int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
    _check_number(value)
    return value


def _check_number(value: Any) -> None:
    if not isinstance(value, (bool, int, float)):
        raise ImpossibleMessage("a value is none of JSON's")
    if not math.isfinite(value) or abs(value) >= _LARGEST:
        raise ImpossibleMessage("a number is not finite, or larger than clients read")


def _object_copy(value: Mapping[Any, Any], *, drop_empty: bool, depth: int) -> dict[str, Any]:
    copy: dict[str, Any] = {}
    for name, member in value.items():
        if not isinstance(name, str):
            raise ImpossibleMessage("a member's name is not a string")
        copied = None if member is None else json_copy(member, drop_empty=drop_empty, depth=depth + 1)
        if not _is_empty(copied, drop_empty=drop_empty):
            copy[name] = copied
    return copy


def _is_empty(value: Any, *, drop_empty: bool) -> bool:
    if value or not (value is None or value in ("", [], {})):  # zero and false are values
        return False
    if not drop_empty:
        raise ImpossibleMessage("a member has no value")
    return True
