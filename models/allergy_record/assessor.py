"""Entries of allergies: an assessor over the entry that is being made, and the penicillin allergies of the chart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fhir_client.facts import Allergy, Reaction
from fhir_client.record import PatientRecord
from fhir_client.search import Search, merge
from models.advice import read_advice, version_of
from models.allergy_record.pen_fast import PARAMETERS, most_points
from models.assessment import Assessment, Finding, Findings, Input, ModelReference, NotApplicable, Reading
from models.concepts import concept
from models.features.allergies import GRAVE, REACTION_CODES, ReactionKind, allergy_to, is_allergy_to, reaction_kind
from models.features.demographics import AGE_YEARS, DECEASED
from models.features.searches import ALLERGIES
from models.risk_model import Output
from models.rule_rows import RuleRow
from models.scope import Domain, cut_by_birth_date
from models.site import Site

FILES: Final = (Path(__file__).with_name("rules.toml"), Path(__file__).with_name("parameters.toml"))
AS_INTOLERANCE: Final = "as-intolerance"
"""The remedy: the same entry, as an intolerance."""

_ROWS: Final = read_advice(FILES[0])
_SIDE_EFFECT: Final = _ROWS["side-effect-as-allergy"]
_LOW_RISK: Final = _ROWS["penicillin-low-risk"]
_PENICILLIN: Final = concept("penicillin_allergy")
_ADULT: Final = Domain.of(AGE_YEARS, PARAMETERS["age_range"])
_INTOLERANCE: Final = "intolerance"
# Not known where the list could not be read in full, or an entry of it has no code that can be read.
_GRAVE: Final = allergy_to("grave", "grave reaction to a penicillin", of=_PENICILLIN.name, kinds=GRAVE, kind="")
_HARMLESS: Final = frozenset({ReactionKind.MILD, ReactionKind.SIDE_EFFECT})
_NO_ENTRY: Final = "no allergy is being entered"
_DIED: Final = "the patient has died"


@dataclass(frozen=True, slots=True)
class AllergyRecord:
    """An assessor. No search is required: the entry itself is in the request."""

    version: str

    @property
    def reference(self) -> ModelReference:
        """Give id and version."""
        return ModelReference("allergy-record", self.version)

    @property
    def rows(self) -> Sequence[RuleRow]:
        """Give the rows as a reader is shown them."""
        return (_SIDE_EFFECT.shown(*REACTION_CODES), _LOW_RISK.shown(*_behind_low_risk()))

    @property
    def outputs(self) -> Sequence[Output]:
        """Give one output a row: the gate is per row."""
        return (_SIDE_EFFECT.output(*REACTION_CODES), _LOW_RISK.output(*_behind_low_risk()))

    @property
    def searches(self) -> Sequence[Search]:
        """Give what must be asked about a patient."""
        return tuple(merge((*AGE_YEARS.searches, *DECEASED.searches, ALLERGIES)).values())

    @property
    def required_keys(self) -> frozenset[str]:
        """Give no key."""
        return frozenset()

    def assess(self, record: PatientRecord, site: Site) -> Assessment:
        """Look at the entries that were asked about, then at what the chart holds of penicillins."""
        entries = [each for each in record.drafted_allergies if each.is_active and record.is_asked_about(each)]
        if not entries:
            return NotApplicable(self.reference, _NO_ENTRY)
        died = DECEASED.answer(record, site)
        if isinstance(died, Reading) and died.value:
            return NotApplicable(self.reference, _DIED)
        found = [_side_effect(each) for each in entries if _is_side_effect(each, site)]
        low = None if found else _low_risk(entries, record, site)
        return Findings(self.reference, (*found, low) if low is not None else tuple(found), checked=len(_ROWS))


def _is_side_effect(entry: Allergy, site: Site) -> bool:
    return entry.kind != _INTOLERANCE and reaction_kind(entry, site) is ReactionKind.SIDE_EFFECT


def _side_effect(entry: Allergy) -> Finding:
    words = {"reaction": _seen(entry) or "a side effect", "substance": entry.text or "this substance"}
    return _SIDE_EFFECT.finding(_what(entry), (entry.source.reference,), words, tuple(_inputs(entry)), *REACTION_CODES)


def _low_risk(entries: Sequence[Allergy], record: PatientRecord, site: Site) -> Finding | None:
    """Say that the penicillin allergy is of low risk, if each of its entries is; nothing where one may be grave."""
    age = cut_by_birth_date(_ADULT, record) or AGE_YEARS.answer(record, site)
    if not isinstance(age, Reading) or not _ADULT.includes(age.value):
        return None
    grave = _GRAVE.answer(record, site)
    if not isinstance(grave, Reading) or grave.value:
        return None
    meant = [each for each in (*entries, *_recorded(entries, record)) if is_allergy_to(each, site, _PENICILLIN)]
    labels = [each for each in meant if each.kind != _INTOLERANCE]
    if not labels or any(reaction_kind(each, site) not in _HARMLESS for each in meant):
        return None
    points = max(most_points(each, record.as_of) for each in meant)
    if points >= PARAMETERS["low_below"]:
        return None
    return _LOW_RISK.finding(
        "",
        tuple(each.source.reference for each in meant),
        {"points": str(points), "low_below": str(PARAMETERS["low_below"])},
        tuple(item for each in meant for item in _inputs(each)),
        *_behind_low_risk(),
    )


def _recorded(entries: Sequence[Allergy], record: PatientRecord) -> Iterator[Allergy]:
    """Give what the chart holds beside the entries: an entry with the id of a recorded one is that one, changed."""
    changed = {each.source.reference for each in entries if "/" in each.source.reference}
    return (each for each in record.allergies if each.source.reference not in changed)


def _behind_low_risk() -> tuple[str, ...]:
    return (*_PENICILLIN.unverified, *REACTION_CODES, *(parameter.remark for parameter in PARAMETERS.doubtful))


def _what(entry: Allergy) -> str:
    """Name the substance by its codes: what an override is remembered by."""
    return "+".join(sorted(entry.ingredients or {code.code for code in entry.codings}))


def _seen(entry: Allergy) -> str:
    return ", ".join(dict.fromkeys(each.text for each in entry.reactions if each.text))


def _inputs(entry: Allergy) -> Iterator[Input]:
    cited = (entry.source.cited,)
    name = entry.source.reference
    at = entry.last or entry.onset or entry.recorded
    yield Input(f"entry:{name}", "entry", "", Reading(entry.text or "without words", entry.recorded, cited))
    for number, reaction in enumerate(entry.reactions):
        yield Input(f"reaction:{name}:{number}", "reaction", "", Reading(_words(reaction), reaction.onset or at, cited))


def _words(reaction: Reaction) -> str:
    severity = f" ({reaction.severity})" if reaction.severity else ""
    return f"{reaction.text or 'without words'}{severity}"


ASSESSOR: Final = AllergyRecord(version_of(*FILES))
