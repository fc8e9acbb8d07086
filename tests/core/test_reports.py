"""What follows from what Agents say of their attempts, in whatever order and however often they say it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from kq.core import events as ev
from kq.core.instructions import (
    AgentChanged,
    AttemptOver,
    JobChanged,
    TaskChanged,
)
from kq.records import AttemptRecord
from kq.states import TaskState
from tests.core.driver import Driver

# --- progress -----------------------------------------------------------------------------


def test_progress_picture_and_warning_are_the_tasks_and_the_jobs() -> None:
    """What is not said stays."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    told = ev.AttemptProgressed("r1", "job1/0/1", 0.5, "/tmp/a.png", "texture missing")
    assert q.feed(told) == [TaskChanged("job1", 0)]
    q.feed(ev.AttemptProgressed("r1", "job1/0/1"))
    record, task = q.core.job_record("job1"), q.core.task_records("job1", 0, 1)[0]
    assert (record.progress, record.picture, record.warning) == (0.5, "/tmp/a.png", "texture missing")
    assert (task.progress, task.picture, task.warning) == (0.5, "/tmp/a.png", "texture missing")


def test_the_frames_written_of_tasks_that_have_several() -> None:
    """Counted while a task runs and after it failed; empty without frames or with one frame per task."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-8", chunk=4, commands=(("r", "{start}", "{end}"),), picture="/o/a.####.exr")
    assert q.core.frames_written("job1") == [0, 0]
    q.feed(ev.AttemptProgressed("r1", "job1/0/1", 0.5, "/o/a.0002.exr"))
    assert q.core.frames_written("job1") == [2, 0]
    q.end("r1", "job1/0/1", "failed", exit_code=1, picture="/o/a.0002.exr", progress=0.5)
    assert q.core.frames_written("job1") == [2, 0]
    q.submit("job2", frames="1-8", commands=(("r", "{frame}"),))
    assert q.core.frames_written("job2") == []
    q.submit("job3", chunk=4, commands=(("r",),))
    assert q.core.frames_written("job3") == []


def test_all_frames_written_of_a_large_task_are_counted() -> None:
    """A task may have hundreds of frames."""
    q = Driver()
    q.register("r1")
    commands = (("r", "{start}", "{end}"),)
    q.submit("job1", frames="1-500", chunk=500, commands=commands, picture="/o/a.####.exr")
    q.feed(ev.AttemptProgressed("r1", "job1/0/1", 0.8, "/o/a.0400.exr"))
    assert q.core.frames_written("job1") == [400]


@pytest.mark.parametrize(("said", "shown"), [(-1.0, 0.0), (2.0, 1.0), (math.nan, None), (math.inf, 1.0)])
def test_progress_is_limited_to_its_bounds(said: float, shown: float | None) -> None:
    """Renderers say 101%, and worse."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.feed(ev.AttemptProgressed("r1", "job1/0/1", said))
    assert q.core.job_record("job1").progress == shown


@pytest.mark.parametrize(
    ("agent", "attempt"),
    [("r2", "job1/0/1"), ("r1", "job1/0/2"), ("r1", "job1/²/1"), ("r1", "job1/00/1"), ("r1", "")],
)
def test_a_report_of_another_attempt_is_ignored(agent: str, attempt: str) -> None:
    """Old, foreign or malformed: neither progress nor an ending of it counts."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.register("r2")
    assert q.feed(ev.AttemptProgressed(agent, attempt, 0.5)) == []
    assert q.end(agent, attempt) == []
    assert q.state("job1") is TaskState.RUNNING


# --- endings ------------------------------------------------------------------------------


def test_an_attempt_that_completed_belongs_to_history() -> None:
    """With all that is known of it, and the job is over."""
    q = Driver(log_root=str(Path("/logs")))
    q.register("r1")
    q.submit("job1")
    started = q.now.wall
    q.mono += 8.0
    done = q.end("r1", "job1/0/1", warning="odd", peak_memory=9, cpu_s=2.5, picture="p.png", processes_gone=1)
    assert done == [
        AttemptOver(
            AttemptRecord(
                job_id="job1", task=0, attempt=1, agent="r1", host="host", started=started,
                ended=q.now.wall, outcome="completed", exit_code=0, warning="odd",
                log_file=str(Path("/logs/job1/0.1.log")), peak_memory=9, cpu_s=2.5, processes_gone=1,
            )
        ),
        TaskChanged("job1", 0),
        AgentChanged("r1"),
    ]  # fmt: skip
    record = q.core.job_record("job1")
    assert (record.state, record.progress, record.exit_code, record.completed, record.cpu_s) == (
        "Completed", 1.0, 0, q.now.wall, 2.5
    )  # fmt: skip
    assert (record.warning, record.picture, record.peak_memory) == ("odd", "p.png", 9)
    assert record.log_file == str(Path("/logs/job1/0.1.log"))
    task = q.core.task_records("job1", 0, 1)[0]
    assert (task.state, task.ended, task.cpu_s, task.peak_memory) == ("Completed", q.now.wall, 2.5, 9)
    assert (task.warning, task.picture, task.exit_code, task.progress) == ("odd", "p.png", 0, 1.0)


def test_an_ending_reported_twice_is_one_ending() -> None:
    """The second changes nothing, also while the task runs again."""
    q = Driver()
    q.register("r1")
    q.submit("job1", retries=1)
    q.end("r1", "job1/0/1", "failed", exit_code=1)
    assert q.end("r1", "job1/0/1", "failed", exit_code=1) == []
    assert q.state("job1") is TaskState.RUNNING


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"outcome": "failed", "exit_code": 3, "reason": "no licence"}, "no licence"),
        ({"outcome": "failed", "exit_code": 3}, "exit code 3"),
        ({"outcome": "failed", "exit_code": -11}, "signal 11"),
        ({"outcome": "failed", "exit_code": None}, "the program could not be started"),
        ({"outcome": "timed-out", "exit_code": -9}, "timed-out"),
    ],
)
def test_a_failed_job_has_the_reason_of_its_task(fields: dict[str, object], reason: str) -> None:
    """In the Agent's words, or in ours where it has none."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.end("r1", "job1/0/1", **fields)  # type: ignore[arg-type]
    record = q.core.job_record("job1")
    assert (record.state, record.reason) == ("Failed", reason)
    assert q.core.agent_record("r1").state == "Idle"


def test_the_reason_of_a_failed_frame_outlives_the_frames_after_it() -> None:
    """It names the frame; a job that is Failed in the end says why."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="5-9", chunk=2)
    q.end("r1", "job1/0/1", "failed", exit_code=1, reason="no light")
    q.end("r1", "job1/1/1")
    q.end("r1", "job1/2/1")
    record = q.core.job_record("job1")
    assert (record.state, record.reason) == ("Failed", "frames 5-6: no light")
    assert record.progress == pytest.approx(2 / 3)


def test_a_failed_job_shows_the_log_of_the_frame_that_its_reason_names() -> None:
    """While it runs on, that of the latest; when it is over, of the one that failed, not of the last."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-4")
    q.end("r1", "job1/0/1", "failed", exit_code=1, reason="no light")
    q.end("r1", "job1/1/1", "failed", exit_code=1, reason="no camera")
    assert q.core.job_record("job1").log_file.endswith("2.1.log")
    q.end("r1", "job1/2/1")
    q.end("r1", "job1/3/1")
    record = q.core.job_record("job1")
    assert record.reason == "frame 2: no camera"
    assert record.log_file.endswith("1.1.log")
    q.start_tasks("job1", 1)
    q.end("r1", "job1/1/2")
    record = q.core.job_record("job1")
    assert record.reason == "frame 1: no light"
    assert record.log_file.endswith("0.1.log")


def test_a_failed_task_is_tried_again_as_often_as_asked() -> None:
    """And says so while it waits; the last failure is the job's."""
    q = Driver()
    q.register("r1")
    q.submit("job1", retries=2)
    q.feed(ev.AgentsDrained(("r1",), draining=True))
    q.end("r1", "job1/0/1", "failed", exit_code=4)
    assert (q.state("job1"), q.reason("job1")) == (TaskState.WAITING, "exit code 4 (try 1 of 3)")
    q.feed(ev.AgentsDrained(("r1",), draining=False))
    q.end("r1", "job1/0/2", "failed", exit_code=4)
    q.end("r1", "job1/0/3", "failed", exit_code=5)
    assert (q.state("job1"), q.reason("job1")) == (TaskState.FAILED, "exit code 5")


def test_a_try_that_succeeds_leaves_no_reason_behind() -> None:
    """Why the one before failed is in its own record."""
    q = Driver()
    q.register("r1")
    q.submit("job1", retries=1)
    q.end("r1", "job1/0/1", "failed", exit_code=4)
    q.end("r1", "job1/0/2")
    [task] = q.core.task_records("job1", 0, 1)
    assert (task.state, task.reason) == ("Completed", "")


def test_a_waiting_task_has_no_progress() -> None:
    """What it had is gone with its attempt."""
    q = Driver()
    q.register("r1")
    q.submit("job1", retries=1)
    q.feed(ev.AgentsDrained(("r1",), draining=True))
    q.feed(ev.AttemptProgressed("r1", "job1/0/1", 0.9))
    q.end("r1", "job1/0/1", "failed", exit_code=4)
    assert q.core.job_record("job1").progress is None


def test_a_stopped_render_keeps_how_far_it_came() -> None:
    """The job's progress is that of its attempt."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.stop("job1")
    q.end("r1", "job1/0/1", "stopped", progress=0.25, stop_method="killed")
    record = q.core.job_record("job1")
    assert (record.state, record.progress, record.reason) == ("Cancelled", 0.25, "stopped")


def test_cpu_time_is_added_up_and_memory_is_not() -> None:
    """Over all attempts of a job."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    q.end("r1", "job1/0/1", cpu_s=2.0, peak_memory=5)
    q.end("r1", "job1/1/1", cpu_s=3.0, peak_memory=4)
    record = q.core.job_record("job1")
    assert (record.cpu_s, record.peak_memory) == (5.0, 5)


def test_an_agent_that_stopped_unasked_loses_its_task_without_failing_it() -> None:
    """Its lease ran out on its side, say: the render did not fail."""
    q = Driver(max_agent_losses=1)
    q.register("r1")
    q.submit("job1")
    q.end("r1", "job1/0/1", "stopped", reason="the server was silent")
    assert q.core.task_records("job1", 0, 1)[0].agent_losses == 1
    assert q.state("job1") is TaskState.RUNNING
    q.end("r1", "job1/0/2", "stopped")
    assert "2 Agents" in q.reason("job1")


def test_several_agents_of_one_job_are_all_named() -> None:
    """Up to eight; the one that runs, even when another was given a task later."""
    q = Driver()
    q.submit("job1", frames="1-10")
    for number in range(10):
        q.register(f"r{number}")
    assert q.core.job_record("job1").agent == "r0, r1, r2, r3, r4, r5, r6, r7 and 2 more"
    for number in range(1, 10):
        q.end(f"r{number}", f"job1/{number}/1")
    assert q.core.job_record("job1").agent == "r0"
    q.end("r0", "job1/0/1")
    assert q.core.job_record("job1").agent == "r9"


def test_a_job_that_waits_for_another_is_published_as_changed() -> None:
    """Its own record is another though none of its tasks moved."""
    q = Driver()
    q.register("r1")
    q.submit("aaaa")
    q.submit("bbbb", after=("aaaa",))
    assert JobChanged("bbbb") in q.end("r1", "aaaa/0/1", "failed", exit_code=1)


def test_a_stopped_task_records_how_it_was_ended() -> None:
    """In the Agent's words."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.stop("job1")
    q.end("r1", "job1/0/1", "stopped", reason="killed after 2 s")
    assert q.core.task_records("job1", 0, 1)[0].reason == "killed after 2 s"


def test_a_start_during_a_stop_counts_once() -> None:
    """The next stop is a stop."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.stop("job1")
    q.start("job1")
    q.end("r1", "job1/0/1", "stopped", reason="asked")
    assert q.core.task_records("job1", 0, 1)[0].reason == ""
    q.stop("job1")
    q.end("r1", "job1/0/2", "stopped")
    assert q.state("job1") is TaskState.CANCELLED


def test_exit_code_zero_is_worded_as_one() -> None:
    """A renderer that says failed and exits 0 ended by no signal."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.end("r1", "job1/0/1", "failed", exit_code=0)
    assert q.reason("job1") == "exit code 0"


def test_a_record_counts_its_tasks() -> None:
    """Failed ones too."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-4")
    q.end("r1", "job1/0/1", "failed", exit_code=1)
    q.end("r1", "job1/1/1")
    record = q.core.job_record("job1")
    assert (record.tasks_failed, record.tasks_completed, record.tasks_running, record.tasks_waiting) == (
        1, 1, 1, 1
    )  # fmt: skip


def test_a_warning_of_an_earlier_try_is_gone_with_it() -> None:
    """A job of one task says what its latest attempt said."""
    q = Driver()
    q.register("r1")
    q.submit("job1", retries=1)
    q.end("r1", "job1/0/1", "failed", exit_code=1, warning="texture missing")
    assert q.core.job_record("job1").warning == ""
    q.end("r1", "job1/0/2")
    assert q.core.job_record("job1").warning == ""


def test_a_failed_render_keeps_how_far_it_came() -> None:
    """Where its ending does not say, what was last heard counts."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.feed(ev.AttemptProgressed("r1", "job1/0/1", 0.75))
    q.end("r1", "job1/0/1", "failed", exit_code=1)
    assert q.core.job_record("job1").progress == 0.75
