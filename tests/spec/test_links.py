"""CDS Hooks, links."""

from typing import Any

import pytest

from cds_hooks.protocol.cards import Link, LinkType
from cds_hooks.protocol.checks import ImpossibleMessage
from tests.spec.cards import a_card, sent_card

LOOPBACK = "http://127.0.0.1:8000"
SMART = LinkType.SMART


def sent_link(link: Link) -> dict[str, Any]:
    return dict(sent_card(a_card(links=(link,)))["links"][0])


def test_a_link_has_label_url_and_type() -> None:
    """[LINK-1] `label`, `url`, `type` each 1..1; `type` is `absolute` or `smart`."""
    assert sent_link(Link("Guideline", "https://g.example/x?a=1#b")) == {
        "label": "Guideline",
        "url": "https://g.example/x?a=1#b",
        "type": "absolute",
    }
    assert sent_link(Link("App", "https://app.example/launch", SMART))["type"] == "smart"
    with pytest.raises(ImpossibleMessage):
        Link(" ", "https://g.example")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/path",
        "g.example",
        "//g.example/x",
        "http://g.example",
        "ftp://g.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "https:///x",
        "https://user@g.example",
        "https://g.example/a b",
        "https://g.example/<b>",
        "https://g.example/\n",
        "https://[::1",
        LOOPBACK,
    ],
)
@pytest.mark.parametrize("type_", list(LinkType))
def test_a_link_that_is_not_absolute_https_cannot_be_built(url: str, type_: LinkType) -> None:
    """[LINK-2] Absolute https in both."""
    with pytest.raises(ImpossibleMessage):
        Link("Guideline", url, type_)


def test_a_link_may_have_exactly_the_origin_of_a_loopback_base_url() -> None:
    """[LINK-2] Absolute https in both, or exactly the origin of a loopback base URL."""
    link = Link("About", f"{LOOPBACK}/services/x", loopback_origin=LOOPBACK)
    assert sent_link(link)["url"] == "http://127.0.0.1:8000/services/x"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8001/x",
        "http://127.0.0.1/x",
        "http://localhost:8000/x",
        "http://127.0.0.1:8000.evil.example/x",
        "http://127.0.0.1:8000@evil.example/x",
    ],
)
def test_another_origin_than_the_loopback_one_cannot_be_linked(url: str) -> None:
    """[LINK-2] Exactly the origin of a loopback base URL."""
    with pytest.raises(ImpossibleMessage):
        Link("About", url, loopback_origin=LOOPBACK)


@pytest.mark.parametrize(
    "origin", ["http://g.example", "http://127.0.0.1:8000/", "http://10.0.0.1", "", "http://127.0.0.1.evil.example"]
)
def test_an_origin_that_is_not_loopback_opens_nothing(origin: str) -> None:
    """[LINK-2] The exception holds for loopback alone."""
    with pytest.raises(ImpossibleMessage):
        Link("About", f"{origin}/x", loopback_origin=origin)


@pytest.mark.parametrize("query", ["iss=x", "launch=1", "a=1&launch="])
def test_a_launch_url_leaves_its_parameters_to_the_client(query: str) -> None:
    """[LINK-2] smart link carries no `iss` or `launch`."""
    with pytest.raises(ImpossibleMessage):
        Link("App", f"https://app.example/launch?{query}", SMART)
    assert sent_link(Link("Page", f"https://g.example/?{query}"))["url"].endswith(query)


def test_app_context_goes_with_a_smart_link_only() -> None:
    """[LINK-3] `appContext`: string, valid only with `smart` (cds-resp-3)."""
    assert sent_link(Link("App", "https://app.example", SMART, "finding=1"))["appContext"] == "finding=1"
    with pytest.raises(ImpossibleMessage):
        Link("Page", "https://g.example", app_context="finding=1")
    with pytest.raises(ImpossibleMessage):
        Link("App", "https://app.example", SMART, " ")


def test_nothing_is_launched_by_itself_unless_said() -> None:
    """[LINK-5] `autolaunchable` boolean hint: off by default."""
    assert "autolaunchable" not in sent_link(Link("App", "https://app.example", SMART))
