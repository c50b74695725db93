"""What can be wrong with a set of services stops the start-up."""

import pytest

from cds_hooks.catalogue import Catalogue, CatalogueError
from cds_hooks.errors import UnknownService
from cds_hooks.policy import Policy, ReleaseState
from cds_hooks.protocol.hooks import Hook
from fhir_client.search import Search
from tests.cds_hooks.declared import AnAssessor, a_service


def test_one_entry_for_each_hook_under_one_id() -> None:
    """[DISC-13] Several entries can share an id when the hook differs; the key is (id, hook)."""
    catalogue = Catalogue([a_service(hooks=(Hook.PATIENT_VIEW, Hook.ENCOUNTER_START))])
    entries = catalogue.entries(Policy())
    assert [(entry.id, entry.hook) for entry in entries] == [
        ("test-service", Hook.PATIENT_VIEW),
        ("test-service", Hook.ENCOUNTER_START),
    ]


def test_all_that_is_wrong_is_named_at_once() -> None:
    """[DISC-13] Two services of one id, a hook named twice and a service without a hook fail together at start-up."""
    twice = a_service("twice", hooks=(Hook.PATIENT_VIEW, Hook.PATIENT_VIEW))
    with pytest.raises(CatalogueError) as caught:
        Catalogue([a_service(), a_service(), twice, a_service("none", hooks=())])
    assert caught.value.problems == (
        "two services have the id test-service",
        "twice names a hook twice",
        "none answers no hook",
    )


def test_a_template_outside_the_common_subset_fails_at_start_up() -> None:
    """[PRE-7, PRE-8] A template uses nothing outside the common query subset: the start-up check refuses it."""
    chained = Search("odd", "Observation", (), (("subject:Patient.name", "x"),))
    service = a_service(assessors=(AnAssessor(searches=(chained,), required_keys=frozenset()),))
    with pytest.raises(CatalogueError):
        Catalogue([service])


def test_a_service_that_is_off_is_neither_found_nor_discovered() -> None:
    catalogue = Catalogue([a_service()])
    off = Policy(ceilings={"test-service": ReleaseState.OFF})
    assert catalogue.entries(off) == ()
    with pytest.raises(UnknownService):
        catalogue.get("test-service", off)
    assert catalogue.get("test-service", Policy()).id == "test-service"


def test_an_unknown_id_is_an_unknown_service() -> None:
    with pytest.raises(UnknownService):
        Catalogue([a_service()]).get("nothing", Policy())


def test_our_own_services_are_found_and_agree_with_each_other() -> None:
    ids = {service.id for service in Catalogue.found().services}
    assert {"cardiovascular-risk", "kidney-risk", "deterioration"} <= ids


def test_discovery_does_not_depend_on_who_is_in_the_pilot() -> None:
    catalogue = Catalogue([a_service()])
    pilot = Policy(ceilings={"test-service": ReleaseState.PILOT})
    assert [entry.id for entry in catalogue.entries(pilot)] == ["test-service"]
