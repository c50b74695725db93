"""The image and the containers: nothing runs as root, writes to its root, gains a right, or holds a secret."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # publishes no types

from cds_hooks.web.settings import Settings, unknown_names
from cds_hooks.web.worker import RECEIVE_SECONDS
from tests.deploy.reading import DEPLOY, ROOT, example_settings

DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
IGNORED = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
USER = "10001:10001"


def _instructions(name: str) -> list[str]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line.removeprefix(name).strip() for line in joined.splitlines() if line.startswith(f"{name} ")]


def test_the_image_runs_as_a_user_that_is_not_root_and_is_not_changed_after() -> None:
    last = DOCKERFILE[DOCKERFILE.rindex("\nUSER ") :]
    assert _instructions("USER") == [USER]
    assert "\nRUN " not in last
    assert "\nCOPY " not in last


def test_the_image_installs_by_hash_and_builds_nothing_that_it_downloaded() -> None:
    (install,) = [line for line in _instructions("RUN") if "--requirement" in line]
    assert {'"--require-hashes"', '":all:"', '"--only-binary"', '"requirements/postgres.txt"'} <= set(
        re.split(r"[\[\], ]+", install)
    )
    (own,) = [line for line in _instructions("RUN") if '"."' in line]
    assert {'"--no-index"', '"--no-deps"', '"--no-build-isolation"'} <= set(re.split(r"[\[\], ]+", own))


def test_the_image_needs_no_shell() -> None:
    for name in ("RUN", "ENTRYPOINT", "CMD"):
        assert all(line.startswith("[") for line in _instructions(name)), name
    (check,) = _instructions("HEALTHCHECK")
    assert check.endswith('CMD ["/opt/chartside/bin/python", "/opt/chartside/healthcheck.py"]')
    assert _instructions("STOPSIGNAL") == ["SIGTERM"]


def test_the_python_of_the_image_is_one_that_the_project_supports() -> None:
    (image,) = re.findall(r"^ARG PYTHON_IMAGE=python:3\.(\d+)-slim$", DOCKERFILE, re.MULTILINE)
    assert int(image) >= 11
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["${PYTHON_IMAGE}"] * 2


def test_everything_that_is_copied_is_in_the_context_and_nothing_else_is() -> None:
    copied = {source for line in _instructions("COPY") if not line.startswith("--from") for source in line.split()[:-1]}
    assert IGNORED[[line for line in IGNORED if not line.startswith("#")].index("*") + 1] == "*"
    assert {line[1:] for line in IGNORED if line.startswith("!")} == copied
    assert all((ROOT / source).exists() for source in copied)
    packages = {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()} - {"tools"}
    assert packages <= copied, "a package would be missing in the image"


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_hardened(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service["user"].startswith(("0", "root"))
    assert service["ulimits"]["core"] == 0
    assert {"privileged", "network_mode", "pid", "ipc", "devices"}.isdisjoint(service)


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_a_value_in_the_environment(name: str) -> None:
    environment: dict[str, str] = SERVICES[name].get("environment", {})
    for key, value in environment.items():
        assert re.search(r"(?i)pass|secret|token|key", key) is None or str(value).startswith("/run/secrets/"), key
        assert re.search(r"://[^/@]*:[^/@]*@", str(value)) is None, "a password in an address"


def test_only_the_proxy_is_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert SERVICES["proxy"]["ports"] == ["443:8443"]


def test_the_database_is_reached_from_inside_only() -> None:
    assert SERVICES["db"]["networks"] == ["database"]
    assert COMPOSE["networks"]["database"]["internal"] is True
    assert COMPOSE["networks"]["edge"]["internal"] is True
    assert "database" not in SERVICES["proxy"]["networks"]


def test_the_service_trusts_the_proxy_and_nobody_else() -> None:
    trusted = SERVICES["chartside"]["environment"]["CHARTSIDE_TRUSTED_PROXIES"]
    assert trusted == SERVICES["proxy"]["networks"]["edge"]["ipv4_address"]


def test_every_secret_that_is_used_is_declared_and_made(tmp_path: Path) -> None:
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert used == set(COMPOSE["secrets"])
    subprocess.run(["sh", DEPLOY / "make-secrets", tmp_path / "made", "x.example"], check=True, capture_output=True)
    assert {path.name for path in (tmp_path / "made").iterdir()} == used
    assert {oct(path.stat().st_mode & 0o777) for path in (tmp_path / "made").iterdir()} == {"0o400"}
    line = (tmp_path / "made" / "pgpass").read_text(encoding="utf-8")
    password = (tmp_path / "made" / "db_service").read_text(encoding="utf-8").strip()
    assert line == f"db:5432:chartside:chartside:{password}\n"


def test_secrets_that_exist_are_kept(tmp_path: Path) -> None:
    for _ in range(2):
        subprocess.run(["sh", DEPLOY / "make-secrets", tmp_path / "made"], check=True, capture_output=True)
        found = {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()}
    subprocess.run(["sh", DEPLOY / "make-secrets", tmp_path / "made"], check=True, capture_output=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()} == found


def test_the_service_serves_as_another_role_than_the_owner_of_the_tables() -> None:
    addresses = {name: SERVICES[name]["environment"]["CHARTSIDE_DATABASE_URL"] for name in ("chartside", "migrate")}
    assert addresses["chartside"].startswith("postgresql+psycopg://chartside@db/chartside?passfile=/run/secrets/")
    assert addresses["migrate"].startswith("postgresql+psycopg://chartside_owner@db/chartside?passfile=/run/secrets/")
    assert SERVICES["chartside"]["secrets"] == ["pgpass"]


def test_passwords_of_roles_come_from_files_where_no_variable_gives_them() -> None:
    roles = (DEPLOY / "postgres" / "roles.sql").read_text(encoding="utf-8")
    read = set(re.findall(r"`cat /run/secrets/(\w+)`", roles))
    assert read == set(SERVICES["db"]["secrets"]) - {"db_superuser"}
    assert re.findall(r"PASSWORD (\S+);", roles) == [":'owner_password'", ":'service_password'"]


def test_every_setting_in_the_compose_file_is_one() -> None:
    names = {name for service in SERVICES.values() for name in service.get("environment", {})}
    assert unknown_names(dict.fromkeys(names, "")) == ()


def test_the_image_is_named_after_the_version() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert version is not None
    assert SERVICES["chartside"]["image"] == f"chartside:{version[1]}"


def test_a_stop_waits_for_the_calls_under_way(tmp_path: Path) -> None:
    longest = Settings.from_environment(example_settings(tmp_path)).deadline_ms / 1000 + RECEIVE_SECONDS + 3
    assert float(SERVICES["chartside"]["stop_grace_period"].removesuffix("s")) > longest


@pytest.fixture
def port() -> Iterator[int]:
    """Serve readiness as the service would: /health/ready answers with the status of the class below."""
    server = HTTPServer(("127.0.0.1", 0), _Health)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


class _Health(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/health/ready" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the output of the tests clean."""


def _healthcheck(port: int) -> int:
    program = (DEPLOY / "healthcheck.py").read_text(encoding="utf-8").replace("PORT = 8000", f"PORT = {port}")
    assert f"PORT = {port}" in program
    return subprocess.run([sys.executable, "-c", program], check=False).returncode


@pytest.mark.parametrize(("status", "exit_status"), [(200, 0), (503, 1)])
def test_the_health_check_tells_ready_from_not_ready(
    port: int, status: int, exit_status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Health, "status", status)
    assert _healthcheck(port) == exit_status


def test_the_health_check_fails_where_nobody_listens(port: int) -> None:
    assert _healthcheck(1) == 1


def test_the_health_check_asks_the_port_that_the_image_serves() -> None:
    assert _instructions("CMD") == ['["serve", "--host", "0.0.0.0", "--port", "8000"]']
    assert _instructions("EXPOSE") == ["8000"]
