"""A rule's condition: a small expression over the shared vocabulary, with three answers: true, false, not known.

`egfr < 30 and not dialysis`, `potassium >= 5.5 or pregnancy`: names, numbers, comparisons, `and`, `or`, `not`,
brackets. It is parsed by Python's own parser and evaluated here, in Kleene's logic: what is not known stays not known
unless the rest decides.
"""

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from models.assessment import Missing, Reading, Value
from models.errors import ParametersRejected

Answer: TypeAlias = Reading | Missing
Ask: TypeAlias = Callable[[str], Answer]
"""Gives the answer to a name of the vocabulary."""

_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = MappingProxyType(
    {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
)
_SIGNS: Final[Mapping[type[ast.cmpop], str]] = MappingProxyType(
    {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an expression comes to, None where it is not known, and the names that it comes from."""

    truth: bool | None
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """A name of the vocabulary that is true or false."""

    name: str

    def judge(self, ask: Ask) -> Verdict:
        """Ask for it."""
        answer = ask(self.name)
        return Verdict(None if isinstance(answer, Missing) else bool(answer.value), (self.name,))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A quantity of the vocabulary against a number, in the unit that the vocabulary says."""

    name: str
    sign: str
    bound: float

    def holds(self, value: Value) -> bool:
        """Compare a value."""
        return _COMPARE[self.sign](float(value), self.bound)

    def judge(self, ask: Ask) -> Verdict:
        """Ask for the quantity, and compare it."""
        answer = ask(self.name)
        return Verdict(None if isinstance(answer, Missing) else self.holds(answer.value), (self.name,))


@dataclass(frozen=True, slots=True)
class Not:
    """That the part is not so."""

    part: "Condition"

    def judge(self, ask: Ask) -> Verdict:
        """Turn the part round; not known stays not known."""
        verdict = self.part.judge(ask)
        return Verdict(None if verdict.truth is None else not verdict.truth, verdict.names)


@dataclass(frozen=True, slots=True)
class Group:
    """Several parts: `decisive` False is all of them (`and`), True any of them (`or`)."""

    parts: tuple["Condition", ...]
    decisive: bool

    def judge(self, ask: Ask) -> Verdict:
        """Stop at the first part that decides; of an undecided group name what is not known."""
        others: list[str] = []
        unknown: list[str] = []
        for part in self.parts:
            verdict = part.judge(ask)
            if verdict.truth is self.decisive:
                return verdict if self.decisive else Verdict(truth=False, names=verdict.names)
            (others if verdict.truth is not None else unknown).extend(verdict.names)
        if unknown:
            return Verdict(None, tuple(dict.fromkeys(unknown)))
        return Verdict(not self.decisive, tuple(dict.fromkeys(others)))


Condition: TypeAlias = Truth | Comparison | Not | Group


def parse(text: str, place: str) -> Condition:
    """Read a condition.

    Raises:
        ParametersRejected: it is not of this form.
    """
    try:
        return _read(ast.parse(text, mode="eval").body, place)
    except SyntaxError as error:
        raise ParametersRejected(place, "has a condition that cannot be read") from error


def names(condition: Condition) -> Iterator[str]:
    """Give the names in a condition, in their order."""
    match condition:
        case Truth() | Comparison():
            yield condition.name
        case Not():
            yield from names(condition.part)
        case Group():
            for part in condition.parts:
                yield from names(part)


def certain(condition: Condition, *, truth: bool = True) -> frozenset[str]:
    """Give the names that have been asked for, and have an answer, whenever the condition comes to this truth."""
    match condition:
        case Not():
            return certain(condition.part, truth=not truth)
        case Group():
            parts = [certain(part, truth=truth) for part in condition.parts]
            return frozenset.intersection(*parts) if truth is condition.decisive else frozenset().union(*parts)
    return frozenset({condition.name})


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """Give the comparisons in a condition, in their order."""
    match condition:
        case Comparison():
            yield condition
        case Not():
            yield from comparisons(condition.part)
        case Group():
            for part in condition.parts:
                yield from comparisons(part)


def _read(node: ast.expr, place: str) -> Condition:
    match node:
        case ast.Name():
            return Truth(node.id)
        case ast.UnaryOp(op=ast.Not()):
            return Not(_read(node.operand, place))
        case ast.BoolOp():
            return Group(tuple(_read(part, place) for part in node.values), isinstance(node.op, ast.Or))
        case ast.Compare(ast.Name(name), [sign], [ast.Constant(int() | float() as bound)]) if type(sign) in _SIGNS:
            return Comparison(name, _SIGNS[type(sign)], float(bound))
    raise ParametersRejected(place, "has a condition with something else than names, numbers, and, or, not, < <= > >=")
