"""The EHR as it is opened for the demonstration, before a service that trusts nobody without a token."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from sandbox.client import Faults, Moment, NoServices
from sandbox.hospital import local_hospital, story_resources
from sandbox.keys import LEAD, Keys
from sandbox.opening import Identity, OpenEhr, open_ehr
from sandbox.patients.builder import DOCTOR
from sandbox.serving import Serving
from tests.sandbox.fake_service import CARD, create_fake_service
from tests.sandbox.gatekeeper import Gatekeeper

RESOURCES, STORIES = story_resources(datetime.now(UTC))


class Clock:
    """Of the keys alone: tokens go by the clock of whoever reads them."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def on_the_wall() -> datetime:
    return datetime.now(UTC)


@contextmanager
def opened(gatekeeper: Gatekeeper, clock: Clock, **known: Any) -> Iterator[OpenEhr]:
    with (
        Serving(lambda _: create_fake_service(admits=gatekeeper.admits)) as service,
        open_ehr(
            0,
            service.origin,
            lambda origin: local_hospital(RESOURCES, f"{origin}/fhir", on_the_wall, STORIES),
            Identity(Keys(clock), **known),
            on_the_wall,
        ) as ehr,
    ):
        registration = ehr.signer.registration
        gatekeeper.issuer, gatekeeper.jwks_url = registration.issuer, registration.jwks_url
        yield ehr


@pytest.fixture
def gatekeeper() -> Gatekeeper:
    return Gatekeeper()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ehr(gatekeeper: Gatekeeper, clock: Clock) -> Iterator[OpenEhr]:
    with opened(gatekeeper, clock) as found:
        yield found


def call(ehr: OpenEhr, **asked: Any) -> Any:
    body = {"service": "fake", "hook": "patient-view", "patient": "wren", **asked}
    return requests.post(f"{ehr.origin}/ehr/calls", json=body, timeout=10).json()


def test_discovery_calls_and_feedback_are_signed_each_for_its_own_address(ehr: OpenEhr, gatekeeper: Gatekeeper) -> None:
    answered = call(ehr)
    body = {"call": answered["id"], "card": 0, "reason": 0}
    recorded = requests.post(f"{ehr.origin}/ehr/override", json=body, timeout=10).json()

    assert (answered["status"], answered["response"]) == (200, {"cards": [CARD]})
    assert recorded == {"feedback": 200}
    base = f"{ehr.client.base}/cds-services"
    assert [claims["aud"] for claims in gatekeeper.admitted] == [base, f"{base}/fake", f"{base}/fake/feedback"]
    assert {claims["iss"] for claims in gatekeeper.admitted} == {ehr.origin}


def test_the_page_is_shown_the_token_without_its_signature(ehr: OpenEhr, gatekeeper: Gatekeeper) -> None:
    shown = call(ehr)["token"]

    assert shown["claims"] == gatekeeper.admitted[-1]
    assert shown["header"]["kid"] == ehr.signer.keys.current.id
    assert shown.keys() == {"header", "claims"}


@pytest.mark.parametrize("state", ["absent", "expired", "audience", "key", "replayed"])
def test_a_bad_token_is_refused_and_the_refusal_shown(ehr: OpenEhr, state: str) -> None:
    refused = call(ehr, token=state)

    assert (refused["status"], refused["response"]["resourceType"]) == (401, "OperationOutcome")
    assert call(ehr)["status"] == 200


def test_a_headless_call_knows_bad_tokens_too(ehr: OpenEhr) -> None:
    moment = ehr.hospital.moment("patient-view", "wren", DOCTOR)
    (entry,) = [found for found in ehr.client.discover() if found.id == "fake"]
    assert isinstance(moment, Moment)

    assert ehr.client.call(entry, moment, Faults(token="expired")).status == 401


def test_calls_are_trusted_throughout_a_rotation(ehr: OpenEhr, clock: Clock) -> None:
    old = call(ehr)["token"]["header"]["kid"]
    answer = requests.post(f"{ehr.origin}/ehr/rotate-key", json={}, timeout=10).json()

    during = call(ehr)
    clock.ahead = LEAD
    after = call(ehr)

    assert (answer["key"], answer["next"]["key"]) == (old, ehr.signer.keys.newest.id)
    assert [(found["status"], found["token"]["header"]["kid"]) for found in (during, after)] == [
        (200, old),
        (200, answer["next"]["key"]),
    ]


def test_a_form_on_another_site_cannot_rotate_the_key(ehr: OpenEhr) -> None:
    answer = requests.post(f"{ehr.origin}/ehr/rotate-key", data="{}", timeout=10)

    assert answer.status_code == 415
    assert ehr.signer.keys.newest is ehr.signer.keys.current


def test_the_keys_may_be_kept_for_a_minute(ehr: OpenEhr) -> None:
    answer = requests.get(f"{ehr.origin}/.well-known/jwks.json", timeout=10)

    assert answer.json() == ehr.signer.keys.published()
    assert answer.headers["Cache-Control"] == "public, max-age=60"


def test_the_ehr_is_known_by_the_issuer_and_tenant_it_is_given(gatekeeper: Gatekeeper, clock: Clock) -> None:
    with opened(gatekeeper, clock, issuer="https://ehr.example/cds", tenant="north") as ehr:
        assert call(ehr)["status"] == 200

    assert (gatekeeper.admitted[0]["iss"], gatekeeper.admitted[0]["tenant"]) == ("https://ehr.example/cds", "north")


def test_discovery_that_is_refused_says_so(ehr: OpenEhr, gatekeeper: Gatekeeper) -> None:
    gatekeeper.issuer = "https://another.example"

    with pytest.raises(NoServices, match="discovery was refused with 401"):
        ehr.client.discover()
    about = requests.get(f"{ehr.origin}/ehr/services", timeout=10).json()
    assert about["problem"] == "discovery was refused with 401: the service does not know this EHR"
    assert about["signing"]["issuer"] == ehr.origin
