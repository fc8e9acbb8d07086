"""Sequences nobody thought of: whatever happens, no job is lost and no task runs twice at once."""

from __future__ import annotations

import os

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kq.core import events as ev
from kq.records import JobSpec
from kq.states import AgentState, TaskState
from tests.core.world import World

COMMANDS = (("render",),)
picks = st.integers(0, 1000)


class Queue(RuleBasedStateMachine):
    """Clients, Agents, the network and the clock do as they please."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.submitted = 0
        self.terminal: dict[tuple[str, int], TaskState] = {}
        self.may_restart: set[str] = set()
        self.rolled_back = False
        """The server of this step knows less than the one before."""
        self.notes_lost = False
        """That happened at some time."""

    @initialize()
    def begin(self) -> None:
        self.world.feed(ev.Tick())

    # --- clients ----------------------------------------------------------------------

    @rule(
        frames=st.integers(0, 4), priority=st.integers(-1, 1), parallel=st.integers(0, 2),
        retries=st.integers(0, 1), after=st.one_of(st.none(), picks),
    )  # fmt: skip
    def submit(self, frames: int, priority: int, parallel: int, retries: int, after: int | None) -> None:
        known = sorted(self.world.accepted)
        job_id = f"job{self.submitted:04}"
        spec = JobSpec(
            name=job_id,
            commands=COMMANDS,
            frames=f"1-{frames}" if frames else "",
            priority=priority,
            max_parallel=parallel,
            retries=retries,
            after=(known[after % len(known)],) if after is not None and known else (),
        )
        if self.world.try_feed(ev.JobSubmitted(job_id, spec)):
            self.submitted += 1
            self.world.accepted.add(job_id)

    def _job(self, pick: int) -> str:
        jobs = sorted(self.world.core.job_ids())
        return jobs[pick % len(jobs)] if jobs else "nojob"

    @rule(pick=picks)
    def submit_again(self, pick: int) -> None:
        job_id = self._job(pick)
        self.world.try_feed(ev.JobSubmitted(job_id, JobSpec(name="job", commands=COMMANDS)))
        if job_id == "nojob":
            self.world.accepted.add(job_id)

    @rule(pick=picks)
    def start(self, pick: int) -> None:
        self.may_restart.add(self._job(pick))
        self.world.try_feed(ev.JobsStarted((self._job(pick),)))

    @rule(pick=picks, task=st.integers(0, 4))
    def start_task(self, pick: int, task: int) -> None:
        self.may_restart.add(self._job(pick))
        self.world.try_feed(ev.TasksStarted(self._job(pick), (task,)))

    @rule(pick=picks, task=st.integers(0, 4))
    def stop_task(self, pick: int, task: int) -> None:
        self.world.try_feed(ev.TasksStopped(self._job(pick), (task,)))

    @rule(pick=picks)
    def stop(self, pick: int) -> None:
        self.world.try_feed(ev.JobsStopped((self._job(pick),)))

    @rule(pick=picks)
    def remove(self, pick: int) -> None:
        job_id = self._job(pick)
        self.world.removal_asked.add(job_id)
        if not self.world.try_feed(ev.JobsRemoved((job_id,))) and self.world.core.has_job(job_id):
            assert self.world.core.job(job_id).removing

    @rule(pick=picks, priority=st.integers(-2, 2))
    def set_priority(self, pick: int, priority: int) -> None:
        self.world.try_feed(ev.PrioritySet((self._job(pick),), priority))

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        self.world.feed(ev.QueuePaused(paused))

    @rule(count=st.integers(0, 3))
    def want_agents(self, count: int) -> None:
        self.world.feed(ev.AgentCountSet(count))

    def _core_agent(self, pick: int) -> str:
        agents = self.world.core.agent_ids()
        return agents[pick % len(agents)] if agents else "nobody"

    @rule(pick=picks, draining=st.booleans())
    def drain(self, pick: int, draining: bool) -> None:
        self.world.try_feed(ev.AgentsDrained((self._core_agent(pick),), draining))

    @rule(pick=picks)
    def end_agent(self, pick: int) -> None:
        self.world.try_feed(ev.AgentEndRequested((self._core_agent(pick),)))

    # --- processes --------------------------------------------------------------------

    @precondition(lambda self: self.world.launching)
    @rule()
    def launch(self) -> None:
        self.world.launch()

    @rule(fail=st.booleans())
    def launches(self, fail: bool) -> None:
        self.world.launches_fail = fail

    @precondition(lambda self: self.world.remotes < 3)
    @rule()
    def remote_joins(self) -> None:
        self.world.remotes += 1
        self.world.join(f"r{self.world.remotes}", local=False)

    def _agent(self, pick: int) -> str:
        agents = sorted(self.world.agents)
        return agents[pick % len(agents)]

    @precondition(lambda self: self.world.agents)
    @rule(pick=picks)
    def agent_dies(self, pick: int) -> None:
        self.world.process_ended(self.world.agents[self._agent(pick)], "killed by signal 9")

    @precondition(lambda self: any(agent.attempt for agent in self.world.agents.values()))
    @rule(pick=picks, outcome=st.sampled_from(["completed", "completed", "failed", "stopped", "timed-out"]))
    def render_ends(self, pick: int, outcome: str) -> None:
        busy = sorted(agent.id for agent in self.world.agents.values() if agent.attempt)
        self.world.agents[busy[pick % len(busy)]].end_render(outcome)

    @precondition(lambda self: self.world.agents)
    @rule(pick=picks)
    def agent_reconnects(self, pick: int) -> None:
        agent = self.world.agents[self._agent(pick)]
        agent.inbox.clear()
        if agent.registered:
            agent.register()

    # --- messages ---------------------------------------------------------------------

    @precondition(lambda self: any(agent.outbox for agent in self.world.agents.values()))
    @rule(pick=picks, which=picks, twice=st.booleans(), lost=st.booleans())
    def report_arrives(self, pick: int, which: int, twice: bool, lost: bool) -> None:
        """Any report, in any order; perhaps twice, perhaps never."""
        talking = sorted(agent.id for agent in self.world.agents.values() if agent.outbox)
        agent = self.world.agents[talking[pick % len(talking)]]
        event = agent.outbox.pop(which % len(agent.outbox))
        if not lost or isinstance(event, ev.AgentRegistered):
            self.world.feed(event)
        if twice:
            agent.outbox.append(event)

    @precondition(lambda self: any(agent.inbox for agent in self.world.agents.values()))
    @rule(pick=picks, lost=st.booleans())
    def order_arrives(self, pick: int, lost: bool) -> None:
        told = sorted(agent.id for agent in self.world.agents.values() if agent.inbox)
        agent = self.world.agents[told[pick % len(told)]]
        order = agent.inbox.pop(0)
        if not lost:
            agent.obey(order)

    @precondition(lambda self: self.world.late)
    @rule(which=picks)
    def late_report_arrives(self, which: int) -> None:
        late = self.world.late
        self.world.feed(late.pop(which % len(late)))

    @precondition(lambda self: self.world.known_gone)
    @rule()
    def end_of_process_is_seen(self) -> None:
        self.world.feed(self.world.known_gone.pop(0))

    # --- time ---------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0, 8.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @precondition(lambda self: self.world.agents)
    @rule(pick=picks, seconds=st.sampled_from([2.0, 6.0, 15.0]))
    def attempt_lost(self, pick: int, seconds: float) -> None:
        self.world.pass_time(seconds, frozenset({self._agent(pick)}))

    @rule(seconds=st.sampled_from([3.0, 30.0, 3600.0]))
    def server_stands_still(self, seconds: float) -> None:
        self.world.stand_still(min(seconds, 30.0))
        self.world.mono += max(seconds - 30.0, 0.0)

    @rule()
    def server_restarts(self) -> None:
        self.world.restart_server(self.world.journal())

    @rule(data=st.data())
    def server_dies_before_writing(self, data: st.DataObject) -> None:
        """It gave an order, or heard of an ending, and died before that was in the journal."""
        older = self.world.journal()
        jobs = set(self.world.core.job_ids())
        noted = set(self.world.core.agent_ids())
        for _ in range(data.draw(st.integers(1, 3))):
            # That an Agent is there is in the journal before it is given work.
            talking = sorted(
                agent.id for agent in self.world.agents.values() if agent.outbox and agent.id in noted
            )
            if not talking:
                break
            agent = self.world.agents[talking[data.draw(picks) % len(talking)]]
            self.world.feed(agent.outbox.pop(0))
            while agent.inbox:
                agent.obey(agent.inbox.pop(0))
        if set(self.world.core.job_ids()) == jobs:
            self.rolled_back = self.notes_lost = True
            self.world.restart_server(older)

    # --- what must hold -------------------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        self.world.check()

    @invariant()
    def terminal_states_stay(self) -> None:
        now: dict[tuple[str, int], TaskState] = {}
        for job_id in self.world.core.job_ids():
            job = self.world.core.job(job_id)
            for task in range(job.total):
                state = job.task_state(task)
                before = self.terminal.get((job_id, task))
                # What turned out to run though it was cancelled while nobody knew is seen to its end.
                found_running = (
                    self.notes_lost
                    and before is TaskState.CANCELLED
                    and state in (TaskState.STOPPING, TaskState.COMPLETED)
                )
                if before is not None and state is not before and not found_running:
                    assert job_id in self.may_restart or self.rolled_back, (job_id, task, before, state)
                if state.is_terminal:
                    now[(job_id, task)] = state
        self.terminal, self.rolled_back = now, False
        self.may_restart = {
            job_id
            for job_id in self.may_restart
            if self.world.core.has_job(job_id)
            and any(detail.restart for detail in self.world.core.job(job_id).details.values())
        }

    def teardown(self) -> None:
        """When all obey and time goes on, every job ends, and as many Agents as wanted are there."""
        world = self.world
        world.launches_fail = False
        wanted = max(1, world.core.queue_record().agents_wanted)
        world.feed(ev.AgentCountSet(wanted))
        world.feed(ev.QueuePaused(False))
        world.feed(ev.AgentsDrained(tuple(world.core.agent_ids()), False))
        for _ in range(400):
            world.pass_time(2.0)
            world.check()
            for agent in list(world.agents.values()):
                if agent.attempt:
                    agent.end_render("completed")
            if self._at_rest(wanted):
                break
        else:
            raise AssertionError(
                f"it does not come to rest: {self._unfinished()}, {world.core.queue_record()}"
            )
        assert not world.running
        assert world.accepted == set(world.core.job_ids())

    def _at_rest(self, wanted: int) -> bool:
        core = self.world.core
        agents = [agent for agent in map(core.agent, core.agent_ids()) if agent is not None]
        local = [agent for agent in agents if agent.local]
        return (
            not self._unfinished()
            and len(local) == wanted
            and not core.queue_record().problem
            and all(agent.state is AgentState.IDLE for agent in agents)
        )

    def _unfinished(self) -> list[str]:
        """Jobs that are not over, unless they say that they wait for one which failed or was cancelled."""
        core = self.world.core
        records = [core.job_record(job_id) for job_id in core.job_ids()]
        return [
            f"{record.id} {record.state} {record.reason}"
            for record in records
            if not record.state.is_terminal
            and not (record.state == "Waiting" and record.reason.startswith("waits for job"))
        ]


# More on demand: KQ_EXPLORE=2000 python -m pytest tests/core/test_exploration.py
Queue.TestCase.settings = settings(
    max_examples=int(os.environ.get("KQ_EXPLORE", "60")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
test_queue = Queue.TestCase
