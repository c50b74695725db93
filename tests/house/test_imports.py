"""Who may import what: the import-linter contracts, and what no static rule sees."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("cds_hooks", "fhir_client", "models", "sandbox")


def test_the_import_rules_hold(capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == 0, capsys.readouterr().out


LOAD = """
import importlib, json, pkgutil, sys
names = {names!r}
for name in names:
    module = importlib.import_module(name)
    for found in pkgutil.walk_packages(getattr(module, "__path__", []), name + "."):
        if not found.name.endswith({apart!r}):
            importlib.import_module(found.name)
print(json.dumps(sorted(sys.modules)))
"""


def _loaded_with(*names: str, apart: tuple[str, ...] = ()) -> set[str]:
    """Every module that a fresh interpreter holds after importing these packages whole."""
    code = LOAD.format(names=names, apart=apart or ("/",))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


CORE = [
    name
    for name in (
        "protocol",
        "errors",
        "service",
        "presentation",
        "services",
        "gathering",
        "catalogue",
        "invocation",
        "policy",
    )
    if (ROOT / "cds_hooks" / f"{name}.py").exists() or (ROOT / "cds_hooks" / name).is_dir()
]


def test_the_core_loads_without_flask_and_without_requests() -> None:
    loaded = _loaded_with(*(f"cds_hooks.{name}" for name in CORE))
    assert "cds_hooks.protocol" in loaded
    assert loaded & {"flask", "werkzeug", "requests", "urllib3", "sqlalchemy", "cds_hooks.web", "sandbox"} == set()


def test_the_models_load_without_any_network() -> None:
    loaded = _loaded_with("models", apart=(".commands", ".training"))
    assert (
        loaded & {"flask", "requests", "urllib3", "http.client", "fhir_client.client", "cds_hooks", "sandbox"} == set()
    )


def _statements(path: Path) -> list[ast.stmt]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return body[1:] if ast.get_docstring(ast.Module(body, [])) else body


def _declares_the_model_of_its_folder(path: Path) -> bool:
    """Whether this is models/<one>/__init__.py and binds MODEL, or ASSESSOR for what is no risk model."""
    bound = {name.id for node in _statements(path) for name in ast.walk(node) if isinstance(name, ast.Name)} | {
        alias.asname or alias.name
        for node in _statements(path)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return path.parent.parent == ROOT / "models" and not bound.isdisjoint({"MODEL", "ASSESSOR"})


def test_an_init_file_holds_a_docstring_and_imports_nothing() -> None:
    inits = [path for package in PACKAGES for path in (ROOT / package).rglob("__init__.py")]
    assert inits
    undocumented = [path for path in inits if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert undocumented == []
    full = [path for path in inits if _statements(path) and not _declares_the_model_of_its_folder(path)]
    assert full == []


def test_there_is_no_init_file_under_tests() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []
