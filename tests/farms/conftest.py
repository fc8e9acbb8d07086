"""A private Slurm cluster for the tests of this folder that need one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.farms.slurm_cluster import SlurmCluster, missing_programs


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """Three nodes that share this machine."""
    if missing := missing_programs():
        pytest.skip(f"{missing[0]} is not installed (packages slurmctld, slurmd, slurm-client, munge)")
    made = SlurmCluster(tmp_path_factory.mktemp("slurm"))
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture
def own_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """One that a test may break."""
    if missing := missing_programs():
        pytest.skip(f"{missing[0]} is not installed (packages slurmctld, slurmd, slurm-client, munge)")
    made = SlurmCluster(tmp_path_factory.mktemp("slurm"))
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
