"""The sandbox EHR as a whole: whose charts it has, and where they come from."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import requests

from sandbox.client import HOOKS, Entered, Moment
from sandbox.ehr.access import Grants
from sandbox.ehr.charts import Charts, RemoteCharts
from sandbox.ehr.loading import Chart
from sandbox.ehr.recent import moved, offset_to_recent
from sandbox.ehr.server import FhirServer
from sandbox.ehr.store import Resource, Store, patient_of
from sandbox.patients.builder import DOCTOR, STAFF, build, current_stay, new_allergy
from sandbox.patients.generator import generate
from sandbox.patients.orderables import told_drafts
from sandbox.patients.stories import read_stories

_SEED: Final = 42
_GENERATED: Final = 40
_MOST_LISTED: Final = 1000
_ORDERS: Final = frozenset({"MedicationRequest", "ServiceRequest"})
# An encounter that can be started: FHIR's states before the end.
_STARTING: Final = frozenset({"planned", "arrived", "triaged", "in-progress", "onleave"})


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the patient list."""

    id: str
    name: str
    sex: str
    born: str
    deceased: bool
    story: str


@dataclass(frozen=True, slots=True)
class NotFired:
    """Why a hook cannot be fired for a patient."""

    why: str


@dataclass(frozen=True, slots=True)
class Hospital:
    """Charts, and, when they are the sandbox's own, the server and the store that hold them.

    `entered` is what clinicians have in hand when they come to a chart: its story's drafts, or those of its bundle.
    """

    charts: Charts
    server: FhirServer | None = None
    grants: Grants | None = None
    stories: Mapping[str, str] = field(default_factory=dict)
    entered: Mapping[str, Entered] = field(default_factory=dict)

    @property
    def store(self) -> Store | None:
        """The store that accepted suggestions change; a server elsewhere is never written to."""
        return self.server.store if self.server else None

    def patients(self) -> list[Listed]:
        """List every patient: the stories first, in their order, then the others by name."""
        found = self.charts.ask(f"Patient?_count={_MOST_LISTED}")
        resources = [e["resource"] for e in found.get("entry", ()) if e["resource"]["resourceType"] == "Patient"]
        listed = [_listed(resource, self.stories.get(resource["id"], "")) for resource in resources]
        places = {identity: place for place, identity in enumerate(self.stories)}
        return sorted(listed, key=lambda p: (places.get(p.id, len(places)), p.name))

    def newest_encounter(self, patient: str) -> Resource | None:
        """Find the encounter that began last."""
        found = self.charts.ask(f"Encounter?patient={patient}&_sort=-date&_count=1")
        entries = [entry["resource"] for entry in found.get("entry", ())]
        return next((r for r in entries if r["resourceType"] == "Encounter"), None)

    def moment(
        self, hook: str, patient: str, user: str = DOCTOR, entered: Entered | None = None
    ) -> Moment | NotFired:  # fmt: skip
        """Say what a hook is fired with, or why it is not; without `entered`, with what the chart came with."""
        at_hand = self.entered.get(patient, Entered()) if entered is None else entered
        encounter = self.newest_encounter(patient)
        match HOOKS[hook]:
            case "encounter" if encounter is None:
                return NotFired("no encounter")
            case "drafts" if not at_hand.drafts:
                return NotFired("nothing is ordered")
            case "allergy" if at_hand.allergy is None:
                return NotFired("no allergy is entered")
        going_on = encounter is not None and encounter.get("status") in _STARTING
        # A chart opened outside a visit has no encounter in its context.
        is_named = going_on or HOOKS[hook] == "encounter"
        return Moment(patient, user, encounter["id"] if encounter is not None and is_named else None, at_hand)


def _listed(resource: Resource, story: str) -> Listed:
    names = resource.get("name") or [{}]
    full = names[0].get("text") or " ".join([*names[0].get("given", ()), names[0].get("family", "")])
    return Listed(
        id=resource["id"],
        name=full.strip() or "no name",
        sex=resource.get("gender", "unknown"),
        born=resource.get("birthDate", "unknown"),
        deceased=bool(resource.get("deceasedBoolean") or resource.get("deceasedDateTime")),
        story=story,
    )


def story_resources(now: datetime, generated: int = 0) -> tuple[list[Resource], dict[str, str]]:
    """Write every story, and `generated` more patients; the second part tells each patient's story by id."""
    stories = read_stories()
    resources: list[Resource] = [resource for story in stories for resource in build(story, now)]
    told = {story.id: story.story for story in stories}
    for patient in generate(generated, _SEED, now):
        resources.extend(patient.resources)
        told[patient.story.id] = patient.story.story
    return resources, told


def story_entries(now: datetime) -> dict[str, Entered]:
    """Write what the clinicians of the stories have entered, by patient; the draft told last was just picked."""
    found: dict[str, Entered] = {}
    for story in read_stories():
        drafts = told_drafts(story, now, current_stay(story))
        allergy = new_allergy(story, now)
        if drafts or allergy is not None:
            found[story.id] = _entered(drafts, allergy)
    return found


def _entered(drafts: Sequence[Resource], allergy: Resource | None = None) -> Entered:
    picked = tuple(f"{draft['resourceType']}/{draft['id']}" for draft in drafts[-1:])
    return Entered(tuple(drafts), picked, allergy)


def apart_from_drafts(resources: Iterable[Resource]) -> tuple[list[Resource], dict[str, Entered]]:
    """Take the draft orders out of charts: nobody has placed them, so no FHIR server holds them yet."""
    kept: list[Resource] = []
    drafts: dict[str, list[Resource]] = {}
    for resource in resources:
        owner = patient_of(resource) if resource["resourceType"] in _ORDERS else None
        if owner is not None and resource.get("status") == "draft":
            drafts.setdefault(owner, []).append(resource)
        else:
            kept.append(resource)
    return kept, {patient: _entered(found) for patient, found in drafts.items()}


def brought_to_yesterday(charts: Iterable[Chart], now: datetime) -> tuple[list[Resource], dict[str, int]]:
    """Move each chart so that its last encounter ended yesterday; the second part tells the days, by chart."""
    resources: list[Resource] = []
    offsets: dict[str, int] = {}
    for chart in charts:
        days = offset_to_recent(chart.resources, now)
        resources.extend(chart.resources if days is None else moved(chart.resources, days))
        if days is not None:
            offsets[chart.name] = days
    return resources, offsets


def local_hospital(
    resources: Iterable[Resource],
    base: str,
    clock: Callable[[], datetime],
    stories: Mapping[str, str] | None = None,
    entered: Mapping[str, Entered] | None = None,
) -> Hospital:
    """Fill a FHIR server of our own, which answers only to the tokens of calls."""
    store = Store(clock)
    store.fill([*STAFF, *resources])
    server = FhirServer(store, base)
    return Hospital(server, server, Grants(), stories or {}, entered or {})


def story_hospital(base: str, clock: Callable[[], datetime]) -> Hospital:
    """Fill a hospital with the story patients, and some more that nobody tells a story of."""
    now = clock()
    resources, stories = story_resources(now, _GENERATED)
    return local_hospital(resources, base, clock, stories, story_entries(now))


def remote_hospital(fhir_server: str) -> Hospital:
    """Show the charts of an open FHIR server elsewhere; nothing is ever written there."""
    return Hospital(RemoteCharts(fhir_server, requests.Session()))
