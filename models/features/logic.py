"""Truths made of other truths: what is true of any of them, and what is true where one is not."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from fhir_client.record import PatientRecord
from models.assessment import Gap, Missing, Reading
from models.features.feature import Answer, Feature, Kind, Read
from models.features.windows import Window
from models.site import Site

_NEEDED: Final = "needed to tell"


def any_of(name: str, label: str, *parts: Feature) -> Feature:
    """Declare a truth: any of the parts. Only where all are known to be false is it false."""

    def read(record: PatientRecord, site: Site) -> Answer:
        answers = [(part, part.answer(record, site)) for part in parts]
        for part, answer in answers:
            if isinstance(answer, Reading) and answer.value:
                return Reading(value=True, at=answer.at, sources=answer.sources, note=part.label)
        for part, answer in answers:
            if isinstance(answer, Missing):
                note = f"{part.label}: {answer.note or _NEEDED}"
                return Missing(answer.gap, answer.at, note)
        return Reading(value=False, note=_joined(a.note for _, a in answers))

    return _made_of(name, label, parts, read)


def unless(name: str, label: str, part: Feature) -> Feature:
    """Declare a truth: that the part is not so. Not known where the part is not known."""

    def read(record: PatientRecord, site: Site) -> Answer:
        answer = part.answer(record, site)
        if isinstance(answer, Missing):
            return answer
        return Reading(value=not answer.value, at=answer.at, sources=answer.sources, note=answer.note)

    return _made_of(name, label, (part,), read)


def at_least(name: str, label: str, quantity: Feature, bound: float) -> Feature:
    """Declare a truth: that a quantity reaches a bound."""

    def read(record: PatientRecord, site: Site) -> Answer:
        answer = quantity.answer(record, site)
        if isinstance(answer, Missing):
            return answer
        return Reading(float(answer.value) >= bound, answer.at, answer.sources, answer.note)

    return _made_of(name, label, (quantity,), read)


def noted(name: str, label: str, part: Feature, *, if_false: str) -> Feature:
    """Declare a truth by the part alone, and say, where that is false, what else nobody looked at."""

    def read(record: PatientRecord, site: Site) -> Answer:
        answer = part.answer(record, site)
        if isinstance(answer, Missing) or answer.value:
            return answer
        return replace(answer, note=_joined((answer.note, if_false)))

    return _made_of(name, label, (part,), read)


def recent(name: str, label: str, part: Feature, *, within: Window) -> Feature:
    """Declare a truth: that the newest of the problems that the part means began or was recorded in the window."""

    def read(record: PatientRecord, site: Site) -> Answer:
        answer = part.answer(record, site)
        if isinstance(answer, Missing) or not answer.value:
            return answer
        if answer.at is None:
            return Missing(Gap.NOT_RECORDED, note="the problem has no date")
        if within.includes(answer.at, record.as_of):
            return answer
        return Reading(value=False, at=answer.at, sources=answer.sources, note=f"not in the last {within}")

    return replace(_made_of(name, label, (part,), read), window=str(within))


def if_recorded(name: str, label: str, part: Feature, *, if_not: str) -> Feature:
    """Declare a truth that a chart can affirm and never deny: where the part is not so, nobody may have written it."""

    def read(record: PatientRecord, site: Site) -> Answer:
        answer = part.answer(record, site)
        if isinstance(answer, Missing) or answer.value:
            return answer
        return Missing(Gap.NOT_RECORDED, answer.at, if_not)

    return _made_of(name, label, (part,), read)


def _made_of(name: str, label: str, parts: tuple[Feature, ...], read: Read) -> Feature:
    return Feature(
        name,
        label,
        Kind.TRUTH,
        searches=tuple(search for part in parts for search in part.searches),
        optional_keys=_union(part.optional_keys for part in parts) - _union(part.required_keys for part in parts),
        unverified=tuple(dict.fromkeys(remark for part in parts for remark in part.unverified)),
        window="; ".join(dict.fromkeys(part.window for part in parts if part.window)),
        read=read,
    )


def _union(keys: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*keys)


def _joined(notes: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(note for note in notes if note))
