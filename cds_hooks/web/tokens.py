"""JSON Web Tokens in their compact form, taken apart before anything in them is believed."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any, NoReturn

# Tokens of large EHR vendors are 700 to 1,500 characters long.
LONGEST_TOKEN = 8192
# RFC 6750: the scheme whatever its case, then one token. Three parts: five would be an encrypted one.
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+) *")


class NotAToken(ValueError):
    """What was sent is no token in compact form. The message never repeats it."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token whose signature nobody has checked yet: nothing in it is true before that."""

    header: dict[str, Any] = field(repr=False)
    claims: dict[str, Any] = field(repr=False)
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @classmethod
    def from_authorization(cls, header: str) -> "Token":
        """Read the value of an Authorization header.

        Raises:
            NotAToken: it is anything but `Bearer` and a token that is canonical in every byte.
        """
        match = _BEARER.fullmatch(header)
        if match is None:
            raise NotAToken("not a bearer token in compact form")
        head, claims, signature = match.groups()
        return cls(
            strict_object(_decoded(head)),
            strict_object(_decoded(claims)),
            f"{head}.{claims}".encode("ascii"),
            _decoded(signature),
        )


def strict_object(text: bytes) -> dict[str, Any]:
    """Read a JSON object in UTF-8; a name given twice is refused, since two readers may believe two different values.

    Raises:
        NotAToken: it is not one.
    """
    try:
        found = json.loads(text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise NotAToken("not a JSON object") from None
    if not isinstance(found, dict):
        raise NotAToken("not a JSON object")
    return found


def _decoded(part: str) -> bytes:
    raw = urlsafe_b64decode(part + "=" * (-len(part) % 4)) if len(part) % 4 != 1 else b""
    # Bits left over at the end would let one token be written in several ways.
    if urlsafe_b64encode(raw).rstrip(b"=") != part.encode("ascii"):
        raise NotAToken("not base64url")
    return raw


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotAToken("a name stands twice in a JSON object")
    return found


def _no_constant(_: str) -> NoReturn:
    raise NotAToken("NaN and infinity are no JSON")
