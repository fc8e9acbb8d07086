"""What becomes of a farm's folder: two desktops on it at once, removed jobs, the logs of running tasks."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import msgspec
import pytest
from katana_queue.kq.errors import ConnectionLost, NotFound, Refused
from katana_queue.kq.farms import farm as farm_module
from katana_queue.kq.farms import sharing, submitting
from katana_queue.kq.farms.decide import AttemptFile, EngineState, EngineStatus, Poll, TaskView
from katana_queue.kq.farms.farm import Farm
from katana_queue.kq.farms.job_folder import JobFolder, Submission
from katana_queue.kq.farms.known_job import KnownJob
from katana_queue.kq.farms.new_job import create_job
from katana_queue.kq.farms.running_logs import MAX_LOGS, RunningLogs
from katana_queue.kq.farms.sharing import sole_change
from katana_queue.kq.records import JobSpec, new_job_id
from katana_queue.kq.states import JobState, TaskState

from tests.support.fake_engine import FakeEngine
from tests.support.live_queue import ROOT

FRAMES = JobSpec(name="beauty", commands=((sys.executable, "-c", "", "{frame}"),), frames="1-3")
FAILS = msgspec.structs.replace(FRAMES, commands=((sys.executable, "-c", "raise SystemExit(3)", "{frame}"),))


def state_of(farm: Farm, job: str) -> JobState:
    record = farm.job(job)
    assert record is not None
    return record.state


# --- Two desktops ---


def test_two_desktops_start_failed_frames_once(open_farm: Callable[[], Farm], engine: FakeEngine) -> None:
    """Each acts on the job as the other left it, and stops what the other has started."""
    first, job = open_farm(), new_job_id()
    first.submit(job, FAILS).result(60)
    assert [engine.run("1", task) for task in range(3)] == [3, 3, 3]
    first.refresh().result(60)
    second = open_farm()
    second.refresh().result(60)
    assert state_of(first, job) is state_of(second, job) is JobState.FAILED
    first.start(job).result(60)
    with pytest.raises(Refused, match=job):
        second.start(job).result(60)
    assert engine.calls.count("submit") == 2
    second.stop(job).result(60)
    assert engine.stopped[0] == ("1", None) and ("2", None) in engine.stopped
    first.refresh().result(60)
    assert state_of(first, job) is state_of(second, job) is JobState.CANCELLED


def test_a_job_that_was_lost_long_ago_is_over_at_the_first_poll(
    open_farm: Callable[[], Farm], engine: FakeEngine, tmp_path: Path
) -> None:
    """Each `kq farm` command is a new process, which cannot wait for the record of the job's end."""
    farm, job = open_farm(), new_job_id()
    farm.submit(job, FRAMES).result(60)
    farm.close(60)
    state = tmp_path / "farms" / "fake" / job / "state.json"
    kept = json.loads(state.read_text())
    kept["submissions"][0]["at"] -= 86400.0
    state.write_text(json.dumps(kept))
    engine.states.clear()
    engine.is_silent = True
    first = open_farm()
    with pytest.raises(ConnectionLost):
        first.refresh().result(60)
    assert state_of(first, job) is JobState.WAITING
    engine.is_silent = False
    first.start(job, [0]).result(60)
    assert [task.state for task in first.tasks(job)] == [
        TaskState.WAITING,
        TaskState.FAILED,
        TaskState.FAILED,
    ]


def test_a_desktop_sees_jobs_that_another_submits_and_removes(
    open_farm: Callable[[], Farm], engine: FakeEngine
) -> None:
    """At its next question to the engine."""
    first, second, job = open_farm(), open_farm(), new_job_id()
    second.refresh().result(60)
    first.submit(job, FRAMES).result(60)
    second.refresh().result(60)
    assert state_of(second, job) is JobState.WAITING
    first.stop(job).result(60)
    first.remove(job).result(60)
    second.refresh().result(60)
    assert second.job(job) is None
    with pytest.raises(NotFound):
        second.start(job).result(60)


HOLDS = """
import sys, time
from pathlib import Path
from kq.farms.sharing import sole_change
with sole_change(Path(sys.argv[1]), 0.0):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_right_to_change_jobs_ends_with_the_process_that_has_it(
    open_farm: Callable[[], Farm], engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile others read, and change nothing: neither a lost submission is repeated nor a stop sent."""
    monkeypatch.setattr(farm_module, "_LOCK_TIMEOUT_S", 0.2)
    monkeypatch.setattr(submitting, "_RESUBMIT_AFTER_S", 0.0)
    farm, job = open_farm(), new_job_id()
    farm.submit(job, FRAMES).result(60)
    folder = tmp_path / "farms" / "fake"
    command = [sys.executable, "-c", HOLDS, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(Refused, match="desktop"):
            farm.stop(job).result(60)
        assert engine.stopped == []
        engine.states["1", 0] = EngineState.RUNNING
        farm.refresh().result(60)
        assert state_of(farm, job) is JobState.RUNNING
        # As another desktop leaves it that is killed before the engine has the submission:
        state = folder / job / "state.json"
        kept = json.loads(state.read_text())
        del kept["submissions"][0]["engine_id"]
        (folder / "new").write_text(json.dumps(kept))
        (folder / "new").replace(state)
        engine.states.clear()
        farm.refresh().result(60)
        assert engine.calls.count("submit") == 1
        holder.kill()
        holder.wait(60)
    farm.refresh().result(60)
    assert engine.calls.count("submit") == 2
    farm.stop(job).result(60)
    assert engine.stopped == [("2", None)]
    with sole_change(folder, 0.0):  # as another desktop
        with pytest.raises(Refused, match="desktop"):
            farm.submit(late := new_job_id(), FRAMES).result(60)
        record = farm.job(late)
        assert record is not None and record.state is JobState.FAILED and "desktop" in record.reason
    farm.start(late).result(60)
    assert state_of(farm, late) is JobState.WAITING


def test_a_share_that_fails_leaves_its_error_and_the_job_as_it_was(
    open_farm: Callable[[], Farm], engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One without locks, or full: a new job is Failed, a stopped one stays stopped; each can be started."""
    farm, job, stopped = open_farm(), new_job_id(), new_job_id()
    farm.submit(stopped, FRAMES).result(60)
    farm.stop(stopped).result(60)
    with monkeypatch.context() as broken:
        broken.setattr(sharing, "try_lock", Mock(side_effect=OSError(errno.ENOLCK, "No locks available")))
        with pytest.raises(Refused, match="No locks"):
            farm.submit(job, FRAMES).result(60)
    record = farm.job(job)
    assert record is not None and record.state is JobState.FAILED and "No locks" in record.reason
    with monkeypatch.context() as broken:
        broken.setattr(JobFolder, "save", Mock(side_effect=OSError(errno.ENOSPC, "No space left")))
        for each in (job, stopped):
            with pytest.raises(Refused, match="No space"):
                farm.start(each).result(60)
    assert (state_of(farm, job), state_of(farm, stopped)) == (JobState.FAILED, JobState.CANCELLED)
    for each in (job, stopped):
        farm.start(each).result(60)
        assert state_of(farm, each) is JobState.WAITING
    assert engine.calls.count("submit") == 3


def test_a_folder_that_cannot_be_read_is_logged_once(
    open_farm: Callable[[], Farm], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """However often the farm is asked; it is listed as soon as it can be read."""
    farm, job = open_farm(), new_job_id()
    farm.submit(job, FRAMES).result(60)
    state = tmp_path / "farms" / "fake" / job / "state.json"
    content = state.read_bytes()
    state.write_bytes(b"{")
    other = open_farm()
    for _ in range(3):
        other.refresh().result(60)
    assert other.job(job) is None
    assert len([each for each in caplog.records if job in each.getMessage()]) == 1
    state.write_bytes(content)
    other.refresh().result(60)
    assert state_of(other, job) is JobState.WAITING


# --- Removed jobs ---


def test_remove_deletes_the_jobs_folder_and_its_scene_alone(
    open_farm: Callable[[], Farm], engine: FakeEngine, tmp_path: Path
) -> None:
    """Not a scene that another job has, nor a folder elsewhere, nor what a link leads to."""
    own, outside = tmp_path / "renders" / "own", tmp_path / "outside"
    for folder in (own, outside):
        folder.mkdir(parents=True)
        (folder / "scene.usdc").touch()
    farm, jobs = open_farm(), [new_job_id() for _ in range(3)]
    for job, scene in zip(jobs, (own, own, outside), strict=True):
        farm.submit(job, msgspec.structs.replace(FRAMES, temp_dir=str(scene))).result(60)
    folders = [tmp_path / "farms" / "fake" / job for job in jobs]
    (folders[2] / "link").symlink_to(outside)
    with pytest.raises(Refused, match=FRAMES.name):
        farm.remove(jobs[0]).result(60)
    assert folders[0].is_dir()
    for job in jobs:
        farm.stop(job).result(60)
    farm.remove(jobs[0]).result(60)
    farm.remove(jobs[2]).result(60)
    assert [record.id for record in farm.jobs()] == [jobs[1]]
    farm.close(60)
    assert [folder.exists() for folder in folders] == [False, True, False]
    assert (own / "scene.usdc").is_file() and (outside / "scene.usdc").is_file()
    again = open_farm()
    again.refresh().result(60)
    again.remove(jobs[1]).result(60)
    again.close(60)
    assert not own.exists()
    assert [path.name for path in (tmp_path / "farms" / "fake").iterdir()] == [".lock"]


def test_a_job_that_still_runs_somewhere_is_not_removed(
    open_farm: Callable[[], Farm], engine: FakeEngine, tmp_path: Path
) -> None:
    """As after a slurmd alone has died: one attempt has completed the task, the other writes on."""
    farm, job = open_farm(), new_job_id()
    farm.submit(job, msgspec.structs.replace(FRAMES, frames="1")).result(60)
    assert engine.run("1", 0) == 0
    engine.states["1", 0] = EngineState.RUNNING
    farm.refresh().result(60)
    assert state_of(farm, job) is JobState.COMPLETED
    with pytest.raises(Refused, match=FRAMES.name):
        farm.remove(job).result(60)
    assert (tmp_path / "farms" / "fake" / job / "job.json").is_file()


def test_a_removal_that_was_cut_off_is_ended_by_the_next_desktop(
    open_farm: Callable[[], Farm], tmp_path: Path
) -> None:
    left = tmp_path / "farms" / "fake" / ".removed-abc" / "records"
    left.mkdir(parents=True)
    (left / "0.1.end.json").touch()
    farm = open_farm()
    farm.refresh().result(60)
    farm.close(60)
    assert not left.parent.exists()


# --- Running tasks ---


def begin(job: KnownJob, task: int, log: str) -> None:
    """Leave what the task runner leaves at an attempt's start, and a log."""
    token = job.kept.submissions[0].token
    start = {"task": task, "attempt": 1, "started": time.time(), "node": "n1", "token": token}
    (job.folder.path / "records" / f"{task}.1.start.json").write_text(json.dumps(start))
    job.folder.log_file(task, 1).write_text(log)


def test_progress_and_picture_of_running_tasks(
    open_farm: Callable[[], Farm], engine: FakeEngine, tmp_path: Path
) -> None:
    """In the columns of the job and of its tasks, from the ends of the logs."""
    picture = tmp_path / "beauty.1.png"
    picture.touch()
    farm, job = open_farm(), new_job_id()
    farm.submit(job, FRAMES).result(60)
    record = farm.job(job)
    assert record is not None and record.progress is None
    folder = tmp_path / "farms" / "fake" / job
    start = {"task": 0, "attempt": 1, "started": time.time(), "node": "n1", "token": engine.tokens["1"]}
    (folder / "records" / "0.1.start.json").write_text(json.dumps(start))
    log = folder / "logs" / "0.1.log"
    log.write_text("x" * 9000 + f"\nALF_PROGRESS 12%\nkq_picture: {picture}\nALF_PROGRESS 40%\n")
    engine.states["1", 0] = EngineState.RUNNING
    farm.refresh().result(60)
    [first, second, _third] = farm.tasks(job)
    assert (first.state, first.progress, first.picture) == (TaskState.RUNNING, 0.4, str(picture))
    assert second.progress is None
    record = farm.job(job)
    assert record is not None and record.progress == pytest.approx(0.4 / 3)
    assert record.picture == str(picture)
    with log.open("a") as file:
        file.write("ALF_PROGRESS 90%\n")
    farm.refresh().result(60)
    assert farm.tasks(job)[0].progress == 0.9
    assert engine.run("1", 1) == 0
    farm.refresh().result(60)
    record = farm.job(job)
    assert record is not None and record.progress == pytest.approx(1.9 / 3)


def test_a_record_is_the_same_in_whatever_order_files_are_found(tmp_path: Path) -> None:
    """Its CPU time too: 0.1 + 0.2 + 0.3 is not 0.3 + 0.2 + 0.1 for a computer."""
    job = create_job(tmp_path, "Fake Farm", new_job_id(), FRAMES, {}, copy_files=False)
    job.views = {task: TaskView(TaskState.COMPLETED, attempt=1) for task in range(3)}
    ended = [
        AttemptFile(task, 1, started=1.0, ended=2.0, exit_code=task, cpu_s=0.1 * (task + 1), node=f"n{task}")
        for task in range(3)
    ]
    job.attempts = {each.task: (each,) for each in ended}
    record = job.record("")
    assert record.cpu_s == pytest.approx(0.6)
    job.attempts = {each.task: (each,) for each in reversed(ended)}
    assert job.record("") == record


def test_a_poll_reads_few_logs_and_all_have_their_turn(tmp_path: Path) -> None:
    """However many tasks run."""
    spec = msgspec.structs.replace(FRAMES, frames=f"1-{MAX_LOGS + 4}")
    job = create_job(tmp_path, "Fake Farm", new_job_id(), spec, {}, copy_files=False)
    tasks = range(MAX_LOGS + 4)
    job.kept.submissions.append(Submission("token", list(tasks), time.time()))
    for task in tasks:
        begin(job, task, "ALF_PROGRESS 50%\n")
    rows = {"token": {task: EngineStatus(EngineState.RUNNING, "", "n1") for task in tasks}}
    job.decide(rows, Poll(time.time(), True))
    logs = RunningLogs()

    def known() -> int:
        return sum(job.task_record(task).progress == 0.5 for task in tasks)

    assert logs.read([job]) == [job]
    assert known() == MAX_LOGS
    assert logs.read([job]) == [job]
    assert known() == len(tasks)
    assert logs.read([job]) == []
