"""JSON Web Tokens in their compact form, taken apart before anything in them is believed."""

import json
import re
from binascii import a2b_base64, b2a_base64
from dataclasses import dataclass, field
from typing import Any, NoReturn

# Tokens of large EHR vendors are 700 to 1,500 characters long.
LONGEST_TOKEN = 8192
# RFC 6750: the scheme whatever its case, then one token. Three parts: five would be an encrypted one.
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+) *")
_TO_STANDARD = str.maketrans("-_", "+/")
_PADDING = (b"", b"", b"==", b"=")


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
        found = _DECODER.decode(text.decode("utf-8"))
    except (ValueError, RecursionError):
        raise NotAToken("not a JSON object") from None
    if not isinstance(found, dict):
        raise NotAToken("not a JSON object")
    return found


def _decoded(part: str) -> bytes:
    text = part.translate(_TO_STANDARD).encode("ascii")
    raw = a2b_base64(text + _PADDING[len(text) % 4]) if len(text) % 4 != 1 else b""
    # Bits left over at the end would let one token be written in several ways.
    if b2a_base64(raw, newline=False).rstrip(b"=") != text:
        raise NotAToken("not base64url")
    return raw


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotAToken("a name stands twice in a JSON object")
    return found


def _no_constant(_: str) -> NoReturn:
    raise NotAToken("NaN and infinity are no JSON")


# Made once: json.loads makes a decoder for each text that it reads with such rules.
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
