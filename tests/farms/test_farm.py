"""A farm as its users see it: what is listed when, how often the engine is asked, what a silence changes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest
from katana_queue.kq.errors import ConnectionLost, NotFound, Refused
from katana_queue.kq.farms.decide import EngineState
from katana_queue.kq.farms.farm import Farm
from katana_queue.kq.farms.job_folder import JobFolder
from katana_queue.kq.farms.known_job import KnownJob
from katana_queue.kq.farms.published import FarmChange
from katana_queue.kq.records import JobSpec, new_job_id
from katana_queue.kq.states import JobState, Outcome, TaskState

from tests.support.fake_engine import FakeEngine

FRAMES = JobSpec(
    name="beauty",
    commands=((sys.executable, "-c", "import sys; print('frame', sys.argv[1])", "{frame}"),),
    frames="1-3",
    node="Render",
)


def state_of(farm: Farm, job: str) -> JobState:
    record = farm.job(job)
    assert record is not None
    return record.state


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_job_is_listed_before_the_engine_has_answered(
    open_farm: Callable[[], Farm], engine: FakeEngine
) -> None:
    """With what it waits for; nothing waits for the engine."""
    engine.hold.clear()
    farm, job = open_farm(), new_job_id()
    done = farm.submit(job, FRAMES)
    record = farm.job(job)
    assert record is not None and (record.state, record.tasks) == (JobState.WAITING, 3)
    assert "Fake Farm" in record.reason
    assert (record.farm, record.node, record.from_history) == ("Fake Farm", "Render", False)
    engine.hold.set()
    done.result(60)
    farm.refresh().result(60)
    record = farm.job(job)
    assert record is not None and "free node" in record.reason


def test_a_refused_job_says_why_and_can_be_started_or_removed(
    open_farm: Callable[[], Farm], engine: FakeEngine, tmp_path: Path
) -> None:
    """Nothing is written down for it before it was accepted."""
    engine.refusal = "no such partition"
    farm, job = open_farm(), new_job_id()
    with pytest.raises(Refused):
        farm.submit(job, FRAMES).result(60)
    record = farm.job(job)
    assert record is not None and (record.state, record.tasks_failed) == (JobState.FAILED, 3)
    assert "no such partition" in record.reason
    assert not list((tmp_path / "farms" / "fake").glob("*"))
    with pytest.raises(Refused):
        farm.start(job).result(60)
    assert farm.spec(job).result(60) == FRAMES
    engine.refusal = ""
    farm.start(job).result(60)
    assert state_of(farm, job) is JobState.WAITING
    assert engine.calls.count("submit") == 1
    engine.is_silent = True
    with pytest.raises(ConnectionLost):
        farm.submit(lost := new_job_id(), FRAMES).result(60)
    assert state_of(farm, lost) is JobState.FAILED
    farm.remove(lost).result(60)
    assert farm.job(lost) is None


def test_an_unexpected_error_ends_no_thread(
    open_farm: Callable[[], Farm], engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the check, at the submission, and of a poll: the reason is seen, all else continues."""
    farm, at_check, at_submit = open_farm(), new_job_id(), new_job_id()
    bug = KeyError("getpwuid(): uid not found: 4711")
    engine.bug = bug
    with pytest.raises(KeyError):
        farm.submit(at_check, FRAMES).result(60)
    engine.bug = None
    with monkeypatch.context() as patched:
        patched.setattr(engine, "submit", Mock(side_effect=bug))
        with pytest.raises(KeyError):
            farm.submit(at_submit, FRAMES).result(60)
    for job in (at_check, at_submit):
        record = farm.job(job)
        assert record is not None and record.state is JobState.FAILED and "4711" in record.reason
        farm.start(job).result(60)
        assert state_of(farm, job) is JobState.WAITING
    engine.bug = bug
    with pytest.raises(ConnectionLost, match="4711"):
        farm.refresh().result(60)
    record = farm.job(at_check)
    assert record is not None and record.state is JobState.WAITING and "4711" in record.reason
    another = open_farm()  # its first poll fails
    wait_for(lambda: "4711" in another.problem)
    engine.bug = None
    for each in (farm, another):
        each.refresh().result(60)
        assert not each.problem


def test_a_job_that_cannot_be_updated_holds_up_no_other(
    open_farm: Callable[[], Farm], engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the farm has known it or finds it: a record of it may have any value."""
    farm, bad, good = open_farm(), new_job_id(), new_job_id()
    for job in (bad, good):
        farm.submit(job, FRAMES).result(60)
    decide = KnownJob.decide

    def failing(job: KnownJob, *given: Any) -> bool:
        if job.kept.id == bad:
            raise KeyError("a bug")
        return decide(job, *given)

    monkeypatch.setattr(KnownJob, "decide", failing)
    for each in (farm, open_farm()):
        engine.states["2", 0] = EngineState.RUNNING
        each.refresh().result(60)
        assert state_of(each, good) is JobState.RUNNING
        engine.states["2", 0] = EngineState.PENDING


def test_listeners_hear_of_all_that_changes_and_of_nothing_else(
    open_farm: Callable[[], Farm], engine: FakeEngine
) -> None:
    """At first of everything."""
    farm, job = open_farm(), new_job_id()
    farm.submit(job, FRAMES).result(60)
    heard: list[FarmChange] = []
    remove = farm.add_listener(heard.append)
    assert [[each.id for each in change.jobs] for change in heard] == [[job]]
    farm.refresh().result(60)
    heard.clear()
    farm.refresh().result(60)
    assert heard == []
    engine.states["1", 0] = EngineState.RUNNING
    farm.refresh().result(60)
    assert [each.state for change in heard for each in change.jobs] == [JobState.RUNNING]
    remove()
    engine.states["1", 0] = EngineState.PENDING
    farm.refresh().result(60)
    assert len(heard) == 1


def test_the_engine_is_not_asked_when_all_is_over(open_farm: Callable[[], Farm], engine: FakeEngine) -> None:
    """Also not by a desktop that finds only such jobs; of one that is live it is asked at once."""
    farm, job = open_farm(), new_job_id()
    farm.submit(job, FRAMES).result(60)
    live = open_farm()
    wait_for(lambda: any("free node" in record.reason for record in live.jobs()))
    live.close(60)
    for task in range(3):
        assert engine.run("1", task) == 0
    farm.refresh().result(60)
    record = farm.job(job)
    assert record is not None and (record.state, record.progress) == (JobState.COMPLETED, 1.0)
    engine.calls.clear()
    over = open_farm()
    wait_for(lambda: over.job(job) is not None)
    over.spec(job).result(60)  # what its thread did before is done
    assert engine.calls == []
    found = over.job(job)
    assert found is not None and found.from_history
    assert (found.state, found.attempts, found.log_file != "") == (JobState.COMPLETED, 3, True)
    assert over.spec(job).result(60) == FRAMES


def test_a_silence_changes_no_state_and_its_end_is_noticed(
    open_farm: Callable[[], Farm], engine: FakeEngine
) -> None:
    """The reason says since when; it is gone with the first answer though nothing else has changed."""
    farm, job = open_farm(), new_job_id()
    farm.submit(job, FRAMES).result(60)
    engine.states["1", 0] = EngineState.RUNNING
    farm.refresh().result(60)
    heard: list[FarmChange] = []
    farm.add_listener(heard.append)
    engine.is_silent = True
    with pytest.raises(ConnectionLost):
        farm.refresh().result(60)
    record = heard[-1].jobs[0]
    problem = farm.problem
    assert record.state is JobState.RUNNING and problem and problem in record.reason
    engine.is_silent = False
    farm.refresh().result(60)
    record = heard[-1].jobs[0]
    assert record.state is JobState.RUNNING and problem not in record.reason


def test_a_stop_that_could_not_be_sent_is_sent_later(
    open_farm: Callable[[], Farm], engine: FakeEngine
) -> None:
    """When the engine answers again, also by the next desktop."""
    farm, job = open_farm(), new_job_id()
    farm.submit(job, FRAMES).result(60)
    engine.is_silent = True
    with pytest.raises(ConnectionLost):
        farm.stop(job).result(60)
    record = farm.job(job)
    assert record is not None and record.stopping
    farm.close(60)
    engine.is_silent = False
    after = open_farm()
    wait_for(lambda: engine.stopped == [("1", None)])
    after.refresh().result(60)
    assert state_of(after, job) is JobState.CANCELLED
    assert engine.stopped == [("1", None)]


def test_single_tasks_are_stopped_and_started(open_farm: Callable[[], Farm], engine: FakeEngine) -> None:
    """The others go on; what was stopped here is not said to be another's doing. One that waits is started
    before others.
    """
    farm, job = open_farm(), new_job_id()
    farm.submit(job, FRAMES).result(60)
    farm.refresh().result(60)
    farm.stop(job, [1]).result(60)
    assert engine.stopped == [("1", (1,))]
    states = [task.state for task in farm.tasks(job)]
    assert states == [TaskState.WAITING, TaskState.CANCELLED, TaskState.WAITING]
    assert farm.tasks(job, 1, 1)[0].reason == ""
    farm.start(job, [1]).result(60)
    assert {task.state for task in farm.tasks(job)} == {TaskState.WAITING}
    farm.start(job, [0]).result(60)
    assert engine.calls.count("start_now") == 1 and engine.calls.count("submit") == 2
    assert engine.run("1", 0) == 0
    with pytest.raises(Refused):
        farm.start(job, [0]).result(60)
    with pytest.raises(NotFound):
        farm.stop("nothing").result(60)


def test_a_refused_restart_of_one_task_leaves_the_others_followed(
    open_farm: Callable[[], Farm], engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is not over: its other tasks still wait and run on the farm."""
    farm, job = open_farm(), new_job_id()
    farm.submit(job, FRAMES).result(60)
    farm.stop(job, [1]).result(60)
    with monkeypatch.context() as refused:
        refused.setattr(engine, "submit", Mock(side_effect=Refused("the queue is full")))
        with pytest.raises(Refused):
            farm.start(job, [1]).result(60)
    assert [engine.run("1", task) for task in (0, 2)] == [0, 0]
    farm.refresh().result(60)
    over = TaskState.COMPLETED
    assert [task.state for task in farm.tasks(job)] == [over, TaskState.CANCELLED, over]


def test_a_stopped_job_whose_start_was_refused_stays_stopped(
    open_farm: Callable[[], Farm], engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was cancelled here, and not on the farm; started again, it waits as any other."""
    farm, job = open_farm(), new_job_id()
    farm.submit(job, FRAMES).result(60)
    farm.stop(job).result(60)
    with monkeypatch.context() as refused:
        refused.setattr(engine, "submit", Mock(side_effect=Refused("the queue is full")))
        with pytest.raises(Refused):
            farm.start(job).result(60)
    for each in (farm, open_farm()):
        each.refresh().result(60)
        assert [(task.state, task.reason) for task in each.tasks(job)] == [(TaskState.CANCELLED, "")] * 3
    farm.start(job).result(60)
    assert {task.state for task in farm.tasks(job)} == {TaskState.WAITING}


def test_one_task_of_a_stopped_job_is_started_alone(
    open_farm: Callable[[], Farm], engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The others stay stopped, in each desktop; also those that may never have reached the engine."""
    farm, job, lost = open_farm(), new_job_id(), new_job_id()
    farm.submit(job, FRAMES).result(60)
    farm.refresh().result(60)
    with monkeypatch.context() as silent:
        silent.setattr(engine, "submit", Mock(side_effect=ConnectionLost("no reply")))
        with pytest.raises(ConnectionLost):
            farm.submit(lost, FRAMES).result(60)
    for stopped in (job, lost):
        farm.stop(stopped).result(60)
        farm.start(stopped, [0]).result(60)
    assert engine.calls.count("submit") == 3
    for stopped in (job, lost):
        folder = JobFolder(tmp_path / "farms" / "fake" / stopped)
        kept = folder.load()
        for submission in kept.submissions:
            submission.at -= 86400.0
        folder.save(kept)
    for each in (farm, open_farm()):
        each.refresh().result(60)
        for stopped in (job, lost):
            states = [(task.state, task.reason) for task in each.tasks(stopped)]
            assert states[1:] == [(TaskState.CANCELLED, "")] * 2 and states[0][0] is TaskState.WAITING


def test_a_task_whose_submission_had_no_reply_is_stopped(
    open_farm: Callable[[], Farm], engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as the submission is found in the engine's list."""
    farm, job = open_farm(), new_job_id()
    submit = engine.submit

    def without_reply(*args: Any) -> str:
        submit(*args)
        raise ConnectionLost("no reply")

    monkeypatch.setattr(engine, "submit", without_reply)
    with pytest.raises(ConnectionLost):
        farm.submit(job, FRAMES).result(60)
    farm.stop(job, [1]).result(60)
    farm.refresh().result(60)
    assert engine.stopped == [("1", (1,))]


def test_a_submission_without_a_reply_waits_and_is_repeated_without_what_was_stopped(
    open_farm: Callable[[], Farm], engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many replies are lost: called Failed it could be started, and be rendered twice."""
    monkeypatch.setattr("katana_queue.kq.farms.submitting._RESUBMIT_AFTER_S", 0.0)
    for name in ("SETTLE_S", "RECORD_DELAY_S"):
        monkeypatch.setattr(f"katana_queue.kq.farms.decide.{name}", 0.0)
    farm, job = open_farm(), new_job_id()
    submit, asked = engine.submit, list[list[int]]()

    def without_reply(*args: Any) -> str:
        asked.append(list(args[3]))
        if len(asked) < 4:
            raise ConnectionLost("no reply")
        return submit(*args)

    monkeypatch.setattr(engine, "submit", without_reply)
    with pytest.raises(ConnectionLost):
        farm.submit(job, FRAMES).result(60)
    for _ in range(2):
        farm.refresh().result(60)
        assert state_of(farm, job) is JobState.WAITING
    farm.stop(job, [1]).result(60)
    farm.refresh().result(60)
    assert asked == [[0, 1, 2], [0, 1, 2], [0, 1, 2], [0, 2]]
    states = [task.state for task in farm.tasks(job)]
    assert states[1] is TaskState.CANCELLED and state_of(farm, job) is JobState.WAITING


def test_pictures_errors_and_attempts_are_read_from_the_records(
    open_farm: Callable[[], Farm], engine: FakeEngine, tmp_path: Path
) -> None:
    """A log that names a picture, a picture that was asked for, an error in the log; none opens a log."""
    code = (
        "import pathlib, sys\n"
        "frame = sys.argv[1]\n"
        "if frame == '1': print('renderboot: picture out/beauty.1.png'); sys.exit()\n"
        "if frame == '2': pathlib.Path(f'beauty.{frame}.exr').touch(); sys.exit()\n"
        "print('ERROR: no such texture'); sys.exit(3)"
    )
    spec = JobSpec(
        name="beauty",
        commands=((sys.executable, "-c", code, "{frame}"),),
        frames="1-3",
        cwd=str(tmp_path),
        picture="beauty.{frame}.exr",
    )
    farm, job = open_farm(), new_job_id()
    farm.submit(job, spec).result(60)
    # The last task comes first: a poll in between would find the job over, and read no more of it.
    assert [engine.run("1", task) for task in (2, 2, 0, 1)] == [3, 3, 0, 0]
    farm.refresh().result(60)
    tasks = farm.tasks(job)
    assert tasks[1].picture == str(tmp_path / "beauty.2.exr")
    assert tasks[2].exit_code == 3 and "no such texture" in tasks[2].reason
    record = farm.job(job)
    assert record is not None and record.log_file == tasks[2].log_file and record.picture
    assert [each.outcome for each in farm.attempts(job, 2)] == [Outcome.FAILED, Outcome.FAILED]
    assert len(farm.attempts(job)) == 4


def test_a_jobs_own_limits_hold_on_the_farm(open_farm: Callable[[], Farm], engine: FakeEngine) -> None:
    """What is asked of the farm itself comes first."""
    farm = open_farm()
    spec = msgspec.structs.replace(FRAMES, max_parallel=2, timeout_s=90.0)
    farm.submit(new_job_id(), spec).result(60)
    farm.submit(new_job_id(), spec, {"minutes": "5"}).result(60)
    assert engine.options_of["1"] == {"max_parallel": "2", "minutes": "2"}
    assert engine.options_of["2"] == {"max_parallel": "2", "minutes": "5"}


def test_a_copy_of_its_files_outlives_the_job_that_had_them(
    open_farm: Callable[[], Farm], engine: FakeEngine, tmp_path: Path
) -> None:
    """As when a job of the queue is sent to a farm, and then removed."""
    files = tmp_path / "files of another"
    files.mkdir()
    (files / "scene.usdc").write_text("a scene")
    code = "import os; print(open(os.environ['PLACES'].split(':')[0] + '/scene.usdc').read())"
    spec = JobSpec(
        name="beauty",
        commands=((sys.executable, "-c", code),),
        environment={"PLACES": f"{files}:{files}2"},  # the second is another folder
        temp_dir=str(files),
    )
    farm, job = open_farm(), new_job_id()
    farm.submit(job, spec, copy_files=True).result(60)
    (files / "scene.usdc").unlink()
    files.rmdir()
    assert engine.run("1", 0) == 0
    farm.refresh().result(60)
    [task] = farm.tasks(job)
    assert Path(task.log_file).read_text() == "a scene\n"
    assert farm.spec(job).result(60).environment["PLACES"].endswith(f":{files}2")


def test_a_job_whose_files_cannot_be_copied_leaves_nothing(
    open_farm: Callable[[], Farm], engine: FakeEngine, tmp_path: Path
) -> None:
    """And says so."""
    spec = JobSpec(name="beauty", commands=(("true",),), temp_dir=str(tmp_path / "gone"))
    farm, job = open_farm(), new_job_id()
    with pytest.raises(Refused, match="gone"):
        farm.submit(job, spec, copy_files=True).result(60)
    assert state_of(farm, job) is JobState.FAILED
    assert not list((tmp_path / "farms" / "fake").iterdir())
    assert "submit" not in engine.calls


def test_close_does_not_wait_for_an_engine_that_stands_still(
    open_farm: Callable[[], Farm], engine: FakeEngine
) -> None:
    """What is asked of a closed farm fails; what it has of jobs is still there."""
    farm, job = open_farm(), new_job_id()
    farm.submit(job, FRAMES).result(60)
    engine.hold.clear()
    begun = threading.Event()
    farm.refresh().add_done_callback(lambda _done: begun.set())
    farm.close(0)
    assert not begun.is_set()
    with pytest.raises(ConnectionLost):
        farm.refresh().result(60)
    assert len(farm.tasks(job)) == 3


PICTURES = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('a picture')"


def pictures_job(folder: Path) -> JobSpec:
    """A job that writes a file a frame into `folder`."""
    out = str(folder / "beauty.{frame}.png")
    return JobSpec(
        name="beauty", commands=((sys.executable, "-c", PICTURES, out),), frames="1-2", picture=out
    )


def test_a_folder_for_pictures_that_the_machines_see(
    open_farm: Callable[[], Farm], engine: FakeEngine, tmp_path: Path
) -> None:
    """Nothing is left in it but pictures when the job is over; one in /tmp is warned of."""
    out = tmp_path / "out"
    out.mkdir()
    farm, job = open_farm(), new_job_id()
    farm.submit(job, pictures_job(out)).result(60)
    assert len(list(out.iterdir())) == 1
    assert [engine.run("1", task) for task in range(2)] == [0, 0]
    farm.refresh().result(60)
    record = farm.job(job)
    assert record is not None and record.state is JobState.COMPLETED
    assert str(out) in record.warning
    assert {path.name for path in out.iterdir()} == {"beauty.1.png", "beauty.2.png"}
    assert any("KQ_DATA_ROOT" in line for line in farm.check({}).result(60))


@pytest.mark.skipif(sys.platform != "linux", reason="mount namespaces are Linux's")
def test_a_folder_for_pictures_that_a_machine_does_not_see(
    open_farm: Callable[[], Farm], engine: FakeEngine, tmp_path: Path
) -> None:
    """The task fails before it renders, and names folder and machine; the folder is refused from then on."""
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("unshare --mount is not allowed here")
    out = tmp_path / "out"
    out.mkdir()
    farm, job = open_farm(), new_job_id()
    farm.submit(job, pictures_job(out)).result(60)
    elsewhere = ["unshare", "--mount", "sh", "-c", f"mount -t tmpfs none '{out}' && exec \"$@\"", "sh"]
    assert engine.run("1", 0, elsewhere) == 75
    assert engine.run("1", 1) == 0
    farm.refresh().result(60)
    record = farm.job(job)
    assert record is not None and record.state is JobState.FAILED
    assert "n1 " in record.reason and str(out) in record.reason
    with pytest.raises(Refused, match=r"\bn1\b"):
        open_farm().submit(new_job_id(), pictures_job(out)).result(60)
    farm.start(job).result(60)  # who knows better
    farm.refresh().result(60)
    (waiting,) = farm.tasks(job, 0, 1)
    assert "free node" in waiting.reason and (waiting.started, waiting.ended) == (None, None)
    assert engine.run("2", 0) == 0
    farm.refresh().result(60)
    assert state_of(farm, job) is JobState.COMPLETED
    assert {path.name for path in out.iterdir()} == {"beauty.1.png", "beauty.2.png"}
