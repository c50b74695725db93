"""The charts that journeys run over: every story of the sandbox, generated patients, and the public synthetic ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cds_hooks.protocol.hooks import Hook
from sandbox.ehr.loading import load
from sandbox.ehr.recent import moved, offset_to_recent
from sandbox.patients.builder import build, current_stay, new_allergy
from sandbox.patients.generator import generate
from sandbox.patients.orderables import told_drafts
from sandbox.patients.stories import read_stories
from tests.builders import a_bundle, a_medication
from tests.shared_data import SHARED_DATA

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SEED = 20260601


DRUGS = ("6809", "5640", "11289", "29046", "6064", "723", "2556", "7804", "198335", "1037042", "0")
TESTS = ("2160-0", "4548-4", "24627-2", "36813-4")


@dataclass(frozen=True)
class AChart:
    """One patient's resources, the newest encounter, and orders and an allergy that somebody is about to enter.

    `told` are the drafts of a story, the last of them just picked, and `told_allergy` its new entry; a chart of which
    nothing is told gets drafts that many rules have something to say about.
    """

    name: str
    resources: list[dict[str, Any]]
    told: Sequence[dict[str, Any]] = ()
    told_allergy: dict[str, Any] | None = None

    @property
    def drafts(self) -> tuple[dict[str, Any], ...]:
        """Drugs that rules speak of, one that nobody knows, and tests that may be there already; or what is told."""
        if self.told:
            return tuple(self.told)
        drugs = (a_medication(code, id=f"draft-drug-{code}", status="draft", authored=None) for code in DRUGS)
        tests = (
            {
                "resourceType": "ServiceRequest",
                "id": f"draft-test-{code}",
                "status": "draft",
                "intent": "order",
                "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            }
            for code in TESTS
        )
        patient = {"reference": f"Patient/{self.patient_id}"}
        return tuple({**draft, "subject": patient} for draft in (*drugs, *tests))

    def context(self, hook: Hook, user: str = "Practitioner/1") -> dict[str, Any]:
        """Give the context of a hook about this chart: drafts where it carries any, all of them selected."""
        context: dict[str, Any] = {"userId": user, "patientId": self.patient_id}
        if self.encounter_id is not None or hook in (Hook.ENCOUNTER_START, Hook.ENCOUNTER_DISCHARGE):
            context["encounterId"] = self.encounter_id or "none"
        if hook in (Hook.ORDER_SELECT, Hook.ORDER_SIGN):
            context["draftOrders"] = a_bundle(*self.drafts)
        if hook is Hook.ORDER_SELECT:
            picked = self.selected_for(hook)
            context["selections"] = [f"{draft['resourceType']}/{draft['id']}" for draft in picked]
        if hook is Hook.ALLERGYINTOLERANCE_CREATE:
            context["allergyIntolerance"] = self.allergy
        return context

    @property
    def allergy(self) -> dict[str, Any]:
        """An entry of penicillin with nausea, a side effect; or what is told."""
        nausea = {"system": "http://snomed.info/sct", "code": "422587007", "display": "Nausea"}
        return self.told_allergy or {
            "resourceType": "AllergyIntolerance",
            "id": "new-allergy",
            "code": {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "7980"}]},
            "patient": {"reference": f"Patient/{self.patient_id}"},
            "reaction": [{"manifestation": [{"coding": [nausea]}]}],
        }

    def drafts_for(self, hook: Hook) -> tuple[dict[str, Any], ...]:
        """Give the drafts that a hook carries."""
        if hook is Hook.ALLERGYINTOLERANCE_CREATE:
            return (self.allergy,)
        return self.drafts if hook in (Hook.ORDER_SELECT, Hook.ORDER_SIGN) else ()

    def selected_for(self, hook: Hook) -> tuple[dict[str, Any], ...]:
        """Give the drafts that a hook asks about: all, but of what is told at order-select the one just picked."""
        found = self.drafts_for(hook)
        return found[-1:] if self.told and hook is Hook.ORDER_SELECT else found

    @property
    def patient_id(self) -> str:
        return next(str(r["id"]) for r in self.resources if r["resourceType"] == "Patient")

    @property
    def encounter_id(self) -> str | None:
        encounters = [r for r in self.resources if r["resourceType"] == "Encounter"]
        newest = max(encounters, key=lambda r: r.get("period", {}).get("start", ""), default=None)
        return None if newest is None else str(newest["id"])


def story_charts() -> Iterator[AChart]:
    for story in read_stories():
        drafts = told_drafts(story, NOW, current_stay(story))
        yield AChart(story.id, build(story, NOW), told=drafts, told_allergy=new_allergy(story, NOW))


def generated_charts(count: int) -> Iterator[AChart]:
    for number, patient in enumerate(generate(count, SEED, NOW)):
        yield AChart(f"generated-{number}", patient.resources)


def public_charts() -> Iterator[AChart]:
    folder = SHARED_DATA / "synthea"
    if not folder.is_dir():
        return
    for chart in load(folder):
        days = offset_to_recent(chart.resources, NOW)
        yield AChart(chart.name, chart.resources if days is None else moved(chart.resources, days))
