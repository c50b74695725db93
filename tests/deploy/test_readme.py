"""deploy/README.md names what there is."""

import re
import subprocess
import sys

from tests.deploy.reading import DEPLOY, ROOT

PAGE = (DEPLOY / "README.md").read_text(encoding="utf-8")


def _delivered() -> set[str]:
    listed = subprocess.run(["git", "ls-files", "deploy"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name.removeprefix("deploy/") for name in listed.split()} - {"README.md", ".gitignore"}


def test_every_file_of_the_folder_is_explained_and_nothing_else() -> None:
    rows = re.findall(r"^\| (`.+?`) \| .+ \|$", PAGE, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(.+?)`", row)} == _delivered()


def test_every_file_that_a_command_uses_exists() -> None:
    blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    assert set(re.findall(r"deploy/([\w./-]+)", blocks)) <= _delivered()
    assert set(re.findall(r"cp ([\w.]+)", blocks)) <= _delivered()
    assert "requirements/postgres.txt" in blocks


def test_every_command_of_ours_exists() -> None:
    used = set(re.findall(r"`chartside ([a-z]+)", PAGE)) | set(re.findall(r"chartside ([a-z]+) # ", PAGE))
    assert {"check", "journal"} <= used
    code = "from cds_hooks.cli import main; main(['--help'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert used <= set(re.findall(r"^    ([a-z]+)", done.stdout, re.MULTILINE))


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", PAGE)
    assert [link for link in links if not (DEPLOY / link).exists()] == []
