"""A private Slurm cluster for the tests of this folder that need one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.farms.slurm_cluster import SlurmCluster, why_not_here


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """Three nodes that share this machine."""
    yield from _started(tmp_path_factory)


@pytest.fixture
def own_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """One that a test may break."""
    yield from _started(tmp_path_factory)


def _started(folders: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    if why := why_not_here():
        pytest.skip(why)
    made = SlurmCluster(folders.mktemp("slurm"))
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """A folder that all nodes see by the same path."""
    folder = tmp_path / "share with a space"
    folder.mkdir()
    return folder
