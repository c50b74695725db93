"""What our own discovery publishes: the contract that EHRs configure themselves by."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from cds_hooks.catalogue import Catalogue, CatalogueError
from cds_hooks.policy import Policy
from cds_hooks.protocol.checks import ImpossibleMessage
from cds_hooks.protocol.discovery import DiscoveryEntry, discovery_json
from cds_hooks.protocol.hooks import HOOKS, Hook
from cds_hooks.protocol.templates import USER_TOKENS
from sandbox.client import Moment, expanded
from tests.cds_hooks.declared import a_service

SNAPSHOT = Path(__file__).with_name("discovery.json")
CHANGED = (
    "the answer to discovery has changed, which is a change of contract: name it in CHANGELOG.md for those who "
    "configured an EHR by it (a breaking change is a new service id), then write it anew from a running service: "
    "`curl -s http://127.0.0.1:8000/cds-services | python -m json.tool --no-ensure-ascii > tests/spec/discovery.json`"
)
CATALOGUE = Catalogue.found()
ENTRIES = CATALOGUE.entries(Policy())
TEMPLATES = [template for entry in ENTRIES for template in entry.prefetch.values()]


def test_discovery_is_what_was_published() -> None:
    """[DISC-18] A change of templates or hook is a change of contract: version it and log it."""
    assert json.loads(discovery_json(ENTRIES)) == json.loads(SNAPSHOT.read_text(encoding="utf-8")), CHANGED


def test_our_templates_need_no_fhirpath() -> None:
    """[PRE-10] Service keeps a plain template set for clients without FHIRPath: every token is a context field."""
    tokens = {token for template in TEMPLATES for token in re.findall(r"\{\{(.*?)\}\}", template)}
    assert tokens == {"context.patientId"}


@pytest.mark.parametrize("of_type", ["ofType(Patient)", "ofType(Resource)", "ofType(Zzz)", "ofType()"])
def test_no_template_selects_by_type(of_type: str) -> None:
    """[PRE-11] `ofType()` takes a concrete resource type: no template that uses it at all can be published."""
    token = f"{{{{context.draftOrders.entry.resource.{of_type}.id}}}}"
    with pytest.raises(ImpossibleMessage):
        DiscoveryEntry("x", Hook.ORDER_SIGN, "x", "x", prefetch={"key": f"Patient?_id={token}"})


@pytest.mark.parametrize(
    ("user", "token"),
    [
        ("Practitioner/9", "userPractitionerId"),
        ("PractitionerRole/9", "userPractitionerRoleId"),
        ("Patient/9", "userPatientId"),
        ("RelatedPerson/9", "userRelatedPersonId"),
    ],
)
def test_a_user_token_is_a_bare_id_of_its_own_kind_of_user(user: str, token: str) -> None:
    """[PRE-5] Each gives a bare id; absent when the user is not of that kind. The sandbox EHR resolves them so."""
    found = {each: expanded(f"Basic/{{{{{each}}}}}", Moment("p1", user)) for each in USER_TOKENS}
    assert found == {each: "Basic/9" if each == token else None for each in USER_TOKENS}
    entry = DiscoveryEntry("x", Hook.PATIENT_VIEW, "x", "x", prefetch={"key": f"Basic/{{{{{token}}}}}"})
    assert entry.prefetch == {"key": f"Basic/{{{{{token}}}}}"}


def test_no_deprecated_hook_is_offered_by_default() -> None:
    """[OLD-2] Absent from default discovery."""
    assert ENTRIES
    assert not [entry for entry in ENTRIES if HOOKS[entry.hook].deprecated]


@pytest.mark.parametrize("hook", [hook for hook in Hook if HOOKS[hook].deprecated])
def test_a_deprecated_hook_is_offered_with_a_note(hook: Hook) -> None:
    """[OLD-2] Offered only by configuration (a service brought for it), with a note in `usageRequirements`."""
    noted = a_service(hooks=(hook,))
    (entry,) = Catalogue([noted]).entries(Policy())
    assert entry.usage_requirements == f"{hook} is deprecated."
    silent = replace(noted, usage_requirements="For old EHRs.")
    with pytest.raises(CatalogueError, match=f"deprecated hook {hook}"):
        Catalogue([silent])


def test_advice_of_one_model_comes_under_one_id() -> None:
    """[LIFE-2] Services meant to update advice share an id; services meant to add do not."""
    owners: dict[str, set[str]] = {}
    for service in CATALOGUE.services:
        for assessor in service.assessors:
            owners.setdefault(assessor.reference.id, set()).add(service.id)
    assert {model: ids for model, ids in owners.items() if len(ids) > 1} == {}
    hooks: dict[str, list[Hook]] = {}
    for entry in ENTRIES:
        hooks.setdefault(entry.id, []).append(entry.hook)
    assert all(len(set(asked)) == len(asked) for asked in hooks.values())
    assert hooks["deterioration"] == [Hook.PATIENT_VIEW, Hook.ENCOUNTER_START]


@pytest.mark.parametrize("host", ["https://doi.org", "doi.org/x", "DOI.org", "", "doi.org:443", "*"])
def test_a_link_host_is_a_bare_host_name(host: str) -> None:
    """[LINK-7] Link hosts come from a published list: what is no host name stops the start-up."""
    with pytest.raises(CatalogueError, match="not a host name"):
        Catalogue([replace(a_service(), link_hosts=frozenset({host}))])
