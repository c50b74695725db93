"""What every test runs under."""

import os
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import settings

from tests.privacy.markers import shows_no_patient

# No deadline: on a shared core the clock measures the neighbours. In CI the examples are the same on every run, so that
# a failure there is a failure of the change.
settings.register_profile("chartside", deadline=None)
settings.register_profile("ci", parent=settings.get_profile("chartside"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "chartside")

# What a test prints is not what the service logs: commands show charts to those who ask. Log lines begin like this.
_LOGGED = '{"at":'


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Fail every test during which a log line, ours or a library's, shows the word that made-up patients carry."""
    report = yield
    try:
        for section, text in report.sections:
            told = text if "log" in section else "\n".join(each for each in text.splitlines() if _LOGGED in each)
            shows_no_patient(told, where=section.lower())
    except AssertionError as error:
        report.outcome, report.longrepr = "failed", str(error)
    return report
