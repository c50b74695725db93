"""CDS Hooks, discovery: the shape of an entry, and the prefetch templates it may offer."""

import json
import re
from typing import Any

import pytest

from cds_hooks.protocol.checks import ImpossibleMessage
from cds_hooks.protocol.discovery import DiscoveryEntry, discovery_json
from cds_hooks.protocol.hooks import HOOKS, Hook

TEMPLATES = {
    "patient": "Patient/{{context.patientId}}",
    "results": "Observation?patient={{context.patientId}}&code=http://loinc.org|2160-0,http://loinc.org|62238-1&_sort=-date",
}


def an_entry(id: str = "kidney-risk", hook: Hook = Hook.PATIENT_VIEW, **more: Any) -> DiscoveryEntry:
    given = {"title": "Kidney risk", "description": "Stages kidney disease."} | more
    return DiscoveryEntry(id, hook, **given)


def published(*entries: DiscoveryEntry) -> list[dict[str, Any]]:
    services: list[dict[str, Any]] = json.loads(discovery_json(entries))["services"]
    return services


def test_the_body_is_an_object_with_an_array() -> None:
    """[DISC-2] Body is an object with an array `services`."""
    assert list(json.loads(discovery_json([an_entry()]))) == ["services"]


def test_no_services_is_an_empty_array() -> None:
    """[DISC-3, GEN-4] No services means `services: []`."""
    assert discovery_json([]) == b'{"services":[]}'


def test_an_entry_has_its_required_members() -> None:
    """[DISC-4, DISC-6] Each entry has `hook`, `description`, `id` (non-empty strings); `title` is given."""
    (entry,) = published(an_entry())
    assert {name: entry[name] for name in ("id", "hook", "title", "description")} == {
        "id": "kidney-risk",
        "hook": "patient-view",
        "title": "Kidney risk",
        "description": "Stages kidney disease.",
    }


@pytest.mark.parametrize(
    "changed", [{"title": ""}, {"title": "a\nb"}, {"description": " "}, {"usage_requirements": ""}]
)
def test_an_entry_without_its_texts_cannot_be_built(changed: dict[str, Any]) -> None:
    """[DISC-4, DISC-6] Non-empty strings."""
    with pytest.raises(ImpossibleMessage):
        an_entry(**changed)


@pytest.mark.parametrize("id_", ["", "a b", "a/b", "é", "a%20b", "a?b", ".", ".."])
def test_an_id_that_is_no_url_segment_cannot_be_built(id_: str) -> None:
    """[DISC-5] keep it URL-safe; matches `^[A-Za-z0-9._~-]+$`."""
    with pytest.raises(ImpossibleMessage):
        an_entry(id_)
    assert published(an_entry("A-z0.9_~"))[0]["id"] == "A-z0.9_~"


def test_a_description_is_markdown_without_html() -> None:
    """[DISC-7] `description` may hold markdown; lint for HTML tags."""
    assert published(an_entry(description="**Stages**\n\n- kidney disease"))[0]["description"].startswith("**")
    with pytest.raises(ImpossibleMessage):
        an_entry(description="<b>Stages</b>")


def test_prefetch_is_left_out_if_there_is_none() -> None:
    """[DISC-8] `prefetch` is an object: key string to template string. Left out if none."""
    assert published(an_entry(prefetch=TEMPLATES))[0]["prefetch"] == TEMPLATES
    assert "prefetch" not in published(an_entry())[0]


def test_usage_requirements_are_published() -> None:
    """[DISC-9] `usageRequirements`: plain-language preconditions."""
    (entry,) = published(an_entry(usage_requirements="Needs the creatinine of a year."))
    assert entry["usageRequirements"] == "Needs the creatinine of a year."
    assert "usageRequirements" not in published(an_entry())[0]


def test_the_version_of_the_specification_is_published() -> None:
    """[DISC-10] Value parses as semver with three parts."""
    assert published(an_entry())[0]["version"] == "2.0.1"
    for version in ("2.0", "two", "2.0.1.0", ""):
        with pytest.raises(ImpossibleMessage):
            an_entry(version=version)


@pytest.mark.parametrize("hook", list(Hook))
def test_the_published_hook_version_is_advertised(hook: Hook) -> None:
    """[DISC-11, DISC-12, HOOK-1, MV-2] Value equals the hook's published `hookVersion` string, where there is one."""
    assert published(an_entry(hook=hook))[0].get("hookVersion") == HOOKS[hook].hook_version


def test_another_hook_version_than_the_published_one_cannot_be_built() -> None:
    """[DISC-12] If `hookVersion` is given it matches the published one."""
    assert an_entry(hook_version="1.0").hook_version == "1.0"
    with pytest.raises(ImpossibleMessage):
        an_entry(hook_version="1.1")


def test_an_id_may_be_shared_by_entries_of_different_hooks() -> None:
    """[DISC-13] Several entries can share an `id` when the `hook` differs; duplicates of the pair fail."""
    entries = published(an_entry(), an_entry(hook=Hook.ENCOUNTER_START))
    assert [(entry["id"], entry["hook"]) for entry in entries] == [
        ("kidney-risk", "patient-view"),
        ("kidney-risk", "encounter-start"),
    ]
    with pytest.raises(ImpossibleMessage):
        discovery_json([an_entry(), an_entry()])


@pytest.mark.parametrize("extension", [{}, {"plain": 1}])
def test_an_extension_of_an_entry_has_globally_unique_keys(extension: dict[str, Any]) -> None:
    """[EXT-1, EXT-2] Emitted ones are objects; keys are globally unique."""
    with pytest.raises(ImpossibleMessage):
        an_entry(extension=extension)
    assert published(an_entry(extension={"com.example.x": 1}))[0]["extension"] == {"com.example.x": 1}


def lint(template: str, hook: Hook = Hook.PATIENT_VIEW) -> bool:
    """True if the template may be published."""
    try:
        an_entry(hook=hook, prefetch={"key": template})
    except ImpossibleMessage:
        return False
    return True


@pytest.mark.parametrize(
    "template",
    [
        "Patient/{{context.patientId}}",
        "Patient/123",
        "Patient?_id={{context.patientId}}",
        "Observation?patient={{context.patientId}}&code=http://loinc.org|2160-0",
    ],
)
def test_a_read_or_a_type_search_passes(template: str) -> None:
    """[PRE-1] A template is a relative FHIR read (`Type/{{id}}`) or type-level search (`Type?params`)."""
    assert lint(template)


@pytest.mark.parametrize(
    "template",
    [
        "",
        "Patient",
        "Patient/",
        "Patient?",
        "/Patient/{{context.patientId}}",
        "https://ehr.example/Patient/{{context.patientId}}",
        "Patient/{{context.patientId}}/Observation",
        "Patient/{{context.patientId}}/$everything",
        "Patient/{{context.patientId}}/_history/1",
        "Patient/_history",
        "Observation/$lastn?patient={{context.patientId}}",
        "patient/{{context.patientId}}",
        "Patient/{{context.patientId}} ",
        "Observation?patient={{context.patientId}}#x",
    ],
)
def test_anything_else_cannot_be_published(template: str) -> None:
    """[PRE-1] no scheme, host, leading slash, compartment search, operation or `_history`."""
    assert not lint(template)


@pytest.mark.parametrize("hook", list(Hook))
@pytest.mark.parametrize("field", ["userId", "patientId", "encounterId", "draftOrders", "performer", "zzz"])
def test_a_token_is_one_of_the_hooks(hook: Hook, field: str) -> None:
    """[PRE-2] Lint each token against the hook's table of token-enabled fields."""
    assert lint(f"Observation?x={{{{context.{field}}}}}", hook) is (field in HOOKS[hook].tokens)


@pytest.mark.parametrize(
    "token",
    [
        "{{}}",
        "{{context.}}",
        "{{ context.patientId }}",
        "{{context.patientId",
        "context.patientId}}",
        "{context.patientId}",
        "{{{context.patientId}}}",
    ],
)
def test_a_broken_token_cannot_be_published(token: str) -> None:
    """[PRE-2] Tokens are `{{...}}` holding a path to a hook context field or a user token, nothing else."""
    assert not lint(f"Patient/{token}")


def test_a_token_without_its_context_prefix_cannot_be_published() -> None:
    """[PRE-3] `{{patientId}}` fails lint."""
    assert not lint("Patient/{{patientId}}")


@pytest.mark.parametrize(
    "path", ["context.draftOrders.entry.resource.id", "context.patientId.x", "today()", "context.userId.resolve()"]
)
def test_a_path_below_the_root_cannot_be_published(path: str) -> None:
    """[PRE-4] Default profile lint rejects dotted paths below `context.x`."""
    assert not lint(f"Observation?x={{{{{path}}}}}", Hook.ORDER_SIGN)


@pytest.mark.parametrize(
    "token", ["userPractitionerId", "userPractitionerRoleId", "userPatientId", "userRelatedPersonId"]
)
def test_a_user_token_may_stand_where_the_hook_has_a_user(token: str) -> None:
    """[PRE-2] Tokens hold a path to a hook context field or a user token."""
    assert lint(f"Observation?performer={{{{{token}}}}}")
    assert not lint(f"Observation?performer={{{{{token}}}}}", Hook.ORDER_DISPATCH)


def test_the_user_is_itself_a_read() -> None:
    """[PRE-6] `{{context.userId}}` expands to `Type/id`, thus is itself a read."""
    assert lint("{{context.userId}}")
    assert not lint("{{context.patientId}}")
    assert not lint("{{context.userId}}", Hook.ORDER_DISPATCH)


@pytest.mark.parametrize(
    "query",
    [
        "date=ge2020-01-01",
        "date=gt2020&date=lt2024-05",
        "date=eq2024-05-01T10:00:00Z",
        "code:in=http://v.example/set",
        "status=active,completed",
        "_lastUpdated=ge2024-01-01",
        "_count=1",
        "_maxresults=20",
        "_sort=-date",
        "_sort=code,-date",
    ],
)
def test_a_query_in_the_common_subset_passes(query: str) -> None:
    """[PRE-7, PRE-8, PRE-9] Reads; type searches; equality or `:in`; `eq lt gt ge le`; `_count`; `_sort=-date`."""
    assert lint(f"Observation?patient={{{{context.patientId}}}}&{query}")


@pytest.mark.parametrize(
    "query",
    [
        "date=ne2020-01-01",
        "date=sa2020",
        "date=eb2020",
        "date=ap2020",
        "code:not=x",
        "code:text=x",
        "code:in:not=x",
        "subject:Patient=x",
        "patient.name=x",
        "_has:Group:member:_id=x",
        "_include=Observation:subject",
        "_revinclude=Provenance:target",
        "_summary=true",
        "_elements=id",
        "_filter=x",
        "sort:desc=date",
        "_sort:desc=date",
        "_sort=date:desc",
        "_count=0",
        "_count=all",
        "code=",
        "code",
        "=x",
    ],
)
def test_a_query_outside_the_common_subset_cannot_be_published(query: str) -> None:
    """[PRE-7, PRE-8, PRE-9] `ne`, `sa`, `eb`, `ap`, `:not`, `:text`, `_include`, chaining and `sort:` rejected."""
    assert not lint(f"Observation?patient={{{{context.patientId}}}}&{query}")


@pytest.mark.parametrize(
    "token", ["%patient.id", "%encounter.participant.individual.resolve().id", "context.patientId|%x"]
)
def test_a_template_that_uses_another_result_cannot_be_published(token: str) -> None:
    """[DISC-14, PRE-13] A template that uses another prefetch result needs an order and no cycle: not used at all."""
    assert not lint(f"Practitioner?_id={{{{{token}}}}}")


def test_a_key_of_prefetch_is_a_word() -> None:
    """[DISC-8] key string to template string."""
    with pytest.raises(ImpossibleMessage):
        an_entry(prefetch={"": TEMPLATES["patient"]})


def test_no_text_of_a_refusal_repeats_the_template() -> None:
    with pytest.raises(ImpossibleMessage, match=re.compile("^a prefetch token")):
        an_entry(prefetch={"key": "Patient/{{zzmarker}}"})
