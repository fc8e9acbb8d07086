"""One job and its tasks: what may follow what, and what its records say."""

from __future__ import annotations

from pathlib import Path

import pytest

from kq.core.agents import Agent
from kq.core.jobs import Job
from kq.desktop_render import DesktopRender
from kq.errors import IllegalTransition, NotFound, Refused
from kq.records import JobSpec
from kq.states import AGENT_TRANSITIONS, TASK_TRANSITIONS, AgentState, JobState, TaskState, derive_job_state
from tests.core.driver import COMMANDS, Driver

T = TaskState


def job(frames: str = "1-6") -> Job:
    """A job that nothing happened to."""
    return Job("job1", JobSpec(name="sky", commands=COMMANDS, frames=frames, node="Render1"), 1, 5.0)


@pytest.mark.parametrize("old", list(TaskState))
@pytest.mark.parametrize("new", list(TaskState))
def test_a_task_makes_the_transitions_of_the_table_and_no_other(old: TaskState, new: TaskState) -> None:
    """A step that is not in the table raises, with the task's story, and changes nothing."""
    one = job()
    one.restore_states(bytes([list(TaskState).index(old)] * 6))
    one.detail(2).agent = "a7"
    if new in TASK_TRANSITIONS[old]:
        one.set_task_state(2, new)
        assert one.task_state(2) is new
    else:
        with pytest.raises(IllegalTransition, match=f"task 3 of job job1 .* {old} to {new}.*a7"):
            one.set_task_state(2, new)
        with pytest.raises(IllegalTransition, match=f"{old} to {new}"):
            one.reset_tasks(frozenset({old}), new)
        assert one.task_state(2) is old
        assert one.counts[list(TaskState).index(old)] == 6


@pytest.mark.parametrize("old", list(AgentState))
@pytest.mark.parametrize("new", list(AgentState))
def test_an_agent_makes_the_transitions_of_the_table_and_no_other(old: AgentState, new: AgentState) -> None:
    """Staying as it is counts as no change."""
    agent = Agent("a1", local=True, now=0.0, wall=1.0)
    agent.state = old
    if old is new:
        assert agent.set_state(new, 9.0) is False
        assert agent.since == 1.0
    elif new in AGENT_TRANSITIONS[old]:
        assert agent.set_state(new, 9.0) is True
        assert (agent.state, agent.since) == (new, 9.0)
    else:
        with pytest.raises(IllegalTransition, match=f"Agent a1 .* {old} to {new}"):
            agent.set_state(new, 9.0)


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        ({T.COMPLETED: 3}, JobState.COMPLETED),
        ({T.COMPLETED: 3, T.CANCELLED: 1}, JobState.CANCELLED),
        ({T.CANCELLED: 2, T.FAILED: 1}, JobState.FAILED),
        ({T.FAILED: 2, T.WAITING: 1}, JobState.WAITING),
        ({T.WAITING: 2, T.RUNNING: 1, T.FAILED: 3}, JobState.RUNNING),
        ({T.STOPPING: 1, T.WAITING: 4}, JobState.RUNNING),
        ({}, JobState.COMPLETED),
    ],
)
def test_a_jobs_state_follows_from_its_tasks(counts: dict[TaskState, int], state: JobState) -> None:
    """Running before Waiting before Failed before Cancelled before Completed."""
    assert derive_job_state(counts) is state


@pytest.mark.parametrize("state", list(TaskState))
def test_a_job_of_one_task_derives_its_state_alike(state: TaskState) -> None:
    """By a shortcut that must agree with the rule."""
    one = job(frames="")
    one.restore_states(bytes([list(TaskState).index(state)]))
    assert one.state is derive_job_state({state: 1})
    assert one.state.is_terminal is state.is_terminal
    assert one.is_over is state.is_terminal


def test_tasks_are_taken_by_number_and_what_came_back_is_not_forgotten() -> None:
    """Also when many were reset at once in between."""
    one = job()
    taken = []
    for _ in range(3):
        taken.append(one.take_waiting())
        one.set_task_state(taken[-1], T.RUNNING)
    one.set_task_state(1, T.WAITING)
    one.set_task_state(0, T.WAITING)
    for _ in range(2):
        taken.append(one.take_waiting())
        one.set_task_state(taken[-1], T.RUNNING)
    assert taken == [0, 1, 2, 0, 1]
    assert one.reset_tasks(frozenset({T.WAITING}), T.CANCELLED) == 3
    assert one.epoch == 1
    one.set_task_state(0, T.WAITING)
    assert one.take_waiting() == 0
    one.set_task_state(0, T.RUNNING)
    assert one.reset_tasks(frozenset({T.CANCELLED, T.FAILED}), T.WAITING) == 3
    assert one.take_waiting() == 3
    assert one.reset_tasks(frozenset({T.FAILED}), T.WAITING) == 0
    assert one.epoch == 2


def test_a_stale_entry_of_what_came_back_is_skipped() -> None:
    """It came back, was taken in its turn, and is not taken twice."""
    one = job()
    one.set_task_state(0, T.RUNNING)
    one.set_task_state(0, T.WAITING)
    assert one.take_waiting() == 0
    one.set_task_state(0, T.RUNNING)
    assert one.take_waiting() == 1
    for index in range(1, 6):
        one.set_task_state(index, T.RUNNING)
    one.set_task_state(5, T.WAITING)
    assert one.take_waiting() == 5


def test_running_tasks_are_found_in_order() -> None:
    """Those being stopped as well."""
    one = job()
    for index in (4, 1, 2):
        one.set_task_state(index, T.RUNNING)
    one.set_task_state(1, T.STOPPING)
    assert one.running_indices() == [1, 2, 4]
    assert one.on_agents == 3
    assert job().running_indices() == []
    single = job(frames="")
    single.set_task_state(0, T.RUNNING)
    assert single.running_indices() == [0]


def test_progress_counts_what_is_done_and_parts_of_what_runs() -> None:
    """What failed or was cancelled is not done; unknown is not zero."""
    one = job("1-4")
    assert one.progress() is None
    one.set_task_state(0, T.RUNNING)
    one.detail(0)
    assert one.progress() is None
    one.detail(0).progress = 0.5
    assert one.progress() == 0.125
    one.set_task_state(1, T.RUNNING)
    one.detail(1).progress = 0.25
    assert one.progress() == 0.1875
    one.detail(1).progress = None
    one.set_task_state(0, T.COMPLETED)
    assert one.progress() == 0.25
    one.reset_tasks(frozenset({T.WAITING}), T.CANCELLED)
    assert one.progress() == 0.25
    full = job("1-2")
    full.restore_states(bytes([list(TaskState).index(T.COMPLETED)] * 2))
    assert full.progress() == 1.0


def test_a_record_holds_every_field() -> None:
    """From the spec, from the counts and from what was noted."""
    q = Driver(log_root=str(Path("/logs")))
    assert (q.core.job_ids(), q.core.agent_ids()) == ([], [])
    q.submit("job1", frames="1-6", chunk=3, node="Render1", temp_dir="/tmp/x", priority=3, max_parallel=2)
    record = q.core.job_record("job1")
    assert (record.agent, record.log_file, record.max_parallel) == ("", "", 2)
    q.register("r1")
    record = q.core.job_record("job1")
    assert (record.id, record.name, record.node, record.temp_dir) == (
        "job1", "name of job1", "Render1", "/tmp/x"
    )  # fmt: skip
    assert (record.priority, record.tasks, record.tasks_waiting, record.tasks_running) == (3, 2, 1, 1)
    assert (record.agent, record.attempts, record.log_file) == ("r1", 1, str(Path("/logs/job1/0.1.log")))
    assert (record.started, record.completed, record.from_history) == (q.now.wall, None, False)
    tasks = q.core.task_records("job1", 0, 99)
    assert [task.label for task in tasks] == ["frames 1-3", "frames 4-6"]
    assert (tasks[0].state, tasks[0].agent, tasks[0].attempts, tasks[0].started, tasks[0].log_file) == (
        "Running", "r1", 1, q.now.wall, str(Path("/logs/job1/0.1.log"))
    )  # fmt: skip
    assert (tasks[1].state, tasks[1].attempts, tasks[1].index, tasks[1].job_id) == ("Waiting", 0, 1, "job1")


@pytest.mark.parametrize(("agents", "said"), [(8, "r8"), (9, "r8 and 1 more")])
def test_a_job_on_many_agents_names_some_of_them(agents: int, said: str) -> None:
    """Eight by name, the others by their number."""
    q = Driver()
    q.submit("job1", frames="1-9")
    for number in range(1, agents + 1):
        q.register(f"r{number}")
    assert q.core.job_record("job1").agent == f"r1, r2, r3, r4, r5, r6, r7, {said}"


@pytest.mark.parametrize(
    ("first", "count", "indices"), [(0, 2, [0, 1]), (2, 9, [2, 3]), (-5, 7, [0, 1]), (4, 1, [])]
)
def test_task_records_are_read_by_the_page(first: int, count: int, indices: list[int]) -> None:
    """Beyond the end there is nothing."""
    q = Driver()
    q.submit("job1", frames="1-4")
    assert [task.index for task in q.core.task_records("job1", first, count)] == indices


def test_looking_for_what_is_not_there() -> None:
    """NotFound, with the name."""
    q = Driver()
    for look in (q.core.job_record, q.core.job_spec, q.core.job):
        with pytest.raises(NotFound, match=r"\bjob gone\b"):
            look("gone")
    with pytest.raises(NotFound, match=r"\bAgent gone\b"):
        q.core.agent_record("gone")
    assert q.core.agent("gone") is None
    assert not q.core.has_job("gone")


def test_labels_name_the_frames() -> None:
    """One frame, several, or none."""
    assert [job("7").task_label(0), job("").task_label(0)] == ["frame 7", ""]


@pytest.mark.parametrize("from_history", [False, True])
def test_a_job_that_needs_an_ended_desktop_is_not_started(from_history: bool) -> None:
    """Nor are the jobs that are started with it; while its desktop lives, it is."""
    q = Driver()
    preview = Job("job1", JobSpec(name="a", commands=(("r",),), desktop=DesktopRender(method="m")), 1, 1.0)
    preview.restore_states(bytes([list(TaskState).index(T.CANCELLED)]))
    preview.from_history = from_history
    q.core.restore_job(preview)
    q.submit("job2")
    q.stop("job2")
    before = q.core.job_record("job1"), q.core.job_record("job2")
    assert before[0].needs_desktop and not before[1].needs_desktop
    if from_history:
        for start in (lambda: q.start("job2", "job1"), lambda: q.start_tasks("job1", 0)):
            with pytest.raises(Refused, match="job1"):
                start()
        assert (q.core.job_record("job1"), q.core.job_record("job2")) == before
    else:
        q.start("job2", "job1")
        assert {q.core.job_record(each).state for each in ("job1", "job2")} == {"Waiting"}


def test_a_job_that_is_started_again_belongs_to_this_session() -> None:
    """Whichever it came from."""
    q = Driver()
    old = job(frames="")
    old.restore_states(bytes([list(TaskState).index(T.CANCELLED)]))
    old.from_history = True
    q.core.restore_job(old)
    assert q.core.job_record("job1").from_history
    q.start("job1")
    assert not q.core.job_record("job1").from_history
