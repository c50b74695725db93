"""Text from a chart, made inert before it enters a card: a drug's name must not become a link, an image or a script.

It has to be so for three readers at once: a client that renders GitHub-flavoured markdown, one that puts HTML into its
page as it stands, and one that shows the characters. Escapes (a backslash, `&lt;`) would be shown by the third, and
summaries are never rendered. So characters with a meaning are replaced by ones that look alike and have none.
"""

import re
import unicodedata

_LOOKALIKES = str.maketrans(
    {
        "<": "‹",
        ">": "›",
        "[": "(",
        "]": ")",
        "`": "'",
        "*": "∗",
        "~": "∼",
        "|": "¦",
        "\\": "⧵",
        "@": "(at)",  # an e-mail address becomes a link by itself
    }
)
_SCHEME = re.compile(r"://")
_WWW = re.compile(r"(?i)\bwww\.")
_ENTITY = re.compile(r"&(?=#?\w+;)")
# An underscore inside a word is only an underscore; at its edge it begins or ends emphasis.
_EDGE_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
# At the start of a line these are a heading, a list, a quotation or a rule.
_BLOCK_MARKER = re.compile(r"^(?:(?:[#+=-]+(?=\s|$))|(?:(?<=^)\d{1,9}(?P<stop>[.)])(?=\s|$)))")


def plain(text: str, *, limit: int = 200) -> str:
    """The text as one line of at most `limit` characters that means nothing to markdown or HTML; may be empty."""
    text = _one_line(text[: 4 * limit])
    text = _ENTITY.sub("＆", text.translate(_LOOKALIKES))
    text = _WWW.sub("www ", _SCHEME.sub(": ", text))
    text = _EDGE_UNDERSCORE.sub("＿", text)
    text = _BLOCK_MARKER.sub(_without_marker, text).strip()
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def _one_line(text: str) -> str:
    """Without control characters, invisible marks, or more than one space at a time."""
    visible = "".join(character if character.isprintable() else _replacement(character) for character in text)
    return " ".join(visible.split())


def _replacement(character: str) -> str:
    # Format characters (Cf) turn the direction of writing or hide; line ends and tabs separate words.
    return "" if unicodedata.category(character) == "Cf" else " "


def _without_marker(match: re.Match[str]) -> str:
    return match.group().rstrip(".)#+=-")
