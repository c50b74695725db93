import pytest

from fhir_client.scopes import Wanted, asked, missing

LABS = Wanted("Observation", "category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory")
JOB = (Wanted("Patient"), Wanted("Observation"), Wanted("Patient"))


@pytest.mark.parametrize(
    ("wanted", "version_2", "scope"),
    [
        (JOB, True, "system/Observation.rs system/Patient.rs"),
        (JOB, False, "system/Observation.read system/Patient.read"),
        ((LABS,), True, f"system/Observation.rs?{LABS.query}"),
        ((LABS,), False, "system/Observation.read"),
    ],
)
def test_the_minimum_is_asked_for(wanted: tuple[Wanted, ...], version_2: bool, scope: str) -> None:
    """[FHIR-30] Scopes are `system/Type.rs` style with optional query; v1 (`.read`) only where v2 is not offered."""
    assert asked(wanted, version_2=version_2) == scope


@pytest.mark.parametrize(
    ("granted", "lacks"),
    [
        ("system/Observation.rs system/Patient.rs", ()),
        ("system/Patient.rs system/Observation.rs launch openid", ()),
        ("system/*.rs", ()),
        ("system/*.read", ()),
        ("system/*.*", ()),
        ("system/Observation.cruds system/Patient.read", ()),
        ("system/Observation.rs", ("Patient",)),
        ("system/Observation.r system/Patient.s", ("Observation", "Patient")),
        ("system/Observation.rs?category=laboratory system/Patient.rs", ("Observation",)),
        ("user/*.rs patient/*.rs", ("Observation", "Patient")),
        ("system/Observations.rs system/Patient.rsx", ("Observation",)),
        ("", ("Observation", "Patient")),
    ],
)
def test_what_was_not_granted_is_named(granted: str, lacks: tuple[str, ...]) -> None:
    """[FHIR-31] The granted `scope` may be less than asked: compare, and give the list of missing ones."""
    assert missing(JOB, granted) == lacks


def test_a_narrow_wish_is_covered_by_itself_and_by_the_whole() -> None:
    assert missing([LABS], f"system/Observation.rs?{LABS.query}") == ()
    assert missing([LABS], "system/Observation.rs") == ()
    assert missing([LABS], "system/Observation.rs?category=vital-signs") == ("Observation",)
