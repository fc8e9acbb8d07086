"""What follows from what Agents say, in whatever order and however often they say it."""

from __future__ import annotations

import math

import pytest

from kq.core import events as ev
from kq.core.instructions import (
    Acknowledge,
    AgentChanged,
    AgentRemoved,
    AskToRegister,
    Assign,
    AttemptOver,
    EndAgent,
    JobChanged,
    TaskChanged,
)
from kq.records import AttemptRecord
from kq.states import AgentState, TaskState
from tests.core.driver import Driver, assigned, ending, only

# --- registering -----------------------------------------------------------------------------


def test_an_agent_that_registers_is_answered_and_given_work() -> None:
    """The answer comes before the work, so that its lease has begun."""
    q = Driver()
    q.submit("job1")
    assert q.register("r1") == [
        AgentChanged("r1"),
        AgentChanged("r1"),
        Acknowledge("r1", 0, "", False, ()),
        TaskChanged("job1", 0),
        AgentChanged("r1"),
        Assign("r1", 1, "job1", 0, 1),
    ]
    record = q.core.agent_record("r1")
    assert (record.state, record.job, record.task, record.host, record.pid) == (
        AgentState.BUSY, "job1", 0, "host", 100
    )  # fmt: skip


def test_a_registration_that_arrives_twice_gives_the_order_twice() -> None:
    """It has the same number: whoever saw it ignores it. Taking the task back could run it on two Agents."""
    q = Driver()
    q.register("r2")
    q.submit("job1")
    again = q.register("r2", assigned=0)
    assert only(again, Assign) == [Assign("r2", 1, "job1", 0, 1)]
    assert q.state("job1") is TaskState.RUNNING


def test_an_agent_that_comes_back_with_its_task_keeps_it() -> None:
    """Nothing is given twice."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.tick(6.0)
    assert q.core.agent_record("r1").state == "Lost"
    back = q.register("r1", holding="job1/0/1", assigned=1)
    assert only(back, Assign) == []
    record = q.core.agent_record("r1")
    assert (record.state, record.reason, record.job) == ("Busy", "", "job1")


def test_an_agent_that_comes_back_with_an_ending_is_believed() -> None:
    """The ending is acknowledged, and the next task follows."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    back = q.register("r1", assigned=1, endings=(ending("r1", "job1/0/1"),))
    assert Acknowledge("r1", 0, "", False, ("job1/0/1",)) in back
    assert assigned(back) == [("r1", "job1", 1)]


def test_an_agent_with_something_nobody_wants_gets_no_work_before_that_is_gone() -> None:
    """Its answer wants nothing, so it ends it; then it is idle at once."""
    q = Driver()
    q.submit("job1")
    assert only(q.register("r1", holding="other/0/1"), Acknowledge, Assign) == [
        Acknowledge("r1", 0, "", False, ())
    ]
    assert q.core.agent_record("r1").state == "Busy"
    assert assigned(q.end("r1", "other/0/1", "stopped")) == [("r1", "job1", 0)]


def test_another_process_under_the_same_name_is_not_answered_while_the_first_has_a_task() -> None:
    """The first one's render may run still. When its lease is over, the newcomer is welcome."""
    q = Driver()
    q.register("r1", pid=100)
    q.submit("job1")
    assert q.register("r1", pid=200) == []
    gone = q.tick(13.0)
    assert AgentRemoved("r1") in gone
    assert assigned(q.register("r1", pid=200)) == [("r1", "job1", 0)]


def test_another_process_may_take_the_name_of_an_idle_one() -> None:
    """Nothing can run twice then."""
    q = Driver()
    q.register("r1", pid=100)
    q.register("r1", pid=200)
    assert q.core.agent_record("r1").pid == 200


def test_a_local_agent_known_gone_cannot_register_late() -> None:
    """Its message outlived it. An entry for it would be given work and hold it until the lease is over."""
    q = Driver(agents=1)
    q.tick()
    q.register("a1", local=True)
    q.gone("a1")
    assert q.register("a1", local=True) == [EndAgent("a1", "the queue counts it as gone", force=True)]
    assert "a1" not in q.core.agent_ids()


@pytest.mark.parametrize("name", ["a", "a²", "a2", "a9", "b1", "a" + "9" * 5000, "a-1", "a0"])
def test_other_local_names_may_register(name: str) -> None:
    """Also names with digits that are none of ours."""
    q = Driver(agents=1)
    q.tick()
    q.register(name, local=True)
    assert name in q.core.agent_ids()


def test_an_agent_that_registers_when_the_session_ends_is_ended() -> None:
    """Known or not."""
    q = Driver()
    q.register("r1")
    assert q.feed(ev.SessionEnding()) == [
        AgentChanged("r1"),
        EndAgent("r1", "the session is ending", force=False),
    ]
    assert q.register("r2") == [EndAgent("r2", "the session is ending", force=False)]
    assert q.register("r1") == [EndAgent("r1", "the session is ending", force=False)]
    assert q.feed(ev.SessionEnding()) == []


# --- heartbeats ------------------------------------------------------------------------------


def test_a_heartbeat_is_answered_with_what_is_wanted() -> None:
    """And with whether that is to be stopped: a lost stop happens after all."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    assert q.hear("r1", holding="job1/0/1", assigned=1, beat=7) == [
        Acknowledge("r1", 7, "job1/0/1", False, ())
    ]
    q.stop("job1")
    assert q.hear("r1", holding="job1/0/1", assigned=1, beat=8) == [
        Acknowledge("r1", 8, "job1/0/1", True, ())
    ]


def test_an_unknown_agent_is_asked_to_register() -> None:
    """One that was launched and has not registered, too."""
    q = Driver(agents=1)
    q.tick()
    assert q.hear("r9") == [AskToRegister("r9")]
    assert q.hear("a1") == [AskToRegister("a1")]


def test_an_order_that_never_ran_is_taken_back() -> None:
    """The Agent saw it and twice says that it has nothing; the task goes elsewhere, without a mark."""
    q = Driver(max_agent_losses=0)
    q.register("r1")
    q.submit("job1")
    assert q.hear("r1", assigned=1) == [Acknowledge("r1", 1, "job1/0/1", False, ())]
    assert assigned(q.hear("r1", assigned=1)) == [("r1", "job1", 0)]
    assert q.core.job_record("job1").attempts == 2


def test_two_silent_heartbeats_must_follow_one_another() -> None:
    """One that shows the task in between starts the count again."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.hear("r1", assigned=1)
    q.hear("r1", assigned=1, holding="job1/0/1")
    q.hear("r1", assigned=1)
    assert q.core.job_record("job1").attempts == 1


def test_an_order_that_was_lost_is_sent_again() -> None:
    """After five seconds in which the Agent did not see it; not before, and not at every heartbeat."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.mono += 5.0
    assert assigned(q.hear("r1", assigned=0)) == []
    q.mono += 0.1
    assert only(q.hear("r1", assigned=0), Assign) == [Assign("r1", 1, "job1", 0, 1)]
    assert assigned(q.hear("r1", assigned=0)) == []


def test_an_ending_in_a_heartbeat_counts_like_one_by_itself() -> None:
    """It is repeated until it is acknowledged, whatever became of the message."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    said = q.hear("r1", assigned=1, beat=3, endings=(ending("r1", "job1/0/1"),))
    assert said[-1] == Acknowledge("r1", 3, "", False, ("job1/0/1",))
    assert q.state("job1") is TaskState.COMPLETED
    late = q.hear("r1", assigned=1, beat=4, endings=(ending("r1", "job1/0/1", "failed"),))
    assert late == [Acknowledge("r1", 4, "", False, ("job1/0/1",))]
    assert q.state("job1") is TaskState.COMPLETED


def test_a_heartbeat_of_an_ending_agent_is_heard_out() -> None:
    """A render that completed as its Agent was told to end is not rendered again."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.feed(ev.AgentEndAsked(("r1",)))
    said = q.hear("r1", assigned=1, endings=(ending("r1", "job1/0/1"),))
    assert said[0] == EndAgent("r1", "it was asked to end", force=False)
    assert only(said, Acknowledge) == []
    q.gone("r1")
    assert q.state("job1") is TaskState.COMPLETED


def test_a_retiring_agent_with_an_ending_and_something_foreign_is_ended_once() -> None:
    """Both in one heartbeat once led it from Ending to Busy, which must not be."""
    q = Driver(agents=1)
    q.tick()
    q.register("a1", local=True)
    q.submit("job1")
    q.feed(ev.AgentsWanted(0))
    said = q.hear("a1", assigned=1, holding="other/0/1", endings=(ending("a1", "job1/0/1"),))
    assert len(only(said, EndAgent)) == 1
    assert q.core.agent_record("a1").state == "Ending"


def test_usage_is_shown_and_the_peak_kept() -> None:
    """Of the task that ran, in its record and the job's; a lower figure changes no peak."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    said = q.hear("r1", holding="job1/0/1", assigned=1, cpu=50.0, memory=900)
    assert said[:2] == [AgentChanged("r1"), TaskChanged("job1", 0)]
    q.hear("r1", holding="job1/0/1", assigned=1, cpu=60.0, memory=100)
    record = q.core.agent_record("r1")
    assert (record.cpu_percent, record.memory) == (60.0, 100)
    q.end("r1", "job1/0/1")
    q.hear("r1", holding="job1/1/1", assigned=2, memory=300)
    assert [task.peak_memory for task in q.core.task_records("job1", 0, 2)] == [900, 300]
    assert q.core.job_record("job1").peak_memory == 900


def test_usage_of_something_else_is_not_the_tasks() -> None:
    """A heartbeat from before the order says nothing of it."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.hear("r1", holding="other/0/1", assigned=0, memory=900)
    assert q.core.job_record("job1").peak_memory is None


# --- progress --------------------------------------------------------------------------------


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


@pytest.mark.parametrize(("said", "shown"), [(-1.0, 0.0), (2.0, 1.0), (math.nan, None), (math.inf, 1.0)])
def test_progress_beyond_its_bounds_is_kept_within(said: float, shown: float | None) -> None:
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
def test_what_is_said_of_another_attempt_is_ignored(agent: str, attempt: str) -> None:
    """Old, foreign or malformed: neither progress nor an ending of it counts."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.register("r2")
    assert q.feed(ev.AttemptProgressed(agent, attempt, 0.5)) == []
    assert q.end(agent, attempt) == []
    assert q.state("job1") is TaskState.RUNNING


# --- endings ---------------------------------------------------------------------------------


def test_an_attempt_that_completed_belongs_to_history() -> None:
    """With all that is known of it, and the job is over."""
    q = Driver(log_root="/logs")
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
                log_file="/logs/job1/0.1.log", peak_memory=9, cpu_s=2.5, processes_gone=1,
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
    assert record.log_file == "/logs/job1/0.1.log"
    task = q.core.task_records("job1", 0, 1)[0]
    assert (task.state, task.ended, task.cpu_s, task.peak_memory) == ("Completed", q.now.wall, 2.5, 9)
    assert (task.warning, task.picture, task.exit_code, task.progress) == ("odd", "p.png", 0, 1.0)


def test_an_ending_told_twice_is_one_ending() -> None:
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
def test_a_failed_job_says_why(fields: dict[str, object], reason: str) -> None:
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


def test_a_failed_task_is_tried_again_as_often_as_asked() -> None:
    """And says so while it waits; the last failure is the job's."""
    q = Driver()
    q.register("r1")
    q.submit("job1", retries=2)
    q.feed(ev.AgentsDrained(("r1",), draining=True))
    q.end("r1", "job1/0/1", "failed", exit_code=4)
    assert (q.state("job1"), q.reason("job1")) == (TaskState.WAITING, "try 1 of 3 failed: exit code 4")
    q.feed(ev.AgentsDrained(("r1",), draining=False))
    q.end("r1", "job1/0/2", "failed", exit_code=4)
    q.end("r1", "job1/0/3", "failed", exit_code=5)
    assert (q.state("job1"), q.reason("job1")) == (TaskState.FAILED, "exit code 5")


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
    q.end("r1", "job1/0/1", "stopped", progress=0.25, stop_rung="killed")
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
    assert q.reason("job1") == "given up after 2 Agents were lost: its Agent ended it"


# --- an Agent is gone ---------------------------------------------------------------------------


def test_a_dead_agents_task_waits_again() -> None:
    """The attempt is history, the render did not fail, the job says why it waits."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    done = q.gone("r1", "it was killed by signal 9")
    assert done[0] == AgentRemoved("r1")
    over = only(done, AttemptOver)
    assert [(each.record.outcome, each.record.stop_rung, each.record.host) for each in over] == [  # type: ignore[attr-defined]
        ("agent-lost", "", "host")
    ]
    assert q.reason("job1") == "waits again: it was killed by signal 9"
    assert q.gone("r1") == []
    assert assigned(q.register("r2")) == [("r2", "job1", 0)]
    assert q.reason("job1") == ""


def test_a_task_that_loses_too_many_agents_is_given_up() -> None:
    """Three times it is queued again; the fourth loss fails it, with the story."""
    q = Driver()
    q.submit("job1")
    for number in range(4):
        q.register(f"r{number}")
        q.gone(f"r{number}", "out of memory")
    assert q.state("job1") is TaskState.FAILED
    assert q.reason("job1") == "given up after 4 Agents were lost: out of memory"


def test_a_dead_agents_task_that_was_being_stopped_is_cancelled() -> None:
    """That is what was wanted; started again meanwhile, it waits."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.stop("job1")
    q.gone("r1")
    assert q.state("job1") is TaskState.CANCELLED
    q.register("r2")
    q.start("job1")
    q.stop("job1")
    q.start("job1")
    q.gone("r2")
    assert q.state("job1") is TaskState.WAITING


def test_a_late_word_of_a_dead_agent_changes_nothing() -> None:
    """Its task is somebody else's now."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.gone("r1")
    q.register("r2")
    assert q.end("r1", "job1/0/1") == []
    assert q.state("job1") is TaskState.RUNNING
    assert q.hear("r1") == [AskToRegister("r1")]


def test_a_silent_agents_report_of_an_ending_still_counts() -> None:
    """It is lost, not gone; it gets no work before it is heard."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    q.tick(6.0)
    assert assigned(q.end("r1", "job1/0/1")) == []
    assert q.states("job1") == "cw"
    assert assigned(q.hear("r1", assigned=1)) == [("r1", "job1", 1)]


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


def test_a_job_changed_is_told_when_it_waits_for_another() -> None:
    """Its own record is another though none of its tasks moved."""
    q = Driver()
    q.register("r1")
    q.submit("aaaa")
    q.submit("bbbb", after=("aaaa",))
    assert JobChanged("bbbb") in q.end("r1", "aaaa/0/1", "failed", exit_code=1)


def test_an_order_that_never_ran_and_was_stopped_is_over() -> None:
    """The job is over now, by a stop; the Agent has nothing to end."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.stop("job1")
    q.hear("r1", assigned=1)
    q.mono += 1.0
    q.hear("r1", assigned=1)
    task = q.core.task_records("job1", 0, 1)[0]
    assert (task.state, task.reason) == ("Cancelled", "stopped")
    assert q.core.job_record("job1").completed == q.now.wall


def test_a_task_says_how_its_stop_went() -> None:
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


def test_the_end_of_the_session_is_no_mark_against_a_task() -> None:
    """However many sessions it outlives."""
    q = Driver(max_agent_losses=0)
    q.register("r1")
    q.submit("job1")
    q.feed(ev.SessionEnding())
    q.gone("r1")
    assert q.state("job1") is TaskState.WAITING
    assert q.core.task_records("job1", 0, 1)[0].agent_losses == 0


def test_a_heartbeat_with_something_foreign_keeps_the_agent_from_work() -> None:
    """Until a heartbeat shows nothing."""
    q = Driver()
    q.register("r1")
    q.hear("r1", holding="other/0/1")
    assert q.core.agent_record("r1").state == "Busy"
    assert assigned(q.submit("job1")) == []
    assert assigned(q.hear("r1")) == [("r1", "job1", 0)]


def test_an_order_that_was_seen_is_not_sent_again() -> None:
    """One heartbeat without the task, however late, is no sign of a lost order."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.mono += 60.0
    assert assigned(q.hear("r1", assigned=1)) == []


def test_the_attempt_of_a_dead_agent_says_what_is_known() -> None:
    """A local one was seen killed with its processes; the task says why and when."""
    q = Driver(agents=1)
    q.tick()
    q.register("a1", local=True)
    q.submit("job1")
    started = q.now.wall
    q.mono += 3.0
    over = only(q.gone("a1", "out of memory"), AttemptOver)
    assert over == [
        AttemptOver(
            AttemptRecord(
                job_id="job1", task=0, attempt=1, agent="a1", host="host", started=started,
                ended=q.now.wall, outcome="agent-lost", reason="out of memory", stop_rung="killed",
                log_file="logs/job1/0.1.log",
            )
        )
    ]  # fmt: skip
    task = q.core.task_records("job1", 0, 1)[0]
    assert (task.ended, task.reason) == (q.now.wall, "waits again: out of memory")


def test_a_stopped_task_of_a_dead_agent_says_stopped() -> None:
    """That is what the artist wanted; started again, it says nothing."""
    q = Driver()
    q.register("r1")
    q.register("r2")
    q.submit("job1", frames="1-2")
    q.stop("job1")
    q.start_tasks("job1", 1)
    q.gone("r1")
    q.gone("r2")
    assert [task.reason for task in q.core.task_records("job1", 0, 2)] == ["stopped", ""]


def test_an_agents_record_says_who_it_is() -> None:
    """And since when it is as it is."""
    q = Driver()
    q.mono += 5.0
    q.register("r1")
    record = q.core.agent_record("r1")
    assert (record.id, record.local, record.since, record.job, record.task) == (
        "r1", False, q.now.wall, "", None
    )  # fmt: skip


def test_a_job_that_lost_one_of_two_agents_runs_and_says_nothing() -> None:
    """Why a task waits is no reason of a job that runs."""
    q = Driver()
    q.register("r1")
    q.register("r2")
    q.submit("job1", frames="1-2")
    q.gone("r1")
    record = q.core.job_record("job1")
    assert (record.state, record.reason) == ("Running", "")


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


def test_an_agent_that_came_back_with_its_task_is_free_when_that_ends() -> None:
    """At once: nothing of its return is left."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    q.register("r1", holding="job1/0/1", assigned=1)
    assert assigned(q.end("r1", "job1/0/1")) == [("r1", "job1", 1)]


def test_an_agent_ended_before_it_registered_keeps_the_reason() -> None:
    """The order to end is repeated with it; one that lives has none."""
    q = Driver(agents=1)
    q.tick()
    q.feed(ev.AgentEndAsked(("a1",)))
    assert q.register("a1", local=True) == [EndAgent("a1", "it was asked to end", force=False)]
    q.tick()
    q.register("a2", local=True)
    assert q.core.agent_record("a2").reason == ""


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


def test_only_the_ending_of_what_is_foreign_frees_the_agent_of_it() -> None:
    """Another ending is old news."""
    q = Driver()
    q.register("r1", holding="other/0/2")
    assert q.end("r1", "other/0/1", "stopped") == []
    assert q.core.agent_record("r1").state == "Busy"


def test_the_ending_that_a_silent_agent_reports_is_told() -> None:
    """Its record is another: it has no task."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.tick(6.0)
    assert q.end("r1", "job1/0/1")[-1] == AgentChanged("r1")
    record = q.core.agent_record("r1")
    assert (record.state, record.job) == ("Lost", "")
