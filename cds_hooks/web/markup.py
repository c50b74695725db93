"""Shows the markdown of our own model cards as HTML: headings, lists, tables, emphasis, code and https links.

Everything is escaped first, so whatever the text holds it can only become what is listed here.
"""

import re
from collections.abc import Iterator

from markupsafe import Markup, escape

_HEADING = re.compile(r"(#{1,6}) +(.+)")
_ITEM = re.compile(r"\s*(?:[-*]|\d+\.) +(.+)")
_RULE = re.compile(r"\|?[\s:|-]+\|?")
_INLINE = (
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*([^*]+)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\w*])[*_]([^*_\s][^*_]*)[*_](?![\w*])"), r"<em>\1</em>"),
    (re.compile(r"\[([^\]]+)\]\((https://[^\s()<>&]+)\)"), r'<a href="\2" rel="noreferrer">\1</a>'),
)
_HEAD = Markup("<th>{}</th>")
_CELL = Markup("<td>{}</td>")
_LOWEST_HEADING = 6
_PAGE_LEVELS = 2  # the page itself has h1 and h2, so a card's own first heading is an h3


def html_of(markdown: str) -> Markup:
    """Give the HTML of a text."""
    return Markup("\n").join(_blocks(markdown))


def _blocks(markdown: str) -> Iterator[Markup]:
    for block in re.split(r"\n\s*\n", markdown.replace("\r\n", "\n")):
        lines = [line for line in block.split("\n") if line.strip()]
        while lines:
            length = _length_of_first(lines)
            yield _element(lines[:length])
            lines = lines[length:]


def _kind(line: str) -> str:
    if _HEADING.fullmatch(line):
        return "heading"
    if line.lstrip().startswith("|"):
        return "table"
    return "item" if _ITEM.fullmatch(line) else "text"


def _length_of_first(lines: list[str]) -> int:
    kind = _kind(lines[0])
    if kind == "heading":
        return 1
    following = {"table": {"table"}, "item": {"item", "text"}, "text": {"text"}}[kind]
    length = 1
    while length < len(lines) and _kind(lines[length]) in following:
        length += 1
    return length


def _element(lines: list[str]) -> Markup:
    heading = _HEADING.fullmatch(lines[0])
    if heading:
        level = min(len(heading[1]) + _PAGE_LEVELS, _LOWEST_HEADING)
        return Markup("<h{0}>{1}</h{0}>").format(level, _inline(heading[2]))
    if _kind(lines[0]) == "table":
        return _table(lines)
    if _kind(lines[0]) == "item":
        return _list(lines)
    return Markup("<p>{}</p>").format(_inline(" ".join(lines)))


def _list(lines: list[str]) -> Markup:
    items: list[str] = []
    for line in lines:
        item = _ITEM.fullmatch(line)
        if item:
            items.append(item[1])
        else:
            items[-1] += f" {line.strip()}"
    return Markup("<ul>{}</ul>").format(Markup().join(Markup("<li>{}</li>").format(_inline(item)) for item in items))


def _table(lines: list[str]) -> Markup:
    rows = [line for line in lines if not _RULE.fullmatch(line.strip())]
    cells = [[cell.strip() for cell in row.strip().strip("|").split("|")] for row in rows]
    head, *body = [_row(row, _HEAD if place == 0 else _CELL) for place, row in enumerate(cells)] or [Markup()]
    return Markup("<table><thead>{}</thead><tbody>{}</tbody></table>").format(head, Markup().join(body))


def _row(cells: list[str], cell_of: Markup) -> Markup:
    inner = Markup().join(cell_of.format(_inline(cell)) for cell in cells)
    return Markup("<tr>{}</tr>").format(inner)


def _inline(text: str) -> Markup:
    html = str(escape(text))
    for pattern, replacement in _INLINE:
        html = pattern.sub(replacement, html)
    return Markup(html)  # noqa: S704 - escaped above; the patterns add tags only, and https addresses without quotes
