"""What the sandbox's clinicians can order, and each order as a draft in FHIR R4."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, Literal

from sandbox.patients.builder import DOCTOR, ICD_10_CM, LOINC, RXNORM, SNOMED, Resource, dosage, instant
from sandbox.patients.stories import Dosing, Draft, Story, after

Kind = Literal["drug", "test", "imaging"]
_CATEGORIES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {"test": ("108252007", "Laboratory procedure"), "imaging": ("363679005", "Imaging")},
)


@dataclass(frozen=True, slots=True)
class Orderable:
    """One thing to order: a drug in RxNorm with its usual dosing, a test or an imaging study in LOINC."""

    id: str
    kind: Kind
    text: str
    code: str
    dosing: Dosing | None = None


@cache
def orderables() -> Mapping[str, Orderable]:
    """Read orderables.toml: every orderable by its id, in the order of the file."""
    text = (files("sandbox.patients") / "orderables.toml").read_text("utf-8")
    found = (_orderable(row) for row in tomllib.loads(text)["orderable"])
    return MappingProxyType({each.id: each for each in found})


def _orderable(row: dict[str, Any]) -> Orderable:
    dosing = row.pop("dosing", None)
    return Orderable(**row, dosing=None if dosing is None else Dosing(**dosing))


@dataclass(frozen=True, slots=True)
class Bedside:
    """Whose chart an order is written in, in which encounter, by whom and when."""

    patient: str
    now: datetime
    encounter: str | None = None
    user: str = DOCTOR


def told_drafts(story: Story, now: datetime, encounter: str | None) -> list[Resource]:
    """Write the orders that a story's clinician has picked and not signed."""
    where = Bedside(story.id, now, encounter)
    return [draft_of(each, f"{story.id}-draft-{place}", where) for place, each in enumerate(story.drafts, 1)]


def draft_of(draft: Draft, identity: str, where: Bedside) -> Resource:
    """Write one picked order; raise KeyError for an unknown name, ValueError for a drug that is due later."""
    orderable = orderables()[draft.order]
    if draft.due is not None and orderable.kind == "drug":
        raise ValueError("only a test or an imaging study can be due later")
    if draft.dosing is not None:
        orderable = replace(orderable, dosing=draft.dosing)
    resource = {**(_drug if orderable.kind == "drug" else _study)(orderable), "id": identity, "status": "draft"}
    resource |= {"intent": "order", "subject": {"reference": f"Patient/{where.patient}"}}
    if where.encounter is not None:
        resource["encounter"] = {"reference": f"Encounter/{where.encounter}"}
    resource |= {"authoredOn": instant(where.now), "requester": {"reference": where.user}}
    if draft.due is not None:
        resource["occurrenceDateTime"] = instant(after(where.now, draft.due))
    if draft.reason is not None:
        resource["reasonCode"] = [{"coding": [{"system": ICD_10_CM, "code": draft.reason}]}]
    return resource | dict(draft.more)


def _drug(orderable: Orderable) -> Resource:
    resource: Resource = {
        "resourceType": "MedicationRequest",
        "medicationCodeableConcept": _concept(RXNORM, orderable.code, orderable.text),
    }
    return resource | ({"dosageInstruction": [dosage(orderable.dosing)]} if orderable.dosing else {})


def _study(orderable: Orderable) -> Resource:
    code, text = _CATEGORIES[orderable.kind]
    return {
        "resourceType": "ServiceRequest",
        "category": [_concept(SNOMED, code, text)],
        "code": _concept(LOINC, orderable.code, orderable.text),
    }


def _concept(system: str, code: str, text: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": text}], "text": text}
