"""CDS Hooks, cards: what they must have, and what cannot be built."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_hooks.protocol.cards import Card, Coding, Indicator, Response, SelectionBehavior, Source
from cds_hooks.protocol.checks import ImpossibleMessage
from cds_hooks.protocol.markdown import plain, shorten
from tests.spec.cards import SOURCE, a_card, a_suggestion, sent_card

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def test_every_card_has_a_fresh_bare_lower_case_uuid() -> None:
    """[CARD-1] Always set, lower-case, bare UUID."""
    uuids = {sent_card(a_card())["uuid"] for _ in range(20)}
    assert len(uuids) == 20
    assert all(UUID.fullmatch(uuid) for uuid in uuids)


@pytest.mark.parametrize(
    "uuid", ["", "x", "urn:uuid:d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", "D1577C69-DFBE-44AD-BA6D-3E05E953B2EA"]
)
def test_no_other_form_of_uuid_can_be_given(uuid: str) -> None:
    """[CARD-1] Always set, lower-case, bare UUID."""
    with pytest.raises(ImpossibleMessage):
        a_card(uuid=uuid)
    with pytest.raises(ImpossibleMessage):
        a_suggestion(uuid=uuid)


@pytest.mark.parametrize(
    "summary", ["x" * 140, "\N{PILL}" * 70, "", "  ", "a\nb", "a\rb", "a\u2028b", "a\x00", "<b>x", "\ud800"]
)
def test_a_summary_that_no_client_can_show_cannot_be_built(summary: str) -> None:
    """[CARD-2] One sentence, fewer than 140 characters, in code points and in UTF-16 units."""
    with pytest.raises(ImpossibleMessage):
        a_card(summary)


@pytest.mark.parametrize("summary", ["x" * 139, "\N{PILL}" * 69 + "x", "eGFR < 60", "a <5 b", "5 > 3"])
def test_a_summary_just_short_enough_is_sent_as_it_is(summary: str) -> None:
    """[CARD-2] Length at most 139."""
    assert sent_card(a_card(summary))["summary"] == summary


@given(st.text(max_size=400))
def test_a_long_name_shortened_always_fits_a_summary(name: str) -> None:
    """[CARD-2] Property test with long names."""
    summary = sent_card(a_card(f"Interaction: {plain(name, limit=100)}"))["summary"]
    assert len(summary.encode("utf-16-le")) // 2 < 140


@given(st.text(max_size=60), st.integers(1, 40))
def test_a_text_is_never_longer_than_its_limit_in_either_count(text: str, limit: int) -> None:
    shortened = shorten(text, limit)
    assert len(shortened.encode("utf-16-le")) // 2 <= limit
    if len(text.encode("utf-16-le")) // 2 <= limit:
        assert shortened == text


def test_detail_is_markdown_and_passes_as_it_is() -> None:
    """[CARD-3] GitHub-flavoured markdown."""
    detail = "**Why**\n\n| input | value |\n|---|---|\n| eGFR | < 60 |\n\n- [source](https://s.example)"
    assert sent_card(a_card(detail=detail))["detail"] == detail


@pytest.mark.parametrize(
    "detail", ["<img src=x>", "a </td> b", "<!-- x -->", "<https://x.example>", "<?x?>", "", " ", "a\x00b"]
)
def test_html_in_detail_cannot_be_built(detail: str) -> None:
    """[CARD-3] GFM allows some HTML: avoid it."""
    with pytest.raises(ImpossibleMessage):
        a_card(detail=detail)


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "![x](http://evil.example/x.png)",
    "[click](javascript:alert(1))",
    "http://evil.example",
    "www.evil.example",
    "a@evil.example",
    "&lt;b&gt; &#60;b&#62;",
    "a\n\n# heading",
    "# heading",
    "- # 1. list",
    "1. list",
    "> quote",
    "```code```",
    "**bold** _italic_ ~~gone~~",
    "a | b | c",
    "[^1]: note",
    "---",
    "trailing \\",
    "\N{RIGHT-TO-LEFT OVERRIDE}txt.exe",
    "<" * 500,
    "http:evil.example",  # without slashes a browser still goes there
    "x[y](HTTPS:evil.example)",
]
# What GFM or a browser would act on: tags, entities, links, images, emphasis, code, tables, breaks, block markers.
ACTIVE = re.compile(
    r"[<>\[\]`*~|\\@\n\r]|&#?\w+;|://|(?i:https?:\S|www\.)|(?:^|\W)_|_(?:\W|$)|^(?:[#+=-]+|\d+[.)])(?:\s|$)|[\u202a-\u202e\u2066-\u2069]"
)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_a_chart_arrives_inert(text: str) -> None:
    """[SEC-42, CARD-3] Drug name `<img onerror=...>` arrives inert; all inserted text is escaped for markdown."""
    assert ACTIVE.search(text) or len(text) > 200
    assert ACTIVE.search(plain(text)) is None


@given(st.text(st.sampled_from("<>[]()`*_~|\\@&#;:/w.!-+=1 a\n\t\x00\u202e\N{PILL}"), max_size=60), st.integers(1, 80))
def test_any_text_is_made_inert_and_short(text: str, limit: int) -> None:
    """[SEC-42] Text from FHIR data is escaped before it enters markdown."""
    made = plain(text, limit=limit)
    assert ACTIVE.search(made) is None
    assert len(made.encode("utf-16-le")) // 2 <= limit


@pytest.mark.parametrize(
    "text", ["Metformin 500 mg", "P&G's drug", "naïve Ωμέγα 药", "5.5 mmol/L", "a_b", "-5 to +5", "(R)-x"]
)
def test_ordinary_text_is_left_as_it_is(text: str) -> None:
    assert plain(text) == text


def test_text_that_must_change_stays_readable() -> None:
    assert plain("met\N{RIGHT-TO-LEFT OVERRIDE}for\N{ZERO WIDTH SPACE}min\x00500\tmg") == "metformin 500 mg"
    assert plain("insulin lispro [Humalog]\n100 UNT/ML") == "insulin lispro (Humalog) 100 UNT/ML"


def test_an_indicator_is_one_of_three_words() -> None:
    """[CARD-4] `info`, `warning` or `critical`, lower case."""
    assert [sent_card(a_card(indicator=each))["indicator"] for each in Indicator] == ["info", "warning", "critical"]
    with pytest.raises(ImpossibleMessage):
        a_card(indicator="hard-stop")


def test_a_card_says_where_it_comes_from() -> None:
    """[CARD-5, CARD-6] `source` 1..1 object; `source.label` 1..1 short text, non-empty."""
    assert sent_card(a_card())["source"] == {"label": "A made-up guideline"}
    for label in ("", " ", "a\nb"):
        with pytest.raises(ImpossibleMessage):
            Source(label)
    with pytest.raises(ImpossibleMessage):
        a_card(source={"label": "x"})
    with pytest.raises(TypeError):
        Card("A finding", indicator=Indicator.INFO)  # type: ignore[call-arg]


LOOPBACK = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    "url",
    [
        "http://guideline.example",
        "/local",
        "guideline.example",
        "javascript:alert(1)",
        "https://",
        "https://u:p@h/",
        "https://h/ x",
        "https://[x",
    ],
)
def test_a_sources_addresses_are_absolute_https(url: str) -> None:
    """[CARD-7] Absolute https URL."""
    with pytest.raises(ImpossibleMessage):
        Source("A guideline", url)
    with pytest.raises(ImpossibleMessage):
        Source("A guideline", icon=url, loopback_origin=LOOPBACK)


def test_a_sources_addresses_are_sent() -> None:
    """[CARD-7] `source.url`: absolute."""
    source = Source("Us", f"{LOOPBACK}/services/x", "https://us.example/icon.png", loopback_origin=LOOPBACK)
    received = sent_card(a_card(source=source))["source"]
    assert received == {"label": "Us", "url": f"{LOOPBACK}/services/x", "icon": "https://us.example/icon.png"}


def test_a_topic_is_a_coding() -> None:
    """[CARD-9, COD-2] `source.topic`: Coding; `display` optional for topic."""
    source = Source("A guideline", topic=Coding("clinical-reminder", "https://t.example"))
    assert sent_card(a_card(source=source))["source"]["topic"] == {
        "code": "clinical-reminder",
        "system": "https://t.example",
    }
    for topic in ("clinical-reminder", {"code": "x"}):
        with pytest.raises(ImpossibleMessage):
            Source("A guideline", topic=topic)  # type: ignore[arg-type]


def test_suggestions_need_a_selection_behavior() -> None:
    """[CARD-10, CARD-11] `selectionBehavior` is present when suggestions are; key absent when empty."""
    for behavior in (None, "any", "all"):
        with pytest.raises(ImpossibleMessage):
            a_card(suggestions=(a_suggestion(),), selection_behavior=behavior)
    card = a_card(suggestions=(a_suggestion(),), selection_behavior=SelectionBehavior.AT_MOST_ONE)
    assert sent_card(card)["selectionBehavior"] == "at-most-one"
    assert {"suggestions", "selectionBehavior"} & set(
        sent_card(a_card(selection_behavior=SelectionBehavior.ANY))
    ) == set()


def test_an_override_reason_has_a_display_a_code_and_a_system() -> None:
    """[CARD-13, COD-1, COD-2] each has `display` (SHALL), `code`, `system`."""
    reason = Coding("known", "https://r.example", "Already known")
    received = sent_card(a_card(override_reasons=(reason,)))["overrideReasons"]
    assert received == [{"code": "known", "system": "https://r.example", "display": "Already known"}]
    with pytest.raises(ImpossibleMessage):
        a_card(override_reasons=(Coding("known", "https://r.example"),))


def test_a_reason_is_offered_once() -> None:
    reason = Coding("known", "https://r.example", "Already known")
    with pytest.raises(ImpossibleMessage):
        a_card(override_reasons=(reason, Coding("known", "https://r.example", "Known already")))


def test_a_card_without_links_has_no_such_key() -> None:
    """[CARD-15] `links` 0..*: key absent when empty."""
    assert "links" not in sent_card(a_card())


@pytest.mark.parametrize("extension", [{}, [1], "x", {"plain": 1}, {"com.example.x": None}])
def test_an_extension_is_an_object_with_globally_unique_keys(extension: Any) -> None:
    """[CARD-16, EXT-1, EXT-2] Object only; keys are globally unique, e.g. reverse domain."""
    with pytest.raises(ImpossibleMessage):
        a_card(extension=extension)


def test_the_same_cards_give_the_same_answer_apart_from_uuids() -> None:
    """[CARD-19] Same input twice gives equal content apart from uuids."""
    first, second = (sent_card(a_card("x", detail="y")) for _ in range(2))
    assert first.pop("uuid") != second.pop("uuid")
    assert first == second


def test_no_repr_shows_what_a_card_says() -> None:
    suggestion = a_suggestion("Zzmarker")
    card = a_card("Zzmarker", detail="Zzmarker", suggestions=(suggestion,), selection_behavior=SelectionBehavior.ANY)
    assert "Zzmarker" not in repr(Response((card,)))


def test_no_error_repeats_what_was_refused() -> None:
    with pytest.raises(ImpossibleMessage) as refused:
        Card("Zzmarker" * 40, indicator=Indicator.INFO, source=SOURCE)
    assert "Zzmarker" not in str(refused.value)


@pytest.mark.parametrize("name", ["", "two words", "a\tb"])
def test_what_a_card_is_remembered_by_is_one_word(name: str) -> None:
    with pytest.raises(ImpossibleMessage):
        a_card(findings=("fine", name))
    assert a_card(findings=("fine",)).findings == ("fine",)
