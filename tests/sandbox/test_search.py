"""The sandbox FHIR server's searches."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.ehr.errors import Refused
from sandbox.ehr.server import FhirServer
from sandbox.ehr.store import Store

LOINC = "http://loinc.org"
BASE = "http://ehr.test/fhir"


def an_observation(identity: str, **changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "category": [{"coding": [{"code": "laboratory"}]}],
        "code": {"coding": [{"system": "urn:local", "code": "K"}, {"system": LOINC, "code": "2823-3"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2024-05-01T10:00:00Z",
        **changes,
    }


RESOURCES: list[dict[str, Any]] = [
    {"resourceType": "Patient", "id": "p1", "name": [{"family": "Ödegård", "given": ["Ana"]}], "deceasedBoolean": True},
    {"resourceType": "Patient", "id": "p2", "identifier": [{"system": "urn:mrn", "value": "7"}]},
    an_observation("may"),
    an_observation("june", effectiveDateTime="2024-06-01", status="amended"),
    an_observation("year", effectiveDateTime="2024"),
    an_observation("ongoing", effectiveDateTime=None, effectivePeriod={"start": "2024-05-15"}),
    an_observation("zoned", effectiveDateTime="2024-05-01T01:00:00+05:00"),
    an_observation("undated", effectiveDateTime=None, code={"coding": [{"code": "bare"}], "text": "2823-3"}),
    an_observation("foreign", subject={"reference": "Patient/p2"}),
    {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": f"{BASE}/Patient/p1"},
        "period": {"start": "2024-05-01T00:00:00Z"},
    },
    {
        "resourceType": "Condition",
        "id": "c1",
        "subject": {"reference": "Patient/p1"},
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "onsetDateTime": "2019-03",
        "recordedDate": "2019-04-02",
        "encounter": {"reference": "Encounter/e1"},
    },
    {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {"coding": [{"system": "urn:rx", "code": "a|b,c"}]},
        "authoredOn": "2024-01-05",
    },
]


@pytest.fixture
def server() -> FhirServer:
    store = Store(lambda: datetime(2024, 7, 1, tzinfo=UTC))
    store.fill({name: value for name, value in resource.items() if value is not None} for resource in RESOURCES)
    return FhirServer(store, BASE)


def found(server: FhirServer, relative: str) -> list[str]:
    return [entry["resource"]["id"] for entry in server.ask(relative).get("entry", [])]


@pytest.mark.parametrize(
    ("relative", "expected"),
    [
        ("Patient?_id=p2", ["p2"]),
        ("Patient?name=öde", ["p1"]),
        ("Patient?identifier=urn:mrn|7", ["p2"]),
        ("Observation?patient=p2", ["foreign"]),
        ("Observation?subject=Patient/p2", ["foreign"]),
        ("Observation?patient=Patient/p2", ["foreign"]),
        ("Encounter?patient=p1", ["e1"]),
        ("Condition?encounter=e1", ["c1"]),
        ("Condition?encounter=Encounter/e2", []),
        # token
        ("Observation?patient=p2&code=2823-3", ["foreign"]),
        ("Observation?patient=p2&code=http://loinc.org|2823-3", ["foreign"]),
        ("Observation?patient=p2&code=urn:local|2823-3", []),
        ("Observation?patient=p2&code=http://loinc.org|", ["foreign"]),
        ("Observation?patient=p1&code=|bare", ["undated"]),
        ("Observation?patient=p1&code=|2823-3", []),
        ("Observation?patient=p1&code=bare,http://loinc.org|9", ["undated"]),
        ("Observation?patient=p1&status=amended", ["june"]),
        ("Observation?patient=p1&status=amended,preliminary", ["june"]),
        ("Observation?patient=p2&category=laboratory", ["foreign"]),
        ("Observation?patient=p2&category=vital-signs", []),
        ("Encounter?patient=p1&class=IMP&status=in-progress", ["e1"]),
        ("Encounter?patient=p1&class=AMB", []),
        ("Condition?patient=p1&clinical-status=active", ["c1"]),
        (r"MedicationRequest?code=urn:rx|a\|b\,c", ["m1"]),
        ("MedicationRequest?code=urn:rx|a", []),
        # dates are intervals
        ("Observation?patient=p1&date=2024-05-01", ["may"]),
        ("Observation?patient=p1&date=eq2024", ["may", "june", "year", "zoned"]),
        ("Observation?patient=p1&date=ge2024-06", ["june", "year", "ongoing"]),
        ("Observation?patient=p1&date=gt2024-06-01", ["year", "ongoing"]),
        ("Observation?patient=p1&date=lt2024-05-01", ["year", "zoned"]),
        ("Observation?patient=p1&date=le2024-05-01T10:00:00Z", ["may", "year", "zoned"]),
        ("Observation?patient=p1&date=sa2024-05", ["june"]),
        ("Observation?patient=p1&date=eb2024-05-01", ["zoned"]),
        ("Observation?patient=p1&date=ge2024-04-30&date=lt2024-05-02", ["may", "year", "zoned"]),
        ("Observation?patient=p1&date=2024-04-30T22:00:00%2B02:00", ["zoned"]),
        ("Observation?patient=p1&date=ge2024-05-01T01:00:00+05:00&date=le2024-05-01T01:00:00%2B05:00",
         ["year", "zoned"]),
        ("Encounter?patient=p1&date=ge2030", ["e1"]),
        ("Encounter?patient=p1&date=lt2024-05-01", []),
        ("Condition?patient=p1&onset-date=2019", ["c1"]),
        ("Condition?patient=p1&onset-date=2019-03-15", []),
        ("Condition?patient=p1&recorded-date=gt2019-03", ["c1"]),
        ("MedicationRequest?patient=p1&authoredon=ge2024-01-05", ["m1"]),
        # order: dated newest first, undated last in both directions
        ("Observation?patient=p1&status=final&_sort=-date", ["ongoing", "may", "zoned", "year", "undated"]),
        ("Observation?patient=p1&status=final&_sort=date", ["year", "zoned", "may", "ongoing", "undated"]),
        ("Observation?code=http://loinc.org|2823-3&_sort=status,-date&_count=2", ["june", "ongoing"]),
    ],
)  # fmt: skip
def test_a_search_finds(server: FhirServer, relative: str, expected: list[str]) -> None:
    assert found(server, relative) == expected


def test_an_unknown_parameter_is_ignored_and_left_out_of_the_self_link(server: FhirServer) -> None:
    bundle = server.ask("Observation?patient=p2&moon=full&_count=5")

    assert bundle["link"] == [{"relation": "self", "url": f"{BASE}/Observation?patient=p2&_count=5"}]
    assert bundle["total"] == 1


def test_an_unknown_parameter_is_refused_under_strict_handling(server: FhirServer) -> None:
    with pytest.raises(Refused) as refused:
        server.search("Observation", [("moon", "full")], strict=True)

    assert (refused.value.status, refused.value.code) == (400, "not-supported")


@pytest.mark.parametrize(
    "relative",
    ["Observation?date=yesterday", "Observation?date=ap2024", "Observation?_count=many", "Observation?_sort=moon"],
)
def test_a_value_that_cannot_be_read_is_refused(server: FhirServer, relative: str) -> None:
    with pytest.raises(Refused) as refused:
        server.ask(relative)

    assert refused.value.status == 400


def test_pages_hold_every_match_once_and_end(server: FhirServer) -> None:
    seen: list[str] = []
    page = server.ask("Observation?patient=p1&_sort=-date&_count=4")
    while True:
        assert page["total"] == 6
        seen.extend(entry["resource"]["id"] for entry in page["entry"])
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        if not following:
            break
        page = server.ask(following[0].removeprefix(f"{BASE}/"))

    assert seen == ["june", "ongoing", "may", "zoned", "year", "undated"]


def test_a_page_link_tells_nothing_of_the_query(server: FhirServer) -> None:
    first, second = (
        server.ask("Observation?patient=p1&_count=1")["link"][1]["url"],
        server.ask("Observation?patient=p1&_count=1")["link"][1]["url"],
    )

    assert "p1" not in first
    assert first != second


def test_pages_stay_as_they_were_when_the_chart_changes_meanwhile(server: FhirServer) -> None:
    page = server.ask("Observation?patient=p1&_count=3")
    server.store.delete("Observation", "may")

    following = server.ask(page["link"][1]["url"].removeprefix(f"{BASE}/"))

    assert [entry["resource"]["id"] for entry in following["entry"]] == ["ongoing", "zoned", "undated"]


def test_a_count_only_summary_has_no_entries(server: FhirServer) -> None:
    bundle = server.ask("Observation?patient=p1&_summary=count")

    assert bundle["total"] == 6
    assert "entry" not in bundle


def test_an_empty_result_has_no_entry_member(server: FhirServer) -> None:
    assert "entry" not in server.ask("Observation?patient=nobody")


def test_a_type_without_resources_is_not_found(server: FhirServer) -> None:
    with pytest.raises(Refused) as refused:
        server.ask("Moon?patient=p1")

    assert refused.value.status == 404
