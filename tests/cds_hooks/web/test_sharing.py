"""Slots: each worker has its own, and one that is free again is given again."""

import subprocess
import sys

# In a process of its own: where metrics are kept is decided once for a whole process.
PROGRAM = """
from cds_hooks.web.sharing import Sharing
sharing = Sharing(2)
print(sharing.slots, sharing.is_first)
print(sharing.free([]), sharing.free([1]), sharing.free([2, 1]), sharing.free([1, 3]), sharing.free(range(1, 7)))
sharing.take(1)
print(sharing.is_first)
"""


def run(program: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def test_each_worker_has_a_slot_and_a_free_one_is_given_again() -> None:
    assert run(PROGRAM).stdout.splitlines() == ["7 False", "1 2 3 2 None", "True"]


def test_without_a_temporary_directory_the_service_says_so() -> None:
    failed = run(f"import tempfile; tempfile.tempdir = '/dev/null/none'\n{PROGRAM}")
    assert failed.returncode == 1
    assert "TMPDIR: there is no temporary directory that can be written" in failed.stderr
