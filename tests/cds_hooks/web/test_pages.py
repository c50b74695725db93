"""The pages for people: every service explained, nothing fetched from elsewhere, no figure from patients."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cds_hooks.catalogue import Catalogue
from cds_hooks.policy import ReleaseState
from cds_hooks.protocol.hooks import HOOKS
from cds_hooks.web.settings import Authentication, Settings
from cds_hooks.web.site import SiteFile
from models.order_checks.engine import OrderChecks
from models.risk_model import RiskModel
from models.rule_rows import Ruled
from tests.cds_hooks.declared import a_service
from tests.cds_hooks.web.edge import AnEdge, an_edge

OFF = Settings(authentication=Authentication.OFF)
SERVICES = Catalogue.found().services


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnEdge]:
    with an_edge(tmp_path_factory.mktemp("pages"), *SERVICES) as edge:
        yield edge


def test_the_first_page_names_every_service(edge: AnEdge) -> None:
    page = edge.http.get("/")
    assert page.status_code == 200
    for service in SERVICES:
        assert service.title in page.text
        assert f'href="/services/{service.id}"' in page.text


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.id)
def test_a_services_page_says_what_it_asks_and_who_answers(edge: AnEdge, service: object) -> None:
    found = next(each for each in SERVICES if each is service)
    page = edge.http.get(f"/services/{found.id}")
    assert page.status_code == 200
    for key in found.prefetch:
        assert f"<code>{key}</code>" in page.text
    for assessor in found.assessors:
        assert f"<code>{assessor.reference.id}</code> version {assessor.reference.version}" in page.text
        if isinstance(assessor, RiskModel):
            assert all(f"<code>{feature.name}</code>" in page.text for feature in assessor.features)
        if isinstance(assessor, OrderChecks):
            assert all(f'<tr id="{rule.id}">' in page.text for rule in assessor.rules)
        if isinstance(assessor, Ruled):
            assert assessor.rows
            assert all(f'<tr id="{row.id}">' in page.text for row in assessor.rows)
    models = [assessor for assessor in found.assessors if isinstance(assessor, RiskModel)]
    assert page.text.count('<div class="card">') == len(found.assessors)
    assert page.text.count("each with its source") >= len(models)


@pytest.mark.parametrize(
    ("service", "rule"),
    [
        ("medication-safety", "metformin-egfr-below-30"),
        ("opioid-safety", "opioid-benzodiazepine"),
        ("acute-kidney-injury", "injury-angiotensin-receptor-blocker"),
        ("repeat-test", "repeat-hba1c"),
    ],
)
def test_whoever_applies_rules_shows_them(edge: AnEdge, service: str, rule: str) -> None:
    assert f'<tr id="{rule}">' in edge.http.get(f"/services/{service}").text


def test_a_page_loads_nothing_but_our_style_sheet(edge: AnEdge) -> None:
    page = edge.http.get("/")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script" not in page.text
    with edge.http.get("/static/style.css") as style:
        assert style.content_type == "text/css; charset=utf-8"
    assert page.text.count("<link") == 1


def test_pages_live_below_the_path_of_the_base_url(tmp_path: Path) -> None:
    with an_edge(tmp_path, settings=replace(OFF, base_url="http://localhost:9000/cds")) as edge:
        page = edge.http.get("/").text
        assert 'href="/cds/static/style.css"' in page
        assert "http://localhost:9000/cds/cds-services" in page


def test_a_page_says_how_far_a_service_is_released_and_why(tmp_path: Path) -> None:
    site = SiteFile(ceilings={"test-service": ReleaseState.SHADOW})
    with an_edge(tmp_path, settings=replace(OFF, site=site)) as edge:
        page = edge.http.get("/services/test-service").text
        assert 'class="state shadow"' in page
        assert "the site file allows shadow" in page


def test_a_services_own_words_are_escaped(tmp_path: Path) -> None:
    service = replace(a_service(), title="A & B")
    with an_edge(tmp_path, service) as edge:
        assert "A &amp; B" in edge.http.get("/").text
        assert edge.http.get("/services/nobody").status_code == 404


def test_the_first_page_says_what_is_supported(edge: AnEdge) -> None:
    """[DISC-19] A docs page lists hooks, FHIR versions, card kinds, extensions, auth."""
    page = " ".join(edge.http.get("/").text.split())
    supported = page[page.index('<section id="supported">') :]
    said = dict(re.findall(r"<dt>(.+?)</dt> <dd>(.+?)</dd>", supported))
    assert said["CDS Hooks"] == "2.0.1; requests of 1.0 and 3.0 are understood"
    assert said["Hooks"].split(", ") == sorted(
        f"{hook} {HOOKS[hook].hook_version}" for hook in {hook for service in SERVICES for hook in service.hooks}
    )
    assert all(version in said["FHIR"] for version in ("DSTU2", "STU3", "R4", "R4B", "R5"))
    assert said["Cards"].startswith("info, warning, critical.")
    hosts = sorted({"127.0.0.1"}.union(*(service.link_hosts for service in SERVICES)))
    assert said["Links"] == f"absolute, to these hosts: {', '.join(hosts)}"
    assert said["Extensions"].startswith("none is sent")
    assert said["Authentication"].startswith("off: this machine only")


def test_where_callers_must_sign_the_first_page_says_so(tmp_path: Path) -> None:
    with an_edge(tmp_path, settings=Settings(authentication=Authentication.REQUIRED)) as edge:
        assert "a JWT signed by a registered client" in edge.http.get("/").text
