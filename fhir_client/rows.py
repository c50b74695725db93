"""Which of the resources sent are this patient's rows, each once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fhir_client.elements import Resource, is_modified, local_reference, mapping, mappings, reference, text_of
from fhir_client.times import Interval
from fhir_client.versions import DRUG_ORDERS, SERVICE_ORDERS, subject

# Rows whose existence counts even where an unknown extension makes their content unusable: their facts keep no codings.
_STAY_WITHOUT_CONTENT: Final = frozenset({"AllergyIntolerance", "Condition", *DRUG_ORDERS, *SERVICE_ORDERS})


@dataclass(slots=True)
class Rows:
    """The patient's rows by type, and by id within it, in the order of the source; and how many were left out.

    A row is compared with the patient by reference (relative, absolute, versioned, `urn:uuid:`), or by identifier where
    its reference is only logical. One that names nobody counts as the patient's: it was asked for with the patient's
    id, and some servers leave the element out. Of a row sent twice the newer version counts.
    """

    patient_id: str
    full_urls: Mapping[str, str]
    by_kind: dict[str, dict[object, Resource]] = field(default_factory=dict)
    other_patient: int = 0
    unreadable: int = 0
    _verdicts: dict[str, bool] = field(default_factory=dict)

    def add(self, resources: Iterable[Mapping[str, Any]]) -> None:
        """Sort in all rows. The hot path: the usual row is known by two look-ups, and nothing is read that can wait."""
        by_kind = self.by_kind
        verdicts = self._verdicts
        verdicts |= {f"Patient/{self.patient_id}": True, f"urn:uuid:{self.patient_id}": True}
        logical: list[Resource] = []
        for resource in resources:
            try:
                if (
                    verdicts[resource["subject"]["reference"]]
                    and "modifierExtension" not in resource
                    and by_kind[resource["resourceType"]].setdefault(resource["id"], resource) is resource
                ):
                    continue
            except (KeyError, TypeError, AttributeError):
                pass  # the first of its type, or out of the ordinary: looked at more slowly
            self._add_unusual(resource, logical)
        self._add_logical(logical)

    def known_as(self, pointer: str) -> str:
        """Give `Type/id` for the full URL of a row, any other reference as it is; a full URL is never relative."""
        return self.full_urls.get(pointer, pointer) if ":" in pointer else pointer

    def named(self, kind: str, id_: str) -> Resource | None:
        """Give the row of this type and id."""
        return self.by_kind.get(kind, {}).get(id_)

    def _add_unusual(self, resource: Resource, logical: list[Resource]) -> None:
        kind = text_of(mapping(resource).get("resourceType"))
        if kind is None:
            self.unreadable += 1
            return
        about = subject(resource)
        pointer = reference(about)
        if kind == "Patient":
            is_own = resource.get("id") in (None, self.patient_id)
        elif about is None:
            is_own = True
        elif pointer is not None:
            is_own = self._is_own(pointer)
        else:
            logical.append(resource)
            return
        if is_own:
            self._keep(kind, resource)
        else:
            self.other_patient += 1

    def _add_logical(self, resources: list[Resource]) -> None:
        """Sort in what names its patient by identifier, once the Patient itself is there to compare with."""
        if not resources:
            return
        patient = self.named("Patient", self.patient_id) or {}
        known = {_identifier(identifier) for identifier in mappings(patient.get("identifier"))} - {None}
        for resource in resources:
            identifier = _identifier(mapping(subject(resource)).get("identifier"))
            if identifier is None or not known:
                self.unreadable += 1
            elif identifier in known:
                self._keep(resource["resourceType"], resource)
            else:
                self.other_patient += 1

    def _is_own(self, pointer: str) -> bool:
        verdict = self._verdicts.get(pointer)
        if verdict is None:
            local = local_reference(self.known_as(pointer))
            verdict = local in (f"Patient/{self.patient_id}", self.patient_id)
            self._verdicts[pointer] = verdict
        return verdict

    def _keep(self, kind: str, resource: Resource) -> None:
        if is_modified(resource):
            self.unreadable += 1
            if kind not in _STAY_WITHOUT_CONTENT:
                return
        id_ = text_of(resource.get("id"))
        key = object() if id_ is None else id_  # without an id nothing can be the same row
        rows = self.by_kind.setdefault(kind, {})
        earlier = rows.get(key)
        if earlier is None or not _is_older(resource, earlier):
            rows[key] = resource


def _is_older(resource: Resource, earlier: Resource) -> bool:
    """Tell whether a copy of a row is an older version than the one met earlier; if nothing says so, it is not."""
    meta, other = mapping(resource.get("meta")), mapping(earlier.get("meta"))
    version, other_version = _version(meta), _version(other)
    if version is not None and other_version is not None:
        return version < other_version
    updated, other_updated = Interval.parse(meta.get("lastUpdated")), Interval.parse(other.get("lastUpdated"))
    return updated is not None and other_updated is not None and updated.end <= other_updated.start


def _version(meta: Mapping[str, Any]) -> int | None:
    text = meta.get("versionId")
    # 18 digits: what a stranger may make us turn into a number
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 18 else None  # noqa: PLR2004


def _identifier(element: object) -> tuple[str, str] | None:
    system, value = text_of(mapping(element).get("system")), text_of(mapping(element).get("value"))
    return None if system is None or value is None else (system, value)
