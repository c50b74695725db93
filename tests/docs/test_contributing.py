"""What CONTRIBUTING shows is enough: a rule is a row, a score a folder, a service one module of anybody's package."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from models.assessment import Findings
from models.order_checks.engine import OrderChecks
from models.order_checks.rules import read_rules
from models.site import Site
from tests.builders import a_blood_pressure, a_bundle, a_medication, a_patient, a_record, an_observation

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```\w+\n# (\S+\.\w+)(?: [^\n]*)?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
# What the interpreter runs before ours: as if the score's folder lay in the package.
SITE = "import models\nmodels.__path__.append({folder!r})\n"
LISINOPRIL = "29046"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """The files of the page, and the hospital's package as an installer leaves it."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (entry_point,) = re.findall(r'^shock = "(.+)"$', FILES["pyproject.toml"], re.MULTILINE)
    installed = tmp_path / "hospital-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: hospital\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[chartside.services]\nshock = {entry_point}\n")
    (tmp_path / "sitecustomize.py").write_text(SITE.format(folder=str(tmp_path / "models")))
    return tmp_path


def chartside(elsewhere: Path, *arguments: str, given: str = "") -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(elsewhere), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from cds_hooks.cli import main; sys.exit(main())", *arguments],
        input=given,
        env={**environment, "CHARTSIDE_AUTHENTICATION": "off"},
        cwd=elsewhere / "hospital",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_rule_of_the_page_is_a_row_and_nothing_else(elsewhere: Path) -> None:
    rules = tuple(read_rules(elsewhere / "models/order_checks/rules/example.toml"))
    checks = OrderChecks("order-checks", "1", rules)
    draft = a_medication(LISINOPRIL, id="d1", status="draft")

    def found(potassium: float) -> list[str]:
        result = an_observation("2823-3", potassium, "mmol/L", on="2024-05-31T18:00:00Z")
        assessment = checks.assess(a_record(result, drafts=(draft,)), Site())
        assert isinstance(assessment, Findings)
        return [finding.message for finding in assessment.found]

    assert found(5.5) == ["lisinopril with potassium 5.5 mmol/L"]
    assert found(5.4) == []
    assert "laboratory" in {search.key for search in checks.searches}
    assert checks.outputs[0].unverified


def test_the_score_of_the_page_calculates(elsewhere: Path) -> None:
    line = json.dumps({"heart_rate_per_min": 120, "systolic_bp_mmhg": 80})
    answer = json.loads(chartside(elsewhere, "calculate", "shock-index", given=line))
    assert (answer["outcome"], answer["results"]) == ("assessed", {"index": 1.5})


def test_the_service_of_the_page_is_found_and_answers(elsewhere: Path) -> None:
    assert "shock" in chartside(elsewhere, "services")
    at = "2026-11-01T08:00:00Z"
    prefetch = {
        "patient": a_patient(born="1960-06-02"),
        "vital-signs": a_bundle(an_observation("8867-4", 120.0, "/min", on=at), a_blood_pressure(80, 50, on=at)),
        "encounters": a_bundle(),
    }
    body = {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/1", "patientId": "p1"},
        "prefetch": prefetch,
    }
    request = elsewhere / "request.json"
    request.write_bytes(orjson.dumps(body))
    answer = chartside(elsewhere, "invoke", "shock", "--request", str(request), "--as-of", "2026-11-01T09:00:00Z")
    assert [card["summary"] for card in json.loads(answer)["cards"]] == ["Shock index 1.5"]
