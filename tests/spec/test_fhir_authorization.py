"""CDS Hooks, request: the FHIR server and the token block, as they are read."""

import pytest

from cds_hooks.protocol.requests import FhirAccess
from tests.spec.messages import (
    a_request,
    a_request_with_access,
    an_authorization,
    read,
    refused_places,
    warned_places,
)


def test_a_token_without_a_server_is_refused_by_a_strict_reader_and_ignored_by_a_lenient_one() -> None:
    """[REQ-6] `fhirAuthorization` alone: 400 (or ignored in lenient mode, then no FHIR access)."""
    message = a_request(fhirAuthorization=an_authorization())
    assert refused_places(message, strict=True) == ["fhirServer"]
    assert warned_places(message) == ["fhirServer"]
    assert read(message).fhir_access is None


@pytest.mark.parametrize(
    "server", ["ehr.example/r4", "ftp://ehr.example", "https://", "https://a b/", "//x", "https://u@h/"]
)
def test_a_server_address_that_cannot_be_called_gives_no_access(server: str) -> None:
    message = a_request(fhirServer=server, fhirAuthorization=an_authorization())
    assert refused_places(message, strict=True) == ["fhirServer"]
    request = read(message)
    assert (request.fhir_server, request.fhir_access) == (None, None)
    assert [fault.expression for fault in request.warnings] == ["fhirServer"]


@pytest.mark.parametrize("server", ["https://ehr.example/r4", "http://127.0.0.1:8940/fhir", "HTTPS://EHR.example"])
def test_a_server_address_is_kept_as_sent(server: str) -> None:
    assert read(a_request(fhirServer=server), strict=True).fhir_server == server


@pytest.mark.parametrize("block", [["x"], "token", 5])
def test_a_token_block_that_is_no_object_is_refused(block: object) -> None:
    """[REQ-8] `fhirAuthorization`: object 0..1. Array or string: 400."""
    message = a_request(fhirServer="https://ehr.example/r4", fhirAuthorization=block)
    assert refused_places(message) == ["fhirAuthorization"]


def test_the_access_token_of_another_patient_is_refused() -> None:
    """[REQ-15, ACC-6] `fhirAuthorization.patient` differing from the context's patient: 400, in both modes."""
    for strict in (False, True):
        assert refused_places(a_request_with_access(patient="p2"), strict=strict) == ["fhirAuthorization.patient"]


def test_another_patients_token_is_refused_even_if_the_rest_of_its_block_is_broken() -> None:
    assert refused_places(a_request_with_access(patient="p2", scope=...)) == ["fhirAuthorization.patient"]


def test_the_token_block_is_read() -> None:
    """[ACC-1, ACC-2, ACC-3, ACC-5] access_token, token_type Bearer, expires_in seconds, subject."""
    access = read(a_request_with_access(), strict=True).fhir_access
    assert access == FhirAccess(
        access_token="made-up",
        token_type="Bearer",
        expires_in=300,
        scope="user/Observation.read patient/Patient.rs",
        subject="chartside",
        patient="p1",
    )


BROKEN_BLOCKS: list[tuple[str, object]] = [
    ("access_token", ...),
    ("access_token", None),
    ("access_token", 5),
    ("access_token", "two words"),
    ("access_token", "line\r\nInjected: yes"),
    ("token_type", ...),
    ("token_type", "mac"),
    ("token_type", ["Bearer"]),
    ("expires_in", ...),
    ("expires_in", "soon"),
    ("expires_in", True),
    ("expires_in", 0),
    ("expires_in", 1.5),
    ("scope", ...),
    ("scope", ["user/*.read"]),
    ("subject", ...),
    ("patient", 5),
]


@pytest.mark.parametrize(("name", "value"), BROKEN_BLOCKS)
def test_a_broken_token_block_is_a_fault_to_a_strict_reader_and_no_access_to_a_lenient_one(
    name: str, value: object
) -> None:
    """[ACC-1, ACC-2, ACC-3, ACC-4, ACC-5] Missing: 400, or access disabled in lenient mode; `mac` refused."""
    message = a_request_with_access(**{name: value})
    assert refused_places(message, strict=True) == [f"fhirAuthorization.{name}"]
    request = read(message)
    assert request.fhir_access is None
    assert request.fhir_server == "https://ehr.example/r4"
    assert f"fhirAuthorization.{name}" in [fault.expression for fault in request.warnings]


def test_a_lenient_reader_takes_bearer_in_any_case() -> None:
    """[ACC-2] `bearer` accepted leniently."""
    message = a_request_with_access(token_type="bearer")
    access = read(message).fhir_access
    assert access is not None
    assert access.token_type == "Bearer"
    assert refused_places(message, strict=True) == ["fhirAuthorization.token_type"]


def test_a_lenient_reader_takes_seconds_as_a_numeric_string() -> None:
    """[ACC-3] Numeric string accepted leniently."""
    message = a_request_with_access(expires_in="300")
    access = read(message).fhir_access
    assert access is not None
    assert access.expires_in == 300
    assert refused_places(message, strict=True) == ["fhirAuthorization.expires_in"]


def test_scopes_of_both_generations_are_read_side_by_side() -> None:
    """[ACC-4] Parser handles `.read .write .*`, `.cruds` subsets, query parts, both generations mixed."""
    scope = "openid launch user/Observation.read user/Condition.rs?category=a|b patient/*.* system/Task.write user/X.sr"
    access = read(a_request_with_access(scope=scope)).fhir_access
    assert access is not None
    found = [(each.compartment, each.resource_type, "".join(sorted(each.permissions))) for each in access.scopes]
    assert found == [
        ("user", "Observation", "rs"),
        ("user", "Condition", "rs"),
        ("patient", "*", "cdrsu"),
        ("system", "Task", "cdu"),
    ]
    assert access.scopes[1].query == "category=a|b"
    assert access.allows("Patient", "r")


def test_a_scope_allows_its_own_type_and_permission_only() -> None:
    access = read(a_request_with_access(scope="user/Observation.r")).fhir_access
    assert access is not None
    assert access.allows("Observation", "r")
    assert not access.allows("Observation", "s")
    assert not access.allows("Condition", "r")


def test_a_patient_scope_without_a_patient_is_a_warning_in_both_modes() -> None:
    """[ACC-6] Missing with patient scope: proceed, warn."""
    message = a_request_with_access(patient=...)
    for strict in (False, True):
        request = read(message, strict=strict)
        assert [fault.expression for fault in request.warnings] == ["fhirAuthorization.patient"]
        assert request.fhir_access is not None
