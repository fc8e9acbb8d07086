"""A world around the core for property tests: Agents that obey, a network that need not, a clock that leaps.

Nothing here decides what is right; it says what really runs, and complains when one task really runs twice.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

from kq.core import Core, CoreSettings, Instant
from kq.core import events as ev
from kq.core import instructions as do
from kq.core.jobs import Job
from kq.errors import KqError
from kq.messages import AttemptEnding
from kq.records import attempt_id
from kq.states import Outcome, TaskState

SETTINGS = CoreSettings(agents_wanted=2, lease_s=10.0, heartbeat_s=1.0, max_agent_losses=3)

Reply = do.Assign | do.AskStop | do.Acknowledge | do.AskToRegister | do.EndAgent


@dataclass
class SimAgent:
    """A process that takes one task at a time, keeps its lease, and repeats what was not acknowledged."""

    world: World
    id: str
    local: bool
    pid: int
    attempt: str = ""
    number: int = 0
    """The highest order seen."""
    endings: dict[str, AttemptEnding] = field(default_factory=dict)
    inbox: list[Reply] = field(default_factory=list)
    outbox: list[ev.CoreEvent] = field(default_factory=list)
    heartbeat_number: int = 0
    sent: dict[int, float] = field(default_factory=dict)
    lease_from: float = 0.0
    next_beat: float = 0.0
    registered: bool = False
    told_to_stop: bool = False
    leaving: str = ""

    def register(self) -> None:
        self.sent[0] = min(self.sent.get(0, self.world.mono), self.world.mono)
        self.outbox.append(
            ev.AgentRegistered(
                self.id, "host", self.pid, 1.0, self.local, self.attempt,
                tuple(self.endings.values()), self.number,
            )
        )  # fmt: skip

    def live(self) -> None:
        """What it does by itself as time passes: its lease, its heartbeat, ending what it was told to end."""
        now = self.world.mono
        if now - self.lease_from > SETTINGS.lease_s:
            self.leave("its lease ran out")
            return
        if self.told_to_stop and self.attempt:
            self.end_render("stopped")
        if self.leaving:
            self.leave(self.leaving)
            return
        if now >= self.next_beat:
            self.next_beat = now + SETTINGS.heartbeat_s
            if not self.registered:
                self.register()
                return
            self.heartbeat_number += 1
            self.sent[self.heartbeat_number] = now
            self.outbox.append(
                ev.AgentHeartbeat(
                    self.id, self.heartbeat_number, self.number, self.attempt, tuple(self.endings.values()),
                    float(self.heartbeat_number % 5), self.heartbeat_number % 7,
                )
            )  # fmt: skip

    def obey(self, order: Reply) -> None:
        if self.world.mono - self.lease_from > SETTINGS.lease_s:
            return
        if isinstance(order, do.Assign):
            name = attempt_id(order.job_id, order.task, order.attempt)
            if order.number > self.number:
                self.number = order.number
                if not self.attempt and not self.leaving:
                    self.attempt, self.told_to_stop = name, False
                    self.world.starts(self, name)
        elif isinstance(order, do.AskStop):
            self.told_to_stop |= bool(order.attempt) and order.attempt == self.attempt
        elif isinstance(order, do.Acknowledge):
            if order.heartbeat in self.sent:
                self.lease_from = max(self.lease_from, self.sent[order.heartbeat])
            self.registered |= order.heartbeat == 0
            for name in order.acknowledged:
                self.endings.pop(name, None)
            self.told_to_stop |= bool(self.attempt) and (order.stop or order.desired != self.attempt)
        elif isinstance(order, do.AskToRegister):
            self.register()
        else:
            self.leaving = self.leaving or order.reason
            self.told_to_stop = True

    def end_render(self, outcome: str) -> None:
        name, self.attempt, self.told_to_stop = self.attempt, "", False
        self.world.ends(self, name)
        code = {"completed": 0, "failed": 1}.get(outcome, -15)
        ending = AttemptEnding(agent=self.id, attempt=name, outcome=Outcome(outcome), exit_code=code)
        self.endings[name] = ending
        self.outbox.append(ev.AttemptEnded(ending))

    def leave(self, reason: str) -> None:
        """It ends its render and itself, and says so if it can."""
        if self.attempt:
            self.end_render("stopped")
        self.world.process_ended(self, reason)


class World:
    """The core, the processes, the messages between them, and a shadow of what really runs."""

    def __init__(self) -> None:
        self.mono, self.pids, self.remotes = 1000.0, 100, 0
        self.core = Core(SETTINGS)
        self.agents: dict[str, SimAgent] = {}
        self.launching: list[str] = []
        self.known_gone: list[ev.AgentGone] = []
        """What the server is about to learn about processes."""
        self.late: list[ev.CoreEvent] = []
        """Messages that outlived their sender."""
        self.running: dict[tuple[str, str], tuple[str, str]] = {}
        self.accepted: set[str] = set()
        self.removal_asked: set[str] = set()
        self.launches_fail = False
        self.launch_times: list[float] = []
        self.assigned: list[tuple[str, int]] = []

    @property
    def now(self) -> Instant:
        return Instant(self.mono, 1.7e9 + self.mono)

    # --- what really runs -----------------------------------------------------------

    def starts(self, agent: SimAgent, name: str) -> None:
        job_id, task, _ = name.split("/")
        other = self.running.get((job_id, task))
        assert other is None, f"{name} starts on {agent.id} while it runs as {other}"
        self.running[(job_id, task)] = (agent.id, name)

    def ends(self, agent: SimAgent, name: str) -> None:
        job_id, task, _ = name.split("/")
        assert self.running.pop((job_id, task)) == (agent.id, name)

    def process_ended(self, agent: SimAgent, reason: str) -> None:
        """The process and all its children are gone."""
        if agent.attempt:
            self.ends(agent, agent.attempt)
            agent.attempt = ""
        del self.agents[agent.id]
        self.late += agent.outbox
        self.known_gone.append(ev.AgentGone(agent.id, reason))

    # --- feeding the core -----------------------------------------------------------

    def feed(self, event: ev.CoreEvent) -> None:
        """Let the core handle one event and carry out what it wants."""
        self.carry_out(self.core.handle(event, self.now))

    def carry_out(self, instructions: list[do.Instruction]) -> None:
        for each in instructions:
            if isinstance(each, do.LaunchAgent):
                self.launching.append(each.agent)
                self.launch_times.append(self.mono)
            elif isinstance(each, do.EndAgent):
                self._end_agent(each)
            elif isinstance(each, do.Assign | do.AskStop | do.Acknowledge | do.AskToRegister):
                if isinstance(each, do.Assign):
                    self.assigned.append((each.job_id, each.task))
                agent = self.agents.get(each.agent)
                if agent is not None:
                    agent.inbox.append(each)
            elif isinstance(each, do.JobRemoved):
                assert each.job_id in self.removal_asked, f"{each.job_id} was forgotten unasked"
                self.accepted.discard(each.job_id)

    def _end_agent(self, order: do.EndAgent) -> None:
        agent = self.agents.get(order.agent)
        if agent is None:
            if order.agent in self.launching:
                self.launching.remove(order.agent)
                self.known_gone.append(ev.AgentGone(order.agent, "it was ended before it began"))
        elif agent.local and order.force:
            self.process_ended(agent, "killed")
        else:
            agent.inbox.append(order)

    def try_feed(self, event: ev.CoreEvent) -> bool:
        """Feed what a client wants; whether it was accepted."""
        try:
            self.feed(event)
        except KqError:
            return False
        return True

    # --- things that happen -----------------------------------------------------------

    def launch(self) -> None:
        """The oldest launch comes to something: a process, or word that there is none."""
        agent_id = self.launching.pop(0)
        if self.launches_fail:
            self.feed(ev.AgentGone(agent_id, "python is not there"))
            return
        self.join(agent_id, local=True)

    def join(self, agent_id: str, *, local: bool) -> None:
        self.pids += 1
        agent = SimAgent(self, agent_id, local, self.pids, lease_from=self.mono, next_beat=self.mono + 1)
        self.agents[agent_id] = agent
        agent.register()

    def deliver(self, agent: SimAgent) -> None:
        """All messages of and to one Agent, in order."""
        while agent.outbox or agent.inbox:
            if agent.outbox:
                self.feed(agent.outbox.pop(0))
            elif agent.inbox:
                agent.obey(agent.inbox.pop(0))
            if self.agents.get(agent.id) is not agent:
                return

    def learn_gone(self) -> None:
        while self.known_gone:
            self.feed(self.known_gone.pop(0))

    def pass_time(self, seconds: float, attempt_lost: frozenset[str] = frozenset()) -> None:
        """Time passes in steps of half a second, and messages arrive except from and to those cut off."""
        for _ in range(round(seconds * 2)):
            self.mono += 0.5
            for agent in list(self.agents.values()):
                agent.live()
            for agent in list(self.agents.values()):
                if agent.id not in attempt_lost and self.agents.get(agent.id) is agent:
                    self.deliver(agent)
            self.learn_gone()
            self.feed(ev.Tick())
            for _ in range(len(self.launching)):
                self.launch()

    def stand_still(self, seconds: float) -> None:
        """The server stands still: Agents live on, nothing arrives, no Tick."""
        for _ in range(round(seconds)):
            self.mono += 1.0
            for agent in list(self.agents.values()):
                agent.live()

    # --- the server dies --------------------------------------------------------------

    def journal(self) -> Callable[[], None]:
        """What a journal would hold now, as a function that restarts the server from it."""
        core = self.core
        jobs = [_copy_job(core.job(job_id)) for job_id in core.job_ids()]
        agents = [
            (agent.id, agent.pid, agent.local)
            for agent in map(core.agent, core.agent_ids())
            if agent is not None
        ]
        paused, wanted = core.queue_record().paused, core.queue_record().agents_wanted
        next_agent = core.next_agent

        def restart() -> None:
            self.core = Core(SETTINGS)
            self.core.restore_numbering(next_agent=next_agent)
            for job in jobs:
                self.core.restore_job(job)
            for agent_id, pid, local in agents:
                self.core.restore_agent(
                    agent_id, host="host", pid=pid, process_started=1.0, local=local, now=self.now
                )
            self.carry_out(self.core.finish_restore(self.now))
            self.feed(ev.QueuePaused(paused))
            self.feed(ev.AgentCountSet(wanted))
            self.removal_asked &= self.accepted
            for agent_id, _, local in agents:
                gone = agent_id not in self.agents and agent_id not in self.launching
                if local and gone and all(known.agent != agent_id for known in self.known_gone):
                    self.known_gone.append(ev.AgentGone(agent_id, "found gone"))

        return restart

    def restart_server(self, restart: Callable[[], None]) -> None:
        """The connection breaks: what was on its way is lost, and Agents register again."""
        self.late.clear()
        for agent in self.agents.values():
            agent.outbox.clear()
            agent.inbox.clear()
        restart()
        for agent in self.agents.values():
            if agent.registered:
                agent.register()

    # --- what must always hold ----------------------------------------------------------

    def check(self) -> None:
        core = self.core
        known = set(core.job_ids())
        assert self.accepted - self.removal_asked <= known, "an accepted job is lost"
        holders: dict[tuple[str, int], str] = {}
        for agent_id in core.agent_ids():
            agent = core.agent(agent_id)
            assert agent is not None
            if agent.desired is not None:
                assert agent.desired[:2] not in holders, f"{agent.desired} is wanted of two Agents"
                holders[agent.desired[:2]] = agent_id
                assert agent.desired_attempt_id == attempt_id(*agent.desired)
            core.agent_record(agent_id)
        for job_id in core.job_ids():
            job, record = core.job(job_id), core.job_record(job_id)
            states = [job.task_state(task) for task in range(job.total)]
            counts = [
                record.tasks_waiting, record.tasks_running, record.tasks_completed,
                record.tasks_failed, record.tasks_cancelled,
            ]  # fmt: skip
            assert sum(counts) == record.tasks == len(states)
            assert record.tasks_waiting == states.count(TaskState.WAITING)
            assert record.tasks_completed == states.count(TaskState.COMPLETED)
            assert record.tasks_failed == states.count(TaskState.FAILED)
            assert record.tasks_cancelled == states.count(TaskState.CANCELLED)
            assert record.stopping == (TaskState.STOPPING in states)
            assert (record.completed is not None) == record.state.is_terminal
            assert not (record.state == "Failed" and not record.reason), "failed without a reason"
            limit = job.spec.max_parallel
            assert not limit or record.tasks_running <= limit
            for task, state in enumerate(states):
                assert state.is_on_agent == ((job_id, task) in holders), (job_id, task, state, holders)
                detail = job.details.get(task)
                if state.is_on_agent:
                    assert detail is not None
                    assert detail.agent == holders[(job_id, task)]
                if state is TaskState.WAITING:
                    assert detail is None or detail.progress is None


def _copy_job(job: Job) -> Job:
    other = Job(job.id, job.spec, job.order, job.submitted)
    other.restore_states(bytes(job.states))
    other.details = copy.deepcopy(job.details)
    for name in (
        "priority",
        "latest",
        "started",
        "completed",
        "attempts",
        "reason",
        "warning",
        "warnings",
        "ran_s",
        "exit_code",
        "note",
    ):
        setattr(other, name, getattr(job, name))
    return other
