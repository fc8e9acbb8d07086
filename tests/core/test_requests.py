"""What follows from the wishes of clients, as lists of instructions."""

from __future__ import annotations

import pytest

from kq.core import events as ev
from kq.core.instructions import (
    AgentChanged,
    AskStop,
    Assign,
    AttemptOver,
    EndAgent,
    JobChanged,
    JobRemoved,
    QueueChanged,
    TaskChanged,
    TasksReset,
)
from kq.errors import BadInput, NotFound, Refused
from kq.states import JobState, TaskState
from tests.core.driver import Driver, assigned, only


def test_a_submitted_job_waits_when_nobody_is_free() -> None:
    """Its record is news, nothing else."""
    q = Driver()
    assert q.submit("job1") == [JobChanged("job1")]
    record = q.core.job_record("job1")
    assert (record.state, record.tasks, record.order, record.submitted) == (
        JobState.WAITING, 1, 1, q.now.wall
    )  # fmt: skip


def test_a_submitted_job_goes_to_an_idle_agent_at_once() -> None:
    """No tick stands between."""
    q = Driver()
    q.register("r1")
    assert q.submit("job1") == [
        JobChanged("job1"),
        TaskChanged("job1", 0),
        AgentChanged("r1"),
        Assign("r1", 1, "job1", 0, 1),
    ]


def test_the_same_id_again_is_the_same_job() -> None:
    """A client that heard no answer sends again; nothing happens twice."""
    q = Driver()
    q.submit("job1")
    assert q.submit("job1", name="other") == []
    assert q.core.job_spec("job1").name == "name of job1"


def test_a_job_that_makes_no_sense_changes_nothing() -> None:
    """The sentence comes, no job does, and the order of submission has no gap."""
    q = Driver()
    with pytest.raises(BadInput, match="runs backwards"):
        q.submit("job1", frames="10-1")
    with pytest.raises(BadInput, match="is no job id"):
        q.submit("../../etc")
    assert q.core.job_ids() == []
    q.submit("job1")
    assert q.core.job_record("job1").order == 1


def test_nothing_is_taken_when_the_session_ends() -> None:
    """Submitting and starting are refused with a sentence; a job that is known already is not."""
    q = Driver()
    q.submit("job1")
    q.feed(ev.SessionEnding())
    assert q.submit("job1") == []
    with pytest.raises(Refused, match="session is ending"):
        q.submit("job2")
    with pytest.raises(Refused, match="session is ending"):
        q.start("job1")
    with pytest.raises(Refused, match="session is ending"):
        q.start_tasks("job1", 0)


def test_an_id_that_is_being_removed_is_refused() -> None:
    """Saying that the job is accepted, and forgetting it, would lose it."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.remove("job1")
    with pytest.raises(Refused, match="being removed"):
        q.submit("job1")


@pytest.mark.parametrize("wish", [ev.JobsStarted, ev.JobsStopped, ev.JobsRemoved])
def test_one_unknown_job_leaves_all_untouched(wish: type[ev.JobsStopped]) -> None:
    """All are known or none is touched."""
    q = Driver()
    q.submit("job1")
    with pytest.raises(NotFound, match="there is no job gone"):
        q.feed(wish(("job1", "gone")))
    assert q.core.job_record("job1").state == "Waiting"


# --- stop -------------------------------------------------------------------------------


def test_stopping_a_waiting_job_cancels_it() -> None:
    """All its tasks at once; it is over now, and says why."""
    q = Driver()
    q.submit("job1", frames="1-3")
    assert q.stop("job1") == [TasksReset("job1")]
    record = q.core.job_record("job1")
    assert (record.state, record.reason, record.completed) == ("Cancelled", "stopped", q.now.wall)
    assert record.progress is None


def test_stopping_a_running_job_asks_its_agents() -> None:
    """What waits is cancelled; what runs is Stopping until it is seen gone."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-3")
    assert q.stop("job1") == [
        TasksReset("job1"),
        TaskChanged("job1", 0),
        AskStop("r1", "job1/0/1"),
    ]
    assert q.states("job1") == "pxx"
    assert q.core.job_record("job1").stopping
    q.end("r1", "job1/0/1", "stopped", stop_rung="asked", exit_code=-15)
    assert q.states("job1") == "xxx"
    assert not q.core.job_record("job1").stopping


def test_stopping_twice_asks_once() -> None:
    """And a job that is over stays as it is."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.stop("job1")
    assert q.stop("job1") == []
    q.end("r1", "job1/0/1", "stopped")
    assert q.stop("job1") == []
    assert q.state("job1") is TaskState.CANCELLED


def test_a_render_that_ends_well_while_being_stopped_is_completed() -> None:
    """What is done is done."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.stop("job1")
    q.end("r1", "job1/0/1")
    assert q.core.job_record("job1").state == "Completed"
    assert q.reason("job1") == ""


def test_a_stop_does_not_hide_why_a_task_failed() -> None:
    """The job is Failed, and its reason is the failure's."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-3")
    q.end("r1", "job1/0/1", "failed", exit_code=2, reason="no licence")
    q.stop("job1")
    q.end("r1", "job1/1/1", "stopped")
    assert q.core.job_record("job1").state == "Failed"
    assert q.reason("job1") == "frame 1: no licence"


# --- start -------------------------------------------------------------------------------


def test_starting_a_failed_job_runs_what_is_not_completed() -> None:
    """Completed frames are kept; the others wait again with a clean record."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    q.end("r1", "job1/0/1")
    q.end("r1", "job1/1/1", "failed", exit_code=1, reason="no light")
    assert q.start("job1") == [
        TasksReset("job1"),
        TaskChanged("job1", 1),
        AgentChanged("r1"),
        Assign("r1", 3, "job1", 1, 2),
    ]
    assert q.states("job1") == "cr"
    record = q.core.job_record("job1")
    assert (record.reason, record.exit_code, record.completed) == ("", None, None)


def test_starting_a_completed_job_runs_all_of_it() -> None:
    """That is what an artist means by it."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    q.end("r1", "job1/0/1")
    q.end("r1", "job1/1/1")
    q.mono += 5
    q.start("job1")
    assert q.states("job1") == "rw"
    assert q.core.job_record("job1").started == q.now.wall


def test_starting_what_waits_or_runs_changes_nothing() -> None:
    """A second click is harmless."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    assert q.start("job1") == []
    assert q.states("job1") == "rw"


def test_starting_what_is_being_stopped_waits_for_it_to_be_gone() -> None:
    """It is never given out again before; the job says so."""
    q = Driver()
    q.register("r1")
    q.register("r2")
    q.submit("job1")
    q.stop("job1")
    assert q.start("job1") == [JobChanged("job1")]
    assert q.reason("job1") == "starts again when what ran before is gone"
    assert q.start("job1") == []
    assert q.state("job1") is TaskState.STOPPING
    assert assigned(q.end("r1", "job1/0/1", "stopped")) == [("r2", "job1", 0)]
    assert q.reason("job1") == ""


def test_a_stop_takes_back_a_start() -> None:
    """The last wish counts."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.stop("job1")
    q.start("job1")
    q.stop("job1")
    q.end("r1", "job1/0/1", "stopped")
    assert q.state("job1") is TaskState.CANCELLED


def test_a_task_started_again_while_stopping_runs_again_though_it_completed() -> None:
    """Start was asked for after the stop: the old result is not what is wanted."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    q.stop("job1")
    q.start_tasks("job1", 0)
    assert assigned(q.end("r1", "job1/0/1")) == [("r1", "job1", 0)]
    q.end("r1", "job1/0/2")
    assert q.state("job1") is TaskState.COMPLETED


def test_starting_one_completed_task_leaves_the_others() -> None:
    """Each task that moves is told; the job is open again."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-3")
    for task in range(3):
        q.end("r1", f"job1/{task}/1")
    q.feed(ev.AgentsDrained(("r1",), draining=True))
    assert q.start_tasks("job1", 1) == [TaskChanged("job1", 1)]
    assert q.states("job1") == "cwc"
    record = q.core.job_record("job1")
    assert (record.state, record.completed, record.started) == ("Waiting", None, None)
    assert q.start_tasks("job1", 1) == []


def test_starting_one_of_two_failed_tasks_keeps_the_other_reason() -> None:
    """A job that is Failed in the end must not say nothing."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    q.end("r1", "job1/0/1", "failed", exit_code=1, reason="no light")
    q.end("r1", "job1/1/1", "failed", exit_code=1, reason="no camera")
    assert q.reason("job1") == "frame 2: no camera"
    q.start_tasks("job1", 1)
    assert q.reason("job1") == "frame 1: no light"
    q.end("r1", "job1/1/2")
    assert (q.core.job_record("job1").state, q.reason("job1")) == ("Failed", "frame 1: no light")


@pytest.mark.parametrize("task", [-1, 3])
def test_a_task_that_is_not_there_is_refused(task: int) -> None:
    """By a sentence that says how many there are; the good one beside it is left alone."""
    q = Driver()
    q.submit("job1", frames="1-3")
    q.stop("job1")
    with pytest.raises(NotFound, match=f"has no task {task}: it has 3, counted from 0"):
        q.start_tasks("job1", 0, task)
    assert q.states("job1") == "xxx"


def test_retries_and_losses_count_from_zero_after_a_start() -> None:
    """A start is a fresh chance."""
    q = Driver()
    q.register("r1")
    q.submit("job1", retries=1)
    q.end("r1", "job1/0/1", "failed", exit_code=1)
    q.end("r1", "job1/0/2", "failed", exit_code=1)
    assert q.state("job1") is TaskState.FAILED
    q.start("job1")
    q.end("r1", "job1/0/3", "failed", exit_code=1)
    assert q.state("job1") is TaskState.RUNNING


# --- remove ------------------------------------------------------------------------------


def test_removing_a_job_that_is_over_forgets_it() -> None:
    """At once, and entirely."""
    q = Driver()
    q.submit("job1")
    assert q.remove("job1") == [TasksReset("job1"), JobRemoved("job1")]
    assert q.core.job_ids() == []
    with pytest.raises(NotFound):
        q.core.job_record("job1")


def test_removing_a_running_job_stops_it_first() -> None:
    """It is forgotten when it is seen gone, and cannot be touched meanwhile."""
    q = Driver()
    q.register("r1")
    q.submit("job1")
    assert q.remove("job1") == [JobChanged("job1"), TaskChanged("job1", 0), AskStop("r1", "job1/0/1")]
    assert q.reason("job1") == "being removed"
    with pytest.raises(NotFound):
        q.start("job1")
    done = q.end("r1", "job1/0/1", "stopped")
    assert only(done, AttemptOver, JobRemoved) == [done[0], JobRemoved("job1")]
    assert q.core.agent_record("r1").state == "Idle"


# --- priority, pause, Agents -----------------------------------------------------------------


def test_a_new_priority_changes_the_order_of_what_waits() -> None:
    """It is told, and counts from the next assignment on."""
    q = Driver()
    for number in range(3):
        q.submit(f"job{number}")
    assert q.feed(ev.PrioritySet(("job2",), 5)) == [JobChanged("job2")]
    assert q.feed(ev.PrioritySet(("job2",), 5)) == []
    assert assigned(q.register("r1")) == [("r1", "job2", 0)]
    with pytest.raises(BadInput, match="priority 2000000 is out of range"):
        q.feed(ev.PrioritySet(("job1",), 2_000_000))


def test_a_paused_queue_gives_nothing_and_lets_run_what_runs() -> None:
    """Resuming gives at once."""
    q = Driver()
    q.register("r1")
    q.register("r2")
    q.submit("job1")
    assert q.feed(ev.QueuePaused(True)) == [QueueChanged()]
    assert q.feed(ev.QueuePaused(True)) == []
    assert q.submit("job2") == [JobChanged("job2")]
    assert q.core.queue_record().paused
    assert q.state("job1") is TaskState.RUNNING
    assert assigned(q.feed(ev.QueuePaused(False))) == [("r2", "job2", 0)]


def test_a_draining_agent_ends_its_task_and_takes_no_other() -> None:
    """Until it is told to take work again."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    assert q.feed(ev.AgentsDrained(("r1",), draining=True)) == [AgentChanged("r1")]
    assert q.feed(ev.AgentsDrained(("r1",), draining=True)) == []
    assert assigned(q.end("r1", "job1/0/1")) == []
    assert q.core.agent_record("r1").draining
    assert assigned(q.feed(ev.AgentsDrained(("r1",), draining=False))) == [("r1", "job1", 1)]


def test_an_agent_that_is_ended_gives_its_task_back_without_a_mark() -> None:
    """However often somebody restarts Agents, the task is not given up for it."""
    q = Driver(max_agent_losses=0)
    q.register("r1")
    q.submit("job1")
    assert q.feed(ev.AgentEndAsked(("r1",))) == [
        AgentChanged("r1"),
        EndAgent("r1", "it was asked to end", force=False),
    ]
    assert q.feed(ev.AgentEndAsked(("r1",))) == []
    q.end("r1", "job1/0/1", "stopped", reason="it was asked to end")
    assert q.state("job1") is TaskState.WAITING
    assert q.reason("job1") == "waits again: it was asked to end"
    q.gone("r1")
    q.register("r2")
    q.feed(ev.AgentEndAsked(("r2",)))
    q.gone("r2", "exit code 0")
    assert q.state("job1") is TaskState.WAITING
    assert q.reason("job1") == "waits again: its Agent was ended (it was asked to end)"
    with pytest.raises(NotFound, match="there is no Agent r2"):
        q.feed(ev.AgentEndAsked(("r2",)))


def test_an_agent_that_does_not_answer_is_ended_by_force() -> None:
    """Asking it would wait for nothing."""
    q = Driver()
    q.register("r1")
    q.tick(4.0)
    assert q.core.agent_record("r1").state == "Lost"
    assert only(q.feed(ev.AgentEndAsked(("r1",))), EndAgent) == [
        EndAgent("r1", "it was asked to end", force=True)
    ]


@pytest.mark.parametrize("count", [-1, 1001])
def test_a_number_of_agents_that_makes_no_sense_is_refused(count: int) -> None:
    """And the old number stays."""
    q = Driver(agents=2)
    with pytest.raises(BadInput, match=f"{count} Agents were asked for: use 0 to 1000"):
        q.feed(ev.AgentsWanted(count))
    assert q.core.queue_record().agents_wanted == 2


# --- dependencies ------------------------------------------------------------------------------


def test_a_job_waits_until_those_before_it_are_completed() -> None:
    """It says for whom, and is given the moment the last one is."""
    q = Driver()
    q.submit("aaaa", name="sky")
    q.submit("bbbb", name="sea")
    assert q.submit("cccc", after=("aaaa", "bbbb")) == [JobChanged("cccc"), JobChanged("cccc")]
    assert q.reason("cccc") == "waits for sky, sea"
    q.register("r1")
    q.register("r2")
    q.register("r3")
    q.end("r1", "aaaa/0/1")
    assert q.reason("cccc") == "waits for sea"
    assert assigned(q.end("r2", "bbbb/0/1")) == [("r3", "cccc", 0)]
    assert q.reason("cccc") == ""


def test_a_job_names_only_some_of_many_it_waits_for() -> None:
    """A reason is read in a narrow column."""
    q = Driver()
    for number in range(6):
        q.submit(f"job{number}", name=f"n{number}")
    q.submit("last", after=tuple(f"job{number}" for number in range(6)))
    assert q.reason("last") == "waits for n0, n1, n2 and 3 more"


def test_a_job_says_that_what_it_waits_for_failed() -> None:
    """The artist sees what to start again; starting it clears the remark."""
    q = Driver()
    q.register("r1")
    q.submit("aaaa", name="sky")
    q.submit("bbbb", after=("aaaa",))
    q.end("r1", "aaaa/0/1", "failed", exit_code=1)
    assert q.reason("bbbb") == "waits for sky (Failed)"
    q.start("aaaa")
    assert q.reason("bbbb") == "waits for sky"
    assert assigned(q.end("r1", "aaaa/0/2")) == [("r1", "bbbb", 0)]


def test_a_completed_job_that_runs_again_is_waited_for_again() -> None:
    """By what has not begun."""
    q = Driver()
    q.register("r1")
    q.submit("aaaa", name="sky")
    q.end("r1", "aaaa/0/1")
    q.feed(ev.QueuePaused(True))
    q.submit("bbbb", after=("aaaa",), priority=9)
    q.start("aaaa")
    assert q.reason("bbbb") == "waits for sky"
    assert assigned(q.feed(ev.QueuePaused(False))) == [("r1", "aaaa", 0)]


def test_removing_a_completed_job_holds_nobody_up() -> None:
    """Tidying the list must not block what came after."""
    q = Driver()
    q.register("r1")
    q.submit("aaaa")
    q.end("r1", "aaaa/0/1")
    q.feed(ev.QueuePaused(True))
    q.submit("bbbb", after=("aaaa",))
    q.remove("aaaa")
    assert assigned(q.feed(ev.QueuePaused(False))) == [("r1", "bbbb", 0)]


def test_removing_a_job_that_was_not_completed_cancels_what_waited_for_it() -> None:
    """It could wait for ever otherwise. Who starts it then, means it: the removed one is not waited for."""
    q = Driver()
    q.submit("aaaa", name="sky")
    q.submit("bbbb", after=("aaaa",))
    q.submit("cccc", name="sea", after=("bbbb",))
    q.remove("aaaa")
    record = q.core.job_record("bbbb")
    assert (record.state, record.reason) == ("Cancelled", "it waited for sky, which was removed")
    assert q.reason("cccc") == "waits for name of bbbb (Cancelled)"
    q.start("bbbb")
    assert assigned(q.register("r1")) == [("r1", "bbbb", 0)]


def test_a_job_cannot_wait_for_one_that_is_not_there() -> None:
    """Nor for itself, nor for one that is being removed."""
    q = Driver()
    q.register("r1")
    q.submit("aaaa")
    q.remove("aaaa")
    for before in ("gone", "bbbb", "aaaa"):
        with pytest.raises(NotFound, match=f"there is no job {before} to wait for"):
            q.submit("bbbb", after=(before,))
    assert q.core.job_ids() == ["aaaa"]


# --- limits ----------------------------------------------------------------------------------


def test_a_job_has_no_more_tasks_at_once_than_it_allows() -> None:
    """The Agents that are left go to the next job."""
    q = Driver()
    q.submit("job1", frames="1-9", max_parallel=2)
    q.submit("job2")
    given = [each for number in range(4) for each in assigned(q.register(f"r{number}"))]
    assert given == [("r0", "job1", 0), ("r1", "job1", 1), ("r2", "job2", 0)]
    assert assigned(q.end("r0", "job1/0/1")) == [("r3", "job1", 2)]


def test_handle_knows_every_event() -> None:
    """A new event without a handler would fail at the first of its kind."""
    from kq.core.machine import _HANDLERS

    events = {getattr(ev, name) for name in ev.__all__} - {ev.CoreEvent}
    assert set(_HANDLERS) == events


def test_a_started_task_forgets_what_went_wrong() -> None:
    """Reason, warning, end and progress are those of the attempt to come."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2", retries=1)
    q.end("r1", "job1/0/1", "failed", exit_code=1)
    q.end("r1", "job1/0/2", "failed", exit_code=1, reason="no light", warning="odd", progress=0.5)
    before = q.core.task_records("job1", 0, 1)[0]
    assert (before.reason, before.warning, before.retries_used) == ("no light", "odd", 1)
    q.feed(ev.QueuePaused(True))
    q.start_tasks("job1", 0)
    task = q.core.task_records("job1", 0, 1)[0]
    assert (task.reason, task.warning, task.progress, task.ended, task.retries_used) == (
        "", "", None, None, 0
    )  # fmt: skip


def test_a_task_that_never_ran_can_be_started() -> None:
    """It has no past to forget."""
    q = Driver()
    q.submit("job1", frames="1-2")
    q.stop("job1")
    q.start_tasks("job1", 1)
    assert q.states("job1") == "xw"


def test_several_tasks_that_are_being_stopped_are_started_together() -> None:
    """It is news when one of them is."""
    q = Driver()
    q.register("r1")
    q.register("r2")
    q.submit("job1", frames="1-2")
    q.stop("job1")
    q.start_tasks("job1", 0)
    assert q.start_tasks("job1", 1, 0) == [JobChanged("job1")]
    assert q.start_tasks("job1", 0, 1) == []
    q.end("r1", "job1/0/1", "stopped")
    q.end("r2", "job1/1/1", "stopped")
    assert q.states("job1") == "rr"


def test_starting_a_job_that_runs_leaves_its_completed_tasks() -> None:
    """Only a job that is over and all Completed is run again whole."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-3")
    q.end("r1", "job1/0/1")
    assert q.start("job1") == []
    assert q.states("job1") == "crw"


def test_a_started_job_forgets_its_warning() -> None:
    """It was about what ran before."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-2")
    q.end("r1", "job1/0/1", warning="texture missing")
    q.end("r1", "job1/1/1")
    assert q.core.job_record("job1").warning == "texture missing"
    q.start("job1")
    assert q.core.job_record("job1").warning == ""


def test_the_first_of_several_failed_tasks_gives_the_reason_that_is_left() -> None:
    """When the one that gave it last is started again."""
    q = Driver()
    q.register("r1")
    q.submit("job1", frames="1-3")
    for task in range(3):
        q.end("r1", f"job1/{task}/1", "failed", exit_code=task + 1)
    q.start_tasks("job1", 2)
    assert q.reason("job1") == "frame 1: exit code 1"


def test_a_job_cancelled_by_a_removal_is_over_from_then_on() -> None:
    """It has a time at which it ended, and nothing remains of who waited for whom."""
    q = Driver()
    q.submit("aaaa")
    q.submit("bbbb", after=("aaaa",))
    q.submit("cccc", after=("aaaa",))
    q.mono += 5.0
    q.remove("bbbb")
    assert list(q.core.state.dependents) == ["aaaa"]
    q.stop("aaaa")
    q.remove("aaaa")
    assert q.core.job_record("cccc").completed == q.now.wall
    assert not q.core.state.dependents


def test_nothing_remains_of_jobs_that_waited_for_one_that_stays() -> None:
    """Thousands may wait for one job that is kept."""
    q = Driver()
    q.submit("aaaa")
    q.submit("bbbb", after=("aaaa",))
    q.remove("bbbb")
    assert not q.core.state.dependents


def test_a_job_that_runs_does_not_say_that_it_waits() -> None:
    """Though what it waited for runs again, and the rest of it has to wait."""
    q = Driver()
    q.register("r1")
    q.submit("aaaa", name="sky")
    q.end("r1", "aaaa/0/1")
    q.submit("bbbb", frames="1-2", after=("aaaa",))
    q.start("aaaa")
    assert q.reason("bbbb") == ""
    q.end("r1", "bbbb/0/1")
    assert q.reason("bbbb") == "waits for sky"


def test_a_draining_agent_does_not_stand_before_the_others() -> None:
    """It was idle longest; the next one is given the task at once."""
    q = Driver()
    q.register("r1")
    q.register("r2")
    q.feed(ev.AgentsDrained(("r1",), draining=True))
    assert assigned(q.submit("job1")) == [("r2", "job1", 0)]


def test_a_job_that_need_not_wait_for_another_any_more_does_not_say_so() -> None:
    """Though nobody is free for it yet."""
    q = Driver()
    q.register("r1")
    q.submit("aaaa")
    q.submit("bbbb", after=("aaaa",))
    q.feed(ev.QueuePaused(True))
    assert JobChanged("bbbb") in q.end("r1", "aaaa/0/1")
    assert q.reason("bbbb") == ""
