"""Drives a core event by event: each method is one event and returns the instructions that follow."""

from __future__ import annotations

from kq.core import Core, CoreSettings, Instant
from kq.core import events as ev
from kq.core import instructions as do
from kq.messages import AttemptEnding
from kq.records import JobSpec
from kq.states import Outcome, TaskState, WaitReason

COMMANDS = (("render", "{frame}"),)
_LETTERS = {
    TaskState.WAITING: "w",
    TaskState.RUNNING: "r",
    TaskState.STOPPING: "p",
    TaskState.COMPLETED: "c",
    TaskState.CANCELLED: "x",
    TaskState.FAILED: "f",
}


class Driver:
    """A core, its clock, and short words for what happens to it."""

    def __init__(self, *, agents: int = 0, **settings: object) -> None:
        self.mono = 1000.0
        self.core = Core(CoreSettings(agents_wanted=agents, **settings))  # type: ignore[arg-type]

    @property
    def now(self) -> Instant:
        return Instant(self.mono, 1_700_000_000.0 + self.mono)

    def feed(self, event: ev.CoreEvent) -> list[do.Instruction]:
        return self.core.handle(event, self.now)

    def submit(self, job_id: str, **fields: object) -> list[do.Instruction]:
        spec = JobSpec(**{"name": f"name of {job_id}", "commands": COMMANDS, **fields})  # type: ignore[arg-type]
        return self.feed(ev.JobSubmitted(job_id, spec))

    def start(self, *job_ids: str) -> list[do.Instruction]:
        return self.feed(ev.JobsStarted(job_ids))

    def start_tasks(self, job_id: str, *tasks: int) -> list[do.Instruction]:
        return self.feed(ev.TasksStarted(job_id, tasks))

    def stop_tasks(self, job_id: str, *tasks: int) -> list[do.Instruction]:
        return self.feed(ev.TasksStopped(job_id, tasks))

    def stop(self, *job_ids: str) -> list[do.Instruction]:
        return self.feed(ev.JobsStopped(job_ids))

    def remove(self, *job_ids: str) -> list[do.Instruction]:
        return self.feed(ev.JobsRemoved(job_ids))

    def register(
        self, agent: str, *, local: bool = False, pid: int = 100, attempt: str = "", assign_number: int = 0,
        endings: tuple[AttemptEnding, ...] = (),
    ) -> list[do.Instruction]:  # fmt: skip
        return self.feed(ev.AgentRegistered(agent, "host", pid, 1.0, local, attempt, endings, assign_number))

    def heartbeat(
        self, agent: str, *, attempt: str = "", assign_number: int = 0, number: int = 1,
        endings: tuple[AttemptEnding, ...] = (), cpu: float | None = None, memory: int | None = None,
    ) -> list[do.Instruction]:  # fmt: skip
        return self.feed(ev.AgentHeartbeat(agent, number, assign_number, attempt, endings, cpu, memory))

    def end(
        self, agent: str, attempt: str, outcome: str = "completed", **fields: object
    ) -> list[do.Instruction]:
        return self.feed(ev.AttemptEnded(ending(agent, attempt, outcome, **fields)))

    def gone(self, agent: str, reason: str = "it was killed by signal 9") -> list[do.Instruction]:
        return self.feed(ev.AgentGone(agent, reason))

    def tick(self, after_s: float = 0.0) -> list[do.Instruction]:
        """A second at a time, as the server does; returns what followed altogether."""
        out: list[do.Instruction] = []
        while after_s > 1.0:
            self.mono += 1.0
            after_s -= 1.0
            out += self.feed(ev.Tick())
        self.mono += after_s
        return out + self.feed(ev.Tick())

    def state(self, job_id: str, task: int = 0) -> TaskState:
        return self.core.job(job_id).task_state(task)

    def states(self, job_id: str) -> str:
        """The states of all tasks, a letter each: the first, but p for Stopping and x for Cancelled."""
        entry = self.core.job(job_id)
        return "".join(_LETTERS[entry.task_state(index)] for index in range(entry.total))

    def reason(self, job_id: str) -> str:
        return self.core.job_record(job_id).reason

    def wait_reason(self, job_id: str) -> WaitReason:
        return self.core.job_record(job_id).wait_reason

    def waits_for(self, job_id: str) -> str:
        """The names in the reason of a job that waits for others; empty for any other."""
        record = self.core.job_record(job_id)
        if record.wait_reason is not WaitReason.DEPENDENCIES:
            return ""
        return record.reason.removeprefix("waits for ")


def ended(instructions: list[do.Instruction]) -> list[tuple[str, bool, bool]]:
    """Return agent, force and restart of each order to end an Agent; each has a reason."""
    orders = [each for each in instructions if isinstance(each, do.EndAgent)]
    assert all(each.reason for each in orders)
    return [(each.agent, each.force, each.restart) for each in orders]


def ending(agent: str, attempt: str, outcome: str = "completed", **fields: object) -> AttemptEnding:
    """An ending as an Agent would report it."""
    if outcome == "completed":
        fields.setdefault("exit_code", 0)
    return AttemptEnding(agent=agent, attempt=attempt, outcome=Outcome(outcome), **fields)  # type: ignore[arg-type]


def only(instructions: list[do.Instruction], *kinds: type[do.Instruction]) -> list[do.Instruction]:
    """Those of the kinds named."""
    return [each for each in instructions if isinstance(each, kinds)]


def assigned(instructions: list[do.Instruction]) -> list[tuple[str, str, int]]:
    """Who was given which task of which job, in order."""
    return [(each.agent, each.job_id, each.task) for each in instructions if isinstance(each, do.Assign)]


def launched(instructions: list[object]) -> list[str]:
    """Who is to be launched."""
    return [each.agent for each in instructions if isinstance(each, do.LaunchAgent)]


def live(*, agents: int) -> Driver:
    """A queue with so many local Agents, registered and steady."""
    q = Driver(agents=agents)
    for agent in launched([*q.tick()]):
        q.register(agent, local=True)
    heartbeats(q, 2.0)
    return q


def heartbeats(q: Driver, seconds: float) -> list[object]:
    """Time passes, and all registered local Agents are heard."""
    out: list[object] = []
    while seconds > 0:
        q.mono += min(0.5, seconds)
        seconds -= 0.5
        for agent_id in q.core.agent_ids():
            agent = q.core.agent(agent_id)
            assert agent is not None
            if agent.registered_at is not None:
                out += q.heartbeat(
                    agent_id, attempt=agent.desired_attempt_id, assign_number=agent.assign_number
                )
        out += q.feed(ev.Tick())
    return out
