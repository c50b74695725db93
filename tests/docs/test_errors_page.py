"""docs/errors.md names every failure that a caller can see, with its status."""

import re
from pathlib import Path

from cds_hooks.errors import CdsError

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "errors.md").read_text(encoding="utf-8")


def test_every_failure_of_an_invocation_is_on_the_page_with_its_status() -> None:
    documented = set(re.findall(r"^\| (\d{3}) \| `(\w+)` \|", PAGE, re.MULTILINE))
    assert documented == {(str(error.status), error.__name__) for error in CdsError.__subclasses__()}
