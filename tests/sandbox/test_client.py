"""The sandbox's CDS client, against a service that answers by the book."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from flask import Flask

from sandbox.choices import TokenState
from sandbox.client import CdsClient, Faults, Moment, NoServices, ServiceEntry, expanded
from sandbox.ehr.access import Grants
from sandbox.ehr.routes import create_fhir_app
from sandbox.ehr.server import FhirServer
from sandbox.ehr.store import Store
from sandbox.patients.builder import STAFF
from sandbox.serving import Serving
from sandbox.signing import Headers
from tests.sandbox.fake_service import CARD, create_fake_service

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DOCTOR = "Practitioner/sandbox-doctor"
MOMENT = Moment("wren", DOCTOR)


def a_weight(number: int) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"w{number}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": "Patient/wren"},
        "effectiveDateTime": f"2026-11-{number:02}",
    }


class Bench:
    """An EHR and a service on loopback, and the client between them."""

    def __init__(self, ehr: Serving, service: Serving, fake: Flask, server: FhirServer, grants: Grants) -> None:
        self.origin = ehr.origin
        self.base = service.origin
        self.seen: list[Any] = fake.config["seen"]
        self.tried: list[int] = fake.config["tried"]
        self.http = requests.Session()
        self.client = CdsClient(service.origin, server, grants, http=self.http)

    def call(self, faults: Faults = Faults(), moment: Moment = MOMENT) -> dict[str, Any]:  # noqa: B008 - frozen
        (entry,) = [e for e in self.client.discover() if e.id == "fake"]
        result = self.client.call(entry, moment, faults)
        assert result.status == 200
        assert result.cards == [CARD]
        sent = self.seen[-1]
        assert isinstance(sent, dict)
        assert sent == result.request
        return sent


@pytest.fixture
def bench() -> Iterator[Bench]:
    store = Store(lambda: NOW)
    store.fill([*STAFF, {"resourceType": "Patient", "id": "wren"}, *(a_weight(n) for n in range(1, 8))])
    server, grants, fake = FhirServer(store, ""), Grants(), create_fake_service()

    def ehr_app(origin: str) -> Flask:
        server.base = f"{origin}/fhir"
        return create_fhir_app(server, grants)

    with Serving(ehr_app) as ehr, Serving(lambda _: fake) as service:
        found = Bench(ehr, service, fake, server, grants)
        yield found
        found.http.close()


def test_discovery_lists_each_hook_of_each_service(bench: Bench) -> None:
    assert [(e.id, e.hook) for e in bench.client.discover()] == [
        ("fake", "patient-view"),
        ("quiet", "encounter-start"),
        ("orders", "order-sign"),
    ]


def test_discovery_may_be_given_by_its_own_address(bench: Bench) -> None:
    client = CdsClient(f"{bench.base}/cds-services", RemoteNothing(), None, http=bench.http)

    assert len(client.discover()) == 3


def test_no_answer_to_discovery_is_said(bench: Bench) -> None:
    with pytest.raises(NoServices):
        CdsClient(f"{bench.base}/elsewhere", RemoteNothing(), None, http=bench.http).discover()


class RemoteNothing:
    """Charts of a server elsewhere that nobody asks in these tests."""

    base = "https://fhir.example"

    def ask(self, relative: str, *, page_size: int | None = None) -> dict[str, Any]:
        raise AssertionError(relative, page_size)

    def whole(self, relative: str) -> dict[str, Any]:
        raise AssertionError(relative)


@pytest.mark.parametrize(
    ("template", "moment", "relative"),
    [
        ("Patient/{{context.patientId}}", MOMENT, "Patient/wren"),
        ("{{context.userId}}", MOMENT, DOCTOR),
        ("Practitioner/{{ userPractitionerId }}", MOMENT, DOCTOR),
        ("PractitionerRole/{{userPractitionerRoleId}}", MOMENT, None),
        ("Encounter/{{context.encounterId}}", MOMENT, None),
        ("Encounter/{{context.encounterId}}", Moment("wren", DOCTOR, "e1"), "Encounter/e1"),
        ("Patient/{{userPatientId}}", Moment("wren", "Patient/wren"), "Patient/wren"),
        ("Patient/{{context.medications.entry}}", MOMENT, None),
        ("Observation?patient={{context.patientId}}&code=a|b", Moment("a&b=c", DOCTOR),
         "Observation?patient=a%26b%3Dc&code=a|b"),
    ],
)  # fmt: skip
def test_a_template_expands(template: str, moment: Moment, relative: str | None) -> None:
    assert expanded(template, moment) == relative


def test_a_request_is_what_the_specification_asks_for(bench: Bench) -> None:
    sent = bench.call(moment=Moment("wren", DOCTOR, "e1"))

    assert sent["hook"] == "patient-view"
    assert len(sent["hookInstance"]) == 36
    assert sent["context"] == {"userId": DOCTOR, "patientId": "wren", "encounterId": "e1"}
    assert sent["fhirServer"] == f"{bench.origin}/fhir"
    access = sent["fhirAuthorization"]
    assert (access["token_type"], access["patient"]) == ("Bearer", "wren")


def test_the_prefetch_is_complete_but_for_keys_without_a_value(bench: Bench) -> None:
    prefetch = bench.call()["prefetch"]

    assert list(prefetch) == ["patient", "weights", "user", "nothing"]
    assert prefetch["patient"]["id"] == "wren"
    assert len(prefetch["weights"]["entry"]) == 7
    assert [link["relation"] for link in prefetch["weights"]["link"]] == ["self"]
    assert prefetch["nothing"] is None


@pytest.mark.parametrize(
    ("faults", "keys"),
    [
        (Faults("none"), []),
        (Faults("partial"), ["patient", "user", "nothing"]),
        (Faults(without=("weights", "user")), ["patient", "nothing"]),
    ],
)
def test_keys_are_left_out(bench: Bench, faults: Faults, keys: list[str]) -> None:
    assert list(bench.call(faults).get("prefetch", {})) == keys


def test_a_paged_prefetch_brings_a_first_page_and_a_link(bench: Bench) -> None:
    weights = bench.call(Faults("paged"))["prefetch"]["weights"]

    assert (len(weights["entry"]), weights["total"]) == (3, 7)
    assert [link["relation"] for link in weights["link"]] == ["self", "next"]


def test_a_failing_prefetch_says_so_in_each_key(bench: Bench) -> None:
    prefetch = bench.call(Faults("failing"))["prefetch"]

    assert {value["resourceType"] for value in prefetch.values()} == {"OperationOutcome"}


def test_the_token_is_good_during_the_call_and_dead_after_it(bench: Bench) -> None:
    sent = bench.call()

    headers = {"Authorization": f"Bearer {sent['fhirAuthorization']['access_token']}"}
    after = requests.get(f"{sent['fhirServer']}/Patient/wren", headers=headers, timeout=5)
    assert bench.tried == [200]
    assert after.status_code == 401


def test_each_call_has_a_token_of_its_own(bench: Bench) -> None:
    tokens = {bench.call()["fhirAuthorization"]["access_token"] for _ in range(3)}

    assert len(tokens) == 3


def test_a_failing_fhir_server_fails_for_the_service_only(bench: Bench) -> None:
    sent = bench.call(Faults(server="failing"))

    assert bench.tried == [503]
    assert sent["prefetch"]["patient"]["id"] == "wren"


def test_without_a_fhir_server_there_is_no_token(bench: Bench) -> None:
    assert not {"fhirServer", "fhirAuthorization"} & bench.call(Faults(server="absent")).keys()


def test_a_signer_sees_the_address_that_is_called(bench: Bench) -> None:
    audiences: list[str] = []

    def sign(headers: Headers, audience: str, state: TokenState) -> Headers:
        assert state == "good"
        audiences.append(audience)
        return headers

    client = CdsClient(bench.base, RemoteNothing(), None, http=bench.http, sign=sign)
    (entry,) = [e for e in client.discover() if e.id == "quiet"]
    client.call(entry, MOMENT)
    client.accepted("fake", "card", ["suggestion"], NOW)

    assert audiences == [
        f"{bench.base}/cds-services",
        f"{bench.base}/cds-services/quiet",
        f"{bench.base}/cds-services/fake/feedback",
    ]


def test_no_answer_is_part_of_the_result() -> None:
    with requests.Session() as http:
        client = CdsClient("http://127.0.0.1:9", RemoteNothing(), None, http=http)
        result = client.call(ServiceEntry("x", "patient-view", "X", "x", {}), MOMENT)

    assert (result.status, result.cards) == (None, [])
    assert result.problem == "the CDS service could not be reached"


def test_feedback_says_what_was_accepted(bench: Bench) -> None:
    status, _ = bench.client.accepted("fake", "card-1", ["suggestion-1"], NOW)

    assert status == 200
    assert bench.seen == [
        {
            "feedback": [
                {
                    "card": "card-1",
                    "outcome": "accepted",
                    "acceptedSuggestions": [{"id": "suggestion-1"}],
                    "outcomeTimestamp": "2026-11-24T12:00:00.000Z",
                },
            ],
        },
    ]


@pytest.mark.parametrize(
    ("reason", "comment", "why"),
    [
        (None, None, {}),
        ({"code": "a", "system": "s"}, None, {"overrideReason": {"reason": {"code": "a", "system": "s"}}}),
        (None, "seen", {"overrideReason": {"userComment": "seen"}}),
    ],
)
def test_feedback_says_why_a_card_was_overridden(bench: Bench, reason: Any, comment: Any, why: Any) -> None:
    bench.client.overridden("fake", "card-1", NOW, reason=reason, comment=comment)

    (entry,) = bench.seen[0]["feedback"]
    assert entry == {
        "card": "card-1",
        "outcome": "overridden",
        "outcomeTimestamp": "2026-11-24T12:00:00.000Z",
        **why,
    }
