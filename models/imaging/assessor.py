"""Imaging orders against the chart: an assessor over the drafts that were asked about, rules as rows of data."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from fhir_client.record import PatientRecord
from fhir_client.search import Search, merge
from models.advice import Advice, read_advice, version_of
from models.assessment import (
    Assessment,
    Finding,
    Findings,
    Gap,
    Input,
    Missing,
    ModelReference,
    NotApplicable,
    Reading,
    Unchecked,
)
from models.errors import ParametersRejected
from models.features.demographics import DECEASED
from models.features.searches import PATIENT
from models.imaging.needs import NEEDS, Wish
from models.imaging.studies import FILE as STUDIES
from models.imaging.studies import kinds, study_of
from models.order_checks import expression
from models.order_checks.words import filled
from models.risk_model import Output
from models.rule_rows import RuleRow
from models.site import Site

RULES: Final = Path(__file__).with_name("rules.toml")
_NO_STUDY: Final = "no imaging study that is known among the orders that were asked about"
_DIED: Final = "the patient has died"
_SAY: Final = "say"
# The chart says nothing of it: such a study may be made. Anything else keeps a check from being made, and is said.
_NOTHING_SAID: Final = frozenset({Gap.NOT_RECORDED, Gap.TOO_OLD, Gap.UNSTABLE})


@dataclass(frozen=True, slots=True)
class ImagingRule:
    """One row with its condition."""

    advice: Advice
    kind: str
    condition: expression.Condition
    says_unknown: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Give what it asks for."""
        return tuple(dict.fromkeys(expression.names(self.condition)))

    @property
    def behind(self) -> tuple[str, ...]:
        """Name what is not VERIFIED of what it asks for."""
        return tuple(dict.fromkeys(remark for name in self.names for remark in NEEDS[name].unverified))


@dataclass(frozen=True)
class ImagingAdvice:
    """An assessor. No search is required: what could not be read is said where a rule wants it said."""

    rules: tuple[ImagingRule, ...]
    version: str

    @property
    def reference(self) -> ModelReference:
        """Give id and version."""
        return ModelReference("imaging-advice", self.version)

    @property
    def rows(self) -> Sequence[RuleRow]:
        """Give the rows as a reader is shown them."""
        return tuple(rule.advice.shown(*rule.behind) for rule in self.rules)

    @cached_property
    def outputs(self) -> Sequence[Output]:
        """Give one output a row: the gate is per row."""
        return tuple(rule.advice.output(*rule.behind) for rule in self.rules)

    @cached_property
    def searches(self) -> Sequence[Search]:
        """Give what must be asked about a patient."""
        asked = (search for rule in self.rules for name in rule.names for search in NEEDS[name].searches)
        return tuple(merge((PATIENT, *DECEASED.searches, *asked)).values())

    @property
    def required_keys(self) -> frozenset[str]:
        """Give no key."""
        return frozenset()

    def assess(self, record: PatientRecord, site: Site) -> Assessment:
        """Check the drafts that were asked about."""
        wishes = tuple(_wishes(record))
        if not wishes:
            return NotApplicable(self.reference, _NO_STUDY)
        died = DECEASED.answer(record, site)
        if isinstance(died, Reading) and died.value:
            return NotApplicable(self.reference, _DIED)
        asked = [
            _Asking(rule, wish, record, site) for wish in wishes for rule in self.rules if wish.study.is_a(rule.kind)
        ]
        answers = [answer for each in asked if (answer := each.answer()) is not None]
        found = [answer for answer in answers if isinstance(answer, Finding)]
        return Findings(
            self.reference,
            tuple(sorted(found, key=lambda finding: finding.tier.rank)),
            tuple(answer for answer in answers if isinstance(answer, Unchecked)),
            checked=len({each.rule.advice.id for each in asked}),
        )


def _wishes(record: PatientRecord) -> Iterator[Wish]:
    for draft in record.drafted_orders:
        study = study_of(draft.codings) if record.is_asked_about(draft) and not draft.is_over else None
        if study is not None:
            yield Wish(draft, study)


@dataclass(frozen=True, slots=True)
class _Asking:
    """One rule about one draft."""

    rule: ImagingRule
    wish: Wish
    record: PatientRecord
    site: Site

    def answer(self) -> Finding | Unchecked | None:
        """Say what was found, or what kept the rule from being checked; nothing where it does not hold."""
        verdict = self.rule.condition.judge(self._ask)
        if verdict.truth is None and self.rule.says_unknown:
            return self._unchecked(verdict.names)
        return self._finding(verdict.names) if verdict.truth else None

    def _ask(self, name: str) -> Reading | Missing:
        return NEEDS[name].ask(self.record, self.site, self.wish)

    def _finding(self, names: Iterable[str]) -> Finding:
        inputs = {name: NEEDS[name].as_input(self._ask(name)) for name in names}
        return self.rule.advice.finding(
            self.wish.study.name,
            (self.wish.draft.source.reference,),
            _words({"study": self.wish.study.title}, tuple(inputs.values())),
            tuple(part for name, item in inputs.items() for part in self._shown(name, item)),
            *self.rule.behind,
        )

    def _shown(self, name: str, item: Input) -> tuple[Input, ...]:
        """Give what a reader is shown of an input: its parts, if it is a sum, the missing ones among them."""
        parts = NEEDS[name].parts
        if parts is not None:
            return parts(self.record, self.site)
        return (item,) if isinstance(item.reading, Reading) else ()

    def _unchecked(self, names: Iterable[str]) -> Unchecked | None:
        inputs = (NEEDS[name].as_input(self._ask(name)) for name in names)
        missing = tuple(item for item in inputs if _is_worth_saying(item))
        if not missing:
            return None
        advice = self.rule.advice
        return Unchecked(
            advice.reference,
            self.wish.draft.source.reference,
            self.wish.study.title,
            missing,
            unverified=advice.unverified(*self.rule.behind),
        )


def _is_worth_saying(item: Input) -> bool:
    return isinstance(item.reading, Missing) and item.reading.gap not in _NOTHING_SAID


def _words(words: Mapping[str, str], inputs: Sequence[Input]) -> Mapping[str, str]:
    """Give the values that a row's words name, as a reader is shown them."""
    named = {item.name: filled(f"{{{item.name}}}", {}, (item,)) for item in inputs}
    unknown = {name: "not known" for name in NEEDS if name not in named}
    return {**unknown, **named, **words}


def read_rules(path: Path) -> Iterator[ImagingRule]:
    """Read a file of rows with their conditions.

    Raises:
        ParametersRejected: a row is not of its form, or asks for what nobody answers.
    """
    for advice in read_advice(path, more=frozenset({"study", "when", "unknown"})).values():
        place = f"{path.parent.name}: {advice.id}"
        condition = expression.parse(advice.more["when"], place)
        if set(expression.names(condition)) - NEEDS.keys():
            raise ParametersRejected(place, "asks for something that needs.py has not")
        if advice.more["study"] not in kinds() or advice.more["unknown"] not in (_SAY, "silent"):
            raise ParametersRejected(place, "is about no known study, or has an unknown word for what is not known")
        yield ImagingRule(advice, advice.more["study"], condition, advice.more["unknown"] == _SAY)


ASSESSOR: Final = ImagingAdvice(tuple(read_rules(RULES)), version_of(RULES, STUDIES))
