"""Jobs on a real Slurm: three slurmds, a controller that freezes and dies, a node that is lost."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kq.errors import BadInput, ConnectionLost, Refused
from kq.farms.farm import Farm
from kq.farms.slurm import Slurm
from kq.records import JobSpec, new_job_id
from kq.states import JobState
from tests.farms.on_slurm import SLEEP, await_farm, held_back, open_farm, state_of
from tests.farms.slurm_cluster import SlurmCluster
from tests.support.live_queue import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

WRITE = "import sys, pathlib; pathlib.Path(sys.argv[1]).touch(); print('done', sys.argv[2])"


@pytest.fixture
def farm(cluster: SlurmCluster, share: Path) -> Iterator[Farm]:
    made = open_farm(cluster, share)
    yield made
    for job in made.jobs():
        if not job.state.is_terminal:
            with contextlib.suppress(ConnectionLost):  # a test may have closed it
                made.stop(job.id).result(60)
    made.close(30)


def frames_job(share: Path, frames: str, **more: object) -> JobSpec:
    out = share / "out.{frame}.txt"
    return JobSpec(
        name="Render 'beauty'\nshot \"7\"",
        commands=((sys.executable, "-c", WRITE, str(out), "{frame}"),),
        frames=frames,
        **more,  # type: ignore[arg-type]
    )


def test_every_frame_is_rendered_once(farm: Farm, share: Path) -> None:
    """Frames beyond MaxArraySize too, for tasks are counted; any name is fine."""
    job = new_job_id()
    farm.submit(job, frames_job(share, "10990-11001,20000")).result(60)
    await_farm(farm, lambda: state_of(farm, job).is_terminal, "the end")
    assert state_of(farm, job) is JobState.COMPLETED
    tasks = farm.tasks(job)
    assert len(tasks) == 13 and {task.attempts for task in tasks} == {1}
    assert all(Path(task.log_file).read_text().startswith("done") for task in tasks)
    assert {path.name for path in share.glob("out.*.txt")} == {
        f"out.{frame}.txt" for frame in [*range(10990, 11002), 20000]
    }


def test_failed_frames_alone_are_run_again(farm: Farm, share: Path) -> None:
    """Also when Slurm has forgotten the job: the records say what is complete."""
    code = (
        "import os, sys; "
        "sys.exit(3 if sys.argv[1] == '2' and not os.path.exists(sys.argv[2]) else print('fine'))"
    )
    mended = share / "mended"
    spec = JobSpec(
        name="some fail", commands=((sys.executable, "-c", code, "{frame}", str(mended)),), frames="1-4"
    )
    job = new_job_id()
    farm.submit(job, spec).result(60)
    await_farm(farm, lambda: state_of(farm, job).is_terminal, "the end")
    assert state_of(farm, job) is JobState.FAILED
    assert [task.exit_code for task in farm.tasks(job)] == [0, 3, 0, 0]
    mended.touch()
    farm.start(job).result(60)
    await_farm(farm, lambda: state_of(farm, job) is JobState.COMPLETED, "the end of the second run")
    assert [task.attempts for task in farm.tasks(job)] == [1, 2, 1, 1]
    with pytest.raises(Refused):
        farm.start(job).result(60)


def test_a_stop_ends_what_runs_and_what_waits(farm: Farm, share: Path) -> None:
    """All tasks are Cancelled, and no process is left."""
    mark = f"kq-mark-{os.getpid()}"
    spec = JobSpec(name="long", commands=((sys.executable, "-c", SLEEP, mark),), frames="1-9")
    job = new_job_id()
    farm.submit(job, spec).result(60)
    await_farm(farm, lambda: any(task.log_file for task in farm.tasks(job)), "a running task")
    assert state_of(farm, job) is JobState.RUNNING
    farm.stop(job).result(60)
    await_farm(farm, lambda: state_of(farm, job).is_terminal, "the stop")
    assert state_of(farm, job) is JobState.CANCELLED
    deadline = time.monotonic() + 30
    while marked(mark) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert marked(mark) == []


def marked(mark: str) -> list[int]:
    """Processes with `mark` among their arguments."""
    import psutil

    listed = psutil.process_iter(["cmdline"])
    return [process.pid for process in listed if mark in (process.info["cmdline"] or ())]


def test_another_desktop_finds_the_jobs_again(farm: Farm, cluster: SlurmCluster, share: Path) -> None:
    """Same job, states and logs, and nothing is submitted twice."""
    job = new_job_id()
    farm.submit(job, frames_job(share, "1-6")).result(60)
    other = open_farm(cluster, share)
    try:
        await_farm(other, lambda: bool(other.jobs()) and state_of(other, job).is_terminal, "the end")
        assert state_of(other, job) is JobState.COMPLETED
        assert {task.attempts for task in other.tasks(job)} == {1}
    finally:
        other.close(30)
    await_farm(farm, lambda: state_of(farm, job) is JobState.COMPLETED, "the end")


def test_a_submission_whose_answer_was_lost_is_found_by_its_token(
    farm: Farm, cluster: SlurmCluster, share: Path
) -> None:
    """As when the desktop is killed between sbatch and its answer: exactly one job."""
    job = new_job_id()
    farm.submit(job, JobSpec(name="once", commands=((sys.executable, "-c", SLEEP),))).result(60)
    farm.close(30)
    state = share / "farm" / job / "state.json"
    kept = json.loads(state.read_text())
    [submission] = kept["submissions"]
    engine_id = submission.pop("engine_id")
    state.write_text(json.dumps(kept))
    other = open_farm(cluster, share)
    try:
        await_farm(other, lambda: state_of(other, job) is JobState.RUNNING, "the job")
        again = json.loads(state.read_text())["submissions"]
        assert [each["engine_id"] for each in again] == [engine_id]
        listed = cluster.run("squeue", "--noheader", "--me", "--format=%F").split()
        assert listed.count(engine_id) == 1
        other.stop(job).result(60)
        await_farm(other, lambda: state_of(other, job).is_terminal, "the stop")
    finally:
        other.close(30)


def test_a_job_that_another_cancels_is_cancelled_and_says_so(
    farm: Farm, cluster: SlurmCluster, share: Path
) -> None:
    """By scancel in a terminal, or by an administrator."""
    job = new_job_id()
    farm.submit(job, JobSpec(name="theirs", commands=((sys.executable, "-c", SLEEP),))).result(60)
    await_farm(farm, lambda: state_of(farm, job) is JobState.RUNNING, "the job")
    cluster.run("scancel", "--me")
    await_farm(farm, lambda: state_of(farm, job).is_terminal, "the end")
    record = farm.job(job)
    assert record is not None and record.state is JobState.CANCELLED
    assert "Katana Queue" in record.reason


@pytest.mark.parametrize(
    ("options", "error", "fact"),
    [
        ({"partition": "nowhere"}, Refused, "nvalid partition"),
        ({"partition": "short", "minutes": "60"}, Refused, "exceed the 5"),
        ({"cpus": "64"}, Refused, "not available"),
        ({"cpus": "many"}, BadInput, "cpus"),
        ({"partion": "render"}, BadInput, "partion"),
        ({"constraint": "a\nb"}, BadInput, "constraint"),
        ({"extra": "--reservation=nothing"}, Refused, "reservation"),
        ({"extra": "--arr=0-9"}, BadInput, "--arr=0-9"),
        ({"extra": "-p short"}, BadInput, "-p"),
        ({"extra": "--gres='gpu"}, BadInput, "extra"),
    ],
)
def test_what_cannot_run_is_refused_before_it_is_submitted(
    farm: Farm, share: Path, options: dict[str, str], error: type[Exception], fact: str
) -> None:
    """With the reason, which its row has, too; nothing is written down, and it can be removed."""
    job = new_job_id()
    with pytest.raises(error, match=fact):
        farm.submit(job, frames_job(share, "1-2"), options).result(60)
    [record] = farm.jobs()
    assert record.state is JobState.FAILED and fact in record.reason
    assert not list((share / "farm").glob("*"))
    farm.remove(job).result(60)
    assert farm.jobs() == []


def test_a_controller_that_stands_still_makes_nothing_fail(
    farm: Farm, cluster: SlurmCluster, share: Path
) -> None:
    """The job says since when the farm is silent, keeps its state, and goes on."""
    job = new_job_id()
    farm.submit(job, JobSpec(name="calm", commands=((sys.executable, "-c", SLEEP),))).result(60)
    await_farm(farm, lambda: state_of(farm, job) is JobState.RUNNING, "the job")
    with cluster.frozen_controller():
        with pytest.raises(ConnectionLost):
            farm.refresh().result(60)
        record = farm.job(job)
        assert record is not None and record.state is JobState.RUNNING
        assert "has not answered since" in record.reason
    await_farm(farm, lambda: farm.problem == "", "an answer")
    assert state_of(farm, job) is JobState.RUNNING


def test_a_lost_node_and_a_controller_that_is_killed(own_cluster: SlurmCluster, share: Path) -> None:
    """Slurm holds the node's tasks back for a while; Start Now starts them at once."""
    farm = open_farm(own_cluster, share)
    code = "import time; print('begun', flush=True); time.sleep(6)"
    job = new_job_id()
    spec = JobSpec(name="lost", commands=((sys.executable, "-c", code),), frames="1-6")
    farm.submit(job, spec, {"cpus": "1"}).result(60)
    await_farm(farm, lambda: any(task.agent == "n2" for task in farm.tasks(job)), "a task on n2")
    victims = {task.index for task in farm.tasks(job) if task.agent == "n2"}
    own_cluster.lose_node("n2")
    await_farm(
        farm,
        lambda: state_of(farm, job).is_terminal or bool(held_back(farm, job)),
        "tasks that are held back",
    )
    for task in held_back(farm, job):
        farm.start_now(job, task).result(60)
    await_farm(farm, lambda: state_of(farm, job).is_terminal, "the end")
    assert state_of(farm, job) is JobState.COMPLETED, farm.tasks(job)
    assert {task.index for task in farm.tasks(job) if task.attempts > 1} <= victims

    job = new_job_id()
    farm.submit(job, JobSpec(name="calm", commands=((sys.executable, "-c", SLEEP),))).result(60)
    await_farm(farm, lambda: state_of(farm, job) is JobState.RUNNING, "the second job")
    own_cluster.kill_controller()
    with pytest.raises(ConnectionLost):
        farm.refresh().result(60)
    with pytest.raises(ConnectionLost):
        farm.stop(job).result(60)
    assert state_of(farm, job) is JobState.RUNNING
    own_cluster.start_controller()
    await_farm(farm, lambda: not farm.problem, "the controller")
    farm.stop(job).result(60)
    await_farm(farm, lambda: state_of(farm, job) is JobState.CANCELLED, "the stop")
    farm.close(30)


def test_a_machine_without_slurm(share: Path) -> None:
    """What is missing, and what to install."""
    farm = Farm("slurm", share / "farm", Slurm({"PATH": str(share)}))
    try:
        with pytest.raises(Refused, match="client commands"):
            farm.check({}).result(60)
    finally:
        farm.close(30)


def test_more_tasks_than_an_array_may_have(tmp_path_factory: pytest.TempPathFactory, share: Path) -> None:
    """Several arrays are submitted. Slurm forgets them after MinJobAge, which loses nothing: failed frames
    alone are run again, and all logs are there.
    """
    cluster = SlurmCluster(tmp_path_factory.mktemp("small"), min_job_age=5, max_array=8)
    try:
        cluster.start()
        farm = open_farm(cluster, share)
        job = new_job_id()
        mended = share / "mended"
        code = (
            "import os, sys; print('frame', sys.argv[1]); "
            f"sys.exit(sys.argv[1] == '1018' and not os.path.exists({str(mended)!r}))"
        )
        spec = JobSpec(name="many", commands=((sys.executable, "-c", code, "{frame}"),), frames="1001-1020")
        farm.submit(job, spec).result(60)
        await_farm(farm, lambda: state_of(farm, job).is_terminal, "the end")
        assert state_of(farm, job) is JobState.FAILED
        deadline = time.monotonic() + 60
        while cluster.run("squeue", "--noheader", "--me", "--states=all") and time.monotonic() < deadline:
            time.sleep(1)
        for _ in itertools.repeat(None, 2):
            farm.refresh().result(60)
        assert [task.exit_code for task in farm.tasks(job)] == [0] * 17 + [1, 0, 0]
        mended.touch()
        farm.start(job).result(60)
        await_farm(farm, lambda: state_of(farm, job) is JobState.COMPLETED, "the end of the second run")
        assert [task.attempts for task in farm.tasks(job)] == [1] * 17 + [2, 1, 1]
        logs = [Path(task.log_file).read_text() for task in farm.tasks(job)]
        assert logs == [f"frame {frame}\n" for frame in range(1001, 1021)]
        farm.close(30)
    finally:
        cluster.close()


def test_the_farm_commands(cluster: SlurmCluster, share: Path) -> None:
    """From a terminal: submit and wait, list, log, run again; an error is one line and exit code 2."""
    environment = {**cluster.environment, "KQ_DATA_ROOT": str(share / "root")}

    def kq(*arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "kq", "farm", *arguments],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    python = (sys.executable, "-c")
    assert kq("check", "--option", "minutes=30")
    assert "'colour'" in kq("check", "--option", "colour=red", code=2)
    job = kq("submit", "--wait", "--frames", "1-3", "--", *python, "print('hello {frame}')").strip()
    assert "Completed" in kq("jobs") and job in kq("jobs")
    assert kq("log", job, "3") == "hello 3\n"
    assert kq("tasks", job).count("Completed") == 3
    assert "task 4" in kq("log", job, "4", code=2)
    assert job in kq("start", job, code=2)
    assert "Failed: exit code 3" in kq("submit", "--wait", "--", *python, "raise SystemExit(3)", code=1)
