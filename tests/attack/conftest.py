from collections.abc import Iterator

import pytest

from tests.attack.siege import DEADLINE_SECONDS, Siege, a_siege


@pytest.fixture(scope="module")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    """Besiege the service for a whole file of tests."""
    with a_siege(tmp_path_factory.mktemp("siege")) as begun:
        yield begun


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    """Besiege a service whose deadline is short."""
    with a_siege(tmp_path_factory.mktemp("hurried"), deadline_ms=round(DEADLINE_SECONDS * 1000)) as begun:
        yield begun
