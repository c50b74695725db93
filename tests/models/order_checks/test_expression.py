"""Conditions: what can be written, and Kleene's logic of what is not known."""

from collections.abc import Mapping
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.assessment import Gap, Missing, Reading
from models.errors import ParametersRejected
from models.order_checks import expression
from models.order_checks.expression import Answer, Condition, certain, comparisons, names, parse

UNKNOWN = Missing(Gap.NOT_RECORDED)
TRUTHS: tuple[bool | None, ...] = (True, False, None)
SIGNS: tuple[bool | None, ...] = (False, None, True)  # in Kleene's order, least true first


def judged(text: str, **values: float | bool | None) -> expression.Verdict:
    answers: Mapping[str, Answer] = {
        name: UNKNOWN if value is None else Reading(value) for name, value in values.items()
    }
    return parse(text, "here").judge(lambda name: answers[name])


@pytest.mark.parametrize(("left", "right"), list(product(TRUTHS, TRUTHS)))
def test_and_is_the_lesser_and_or_the_greater_of_two(left: bool | None, right: bool | None) -> None:
    ranks = SIGNS.index(left), SIGNS.index(right)
    assert judged("a and b", a=left, b=right).truth is SIGNS[min(ranks)]
    assert judged("a or b", a=left, b=right).truth is SIGNS[max(ranks)]


@pytest.mark.parametrize("value", TRUTHS)
def test_not_turns_round_what_is_known(value: bool | None) -> None:
    assert judged("not a", a=value).truth is (None if value is None else not value)


@pytest.mark.parametrize(
    ("sign", "below", "at", "above"),
    [("<", True, False, False), ("<=", True, True, False), (">", False, False, True), (">=", False, True, True)],
)
def test_a_bound_is_met_missed_and_passed(sign: str, below: bool, at: bool, above: bool) -> None:
    assert [judged(f"x {sign} 5.5", x=value).truth for value in (5.4, 5.5, 5.6)] == [below, at, above]


def test_what_decides_is_named() -> None:
    assert judged("a and b", a=True, b=True).names == ("a", "b")
    assert judged("a and b", a=True, b=False).names == ("b",)
    assert judged("a or b", a=False, b=True).names == ("b",)
    assert judged("a and b and c", a=None, b=True, c=None).names == ("a", "c")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a and",
        "f(a)",
        "a.b",
        "a + 1 > 2",
        "5 < a",
        "a < b",
        "1 < a < 2",
        "a == 1",
        "a is b",
        "'a'",
        "1",
        "a < '5'",
        "[a]",
        "a if b else c",
        "not 1",
        "-a",
        "a < -1j",
        "lambda: a",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ParametersRejected):
        parse(text, "here")


_ATOMS = st.sampled_from(("a", "b", "c", "x < 1", "x >= 2", "y > 0"))
CONDITIONS = st.recursive(
    _ATOMS,
    lambda parts: st.one_of(
        parts.map(lambda text: f"(not {text})"),
        st.tuples(parts, st.sampled_from((" and ", " or ")), parts).map(lambda text: f"({''.join(text)})"),
    ),
    max_leaves=6,
)
_TRUE_OR_NOT = st.sampled_from(TRUTHS)
VALUES = st.fixed_dictionaries(
    dict.fromkeys(("a", "b", "c"), _TRUE_OR_NOT) | {name: st.sampled_from((0.5, 1.0, 2.0, None)) for name in ("x", "y")}
)


@given(CONDITIONS, VALUES)
def test_what_is_known_is_what_python_says(text: str, values: dict[str, float | bool | None]) -> None:
    truth = judged(text, **values).truth
    known = {name: value for name, value in values.items() if value is not None}
    lacking = [name for name in values if name not in known]
    fills = ((True, False) if name in ("a", "b", "c") else (0.5, 1.0, 2.0) for name in lacking)
    possible = {
        eval(text, {"__builtins__": {}}, {**known, **dict(zip(lacking, fill, strict=True))})  # noqa: S307
        for fill in product(*fills)
    }
    if truth is not None:
        assert possible == {truth}
    if not lacking:
        assert truth is not None


@given(CONDITIONS, VALUES)
def test_what_is_certain_was_asked_for_and_answered(text: str, values: dict[str, float | bool | None]) -> None:
    verdict = judged(text, **values)
    if verdict.truth is not None:
        condition = parse(text, "here")
        assert certain(condition, truth=verdict.truth) <= set(verdict.names)
        assert all(values[name] is not None for name in verdict.names)


def test_names_and_comparisons_are_given_in_their_order() -> None:
    condition: Condition = parse("b < 2 and not (a or c >= 1)", "here")
    assert list(names(condition)) == ["b", "a", "c"]
    assert [(each.name, each.sign, each.bound) for each in comparisons(condition)] == [
        ("b", "<", 2.0),
        ("c", ">=", 1.0),
    ]
