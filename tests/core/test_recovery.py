"""Coming back after the server's death: what the journal knows, and what Agents know better."""

from __future__ import annotations

from kq.core import Core, QueueSettings
from kq.core import events as ev
from kq.core.instructions import (
    Acknowledge,
    AgentChanged,
    AgentRemoved,
    AskStop,
    AskToRegister,
    AttemptOver,
    LaunchAgent,
)
from kq.core.jobs import Job
from kq.records import JobSpec
from kq.states import TaskState, WaitReason
from tests.core.driver import COMMANDS, Driver, assigned, ending, only


class Journal:
    """Jobs and Agents as a journal would give them back to a new core."""

    def __init__(self, **settings: object) -> None:
        self.q = Driver(**settings)  # type: ignore[arg-type]
        self.core: Core = self.q.core

    def job(self, job_id: str, order: int, held_by: dict[int, str] | None = None, **fields: object) -> Job:
        """A job whose tasks in `held_by` run on the Agents named, as first attempts."""
        spec = JobSpec(**{"name": f"name of {job_id}", "commands": COMMANDS, **fields})  # type: ignore[arg-type]
        job = Job(job_id, spec, order, 1.0)
        for task, agent in (held_by or {}).items():
            job.set_task_state(task, TaskState.RUNNING)
            detail = job.detail(task)
            detail.attempts, detail.agent, detail.started = 1, agent, float(order)
        self.core.restore_job(job)
        return job

    def agent(self, agent_id: str, *, local: bool = False) -> None:
        self.core.restore_agent(
            agent_id, host="host", pid=100, process_started=1.0, local=local, now=self.q.now
        )

    def done(self) -> Driver:
        self.instructions = self.core.finish_restore(self.q.now)
        return self.q


def test_an_agent_that_lived_on_keeps_its_task() -> None:
    """It is lost until it is heard, and asked to register; then all is as it was."""
    journal = Journal()
    journal.job("job1", 1, {0: "r1"})
    journal.agent("r1")
    q = journal.done()
    record = q.core.agent_record("r1")
    assert (record.state, record.job) == ("Lost", "job1") and record.reason
    assert q.heartbeat("r1", attempt="job1/0/1", assign_number=4) == [AskToRegister("r1")]
    assert assigned(q.register("r1", attempt="job1/0/1", assign_number=4)) == []
    q.end("r1", "job1/0/1")
    assert q.state("job1") is TaskState.COMPLETED


def test_orders_of_a_new_server_have_higher_numbers() -> None:
    """An Agent ignores a number that it saw, whoever sent it."""
    journal = Journal()
    journal.job("job1", 1)
    journal.agent("r1")
    q = journal.done()
    order = q.register("r1", assign_number=37)[-1]
    assert (order.number, order.job_id) == (38, "job1")  # type: ignore[attr-defined]
    q.register("r2", assign_number=2**70)
    order = q.submit("job2")[-1]
    assert order.number < 2**63  # type: ignore[attr-defined]


def test_a_task_whose_agent_is_not_there_waits_again() -> None:
    """Its attempt is history, and it is no mark against it; one that was being stopped is cancelled."""
    journal = Journal(max_agent_losses=0)
    journal.job("job1", 1, {0: "r1"})
    stopping = journal.job("job2", 2, {0: "r2"})
    stopping.set_task_state(0, TaskState.STOPPING)
    q = journal.done()
    over = only(journal.instructions, AttemptOver)
    assert [(each.record.job_id, each.record.outcome, each.record.agent) for each in over] == [  # type: ignore[attr-defined]
        ("job1", "agent-lost", "r1"),
        ("job2", "agent-lost", "r2"),
    ]
    assert q.wait_reason("job1") is WaitReason.REQUEUED and q.reason("job1")
    assert q.state("job2") is TaskState.CANCELLED
    assert assigned(q.register("r3")) == [("r3", "job1", 0)]


def test_nothing_is_given_until_every_agent_of_the_server_before_is_heard_or_gone() -> None:
    """One of them may run what the journal shows as waiting."""
    journal = Journal()
    journal.job("job1", 1)
    journal.agent("r1")
    journal.agent("r2")
    q = journal.done()
    assert assigned(q.register("r3")) == []
    assert assigned(q.register("r1")) == []
    assert assigned(q.gone("r2")) == [("r3", "job1", 0)]


def test_the_wait_for_agents_ends_with_their_lease() -> None:
    """One that never comes back holds nobody up for longer."""
    journal = Journal()
    journal.job("job1", 1)
    journal.agent("r1")
    q = journal.done()
    for _ in range(13):
        q.register("r2")
        q.tick(1.0)
    assert q.state("job1") is TaskState.RUNNING


def test_an_attempt_that_the_journal_does_not_know_is_taken_up() -> None:
    """The order went out and its note was lost: it runs on, and is not given again."""
    journal = Journal()
    journal.job("job1", 1)
    journal.agent("r1")
    q = journal.done()
    assert assigned(q.register("r1", attempt="job1/0/1", assign_number=1)) == []
    assert (q.state("job1"), q.core.job_record("job1").agent) == (TaskState.RUNNING, "r1")
    q.end("r1", "job1/0/1")
    assert q.state("job1") is TaskState.COMPLETED


def test_an_ending_that_the_journal_does_not_know_is_taken_up() -> None:
    """What is done is not done twice."""
    journal = Journal()
    journal.job("job1", 1)
    journal.job("job2", 2)
    journal.agent("r1")
    q = journal.done()
    q.register("r1", attempt="job2/0/1", assign_number=2, endings=(ending("r1", "job1/0/1"),))
    assert q.state("job1") is TaskState.COMPLETED
    assert q.state("job2") is TaskState.RUNNING


def test_a_later_attempt_shows_that_the_one_before_is_over() -> None:
    """The journal has the first on one Agent; another runs the second: the first Agent holds nothing."""
    journal = Journal()
    journal.job("job1", 1, {0: "r1"})
    journal.agent("r1")
    journal.agent("r2")
    q = journal.done()
    q.register("r2", attempt="job1/0/2", assign_number=5)
    assert q.core.job_record("job1").agent == "r2"
    assert assigned(q.register("r1", assign_number=3)) == []
    assert q.core.agent_record("r1").state == "Idle"
    assert q.core.agent_record("r2").job == "job1"


def test_an_agent_that_moved_on_gives_back_what_the_journal_thought_it_had() -> None:
    """Its old task waits; the one that it runs is taken up."""
    journal = Journal()
    journal.job("job1", 1, {0: "r1"})
    journal.job("job2", 2)
    journal.agent("r1")
    q = journal.done()
    q.register("r1", attempt="job2/0/1", assign_number=2)
    assert (q.state("job1"), q.state("job2")) == (TaskState.WAITING, TaskState.RUNNING)


def test_a_task_cancelled_while_it_ran_unknown_is_stopped() -> None:
    """And seen gone, before anybody could start it again."""
    journal = Journal()
    journal.job("job1", 1)
    journal.agent("r1")
    q = journal.done()
    q.stop("job1")
    assert only(q.register("r1", attempt="job1/0/1", assign_number=1), AskStop) == [AskStop("r1", "job1/0/1")]
    assert q.state("job1") is TaskState.STOPPING
    q.end("r1", "job1/0/1", "stopped")
    assert q.state("job1") is TaskState.CANCELLED


def test_only_an_agent_of_the_server_before_is_believed_and_only_once() -> None:
    """Anybody else who claims an attempt is asked to end it."""
    journal = Journal()
    journal.job("job1", 1)
    journal.agent("r1")
    q = journal.done()
    q.feed(ev.QueuePaused(True))
    q.register("r2", attempt="job1/0/1")
    assert q.state("job1") is TaskState.WAITING
    q.register("r1")
    q.register("r1", attempt="job1/0/1")
    assert q.state("job1") is TaskState.WAITING


def test_an_invalid_claim_of_an_agent_is_ignored() -> None:
    """Unknown jobs, tasks beyond the last, attempts that were over, names that are none."""
    for claim in ("gone1/0/1", "job1/1/1", "job1/0/0", "job1/0/1", "job1", "", "job1/0/x"):
        journal = Journal()
        journal.job("job1", 1).detail(0).attempts = 1
        journal.agent("r1")
        q = journal.done()
        q.feed(ev.QueuePaused(True))
        q.register("r1", attempt=claim)
        assert q.state("job1") is TaskState.WAITING, claim


def test_an_agent_ended_before_it_was_heard_still_reports_its_task() -> None:
    """Its task is not given to others before it is gone."""
    journal = Journal()
    journal.job("job1", 1)
    journal.agent("r1")
    q = journal.done()
    q.feed(ev.AgentEndRequested(("r1",)))
    q.register("r2")
    q.register("r1", attempt="job1/0/1", assign_number=1)
    assert q.core.agent_record("r1").state == "Ending"
    assert (q.state("job1"), q.core.job_record("job1").agent) == (TaskState.RUNNING, "r1")
    assert assigned(q.gone("r1")) == [("r2", "job1", 0)]


def test_two_tasks_of_one_agent_in_the_journal_cannot_both_be_its() -> None:
    """It has the one that began later; the other waits."""
    for first, second in ((1, 2), (2, 1)):
        journal = Journal()
        journal.job("job1", first, {0: "r1"})
        journal.job("job2", second, {0: "r1"})
        journal.agent("r1")
        q = journal.done()
        held = "job1" if first > second else "job2"
        assert q.core.agent_record("r1").job == held
        assert [job_id for job_id in ("job1", "job2") if q.state(job_id) is TaskState.RUNNING] == [held]


def test_dependencies_come_back_in_whatever_order() -> None:
    """Also when a job is restored before the one it waits for; a completed or removed one holds nobody."""
    journal = Journal()
    journal.job("cccc", 3, after=("aaaa", "gone", "dddd"))
    journal.job("aaaa", 1)
    done = Job("dddd", JobSpec(name="d", commands=COMMANDS), 2, 1.0)
    done.restore_states(bytes([list(TaskState).index(TaskState.COMPLETED)]))
    journal.core.restore_job(done)
    q = journal.done()
    assert q.waits_for("cccc") == "name of aaaa"
    q.register("r1")
    assert assigned(q.end("r1", "aaaa/0/1")) == [("r1", "cccc", 0)]
    assert q.core.job_record("cccc").order == 3
    q.submit("eeee")
    assert q.core.job_record("eeee").order == 4


def test_history_is_linked_in_whatever_order_it_is_loaded() -> None:
    """The newest jobs come first: started again, a job still waits for one that was restored after it."""
    journal = Journal()
    journal.job("bbbb", 2, after=("aaaa",))
    q = journal.done()
    q.core.restore_job(Job("aaaa", JobSpec(name="name of aaaa", commands=COMMANDS), 1, 1.0))
    assert q.waits_for("bbbb") == "name of aaaa"
    assert assigned(q.register("r1")) == [("r1", "aaaa", 0)]
    assert assigned(q.end("r1", "aaaa/0/1")) == [("r1", "bbbb", 0)]


def test_numbers_of_local_agents_are_not_used_twice() -> None:
    """Neither those of restored ones nor those that the journal counted."""
    journal = Journal(agents=2)
    journal.agent("a7", local=True)
    q = journal.done()
    q.core.restore_numbering(next_agent=5)
    assert q.tick() == [LaunchAgent("a8"), AgentChanged("a8")]
    q.core.restore_numbering(next_agent=20)
    assert only(q.gone("a8"), LaunchAgent) == []
    assert only(q.tick(1.0), LaunchAgent) == [LaunchAgent("a20")]


def test_the_death_of_a_restored_agent_is_no_failure_to_start() -> None:
    """It lived long before."""
    journal = Journal(agents=1)
    journal.agent("a1", local=True)
    q = journal.done()
    assert q.gone("a1") == [AgentRemoved("a1"), LaunchAgent("a2"), AgentChanged("a2")]


def test_names_that_are_none_of_ours_change_no_number() -> None:
    """Remote Agents may be called as they like."""
    journal = Journal(agents=1)
    for agent_id in ("b70", "agent", "a", "a²"):
        journal.agent(agent_id)
    q = journal.done()
    assert q.core.next_agent == 1


def test_a_restored_agent_is_asked_to_stop_when_it_registers() -> None:
    """The order that went out while it was not there is not lost."""
    journal = Journal()
    journal.job("job1", 1, {0: "r1"})
    journal.agent("r1")
    q = journal.done()
    q.stop("job1")
    answer = q.register("r1", attempt="job1/0/1", assign_number=1)[-1]
    assert answer == Acknowledge("r1", 0, "job1/0/1", True, ())


def test_settings_that_users_changed_are_restored() -> None:
    """Paused, with as many Agents as were wanted; who was drained takes nothing."""
    journal = Journal(agents=2)
    for agent in ("a1", "a2", "a3"):
        journal.agent(agent, local=True)
    told = QueueSettings(paused=True, agents_wanted=3, drained=("a2", "a9"))
    journal.core.restore_queue_settings(told)
    q = journal.done()
    for agent in ("a1", "a2", "a3"):
        q.register(agent, local=True)
    assert only(q.feed(ev.Tick()), LaunchAgent) == []
    q.submit("job1", frames="1-3")
    assert q.state("job1") is TaskState.WAITING
    assert [each for each in ("a1", "a2", "a3") if q.core.agent_record(each).draining] == ["a2"]
    assert sorted(agent for agent, *_ in assigned(q.feed(ev.QueuePaused(False)))) == ["a1", "a3"]
    assert journal.core.queue_settings() == QueueSettings(paused=False, agents_wanted=3, drained=("a2",))
