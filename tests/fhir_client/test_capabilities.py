"""What a server says it can do: how it is read, when it is asked for, and what is made of it."""

import time
from threading import Event
from typing import Any

import pytest

from fhir_client.answers import Answer
from fhir_client.capabilities import Capabilities, Library, read_capabilities
from fhir_client.client import Connections
from fhir_client.elements import Resource
from fhir_client.errors import BadResource, Reason, Unreachable
from fhir_client.record import Availability
from fhir_client.releases import Release
from fhir_client.search import Search
from tests.builders import a_bundle
from tests.fhir_asking import PATIENT, a_client, an_observation, found, ids
from tests.fhir_stub import Asked, FhirStub, Says

A_PATIENT = Says({"resourceType": "Patient", "id": "p1"})


def a_statement(version: str | None = "4.0.1", **rest: Any) -> dict[str, Any]:
    """Build a CapabilityStatement of a server."""
    statement = {"resourceType": "CapabilityStatement", "rest": [{"mode": "server", **rest}]}
    return statement if version is None else statement | {"fhirVersion": version}


def until_learned(connections: Connections, server: FhirStub) -> None:
    """Meet the server, and wait until its metadata have been asked for and read."""
    a_client(connections, server)
    library = connections._library
    assert library is not None
    for _ in range(200):
        known = library._known[server.base]
        if known.until and not known.is_learning:
            return
        time.sleep(0.01)
    pytest.fail("the metadata were not read")


# Reading


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("1.0.2", Release.DSTU2),
        ("3.0.2", Release.STU3),
        ("4.0.1", Release.R4),
        ("4.0.0", Release.R4),
        ("4.3.0", Release.R4B),
        ("5.0.0", Release.R5),
        ("5.0.0-ballot", Release.R5),
        ("4.0", Release.R4),
    ],
)
def test_the_release_is_known_by_major_and_minor(version: str, release: Release) -> None:
    """[FHIR-10] 1.0.2 DSTU2, 3.0.2 STU3, 4.0.1 R4, 4.3.0 R4B, 5.0.0 R5. Map by major.minor."""
    assert read_capabilities(a_statement(version)).release is release


@pytest.mark.parametrize("version", ["6.0.0", "4.1.0", "4", "four", "4.0x", "40.0.1"])
def test_an_unknown_version_is_refused(version: str) -> None:
    """[FHIR-10] Unknown value: refuse with a clear message."""
    with pytest.raises(BadResource, match="the FHIR server speaks a FHIR version that we do not know"):
        read_capabilities(a_statement(version))


def test_a_statement_without_a_version_says_nothing_of_it() -> None:
    assert read_capabilities(a_statement(None)) == Capabilities()
    assert read_capabilities({"resourceType": "CapabilityStatement", "rest": 7}) == Capabilities()


def test_what_is_no_statement_is_refused() -> None:
    with pytest.raises(BadResource):
        read_capabilities({"resourceType": "Patient"})


@pytest.mark.parametrize(
    ("rest", "takes"),
    [
        ({"interaction": [{"code": "transaction"}, {"code": "batch"}]}, True),
        ({"interaction": [{"code": "transaction"}]}, False),
        ({"transactionMode": "both"}, True),
        ({"transactionMode": "transaction"}, False),
        ({"mode": "client", "interaction": [{"code": "batch"}]}, False),
        ({}, False),
    ],
)
def test_whether_batches_are_taken_is_read(rest: dict[str, Any], takes: bool) -> None:
    """[FHIR-14] Look at rest.interaction before optional features."""
    assert read_capabilities(a_statement(**rest)).takes_batch is takes


def test_local_names_are_known_by_what_defines_them() -> None:
    """[FHIR-15] Search parameter names may be local: map by definition URL where given."""
    published = "http://hl7.org/fhir/SearchParameter/"
    parameters = [
        {"name": "visit", "definition": f"{published}clinical-encounter|4.0.1"},
        {"name": "code", "definition": f"{published}clinical-code"},
        {"name": "LOINC", "definition": f"{published}clinical-code"},
        {"name": "_id", "definition": f"{published}Resource-id"},
        {"name": "own", "definition": "https://ehr.example/SearchParameter/clinical-date"},
        {"name": "bare"},
        {"definition": f"{published}clinical-date"},
    ]
    statement = a_statement(resource=[{"type": "Observation", "searchParam": parameters}])
    assert read_capabilities(statement).names == {"Observation.encounter": "visit"}


# Asking for it


def test_metadata_are_read_once_in_the_background_and_without_the_token(server: FhirStub) -> None:
    """[FHIR-11] Cache it per base URL (hours), outside the call path."""
    server.on("GET", "metadata", Says(a_statement()))
    server.on("GET", "Patient/p1", A_PATIENT)
    with Connections(learns=True) as connections:
        until_learned(connections, server)
        for _ in range(3):
            assert ids(found(a_client(connections, server), PATIENT)) == ["p1"]
    (metadata,) = [asked for asked in server.asked if asked.path.endswith("/metadata")]
    assert "Authorization" not in metadata.headers
    assert metadata.headers["Accept"].startswith("application/fhir+json")


def test_no_call_waits_for_metadata(server: FhirStub) -> None:
    """[FHIR-11] First call on a cold cache does not wait for metadata."""
    over = Event()

    def hang(asked: Asked) -> Says:
        over.wait(10)
        return Says(a_statement())

    server.on("GET", "metadata", hang)
    server.on("GET", "Patient/p1", A_PATIENT)
    with Connections(learns=True) as connections:
        started = time.monotonic()
        for _ in range(3):
            assert ids(found(a_client(connections, server), PATIENT)) == ["p1"]
        assert time.monotonic() - started < 0.5
        over.set()
        until_learned(connections, server)
    assert server.paths().count("metadata") == 1


def test_a_server_without_metadata_is_asked_as_ever(server: FhirStub) -> None:
    """[FHIR-11] In a call use configuration, then cache, then the shape of the payload."""
    server.on("GET", "Patient/p1", A_PATIENT)
    with Connections(learns=True) as connections:
        until_learned(connections, server)
        assert ids(found(a_client(connections, server), PATIENT)) == ["p1"]


def test_a_server_of_an_unknown_version_is_not_asked(server: FhirStub) -> None:
    """[FHIR-10] Unknown value: refuse with a clear message."""
    server.on("GET", "metadata", Says(a_statement("6.0.0")))
    server.on("GET", "Patient/p1", A_PATIENT)
    with Connections(learns=True) as connections:
        until_learned(connections, server)
        client = a_client(connections, server)
        assert found(client, PATIENT) == Answer((), Availability.UNAVAILABLE, Reason.VERSION)
        with pytest.raises(BadResource):
            client.read("Patient/p1")
    assert server.paths() == ["metadata"]


def test_a_name_that_the_server_publishes_is_used(server: FhirStub) -> None:
    """[FHIR-15] Stub whose encounter parameter is called `visit`."""
    published = {"name": "visit", "definition": "http://hl7.org/fhir/SearchParameter/clinical-encounter"}
    server.on("GET", "metadata", Says(a_statement(resource=[{"type": "Observation", "searchParam": [published]}])))
    server.on("POST", "Observation/_search", Says(a_bundle(an_observation("a"))))
    with Connections(learns=True) as connections:
        until_learned(connections, server)
        found(a_client(connections, server), Search("x", "Observation", parameters=(("encounter", "e1"),)))
    assert server.asked[-1].form == (("patient", "p1"), ("visit", "e1"))


# Keeping it


class Shelf:
    """A library with a clock that is moved by hand, and what it fetches."""

    def __init__(self, **more: Any) -> None:
        self.now = 1_000.0
        self.library = Library(clock=lambda: self.now, keep_seconds=3_600, retry_seconds=60, **more)
        self.fetched = 0
        self.statement: Resource | None = a_statement()

    def fetch(self) -> Resource:
        self.fetched += 1
        if self.statement is None:
            raise Unreachable(Reason.NO_ANSWER)
        return self.statement

    def of(self, base: str = "https://fhir.example/r4") -> Capabilities | None:
        """Ask, let the thread do its work, and give what was known when asked."""
        known = self.library.of(base, self.fetch)
        for _ in range(200):
            if not any(each.is_learning for each in self.library._known.values()):
                break
            time.sleep(0.005)
        return known


def test_what_is_known_is_kept_for_hours_and_used_until_there_is_newer() -> None:
    """[FHIR-11] Cache it per base URL (hours)."""
    shelf = Shelf()
    assert shelf.of() is None
    shelf.now += 3_599
    known = shelf.of()
    assert (known, shelf.fetched) == (Capabilities(Release.R4), 1)
    shelf.now += 1
    shelf.statement = a_statement("5.0.0")
    assert shelf.of() == Capabilities(Release.R4)
    assert (shelf.of(), shelf.fetched) == (Capabilities(Release.R5), 2)


def test_what_could_not_be_had_is_asked_for_again_later() -> None:
    shelf = Shelf()
    shelf.statement = None
    assert [shelf.of(), shelf.of()] == [None, None]
    assert shelf.fetched == 1
    shelf.now += 60
    shelf.statement = a_statement()
    assert (shelf.of(), shelf.of(), shelf.fetched) == (None, Capabilities(Release.R4), 2)


def test_a_server_that_was_refused_is_looked_at_again() -> None:
    shelf = Shelf()
    shelf.statement = a_statement("6.0.0")
    shelf.of()
    with pytest.raises(BadResource):
        shelf.of()
    shelf.now += 60
    shelf.statement = a_statement()
    with pytest.raises(BadResource):
        shelf.of()
    assert shelf.of() == Capabilities(Release.R4)


def test_made_up_bases_push_out_the_one_that_was_met_longest_ago() -> None:
    shelf = Shelf(size=2)
    for name in ("a", "b", "a", "c"):
        shelf.of(f"https://fhir.example/{name}")
    assert [base.rpartition("/")[2] for base in shelf.library._known] == ["a", "c"]


def test_few_threads_learn_at_a_time() -> None:
    over, shelf = Event(), Shelf(threads=2)

    def hang() -> Resource:
        over.wait(10)
        return a_statement()

    for name in "abcd":
        shelf.library.of(f"https://fhir.example/{name}", hang)
    assert sum(known.is_learning for known in shelf.library._known.values()) == 2
    over.set()
