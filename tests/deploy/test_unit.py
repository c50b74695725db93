"""The systemd unit: it starts what there is, stops it in time, and takes every right that Chartside does without."""

import re
from pathlib import Path

import pytest

from cds_hooks.web.settings import Settings
from cds_hooks.web.worker import RECEIVE_SECONDS
from tests.deploy.reading import DEPLOY, example_settings

UNIT = (DEPLOY / "chartside.service").read_text(encoding="utf-8")
LINES = re.findall(r"^(\w+)=(.*)$", UNIT, re.MULTILINE)
FIRST = dict(reversed(LINES))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("AmbientCapabilities", ""),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateTmp", "yes"),
        ("PrivateDevices", "yes"),
        ("PrivateUsers", "yes"),
        ("ProtectKernelTunables", "yes"),
        ("ProtectKernelModules", "yes"),
        ("ProtectKernelLogs", "yes"),
        ("ProtectControlGroups", "yes"),
        ("ProtectProc", "invisible"),
        ("RestrictNamespaces", "yes"),
        ("RestrictSUIDSGID", "yes"),
        ("MemoryDenyWriteExecute", "yes"),
        ("LockPersonality", "yes"),
        ("SystemCallArchitectures", "native"),
        ("LimitCORE", "0"),
        ("UMask", "0077"),
        ("StateDirectoryMode", "0700"),
    ],
)
def test_what_chartside_does_without_is_taken(name: str, value: str) -> None:
    assert [found for key, found in LINES if key == name] == [value]


def test_only_the_state_directory_is_written_to() -> None:
    assert "ReadWritePaths" not in FIRST
    assert FIRST["WorkingDirectory"] == f"/var/lib/{FIRST['StateDirectory']}"


def test_it_runs_as_the_user_that_is_made_for_it() -> None:
    assert FIRST["User"] == FIRST["Group"] == "chartside"
    made = (DEPLOY / "chartside.sysusers.conf").read_text(encoding="utf-8")
    assert re.search(r"^u chartside ", made, re.MULTILINE)


def test_it_listens_to_this_machine_only() -> None:
    assert "--host 127.0.0.1" in FIRST["ExecStart"]


def test_a_stop_waits_for_the_calls_under_way(tmp_path: Path) -> None:
    longest = Settings.from_environment(example_settings(tmp_path)).deadline_ms / 1000 + RECEIVE_SECONDS + 3
    assert float(FIRST["TimeoutStopSec"]) > longest
    assert FIRST["KillMode"] == "mixed"


def test_no_secret_stands_in_it() -> None:
    assert re.findall(r"(?i)password=|secret=|token=", UNIT) == []
    assert FIRST["EnvironmentFile"] == "/etc/chartside/chartside.env"
