"""The quiet rules: what is held back, what never is, and that each is said."""

from collections.abc import Collection
from dataclasses import replace

import pytest

from cds_hooks.protocol.cards import Card, Indicator, Source
from cds_hooks.quiet import MOST_CARDS, OVERRIDDEN, TOO_MANY, findings_of, quieted, without_overridden
from models.assessment import Finding, Findings, HeldBack, ModelReference, Tier
from tests.cds_hooks.declared import SOURCE

SERVICE = "test-service"
RULES = ModelReference("order-checks", "1")


def a_finding(key: str, tier: Tier = Tier.WARNING, *, is_lasting: bool = False) -> Finding:
    return Finding(
        ModelReference(key, "1"), key, tier, "What", "Do", ("MedicationRequest/1",), "Who", is_lasting=is_lasting
    )


def a_card(*findings: str, indicator: Indicator = Indicator.WARNING) -> Card:
    return Card("What", indicator=indicator, source=SOURCE, findings=findings)


def never() -> Collection[str]:
    pytest.fail("asked what was overridden, though there was nothing to say")


def test_a_finding_that_the_user_has_answered_is_held_back_and_counted() -> None:
    """[HOOK-7] A hook may fire many times in one session; answers depend on the request and on recorded overrides."""
    before = Findings(RULES, found=(a_finding("a"), a_finding("b")))
    (after,) = without_overridden([before], lambda: {"a"})
    assert after == replace(before, found=(a_finding("b"),), held_back=(HeldBack("a", Tier.WARNING, OVERRIDDEN),))


def test_a_finding_that_nobody_answered_is_said_again() -> None:
    before = Findings(RULES, found=(a_finding("a"),))
    assert without_overridden([before], lambda: {"b"}) == (before,)


@pytest.mark.parametrize(
    "finding",
    [a_finding("a", Tier.CRITICAL, is_lasting=True), a_finding("a", Tier.WARNING, is_lasting=True)],
    ids=["critical", "contraindication"],
)
def test_what_is_critical_or_a_contraindication_is_never_held_back(finding: Finding) -> None:
    before = Findings(RULES, found=(finding,))
    assert without_overridden([before], lambda: {"a"}) == (before,)


def test_what_was_overridden_is_looked_up_only_where_there_is_something_to_say() -> None:
    silent = Findings(RULES, found=(a_finding("a", Tier.CRITICAL, is_lasting=True),))
    assert without_overridden([Findings(RULES), silent], never) == (Findings(RULES), silent)
    assert quieted(SERVICE, [a_card(indicator=Indicator.CRITICAL)], [], never).kept == ()


def test_a_card_is_held_back_when_each_of_its_findings_was_answered() -> None:
    both, one = a_card("a", "b"), a_card("a", "c")
    quiet = quieted(SERVICE, [both, one], [], lambda: {"a", "b"})
    assert (quiet.shown, quiet.kept) == ((one,), (both,))
    assert quiet.held_back == (HeldBack("a b", Tier.WARNING, OVERRIDDEN),)


def test_a_critical_card_is_shown_whatever_was_answered() -> None:
    card = a_card("a", indicator=Indicator.CRITICAL)
    assert quieted(SERVICE, [card], [], lambda: {"a"}).shown == (card,)


def test_a_card_with_a_contraindication_is_shown_however_mild_it_looks() -> None:
    """A contraindication may be a warning: neither the finding nor the card that it is on is ever held back."""
    lasting = Findings(RULES, found=(a_finding("a", Tier.WARNING, is_lasting=True),))
    card = a_card("a", "b")
    quiet = quieted(SERVICE, [card], [lasting], lambda: {"a", "b"})
    assert (quiet.shown, quiet.kept, quiet.held_back) == ((card,), (), ())


def test_a_score_is_remembered_by_its_words_until_they_change() -> None:
    """[HOOK-7] A hook may fire many times in one session; answers depend on the request and on recorded overrides."""
    card = a_card()
    (words,) = findings_of(SERVICE, card)
    assert quieted(SERVICE, [card], [], lambda: {words}).kept == (card,)
    for changed in (
        replace(card, summary="Else"),
        replace(card, indicator=Indicator.INFO),
        replace(card, source=Source("Other")),
    ):
        assert quieted(SERVICE, [changed], [], lambda: {words}).shown == (changed,)
    assert quieted("other", [card], [], lambda: {words}).shown == (card,)


def test_few_cards_are_shown_at_once_most_urgent_first() -> None:
    infos = [a_card(f"i{number}", indicator=Indicator.INFO) for number in range(MOST_CARDS)]
    warning = a_card("w")
    quiet = quieted(SERVICE, [*infos, warning], [], tuple)
    assert quiet.shown == (warning, *infos[: MOST_CARDS - 1])
    assert quiet.kept == (infos[-1],)
    assert quiet.held_back == (HeldBack(f"i{MOST_CARDS - 1}", Tier.INFO, TOO_MANY),)


def test_no_critical_card_is_ever_one_too_many() -> None:
    critical = [a_card(f"c{number}", indicator=Indicator.CRITICAL) for number in range(MOST_CARDS + 2)]
    quiet = quieted(SERVICE, [a_card("w"), *critical], [], tuple)
    assert quiet.shown == tuple(critical)
    assert quiet.held_back == (HeldBack("w", Tier.WARNING, TOO_MANY),)


def test_what_the_rules_held_back_themselves_is_counted_too() -> None:
    held = HeldBack("a", Tier.INFO, "monitoring is ordered")
    assert quieted(SERVICE, [], [Findings(RULES, held_back=(held,))], tuple).held_back == (held,)
