"""For the tests of this folder: a farm with an engine in memory, and a private Slurm cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from katana_queue.kq.farms.farm import Farm

from tests.farms.slurm_cluster import SlurmCluster, why_not_here
from tests.support.fake_engine import FakeEngine


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


@pytest.fixture
def engine() -> FakeEngine:
    """The engine of the farms that `open_farm` opens."""
    return FakeEngine()


@pytest.fixture
def open_farm(tmp_path: Path, engine: FakeEngine) -> Iterator[Callable[[], Farm]]:
    """Opens farms on one folder, `farms/fake`, as several desktops do; they are closed at the end."""
    farms: list[Farm] = []

    def opened() -> Farm:
        farms.append(Farm("fake", tmp_path / "farms" / "fake", engine, "Fake Farm"))
        return farms[-1]

    yield opened
    engine.hold.set()
    for each in farms:
        each.close(60)
