"""Repeated tests: which drafts ask for what is there already, or under way."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Final

from fhir_client.record import Availability, PatientRecord
from fhir_client.search import Search, merge
from models.assessment import (
    Assessment,
    Finding,
    Findings,
    Gap,
    Input,
    Missing,
    ModelReference,
    NotApplicable,
    NotAssessable,
    Reading,
    Unchecked,
)
from models.features.demographics import AGE_YEARS, DECEASED
from models.features.readers import nothing_found
from models.features.searches import SERVICE_ORDERS, laboratory
from models.repeat_test.evidence import PENDING, Evidence, Wanted, last_results, pending_order, wanted
from models.repeat_test.rows import FILE, Intervals, Orderable, in_words, load
from models.risk_model import Output
from models.rule_rows import RuleRow
from models.scope import Domain, cut_by_birth_date
from models.site import Site

DELETE: Final = "delete"
NOT_TOLD: Final = "not told:"
"""How the inputs begin that are conditions of which the chart says nothing."""
_NO_INTERVAL: Final = "no test among the orders that has an interval"
# The chart says nothing of it: no reason to be silent, but to be said. Any other gap is.
_NOTHING_SAID: Final = frozenset({Gap.NOT_RECORDED, Gap.TOO_OLD})


@dataclass(frozen=True)
class RepeatTests:
    """An assessor: one finding a draft. No search is required: what was not read keeps a draft unchecked."""

    intervals: Intervals
    version: str

    @property
    def reference(self) -> ModelReference:
        """Give id and version."""
        return ModelReference("repeat-test", self.version)

    @cached_property
    def outputs(self) -> Sequence[Output]:
        """Give one output a row: the gate is per row."""
        return tuple(
            Output(each.reference.id, each.meaning.title, "", each.unverified) for each in self.intervals.orderables
        )

    @property
    def rows(self) -> Sequence[RuleRow]:
        """Give every row as a reader is shown it."""
        return tuple(row.row for row in self.intervals.tests)

    @cached_property
    def searches(self) -> Sequence[Search]:
        """Give what must be asked about a patient: the results of every part, orders, and what the conditions need."""
        names = {part.meaning.name for each in self.intervals.orderables for part in each.parts}
        asked = (search for each in self.intervals.orderables for escape in each.unless for search in escape.searches)
        searches = (*AGE_YEARS.searches, *DECEASED.searches, laboratory(*sorted(names)), SERVICE_ORDERS, *asked)
        return tuple(merge(searches).values())

    @property
    def required_keys(self) -> frozenset[str]:
        """Give no key."""
        return frozenset()

    def assess(self, record: PatientRecord, site: Site) -> Assessment:
        """Check the drafts that were asked about."""
        wishes = tuple(self._wishes(record))
        if not wishes:
            return NotApplicable(self.reference, _NO_INTERVAL)
        outside = self._outside(record, site)
        if outside is not None:
            return outside
        asking = [_Asking(wish, record, site, self.intervals) for wish in wishes]
        answers = [answer for each in asking if (answer := each.answer()) is not None]
        return Findings(
            self.reference,
            tuple(answer for answer in answers if isinstance(answer, Finding)),
            tuple(answer for answer in answers if isinstance(answer, Unchecked)),
            checked=len({wish.orderable.reference.id for wish in wishes}),
        )

    def _wishes(self, record: PatientRecord) -> Iterator[Wanted]:
        for draft in record.drafted_orders:
            if not record.is_asked_about(draft):
                continue
            known = (self.intervals.by_code[code] for code in draft.codings if code in self.intervals.by_code)
            # Of several codes a panel says more than one of its parts.
            orderable = max(known, key=lambda each: len(each.parts), default=None)
            wish = None if orderable is None else wanted(draft, orderable, record.as_of)
            if wish is not None:
                yield wish

    def _outside(self, record: PatientRecord, site: Site) -> NotApplicable | NotAssessable | None:
        died, age = DECEASED.answer(record, site), AGE_YEARS.answer(record, site)
        if isinstance(died, Reading) and died.value:
            return NotApplicable(self.reference, "the patient has died")
        domain = Domain.of(AGE_YEARS, self.intervals.population)
        age = cut_by_birth_date(domain, record) or age
        if isinstance(age, Missing):
            item = AGE_YEARS.as_input(age)
            return NotAssessable(self.reference, (item,), (item,))
        return None if domain.includes(age.value) else NotApplicable(self.reference, domain.reason(age.value))


@dataclass(frozen=True, slots=True)
class _Asking:
    """One draft of one record."""

    wish: Wanted
    record: PatientRecord
    site: Site
    intervals: Intervals

    @property
    def _orderable(self) -> Orderable:
        return self.wish.orderable

    def answer(self) -> Finding | Unchecked | None:
        """Say what was found, or what kept it from being told; nothing where the test may be done."""
        evidence, unread = self._evidence()
        if evidence is None:
            return self._unchecked(unread) if unread else None
        said: list[Input] = []
        unknown: list[Input] = []
        for escape in self._orderable.unless:
            reading = escape.answer(self.record, self.site)
            if isinstance(reading, Reading):
                if reading.value:
                    return None
            elif reading.gap in _NOTHING_SAID:
                said.append(Input(f"{NOT_TOLD}{escape.name}", escape.label, "", reading))
            else:
                unknown.append(escape.as_input(reading))
        return self._unchecked(unknown) if unknown else self._finding(evidence, said)

    def _evidence(self) -> tuple[tuple[Evidence, ...] | None, list[Input]]:
        """Give what stands against each part; where nothing does, what could not be looked at."""
        found: list[Evidence] = []
        for part in self._orderable.parts:
            against = last_results(self.wish, part, self.record, self.site) or pending_order(
                self.wish, part, self.record, self.site, self.intervals.by_code
            )
            if against is None:
                return None, self._unread()
            found.append(against)
        return tuple(found), []

    def _unread(self) -> list[Input]:
        title = self._orderable.meaning.title
        keys = {search.key: search for search in (laboratory(self._orderable.parts[0].meaning.name), SERVICE_ORDERS)}
        return [
            Input(key, title, "", nothing_found(self.record, key))
            for key in keys
            if self.record.availability(key) is not Availability.COMPLETE
        ]

    def _finding(self, evidence: Sequence[Evidence], said: Sequence[Input]) -> Finding:
        orderable = self._orderable
        inputs = [item for each in evidence for item in each.inputs(with_trend=not orderable.is_panel)]
        return Finding(
            rule=orderable.reference,
            key=orderable.reference.id,
            tier=orderable.tier,
            message=f"{orderable.meaning.title} {_there(inputs, len(evidence))}",
            action=_advice(orderable),
            orders=(self.wish.draft.source.reference,),
            citation="; ".join(orderable.citations),
            inputs=(*inputs, *said),
            remedies=(DELETE,),
            unverified=orderable.unverified,
        )

    def _unchecked(self, missing: Sequence[Input]) -> Unchecked:
        orderable = self._orderable
        return Unchecked(
            orderable.reference,
            self.wish.draft.source.reference,
            orderable.meaning.title,
            tuple(missing),
            unverified=orderable.unverified,
        )


def _there(inputs: Sequence[Input], parts: int) -> str:
    pending = sum(item.name.startswith(PENDING) for item in inputs)
    if not pending:
        return "already reported"
    return "already ordered" if pending == parts else "already reported or ordered"


def _advice(orderable: Orderable) -> str:
    left = (
        f" For the clinician to say, as no chart tells: {', '.join(orderable.not_told)}." if orderable.not_told else ""
    )
    return f"Usually not repeated within {in_words(orderable.interval)}.{left}"


def _assessor() -> RepeatTests:
    intervals = load()
    digest = sha256(FILE.read_bytes()).hexdigest()[:8]
    return RepeatTests(intervals, f"{len(intervals.orderables)}-{digest}")


ASSESSOR: Final = _assessor()
