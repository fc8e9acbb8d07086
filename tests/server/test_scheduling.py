"""Which job is given when: dependencies, limits, priorities, pause, drain. With real Agents."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kq.api import BadInput, NotFound, TaskState
from tests.support.commands import NOTHING, fails, held, noting, python
from tests.support.live_queue import LiveQueue, until


def order_of(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems end no process for want of memory")
def test_memory_that_runs_out_ends_the_queue_before_the_desktop(queue: LiveQueue) -> None:
    """Renders first, then server and guardian: each has a higher score than who started the session."""

    def score(pid: int | str) -> int:
        return int(Path(f"/proc/{pid}/oom_score_adj").read_text())

    agents = {score(pid) for pid in queue.agent_pids()}
    assert score("self") < score(queue.guardian_pid) == score(queue.server_pid) < min(agents)


def test_a_job_waits_for_those_it_names(queue: LiveQueue, tmp_path: Path) -> None:
    """It says for whom, and runs when they are Completed."""
    gate, notes = tmp_path / "gate", tmp_path / "notes"
    first = queue.submit(*held(gate, after=f"note({str(notes)!r}, 'first')"), name="lighting")
    second = queue.submit(*noting(notes, "second"), after=(first,))
    until(lambda: "lighting" in queue.job(second).reason, "the reason")
    queue.await_job(first, "Running")
    gate.touch()
    queue.await_job(second, "Completed")
    assert order_of(notes) == ["first", "second"]


def test_a_job_whose_forerunner_failed_waits_on(queue: LiveQueue) -> None:
    """It is not run, and says why; when the other one was done after all, it is."""
    first = queue.submit(*fails(2), name="lighting")
    second = queue.submit(*NOTHING, after=(first,))
    queue.await_job(first, "Failed")
    record = until(lambda: (r := queue.job(second)) and "Failed" in r.reason and r, "the reason")
    assert record.state == "Waiting"
    queue.client.start_jobs([first]).result(60)
    assert queue.await_job(second).state == "Completed"


def test_a_limit_of_tasks_at_once(queue: LiveQueue, tmp_path: Path) -> None:
    """The other Agent is left to other jobs."""
    program = "import os, sys, time; os.mkdir(sys.argv[1]); time.sleep(0.1); os.rmdir(sys.argv[1])"
    limited = queue.submit(*python(program, str(tmp_path / "one")), frames="1-6", max_parallel=1)
    assert queue.await_job(limited).state == "Completed"


def test_tasks_of_one_job_run_on_all_agents(queue: LiveQueue, tmp_path: Path) -> None:
    """Two of them meet."""
    program = (
        "import os, sys, time; os.chdir(sys.argv[1]); os.mkdir('{frame}')\n"
        "while not all(map(os.path.exists, '12')): time.sleep(0.01)"
    )
    record = queue.await_job(queue.submit(*python(program, str(tmp_path)), frames="1-2", timeout_s=60))
    assert record.state == "Completed"


def test_priority_then_order_of_submission(queue: LiveQueue, tmp_path: Path) -> None:
    """Submitted while the queue is paused, they run in the order that matters."""
    notes = tmp_path / "notes"
    queue.client.pause_queue(True).result(60)
    jobs = [
        queue.submit(*noting(notes, word), priority=priority, max_parallel=1)
        for word, priority in (("c", 0), ("d", 0), ("a", 7), ("e", -3))
    ]
    last = queue.submit(*noting(notes, "b"), priority=-9)
    queue.client.set_priority([last], 5).result(60)
    [_, other] = queue.client.agents()
    queue.client.drain_agents([other.id]).result(60)
    queue.client.pause_queue(False).result(60)
    for job_id in [*jobs, last]:
        queue.await_job(job_id)
    assert order_of(notes) == list("abcde")
    queue.client.resume_agents([other.id]).result(60)


def test_a_drained_agent_ends_what_it_runs_and_takes_no_more(queue: LiveQueue, tmp_path: Path) -> None:
    """Resumed, it takes work again."""
    gate = tmp_path / "gate"
    busy = queue.submit(*held(gate))
    agent = queue.await_job(busy, "Running").agent
    queue.client.drain_agents([agent]).result(60)
    gate.touch()
    assert queue.await_job(busy).state == "Completed"
    others = [queue.submit(*NOTHING) for _ in range(6)]
    assert agent not in {queue.await_job(each).agent for each in others}
    queue.client.resume_agents([agent]).result(60)
    until(lambda: queue.await_job(queue.submit(*NOTHING)).agent == agent, "work for it")


def test_an_agent_restarted_by_hand_costs_its_task_nothing(tmp_path: Path) -> None:
    """The task waits again without a mark against it; another Agent takes the place."""
    with LiveQueue(tmp_path, 1) as queue:
        job_id = queue.submit(*fails(2, "time.sleep(600)"))
        agent = queue.await_job(job_id, "Running").agent
        queue.client.restart_agents([agent]).result(60)
        assert queue.await_job(job_id).state == "Completed"
        [task] = queue.client.tasks(job_id).result(60)
        assert (task.attempts, task.agent_losses) == (2, 0)
        assert queue.job(job_id).agent != agent


def test_more_and_fewer_agents(queue: LiveQueue) -> None:
    """As many as are wanted are kept, at once."""
    queue.client.set_agent_count(4).result(60)
    until(lambda: len([a for a in queue.client.agents() if a.state == "Idle"]) == 4, "four Agents")
    queue.client.set_agent_count(2).result(60)
    until(lambda: len(queue.client.agents()) == 2, "two Agents")


def test_single_tasks_can_be_run_again(queue: LiveQueue, tmp_path: Path) -> None:
    """Only those, though they were Completed."""
    notes = tmp_path / "notes"
    job_id = queue.submit(*noting(notes, "{frame}"), frames="1-4")
    queue.await_job(job_id)
    queue.client.start_tasks(job_id, [2]).result(60)
    until(lambda: len(order_of(notes)) == 5 and queue.job(job_id).state == "Completed", "another run")
    assert order_of(notes)[-1] == "3"
    assert [task.attempts for task in queue.client.tasks(job_id).result(60)] == [1, 1, 2, 1]


def test_the_states_of_all_tasks_are_a_byte_each(queue: LiveQueue, tmp_path: Path) -> None:
    """In the order of the tasks, whatever their frames are."""
    code = "import sys; sys.exit(sys.argv[1] == '9')"
    job_id = queue.submit(sys.executable, "-c", code, "{frame}", frames="1,9,3")
    queue.await_job(job_id)
    states = [tuple(TaskState)[code] for code in queue.client.task_states(job_id).result(60)]
    assert states == [TaskState.COMPLETED, TaskState.FAILED, TaskState.COMPLETED]
    with pytest.raises(NotFound):
        queue.client.task_states("nosuchjob").result(60)


def test_invalid_requests_come_back_as_errors(queue: LiveQueue) -> None:
    """Of the class that says which kind; nothing is changed."""
    known = queue.submit(*NOTHING)
    with pytest.raises(NotFound, match="nosuchjob"):
        queue.client.stop_jobs([known, "nosuchjob"]).result(60)
    with pytest.raises(NotFound, match="task 4"):
        queue.client.start_tasks(known, [3]).result(60)
    with pytest.raises(NotFound, match="absent"):
        queue.client.drain_agents(["absent"]).result(60)
    with pytest.raises(BadInput, match="priority"):
        queue.client.set_priority([known], 10**9).result(60)
    with pytest.raises(BadInput, match="5000"):
        queue.client.set_agent_count(5000).result(60)
    with pytest.raises(NotFound):
        queue.client.attempts("nosuchjob").result(60)
    assert queue.await_job(known).state == "Completed"


def test_a_job_submitted_twice_under_one_id_is_one_job(queue: LiveQueue, tmp_path: Path) -> None:
    """As a client does that does not know whether it was heard."""
    from kq.api import JobSpec

    notes = tmp_path / "notes"
    spec = JobSpec(name="n", commands=(noting(notes, "x"),), cwd=str(tmp_path))
    for _ in range(3):
        job_id, done = queue.client.submit(spec, "twice0001")
        done.result(60)
    queue.await_job(job_id)
    assert order_of(notes) == ["x"]


def test_many_requests_at_once_are_all_answered(queue: LiveQueue) -> None:
    """More than the sockets hold."""
    known = queue.submit(*NOTHING)
    asked = [queue.client.spec(known) for _ in range(5000)]
    assert {future.result(60).name for future in asked} == {"test"}


def test_records_with_long_texts_still_reach_the_clients(queue: LiveQueue) -> None:
    """Together larger than a message may be: divided among several."""
    long = "/" + "ü" * 60_000
    ids = [queue.submit(*NOTHING, node=long, temp_dir=long, after=()) for _ in range(80)]
    for job_id in ids:
        queue.await_job(job_id)
    from kq.api import QueueClient

    other = QueueClient()
    other.connect(queue._record())
    until(lambda: len({job.id for job in other.jobs()} & set(ids)) == 80, "a snapshot of all")
    other.close()
    other.join(60)
    queue.client.remove_jobs(ids).result(60)
