"""A replay: every document through every service of the hooks that it fires, and what is counted of it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cds_hooks.policy import Policy, ReleaseState
from cds_hooks.protocol.cards import Card
from cds_hooks.protocol.hooks import Hook
from cds_hooks.replaying.files import Document
from cds_hooks.replaying.run import Replay
from cds_hooks.replaying.sampling import Sample
from cds_hooks.service import Moment, Service
from models.assessment import Assessment
from tests.builders import a_bundle, a_medication, a_patient, an_observation
from tests.cds_hooks.declared import a_service
from tests.spec.messages import INSTANCE

NOW = datetime(2024, 6, 1, tzinfo=UTC)
CHART = a_bundle(
    a_patient(),
    an_observation("2160-0", 1, "mg/dL", on="2024-05-20"),
    a_medication("6809", authored="2024-05-01T10:00:00Z"),
    a_medication("5640", authored="2024-05-01T10:00:00Z"),
)


def fails(assessments: Sequence[Assessment], moment: Moment) -> Sequence[Card]:
    raise RuntimeError(moment.record.patient)


OPENS, SIGNS = a_service("opens"), a_service("signs", hooks=(Hook.ORDER_SIGN,))


def replayed(*services: Service, value: Any = CHART, policy: Policy | None = None, **options: Any) -> Replay:
    replay = Replay(services, policy or Policy(), lambda: NOW, **options)
    replay.run([Document(7, value)])
    return replay


def test_cards_are_counted_by_service_and_hook_for_calls_and_orders() -> None:
    found = replayed(OPENS, SIGNS).tally.as_json()

    opened, signed = found["services"]
    assert (opened["service"], opened["hook"], opened["calls"]) == ("opens", "patient-view", 1)
    assert opened["cards"] == {"info": 1, "warning": 0, "critical": 0}
    assert (opened["cards_per_100_calls"], opened["cards_per_100_orders"]) == (100.0, None)
    assert (signed["calls"], signed["orders"], signed["cards_per_100_orders"]) == (1, 2, 50.0)
    assert opened["assessments"] == {"assessed": 1}
    assert found["per_100_chart_openings"] == {"info": 100.0, "warning": 0.0, "critical": 0.0}
    assert found["per_100_orders"] == {"info": 50.0, "warning": 0.0, "critical": 0.0}
    assert found["findings"] == [
        {"service": service, "finding": "Test guideline", "indicator": "info", "count": 1}
        for service in ("opens", "signs")
    ]
    assert (found["charts"], found["requests"], found["errors"]) == (1, 0, [])


def test_a_chart_is_replayed_to_its_own_last_moment_or_to_the_one_that_is_given() -> None:
    (assessor,) = OPENS.assessors
    for as_of, expected in ((None, datetime(2024, 5, 20, 23, 59, 59, 999999, UTC)), (NOW, NOW)):
        replayed(OPENS, as_of=as_of)
        assert assessor.seen[-1].as_of == expected  # type: ignore[attr-defined]


def test_a_failing_service_is_counted_by_its_class_alone_and_the_others_go_on() -> None:
    replay = replayed(replace(OPENS, id="broken", present=fails), OPENS)

    assert replay.tally.as_json()["errors"] == [
        {"document": 7, "service": "broken", "hook": "patient-view", "error": "RuntimeError"},
    ]
    assert [(line["service"], line["errors"]) for line in replay.tally.as_json()["services"]] == [
        ("broken", 1),
        ("opens", 0),
    ]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "not readable"),
        ([], "not readable"),
        ({"resourceType": "Bundle"}, "no patient"),
        ({"hook": 4}, "no service of its hook"),
    ],
)
def test_a_document_that_cannot_be_replayed_is_an_error(value: Any, why: str) -> None:
    assert replayed(OPENS, value=value).tally.as_json()["errors"] == [
        {"document": 7, "service": None, "hook": None, "error": why},
    ]


def test_a_request_of_a_file_goes_to_every_service_of_its_hook_now() -> None:
    context = {"userId": "Practitioner/1", "patientId": "p1", "draftOrders": a_bundle(a_medication("6809"))}
    prefetch = {"patient": a_patient(), "laboratory": None}
    body = {"hook": "order-sign", "hookInstance": INSTANCE, "context": context, "prefetch": prefetch}

    found = replayed(OPENS, SIGNS, value=body).tally.as_json()

    assert (found["charts"], found["requests"]) == (0, 1)
    assert [(line["service"], line["calls"], line["orders"]) for line in found["services"]] == [("signs", 1, 1)]


def test_what_is_not_shown_is_held_back_with_the_reason() -> None:
    shadow = replayed(OPENS, policy=Policy(ceilings={"opens": ReleaseState.SHADOW})).tally.as_json()
    off = replayed(OPENS, policy=Policy(ceilings={"opens": ReleaseState.OFF})).tally.as_json()

    (line,) = shadow["services"]
    assert (line["cards_per_100_calls"], line["held_back"]) == (0.0, {"shadow": 1})
    assert shadow["held_back"] == {"shadow": 1}
    assert off["services"] == []


def test_the_report_holds_no_value_of_a_patient_and_the_sample_holds_the_cards() -> None:
    replay = replayed(OPENS, SIGNS, sample=Sample(5))

    report = str(replay.tally.as_json())
    for private in ("p1", "6809", "2024", "risk is"):
        assert private not in report
    assert replay.sample.text().count("[info] risk is 0.25") == 2
    assert "document 7, opens at patient-view, as of 2024-05-20 23:59" in replay.sample.text()


def test_a_sample_is_no_larger_than_asked_for_and_the_same_each_time() -> None:
    draws = []
    for _ in range(2):
        replay = Replay((OPENS,), Policy(), lambda: NOW, sample=Sample(3))
        replay.run([Document(place, CHART) for place in range(1, 40)])
        draws.append(replay.sample.text())

    assert draws[0] == draws[1]
    assert draws[0].count("[info]") == 3
    assert "document 1, opens" not in draws[0] or "document 2, opens" not in draws[0]
