"""Where the shared test material lies, and what a test does without it.

The folder is `CHARTSIDE_SHARED_DATA`, else `../shared/data` beside the repository. Without it the tests over it skip
with a reason; with `CHARTSIDE_REQUIRE_SHARED_DATA=1`, as in `.ci/run`, they fail: a suite must not vanish in silence.
"""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = Path(os.environ.get("CHARTSIDE_SHARED_DATA") or ROOT.parent / "shared" / "data")


def is_required() -> bool:
    """Whether missing material is a failure."""
    return os.environ.get("CHARTSIDE_REQUIRE_SHARED_DATA") == "1"


def require(relative: str) -> Path:
    """The path of this file or folder of the shared data; skips or fails the running test where it is missing."""
    path = SHARED_DATA / relative
    if not path.exists():
        _answer_missing(relative)
    return path


def every(folder: str, pattern: str) -> list[str]:
    """Each file that matches, as a path below the shared data, for `pytest.mark.parametrize`.

    Without the folder it is the pattern alone, so that the test's own call to `require` skips or fails:

        @pytest.mark.parametrize("relative", every("cds-hooks", "**/*.json"))
        def test_...(relative: str) -> None:
            body = require(relative).read_bytes()
    """
    found = sorted(path for path in (SHARED_DATA / folder).glob(pattern) if path.is_file())
    return [path.relative_to(SHARED_DATA).as_posix() for path in found] or [f"{folder}/{pattern}"]


def _answer_missing(relative: str) -> None:
    if is_required():
        pytest.fail(f"shared data is required and has no {relative}", pytrace=False)
    pytest.skip(f"no shared data: {relative}")
