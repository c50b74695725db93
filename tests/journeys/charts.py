"""The charts that journeys run over: every story of the sandbox, generated patients, and the public synthetic ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.ehr.loading import load
from sandbox.ehr.recent import moved, offset_to_recent
from sandbox.patients.builder import build
from sandbox.patients.generator import generate
from sandbox.patients.stories import read_stories
from tests.shared_data import SHARED_DATA

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SEED = 20260601


@dataclass(frozen=True)
class AChart:
    """One patient's resources, and the newest encounter."""

    name: str
    resources: list[dict[str, Any]]

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
        yield AChart(story.id, build(story, NOW))


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
