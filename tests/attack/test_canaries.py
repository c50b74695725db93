"""Secrets of a call are marked, everything that can go wrong goes wrong, and then all that was said is searched."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.attack.siege import (
    CATALOGUE,
    EVIL,
    FHIR_TOKEN,
    NAMES,
    OPEN,
    SERVICE,
    SUBJECT,
    Siege,
    a_bare_call,
    a_siege,
    a_sufficient_call,
    holds_a_chart,
    signed,
)
from tests.attack.test_hostile_servers import ANSWERS
from tests.builders import a_bundle, a_condition, a_patient
from tests.cds_hooks.web.edge import an_override
from tests.cds_hooks.web.signing import BASE, a_token, bearer, some_claims
from tests.fhir_stub import Says

QUICK = [name for name, says in ANSWERS.items() if not (says.delay or says.pause or "length" in name)]


class Secrets:
    """What must be heard of nowhere; each with the name under which a test tells that it was."""

    def __init__(self) -> None:
        self.all: dict[str, str] = {"FHIR token": FHIR_TOKEN, "subject of a token": SUBJECT}

    def headers(self, service: str = SERVICE, **claims: Any) -> dict[str, str]:
        """Sign a request; its token is a secret from now on."""
        headers = signed(service, sub=SUBJECT, **claims)
        self.keep(headers["Authorization"])
        return headers

    def keep(self, authorization: str) -> str:
        number = len(self.all)
        for part, text in zip(("claims", "signature"), authorization.split(".")[1:], strict=False):
            self.all[f"{part} of token {number}"] = text
        return authorization

    def keep_private(self, folder: Path) -> None:
        for file in folder.glob("*.json"):
            self.all["private key"] = json.loads(file.read_text(encoding="utf-8"))["d"]

    def found_in(self, text: str) -> list[str]:
        return [name for name, secret in self.all.items() if secret in text]


@pytest.fixture(scope="module")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Siege, Secrets]]:
    """Let everything go wrong that can."""
    with a_siege(tmp_path_factory.mktemp("canaries"), deadline_ms=1500) as siege:
        secrets = Secrets()
        secrets.keep_private(siege.folder / "keys")
        _call_rightly(siege, secrets)
        _call_wrongly(siege, secrets)
        _be_answered_badly(siege, secrets)
        _look_around(siege)
        yield siege, secrets


def _call_rightly(siege: Siege, secrets: Secrets) -> None:
    for service in CATALOGUE.services:
        headers = secrets.headers(service.id)
        siege.post(f"/cds-services/{service.id}", a_bare_call(hook=service.hooks[0].value), headers)
        siege.post(f"/cds-services/{service.id}", a_bare_call(), headers)  # replayed
    answer = siege.post(f"/cds-services/{SERVICE}", a_bare_call(), secrets.headers())
    card = answer.json["cards"][0]["uuid"]  # type: ignore[index]
    for one in (card, "no-card"):
        feedback = {"feedback": [an_override(one, overrideReason={"userComment": "aware"})]}
        siege.post(f"/cds-services/{SERVICE}/feedback", feedback, secrets.headers())


def _call_wrongly(siege: Siege, secrets: Secrets) -> None:
    path = f"/cds-services/{SERVICE}"
    bodies: list[Any] = [
        b"{",
        f'{{"fhirAuthorization": "{FHIR_TOKEN}"'.encode(),
        a_bare_call(fhirAuthorization=FHIR_TOKEN),
        a_bare_call(fhirAuthorization={"access_token": [FHIR_TOKEN]}),
        a_bare_call(fhirAuthorization={"access_token": FHIR_TOKEN, "token_type": FHIR_TOKEN}),
        a_bare_call(f"https://fhir.example/r4?token={FHIR_TOKEN}"),
        a_bare_call(f"https://{FHIR_TOKEN}@fhir.example/r4"),
        a_bare_call(token=f"{FHIR_TOKEN}\r\nX-Injected: 1"),
        a_bare_call(token=f"{FHIR_TOKEN}\u20ac"),
        a_bare_call(hook=FHIR_TOKEN),
        a_bare_call(context={FHIR_TOKEN: FHIR_TOKEN}),
        a_bare_call(prefetch={FHIR_TOKEN: FHIR_TOKEN}),
    ]
    for body in bodies:
        siege.post(path, body, secrets.headers())
    forged = a_token(some_claims(aud=f"{BASE}{path}", sub=SUBJECT))[:-6] + "AAAAAA"
    for header in (bearer(forged), f"Basic {forged}", f"Bearer {forged} {forged}", f"bearer\t{forged}", forged):
        siege.post(path, a_bare_call(), {"Authorization": secrets.keep(header)})
    siege.get(f"/cds-services?access_token={secrets.keep(forged)}")
    for name in ("X-Request-Id", "Origin", "Cookie", "Proxy-Authorization", "X-Forwarded-For"):
        siege.post(path, b"{", {**secrets.headers(), name: FHIR_TOKEN})
    siege.call(iss=f"https://{SUBJECT}.example")
    siege.call(kid=SUBJECT)


def _be_answered_badly(siege: Siege, secrets: Secrets) -> None:
    path = f"/cds-services/{SERVICE}"
    for host, name in zip(NAMES, QUICK, strict=False):
        for method, where in (("GET", "Patient/p1"), ("POST", "Condition/_search")):
            siege.ehr.on(method, where, ANSWERS[name])
        for body in (a_bare_call(f"https://{host}/r4"), a_sufficient_call(f"https://{host}/r4")):
            siege.post(path, body, secrets.headers())
    location = {"Location": f"{EVIL}/r4?token={FHIR_TOKEN}"}
    repeated = {
        "resourceType": "OperationOutcome",
        "issue": [{"diagnostics": FHIR_TOKEN, "details": {"text": FHIR_TOKEN}}],
    }
    for host, says in (
        ("fhir-50.example", Says(b"", 302, location)),
        ("fhir-51.example", Says(repeated, 400)),
        ("fhir-52.example", Says(a_bundle(a_condition("I10"), next=f"{EVIL}/r4?token={FHIR_TOKEN}"))),
        ("fhir-53.example", Says(repeated, 200, {"Set-Cookie": f"x={FHIR_TOKEN}", "X-Request-Id": FHIR_TOKEN})),
    ):
        siege.ehr.on("POST", "Condition/_search", says)
        siege.post(path, a_sufficient_call(f"https://{host}/r4"), secrets.headers())
    siege.ehr.on("GET", "Patient/p1", Says(a_patient(id=FHIR_TOKEN)))
    siege.post(path, a_bare_call(f"https://{NAMES[54]}/r4"), secrets.headers())
    holds_a_chart(siege.ehr)


def _look_around(siege: Siege) -> None:
    for path in (
        "/",
        f"/services/{SERVICE}",
        "/cds-services",
        "/health/live",
        "/health/ready",
        "/.well-known/jwks.json",
    ):
        siege.get(path)
    siege.get("/metrics")


def test_no_secret_is_in_an_answer_a_log_line_a_metric_or_a_trace(besieged: tuple[Siege, Secrets]) -> None:
    """[SEC-26, FHIR-81, ACC-9] The FHIR token, the caller's JWT and our private keys are told to nobody."""
    siege, secrets = besieged
    assert len(siege.said) > 100
    assert secrets.found_in(siege.everything_told()) == []


def test_no_secret_is_in_the_journal(besieged: tuple[Siege, Secrets]) -> None:
    """[ACC-9, SEC-26] Nor are they kept."""
    siege, secrets = besieged
    assert siege.count("invocations") > 30
    assert secrets.found_in(siege.kept().decode("utf-8", "replace")) == []


def test_a_token_is_sent_to_its_own_server_and_no_other_secret_to_anybody(besieged: tuple[Siege, Secrets]) -> None:
    """[ACC-11, FHIR-71] In the Authorization header of requests beneath the base, and in nothing else."""
    siege, secrets = besieged
    assert siege.evil.asked == []
    with_token = 0
    for asked in siege.ehr.asked:
        headers = dict(asked.headers)
        if asked.path.startswith("/r4/") and asked.path not in OPEN:
            assert headers.pop("Authorization") == f"Bearer {FHIR_TOKEN}"
            with_token += 1
        else:
            assert asked.path in OPEN
        assert "Authorization" not in headers
        assert secrets.found_in(f"{asked.raw} {headers} {asked.body}") == []
    assert with_token > 50


def test_no_name_that_was_looked_up_holds_a_secret(besieged: tuple[Siege, Secrets]) -> None:
    siege, secrets = besieged
    assert secrets.found_in(" ".join(siege.world.looked_up)) == []


def test_requests_say_what_they_say_in_bodies_and_not_in_addresses(besieged: tuple[Siege, Secrets]) -> None:
    """[FHIR-47] Searches are posted; a read names its resource, the patient's id among them, and nothing else."""
    siege, _ = besieged
    raws = {asked.raw for asked in siege.ehr.asked}
    assert {raw for raw in raws if "?" in raw} == set()
    assert {raw for raw in raws if "p1" in raw} == {"/r4/Patient/p1"}


@pytest.mark.parametrize("where", ["answer", "log", "trace"])
def test_a_secret_that_is_planted_is_found(besieged: tuple[Siege, Secrets], where: str) -> None:
    siege, secrets = besieged
    planted = secrets.headers()["Authorization"].split(".")[2]
    if where == "answer":
        siege.said.append(f"x {planted} y")
    else:
        (siege.log if where == "log" else siege.traces).write(f'{{"event": "{planted}"}}\n')
    found = secrets.found_in(siege.everything_told())
    secrets.all = {name: secret for name, secret in secrets.all.items() if secret != planted}
    assert len(found) == 1
