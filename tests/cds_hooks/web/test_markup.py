"""Markdown of our model cards as HTML: what is meant shows, and nothing else can."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_hooks.web.markup import html_of


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("# Card", "<h3>Card</h3>"),
        ("###### Deep", "<h6>Deep</h6>"),
        ("one\ntwo\n\nthree", "<p>one two</p>\n<p>three</p>"),
        ("- a\n  more\n- b", "<ul><li>a more</li><li>b</li></ul>"),
        ("1. a\n2. b", "<ul><li>a</li><li>b</li></ul>"),
        ("text\n- a", "<p>text</p>\n<ul><li>a</li></ul>"),
        (
            "| a | b |\n|---|:-:|\n| 1 | 2 |",
            "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>",
        ),
        ("`x<y` **bold** *slant*", "<p><code>x&lt;y</code> <strong>bold</strong> <em>slant</em></p>"),
        ("snake_case_name 2*3*4", "<p>snake_case_name 2*3*4</p>"),
        ("[RCP](https://rcp.example/a)", '<p><a href="https://rcp.example/a" rel="noreferrer">RCP</a></p>'),
        ("[x](javascript:alert)", "<p>[x](javascript:alert)</p>"),
        ("<img src=x onerror=y>", "<p>&lt;img src=x onerror=y&gt;</p>"),
        ("| |", "<table><thead></thead><tbody></tbody></table>"),
        ("", ""),
    ],
)
def test_markdown_becomes_html(markdown: str, html: str) -> None:
    assert str(html_of(markdown)) == html


@given(st.text(alphabet="#-|*_`[]()<>&\"'\n ahtps:/.1"))
def test_no_text_becomes_a_tag_of_its_own(text: str) -> None:
    html = str(html_of(text))
    for tag in ("h3", "h4", "h5", "h6", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"):
        html = html.replace(f"<{tag}>", "").replace(f"</{tag}>", "")
    for tag in ("code", "strong", "em"):
        html = html.replace(f"<{tag}>", "").replace(f"</{tag}>", "")
    outside = html.replace("</a>", "").split('<a href="https://')
    assert all("<" not in part.split('" rel="noreferrer">')[-1] for part in outside)
