"""A Windows, and a PowerShell on it: shared by the files of this folder. `./test --windows` runs them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.windows.wine import USERS, Wine, why_no_powershell, why_no_wine


@pytest.fixture(scope="session")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wine]:
    """A Windows that is up."""
    reason = why_no_wine()
    if reason:
        pytest.skip(reason)
    with Wine(tmp_path_factory.mktemp("programs")) as made:
        yield made


@pytest.fixture(scope="session")
def powershell(request: pytest.FixtureRequest) -> Wine:
    """The same, with a PowerShell."""
    reason = why_no_powershell()
    if reason:
        pytest.skip(reason)
    made = request.getfixturevalue("wine")
    assert isinstance(made, Wine)
    return made


@pytest.fixture
def profile(wine: Wine) -> Iterator[Path]:
    """The empty folder of a user whose name has letters that no one code page has."""
    folder = USERS / "an artist\u2019s home ü世"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)
