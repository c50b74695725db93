"""Text from a chart, made inert before it enters a card: a drug's name must not become a link, an image or a script.

It has to be so for three readers at once: a client that renders GitHub-flavoured markdown, one that puts HTML into its
page as it stands, and one that shows the characters. Escapes (a backslash, `&lt;`) would be shown by the third, and
summaries are never rendered. So characters with a meaning are replaced by ones that look alike and have none.
"""

import re
import unicodedata

_LOOKALIKES = str.maketrans(
    {
        "<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}",
        ">": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
        "[": "(",
        "]": ")",
        "`": "'",
        "*": "\N{ASTERISK OPERATOR}",
        "~": "\N{TILDE OPERATOR}",
        "|": "\N{BROKEN BAR}",
        "\\": "\N{REVERSE SOLIDUS OPERATOR}",
        "@": "(at)",  # an e-mail address becomes a link by itself
    }
)
_WWW = re.compile(r"(?i)www\.")
# Without its slashes an address is none, but a browser would still make it one.
_SCHEME = re.compile(r"(?i)(https?):(?=\S)")
_ENTITY = re.compile(r"&(?=#?\w+;)")
# An underscore inside a word is only an underscore; at its edge it begins or ends emphasis.
_EDGE_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
# Single words and dates, one space apart: nothing in them means anything, nor at the start of a line.
_HARMLESS = re.compile(
    r"[A-Za-z][A-Za-z0-9,;()%]*(?: [A-Za-z0-9(][A-Za-z0-9,;()%]*)*"
    r"|[0-9]{4}(?:-[0-9]{2}){1,2}(?: [0-9]{2}:[0-9]{2})?"
)
# At the start of a line these are a heading, a list, or a rule.
_BLOCK_MARKER = re.compile(r"(?:[#+=-]+|(\d{1,9})[.)])(?=\s|$)")
# Nothing in it to replace, as in nearly all texts, most of them dates: a glance costs a tenth of the work.
_PLAIN_ALREADY = re.compile(r"(?!.*(?i:https?:))[A-Za-z0-9][A-Za-z0-9:,;%-]*(?: [A-Za-z0-9:,;%-]+)*")


def plain(text: str, *, limit: int = 200) -> str:
    """The text as one line of at most `limit` UTF-16 units that means nothing to markdown or HTML; may be empty."""
    if len(text) <= limit and _PLAIN_ALREADY.fullmatch(text):
        return text
    if len(text) <= limit and _HARMLESS.fullmatch(text) is not None:
        return text  # most cells of a table: reading each of them closely took a third of the time of a card
    text = _one_line(text[: 4 * limit]).translate(_LOOKALIKES)
    text = _ENTITY.sub("\N{FULLWIDTH AMPERSAND}", text)
    text = _SCHEME.sub(r"\1: ", _WWW.sub("www ", text.replace("://", ": ")))
    text = _EDGE_UNDERSCORE.sub("\N{FULLWIDTH LOW LINE}", text)
    return shorten(_without_block_marker(text).strip(), limit)


def shorten(text: str, limit: int) -> str:
    """The text, cut with an ellipsis if it has more than `limit` UTF-16 units, in which many clients count."""
    units = text.encode("utf-16-le", "ignore")
    if len(units) <= 2 * limit:
        return text
    return units[: 2 * (limit - 1)].decode("utf-16-le", "ignore").rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def _one_line(text: str) -> str:
    """Without control characters, invisible marks, or more than one space at a time."""
    if text.isprintable():
        return " ".join(text.split())
    visible = "".join(character if character.isprintable() else _replacement(character) for character in text)
    return " ".join(visible.split())


def _replacement(character: str) -> str:
    # Format characters (Cf) turn the direction of writing or hide; line ends and tabs separate words.
    return "" if unicodedata.category(character) == "Cf" else " "


def _without_block_marker(text: str) -> str:
    while (match := _BLOCK_MARKER.match(text)) is not None:
        if match.group(1) is not None:  # a number stays, without the stop that makes it a list
            return match.group(1) + text[match.end() :]
        text = text[match.end() :].lstrip()
    return text
