"""Rations: the first of each minute are written, the others counted, and no stranger can make the count large."""

from datetime import timedelta

from cds_hooks.journal.rationing import A_MINUTE, MOST_ISSUERS, Rations
from tests.cds_hooks.journal.journals import NOW


def test_the_first_of_a_minute_are_written_and_the_rest_told_with_the_next() -> None:
    rations = Rations()
    assert [rations.take("i", NOW) for _ in range(A_MINUTE)] == [0] * A_MINUTE
    assert [rations.take("i", NOW + timedelta(seconds=59)) for _ in range(3)] == [None] * 3
    assert rations.take("i", NOW + timedelta(seconds=60)) == 3
    assert rations.take("i", NOW + timedelta(seconds=61)) == 0


def test_each_issuer_has_its_own() -> None:
    rations = Rations()
    for _ in range(A_MINUTE + 1):
        rations.take("i", NOW)
    assert rations.take("j", NOW) == 0
    assert rations.rest() == (("i", NOW, 1),)
    assert rations.rest() == ()


def test_a_clock_that_was_put_back_starts_a_new_minute() -> None:
    rations = Rations()
    for _ in range(A_MINUTE):
        rations.take("i", NOW)
    assert rations.take("i", NOW - timedelta(hours=1)) == 0


def test_issuers_without_number_share_one_ration() -> None:
    rations = Rations()
    for number in range(MOST_ISSUERS):
        assert rations.take(f"i{number}", NOW) == 0
    taken = [rations.take(f"x{number}", NOW) for number in range(A_MINUTE + 5)]
    assert taken == [0] * A_MINUTE + [None] * 5
    assert len(rations._windows) == MOST_ISSUERS + 1
