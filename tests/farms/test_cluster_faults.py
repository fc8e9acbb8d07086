"""What goes wrong at a real Slurm: a desktop that is killed, a full queue, daemons that die one by one."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from kq.errors import ConnectionLost, Refused
from kq.farms import slurm, submitting
from kq.farms.farm import Farm
from kq.farms.slurm import Slurm
from kq.records import JobSpec, new_job_id
from kq.states import JobState
from tests.farms.on_slurm import SLEEP, await_farm, held_back, open_farm, state_of
from tests.farms.slurm_cluster import SlurmCluster
from tests.support.live_queue import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

_KILLS_ITS_CALLER = """#!/bin/sh
case " $* " in *" --test-only "*) exec {sbatch} "$@" ;; esac
{sbatch} "$@" > "$0.answer"
kill -9 "$PPID"
"""
"""An sbatch whose caller does not live to hear the answer."""


@contextlib.contextmanager
def closed(farm: Farm) -> Iterator[Farm]:
    """Stops what it runs, then closes it."""
    try:
        yield farm
    finally:
        for job in farm.jobs():
            if not job.state.is_terminal:
                with contextlib.suppress(ConnectionLost):
                    farm.stop(job.id).result(60)
        farm.close(30)


def test_a_desktop_that_is_killed_before_it_hears_the_answer(cluster: SlurmCluster, share: Path) -> None:
    """The next one finds the job, in Slurm once, and does not submit it again."""
    sbatch = share / "bin" / "sbatch"
    sbatch.parent.mkdir()
    sbatch.write_text(_KILLS_ITS_CALLER.format(sbatch=shutil.which("sbatch")))
    sbatch.chmod(0o755)
    path = f"{sbatch.parent}:{cluster.environment['PATH']}"
    killed = subprocess.run(
        [sys.executable, "-m", "kq", "farm", "submit", "--", sys.executable, "-c", SLEEP],
        cwd=ROOT,
        env={**cluster.environment, "PATH": path, "KQ_DATA_ROOT": str(share / "root")},
        capture_output=True,
        timeout=200,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    engine_id = Path(f"{sbatch}.answer").read_text().strip()
    [state] = (share / "root").rglob("state.json")
    [noted] = json.loads(state.read_text())["submissions"]
    assert not noted.get("engine_id")
    job, folder = state.parent.name, state.parent.parent
    with closed(Farm("slurm", folder, Slurm(cluster.environment))) as farm:
        await_farm(farm, lambda: state_of(farm, job) is JobState.RUNNING, "the job")
        [found] = json.loads(state.read_text())["submissions"]
        assert (found["token"], found["engine_id"]) == (noted["token"], engine_id)
        comments = cluster.run("squeue", "--noheader", "--me", "--format=%k").split()
        assert comments.count(f"kq:{noted['token']}") == 1
        await_farm(farm, lambda: log_of(farm, job) and Path(log_of(farm, job)).read_text() == "begun\n", "it")


class Unchecked(Slurm):
    """Sees no full queue beforehand, as when it becomes full between the check and the submission."""

    def check(self, options: Mapping[str, str]) -> list[str]:
        return []


def test_a_full_queue(
    tmp_path_factory: pytest.TempPathFactory, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused beforehand, and started later. Where sbatch waits for room it is ended; the job runs once."""
    monkeypatch.setattr(slurm, "_SUBMIT_TIMEOUT_S", 3.0)
    monkeypatch.setattr(submitting, "_RESUBMIT_AFTER_S", 1.0)
    full = SlurmCluster(tmp_path_factory.mktemp("full"), min_job_age=2, max_jobs=4)
    spec = JobSpec(name="late", commands=((sys.executable, "-c", "print('done')"),), frames="1-2")
    refused, waiting = new_job_id(), new_job_id()
    try:
        full.start()
        subprocess.run(
            ["sbatch", "--hold", "--array=0-2", "--output=/dev/null"],
            input="#!/bin/sh\n", env=full.environment, text=True, check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        unchecked = Farm("slurm", share / "unchecked", Unchecked(full.environment))
        with closed(unchecked) as hasty, closed(open_farm(full, share)) as farm:
            with pytest.raises(Refused, match="full"):
                farm.submit(refused, spec).result(60)
            assert state_of(farm, refused) is JobState.FAILED
            with pytest.raises(ConnectionLost):
                hasty.submit(waiting, spec).result(60)
            record = hasty.job(waiting)
            assert record is not None and record.state is JobState.WAITING and record.reason
            full.run("scancel", "--me")
            await_farm(hasty, lambda: state_of(hasty, waiting).is_terminal, "the end of what waited")
            assert state_of(hasty, waiting) is JobState.COMPLETED
            assert [task.attempts for task in hasty.tasks(waiting)] == [1, 1]

            def started() -> bool:
                with contextlib.suppress(Refused, ConnectionLost):
                    farm.start(refused).result(60)
                return state_of(farm, refused) is not JobState.FAILED

            await_farm(farm, started, "room in the queue")
            await_farm(farm, lambda: state_of(farm, refused).is_terminal, "the end")
            assert state_of(farm, refused) is JobState.COMPLETED
    finally:
        full.close()


def test_a_slurmd_that_dies_alone(own_cluster: SlurmCluster, share: Path) -> None:
    """Its task goes on, and is given to another node as well: two writers, each with a log of its own."""
    gate = share / "gate"
    code = (
        "import os, sys, time\nprint('begun', flush=True)\n"
        f"while not os.path.exists({str(gate)!r}): time.sleep(0.1)\nprint('done')"
    )
    with closed(open_farm(own_cluster, share)) as farm:
        job = new_job_id()
        farm.submit(job, JobSpec(name="twice", commands=((sys.executable, "-c", code),))).result(60)
        await_farm(farm, lambda: state_of(farm, job) is JobState.RUNNING and bool(log_of(farm, job)), "it")
        first = farm.tasks(job)[0]
        own_cluster.lose_slurmd(first.agent)
        await_farm(farm, lambda: bool(held_back(farm, job)), "the task that is held back")
        farm.start_now(job, 0).result(60)
        await_farm(farm, lambda: farm.tasks(job)[0].attempts == 2, "the second attempt")
        gate.touch()
        await_farm(farm, lambda: state_of(farm, job).is_terminal, "the end")
        assert state_of(farm, job) is JobState.COMPLETED
        logs = sorted((share / "farm" / job / "logs").glob("0.*.log"))
        await_farm(farm, lambda: [each.read_text() for each in logs] == ["begun\ndone\n"] * 2, "both logs")


def log_of(farm: Farm, job: str) -> str:
    record = farm.job(job)
    return "" if record is None else record.log_file


def test_a_node_that_dies_as_it_is_given_a_task(own_cluster: SlurmCluster, share: Path) -> None:
    """Slurm does not know yet, and gives it tasks: they end on other nodes, none is called Failed."""
    with closed(open_farm(own_cluster, share)) as farm:
        own_cluster.lose_node("n3")
        job = new_job_id()
        spec = JobSpec(name="bad luck", commands=((sys.executable, "-c", "print('done')"),), frames="1-12")
        farm.submit(job, spec).result(60)
        seen: set[JobState] = set()

        def over() -> bool:
            seen.add(state_of(farm, job))
            for task in held_back(farm, job):
                farm.start_now(job, task).result(60)
            return state_of(farm, job).is_terminal

        await_farm(farm, over, "the end")
        assert state_of(farm, job) is JobState.COMPLETED, farm.tasks(job)
        assert JobState.FAILED not in seen
        assert {task.agent for task in farm.tasks(job)} <= {"n1", "n2"}
