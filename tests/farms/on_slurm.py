"""Farms on a private Slurm, and waiting for what becomes of their jobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kq.errors import ConnectionLost
from kq.farms.farm import Farm
from kq.farms.slurm import Slurm
from kq.states import JobState, TaskState
from tests.farms.slurm_cluster import SlurmCluster

__all__ = ["SLEEP", "await_farm", "held_back", "open_farm", "state_of"]

SLEEP = "import time; print('begun', flush=True); time.sleep(600)"
_TIMEOUT_S = 180.0


def open_farm(cluster: SlurmCluster, share: Path) -> Farm:
    """A farm on the cluster, as a desktop in another time zone opens it, with an option of sbatch set."""
    environment = {**cluster.environment, "SBATCH_PARTITION": "nowhere", "TZ": "Pacific/Kiritimati"}
    return Farm("slurm", share / "farm", Slurm(environment))


def await_farm(farm: Farm, condition: Callable[[], object], what: str) -> None:
    """Ask the engine again and again until `condition` holds."""
    deadline = time.monotonic() + _TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited for {what} in vain: {farm.jobs()} {farm.problem}")
        try:
            farm.refresh().result(60)
        except ConnectionLost:
            pass
        time.sleep(0.3)


def state_of(farm: Farm, job: str) -> JobState:
    """The job's state; Waiting where another desktop has not read it yet."""
    record = farm.job(job)
    return JobState.WAITING if record is None else record.state


def held_back(farm: Farm, job: str) -> list[int]:
    """Tasks that Slurm holds back after the loss of their node."""
    return [
        task.index
        for task in farm.tasks(job)
        if task.state is TaskState.WAITING and "Start Now" in task.reason
    ]
