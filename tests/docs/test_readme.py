"""The README lists what there is."""

import re
import subprocess
import sys
from pathlib import Path

from cds_hooks.catalogue import Catalogue

README = (Path(__file__).resolve().parent.parent.parent / "README.md").read_text(encoding="utf-8")


def test_every_service_is_listed_with_its_hooks() -> None:
    listed = dict(re.findall(r"^\| `([a-z0-9-]+)` \| ([a-z, -]+) \|", README, re.MULTILINE))
    offered = {service.id: ", ".join(service.hooks) for service in Catalogue.found().services}
    assert listed == offered


def test_every_command_is_listed() -> None:
    code = "from cds_hooks.cli import main; main(['--help'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    listed = set(re.findall(r"^\| `chartside ([a-z]+)", README, re.MULTILINE))
    assert listed == set(re.findall(r"^    ([a-z]+)", done.stdout, re.MULTILINE))
