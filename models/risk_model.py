"""RiskModel: features, scope and results; assess and assess_many."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from fhir_client.record import PatientRecord
from fhir_client.search import Search, merge
from models.assessment import (
    Assessed,
    Contributions,
    Driver,
    Gap,
    Input,
    Missing,
    ModelAssessment,
    ModelReference,
    NotApplicable,
    NotAssessable,
    Reading,
)
from models.features.feature import Answer, Feature, derived, extract
from models.parameters import Parameters
from models.scope import Domain, Exclusion, cut_by_birth_date
from models.site import Site

Values = Mapping[str, Any]
_SEXES: Final = ("female", "male")
_NO_DRIVERS: Final[Mapping[str, tuple[Driver, ...]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Output:
    """One named result: its label, unit, and whether all that goes into it has been verified.

    `unverified` lists the values that are not VERIFIED (with their label and place): empty means it may be live.
    Values that only some choices use (a region, say) are not in it but in `Assessed.unverified` of who made the choice.
    """

    name: str
    label: str
    unit: str = ""
    unverified: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RiskModel:
    """A published score or trained model: what it needs, whom it is for, what it gives.

    `compute` takes the values of one person in scope, by feature name in the features' units (absent optional ones
    left out), and gives the results by name. `drive` does the same for the contributions of an additive model.
    `domain` bounds its inputs, from a chart or plain; `chart_domain` what only a chart tells of (the age, for a score
    without it), where not known does not block; `exclusions` are truths of a chart. Of each group in `one_of`, names of
    optional features, exactly one is needed. `lacking` says what values that are all there still do not tell, by the
    name of the input that should have (a series without a baseline).
    """

    parameters: Parameters
    features: tuple[Feature, ...]
    outputs: tuple[Output, ...]
    compute: Callable[[Values], Mapping[str, Any]]
    domain: tuple[Domain, ...] = ()
    chart_domain: tuple[Domain, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    drive: Callable[[Values], Mapping[str, tuple[Driver, ...]]] | None = None
    notes: tuple[str, ...] = ()
    one_of: tuple[tuple[str, ...], ...] = ()
    lacking: Callable[[Values], Mapping[str, Missing]] | None = None
    by_name: Mapping[str, Feature] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the features by name."""
        object.__setattr__(self, "by_name", MappingProxyType({feature.name: feature for feature in self.features}))

    @property
    def id(self) -> str:
        """Give the model's id, as in `chartside calculate`."""
        return self.parameters.id

    @property
    def version(self) -> str:
        """Give the version of the model's parameters."""
        return self.parameters.version

    @property
    def title(self) -> str:
        """Give the model's name for a reader."""
        return self.parameters.title

    @property
    def citation(self) -> str:
        """Give the source of the model."""
        return self.parameters.citation

    @property
    def reference(self) -> ModelReference:
        """Give id and version."""
        return ModelReference(self.id, self.version)

    @property
    def searches(self) -> tuple[Search, ...]:
        """Give what must be asked about a patient, derived from the features."""
        asked = (
            *self.features,
            *(domain.feature for domain in self.chart_domain),
            *(exclusion.feature for exclusion in self.exclusions),
        )
        return tuple(merge(search for feature in asked for search in feature.searches).values())

    @property
    def required_keys(self) -> frozenset[str]:
        """Give the keys of the searches without whose answer the model cannot assess anyone."""
        needed = (
            *(feature for feature in self.features if feature.required),
            *(exclusion.feature for exclusion in self.exclusions if exclusion.blocks),
        )
        # Of two ways to say the same, what both are asked by.
        either = (
            frozenset.intersection(*(self.by_name[name].required_keys for name in group)) for group in self.one_of
        )
        return frozenset(key for feature in needed for key in feature.required_keys).union(*either)

    def assess(self, record: PatientRecord, site: Site) -> ModelAssessment:
        """Assess one record: a batch of one."""
        return self.assess_many([record], site)[0]

    def assess_many(self, records: Iterable[PatientRecord], site: Site) -> Sequence[ModelAssessment]:
        """Assess each record by itself: order and company do not matter."""
        return [self._from_chart(record, site) for record in records]

    def calculate(self, values: Values) -> ModelAssessment:
        """Assess plain values, by feature name in the features' units; what is absent is not known."""
        return self._answer({f.name: _given(values, f) for f in self.features})

    def _from_chart(self, record: PatientRecord, site: Site) -> ModelAssessment:
        unknown: list[Input] = []
        said: list[str] = []
        outside = self._out_of_scope(record, site, unknown, said)
        if outside is not None:
            return NotApplicable(self.reference, outside)
        readings = extract(self.features, record, site)
        for domain in self.domain:
            cut = cut_by_birth_date(domain, record)
            if cut is not None:
                readings[domain.feature.name] = cut
        sex = readings.get("sex")
        if isinstance(sex, Missing) and sex.gap is Gap.NOT_RECORDED:
            return self._for_both_sexes(record, site, readings, tuple(unknown), tuple(said))
        return self._answer(readings, tuple(unknown), tuple(said))

    def _out_of_scope(self, record: PatientRecord, site: Site, unknown: list[Input], said: list[str]) -> str | None:
        """Say why the chart puts the patient out of scope.

        Else what must be known first is added to `unknown`, and to `said` how sure it is that nothing excludes.
        """
        for exclusion in self.exclusions:
            answer = exclusion.feature.answer(record, site)
            if isinstance(answer, Missing):
                if exclusion.blocks:
                    unknown.append(exclusion.feature.as_input(answer))
            elif answer.value:
                return exclusion.reason
            elif answer.note:
                said.append(f"{exclusion.feature.label}: {answer.note}")
        for domain in self.chart_domain:
            answer = domain.feature.answer(record, site)
            cut = cut_by_birth_date(domain, record)
            if cut is not None:
                unknown.append(domain.feature.as_input(cut))
            elif isinstance(answer, Reading) and not domain.includes(answer.value):
                return domain.reason(answer.value)
        return None

    def _for_both_sexes(
        self,
        record: PatientRecord,
        site: Site,
        readings: Mapping[str, Answer],
        unknown: tuple[Input, ...],
        said: tuple[str, ...],
    ) -> ModelAssessment:
        """Assess for each sex and show both, where the chart names neither (models.md 0.3.6)."""
        answers: dict[str, ModelAssessment] = {}
        for sex in _SEXES:
            assumed = {**readings, "sex": Reading(sex, note="assumed")}
            answers[sex] = self._answer(derived(self.features, record, site, assumed), unknown, said)
        assessed = {sex: answer for sex, answer in answers.items() if isinstance(answer, Assessed)}
        if not assessed:
            return next((a for a in answers.values() if isinstance(a, NotAssessable)), answers[_SEXES[0]])
        first = next(iter(assessed.values()))
        outside = [f"{sex}: {a.reason}" for sex, a in answers.items() if isinstance(a, NotApplicable)]
        return replace(
            first,
            results=MappingProxyType({}),
            inputs=tuple(f.as_input(readings.get(f.name, Missing(Gap.NOT_RECORDED))) for f in self.features),
            drivers=_NO_DRIVERS,
            notes=("sex is not recorded as female or male: results for both", *outside, *first.notes),
            values={name: value for name, value in first.values.items() if name != "sex"},
            alternatives={sex: answer.results for sex, answer in assessed.items()},
        )

    def _answer(
        self, readings: Mapping[str, Answer], unknown: tuple[Input, ...] = (), said: tuple[str, ...] = ()
    ) -> ModelAssessment:
        values = {name: answer.used for name, answer in readings.items() if isinstance(answer, Reading)}
        for domain in self.domain:
            value = values.get(domain.feature.name)
            if value is not None and not domain.includes(value):
                return NotApplicable(self.reference, domain.reason(value))
        inputs = tuple(feature.as_input(readings[feature.name]) for feature in self.features)
        absent = [each for each in inputs if isinstance(each.reading, Missing) and self._needs(each.name, values)]
        if not absent and self.lacking is not None:
            absent = [self.by_name[name].as_input(why) for name, why in self.lacking(values).items()]
        if absent or unknown:
            return NotAssessable(self.reference, (*absent, *unknown), inputs, (*self.notes, *said))
        return Assessed(
            self.reference,
            self.compute(values),
            inputs,
            drivers=Contributions(self.drive, values) if self.drive else _NO_DRIVERS,
            notes=(*self.notes, *said),
            unverified=self._unverified(values),
            values=values,
        )

    def _needs(self, name: str, values: Values) -> bool:
        """Tell whether nothing can be said without this input, given the others."""
        if self.by_name[name].required:
            return True
        return any(name in group and not any(other in values for other in group) for group in self.one_of)

    def _unverified(self, values: Values) -> Mapping[str, tuple[str, ...]]:
        if not self.parameters.doubtful and not any(output.unverified for output in self.outputs):
            return MappingProxyType({})
        named = {
            output.name: (*output.unverified, *self.parameters.unverified(output.name, values))
            for output in self.outputs
        }
        return {name: tuple(dict.fromkeys(remarks)) for name, remarks in named.items() if remarks}


def outputs_of(
    parameters: Parameters, features: Iterable[Feature], *declared: tuple[str, str, str]
) -> tuple[Output, ...]:
    """Declare results by (name, label, unit); what keeps one from live use follows from the labels of its values."""
    codes = tuple(dict.fromkeys(remark for feature in features for remark in feature.unverified))
    return tuple(Output(name, label, unit, (*parameters.unverified(name), *codes)) for name, label, unit in declared)


def _given(values: Values, feature: Feature) -> Answer:
    value = values.get(feature.name)
    if value is None:
        return Missing(Gap.NOT_RECORDED)
    return Reading(value) if feature.entries is None else Reading(len(value), rows=value)
