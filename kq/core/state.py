"""The state of the core, and the operations that its event handlers share. Pure: no I/O, no clock."""

from __future__ import annotations

import os
from collections import OrderedDict
from itertools import islice
from typing import NamedTuple

import msgspec

from ..errors import NotFound
from ..records import QueueRecord
from ..restart_limit import RestartLimit
from ..states import AgentState, TaskState, WaitReason
from . import instructions as do
from .agents import Agent
from .jobs import Job
from .ready import ReadyJobs

__all__ = ["CoreSettings", "CoreState", "Instant", "QueueSettings"]


_ONLY_WAITING = frozenset({TaskState.WAITING})
_NAMES_SHOWN = 3


class Instant(NamedTuple):
    """One moment on both clocks."""

    mono: float
    """Monotonic seconds, for all decisions."""
    wall: float
    """Seconds since the epoch, only for display and records."""


class CoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the core. Durations in seconds."""

    log_root: str = "logs"
    agents_wanted: int = 2
    heartbeat_s: float = 1.0
    lease_s: float = 10.0
    lease_margin_s: float = 2.0
    """How much longer than an Agent the server waits, so that the Agent's side ends first."""
    launch_timeout_s: float = 30.0
    max_agent_losses: int = 3


class QueueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the queue that users changed. They survive a restart of the session's server."""

    paused: bool
    agents_wanted: int
    drained: tuple[str, ...]
    """Ids of drained Agents: they are assigned no more tasks."""


class CoreState:
    """Jobs, Agents, the order of assignment, and the instructions of the event being handled."""

    def __init__(self, settings: CoreSettings) -> None:
        self.settings = settings
        # Joined once: a Path for each of 1,000,000 attempts would cost ten times as much.
        self.log_prefix = os.path.join(settings.log_root, "")  # noqa: PTH118
        self.jobs: dict[str, Job] = {}
        self.agents: dict[str, Agent] = {}
        self.local_agents: dict[str, Agent] = {}
        """The ones of `agents` that run on this machine and belong to the session."""
        self.dependents: dict[str, dict[str, None]] = {}
        """By job id: ids of the jobs that wait for it, in order. The inner dict is an ordered set."""
        self.free: OrderedDict[str, Agent] = OrderedDict()
        """Agents that may be free, the next one last; `dispatch` checks each before it assigns a task."""
        self.ready = ReadyJobs()
        self.restored_assignments: dict[str, tuple[str, int, int]] = {}
        """During a restore from the journal, by Agent: job, task and attempt number of what it ran."""
        self.paused = False
        self.ending = False
        self.agents_wanted = settings.agents_wanted
        self.next_order = 1
        self.next_agent = 1
        self.launches = RestartLimit(delay_s=0.25, max_delay_s=30.0)
        """Counts consecutive failed launches, and delays the next launch."""
        self.next_launch_at: float | None = None
        """Monotonic seconds of the next launch, when it is delayed after a failure."""
        self.leases_checked_at: float | None = None
        """Monotonic seconds of the last check of the leases."""
        self.unreported_agents: dict[str, None] = {}
        """Agents of an earlier server that have not reported since the restart (an ordered set). Nothing is
        assigned until all have: they may run attempts that the journal does not have."""
        self.launch_problem = ""
        """Why Agents cannot start; empty when they can."""
        self.problem = ""
        """Any other problem shown to users; set by kq/server."""
        self.instructions: list[do.Instruction] = []
        self.now = Instant(0.0, 0.0)
        """The time of the event being handled."""

    # --- Looking up ---

    def job(self, job_id: str) -> Job:
        """The job with this id. Raises NotFound, also for one that is being removed."""
        job = self.job_even_if_removing(job_id)
        if job.removing:
            raise _no_such_job(job_id)
        return job

    def job_even_if_removing(self, job_id: str) -> Job:
        """The job with this id, even if it is being removed. Raises NotFound."""
        job = self.jobs.get(job_id)
        if job is None:
            raise _no_such_job(job_id)
        return job

    def jobs_of(self, job_ids: tuple[str, ...]) -> list[Job]:
        """The jobs with these ids, each once. Raises NotFound when one is missing."""
        return [self.job(job_id) for job_id in dict.fromkeys(job_ids)]

    def agents_of(self, agent_ids: tuple[str, ...]) -> list[Agent]:
        """The Agents with these ids, each once. Raises NotFound when one is missing."""
        missing = [agent_id for agent_id in agent_ids if agent_id not in self.agents]
        if missing:
            raise NotFound(f"there is no Agent {missing[0][:80]}")
        return [self.agents[agent_id] for agent_id in dict.fromkeys(agent_ids)]

    def queue_record(self) -> QueueRecord:
        """The queue as a whole, as clients see it."""
        problem = "; ".join(each for each in (self.launch_problem, self.problem) if each)
        return QueueRecord(paused=self.paused, agents_wanted=self.agents_wanted, problem=problem)

    def attempt_of(self, agent_id: str, name: str) -> tuple[Job, int] | None:
        """The job and task of the attempt `name`; None unless it is what `agent_id` should be running."""
        agent = self.agents.get(agent_id)
        if agent is None or agent.desired is None or agent.desired_attempt_id != name:
            return None
        return self.jobs[agent.desired[0]], agent.desired[1]

    # --- Steps that handlers share ---

    def add_ready_job(self, job: Job) -> None:
        """List `job` among those that tasks are assigned from, when it has waiting tasks."""
        if job.waiting:
            self.ready.add(job)

    def move_task(self, job: Job, task: int, new: TaskState, agent: str = "") -> None:
        """Change the state of a task. `agent`: id of the Agent that it is assigned to, for the story."""
        job.set_task_state(task, new, self.now.wall, agent)
        self.instructions.append(do.TaskChanged(job.id, task))

    def after_task(self, job: Job, now: Instant) -> None:
        """Update the job, and the jobs that wait for it, after tasks ended, were cancelled or wait again."""
        if not job.is_over:
            self.explain_waiting(job)
            self.add_ready_job(job)
            return
        job.completed = now.wall
        if job.is_complete:
            job.reason, job.wait_reason = "", WaitReason.NONE
        elif job.has_failed_tasks:
            job.point_to_failure()
        self.update_dependents(job)
        if job.removing:
            self.forget(job, now)

    def update_dependents(self, job: Job) -> None:
        """Release the jobs that wait for `job` when it is Completed, or else make them wait for it."""
        for dependent_id in self.dependents.get(job.id, ()):
            dependent = self.jobs[dependent_id]
            if job.is_complete:
                dependent.unmet_dependencies.pop(job.id, None)
            else:
                dependent.unmet_dependencies[job.id] = None
            self.explain_waiting(dependent)
            self.add_ready_job(dependent)

    def explain_waiting(self, job: Job) -> None:
        """Set as the job's reason which jobs it waits for, if any."""
        if not job.waiting or job.on_agents:
            return
        reason, wait_reason = "", WaitReason.NONE
        if job.unmet_dependencies:
            names = []
            for before in islice(job.unmet_dependencies, _NAMES_SHOWN):
                other = self.jobs[before]
                names.append(f"{other.spec.name} ({other.state})" if other.is_over else other.spec.name)
            more = len(job.unmet_dependencies) - len(names)
            reason = f"waits for {', '.join(names)}{f' and {more} more' if more else ''}"
            wait_reason = WaitReason.DEPENDENCIES
        elif job.wait_reason is not WaitReason.DEPENDENCIES:
            return
        if job.explain(reason, wait_reason):
            self.instructions.append(do.JobChanged(job.id))

    def link(self, job: Job) -> None:
        """Register the dependencies of `job`. Unknown jobs, which were removed, are not waited for.

        They are registered as well: the journal's jobs may be restored before those that they depend on.
        """
        for before in job.spec.after:
            self.dependents.setdefault(before, {})[job.id] = None
            other = self.jobs.get(before)
            if other is not None and not other.is_complete:
                job.unmet_dependencies[before] = None

    def forget(self, job: Job, now: Instant) -> None:
        """Remove the job. Jobs that still wait for it are cancelled."""
        del self.jobs[job.id]
        self.instructions.append(do.JobRemoved(job.id))
        for before in job.spec.after:
            others = self.dependents.get(before)
            if others is not None:
                others.pop(job.id, None)
                if not others:
                    del self.dependents[before]
        for dependent_id in self.dependents.pop(job.id, ()):
            dependent = self.jobs[dependent_id]
            if job.id in dependent.unmet_dependencies:
                del dependent.unmet_dependencies[job.id]
                if dependent.waiting:
                    self.cancel_waiting(dependent, f"{job.spec.name} was removed, for which it waited")
                    self.after_task(dependent, now)

    def cancel_waiting(self, job: Job, reason: str) -> None:
        """Cancel the Waiting tasks of `job`, and set `reason` as the job's reason."""
        moved = job.reset_tasks(_ONLY_WAITING, TaskState.CANCELLED, self.now.wall, reason)
        explained = job.explain(reason)
        if moved:
            self.instructions.append(do.TasksReset(job.id))
        elif explained:
            self.instructions.append(do.JobChanged(job.id))

    def add_agent(self, agent: Agent) -> None:
        """Add a new or restored Agent."""
        self.agents[agent.id] = agent
        if agent.local:
            self.local_agents[agent.id] = agent

    def forget_agent(self, agent: Agent) -> None:
        """Remove the Agent. The task that it was running keeps its id."""
        for place in (self.agents, self.local_agents, self.free, self.unreported_agents):
            place.pop(agent.id, None)
        self.instructions.append(do.AgentRemoved(agent.id))

    def set_launch_problem(self, problem: str) -> None:
        """Set why Agents cannot start, as shown to users; empty when they can."""
        if self.launch_problem != problem:
            self.launch_problem = problem
            self.instructions.append(do.QueueChanged())

    def set_agent_state(self, agent: Agent, new: AgentState, now: Instant) -> None:
        """Change the state of an Agent. Raises IllegalTransition."""
        if agent.set_state(new, now.wall):
            self.instructions.append(do.AgentChanged(agent.id))

    def end_agent(self, agent: Agent, reason: str, now: Instant, *, force: bool = False) -> None:
        """Order an Agent to end; it stays in `agents` until AgentGone. `force`: kill it without asking."""
        agent.reason = reason
        self.set_agent_state(agent, AgentState.ENDING, now)
        self.instructions.append(do.EndAgent(agent.id, reason, force, agent.is_replaced))

    def add_free_agent(self, agent: Agent) -> None:
        """List the Agent as free, if it is: assigned to first, or last if its latest attempt failed."""
        if agent.is_free and agent.id not in self.free:
            self.free[agent.id] = agent
            self.free.move_to_end(agent.id, last=agent.last_attempt_ok)

    def dispatch(self, now: Instant) -> None:
        """Assign tasks to free Agents until either run out. Nothing while paused, ending or restoring."""
        if self.paused or self.ending or self.unreported_agents:
            return
        while self.free:
            agent = next(reversed(self.free.values()))
            if not agent.is_free:
                del self.free[agent.id]
                continue
            job = self.ready.next_job()
            if job is None:
                return
            del self.free[agent.id]
            task = job.take_waiting()
            attempt = job.detail(task).attempts + 1
            self.record_assignment(job, task, attempt, agent, now)
            agent.assign_number += 1
            self.instructions.append(do.Assign(agent.id, agent.assign_number, job.id, task, attempt))

    def record_assignment(self, job: Job, task: int, attempt: int, agent: Agent, now: Instant) -> None:
        """Record that `agent` runs the Waiting `task`, as attempt number `attempt`."""
        self.move_task(job, task, TaskState.RUNNING, agent.id)
        detail = job.detail(task)
        detail.attempts = attempt
        detail.agent = agent.id
        detail.started, detail.ended = now.wall, None
        detail.progress = detail.exit_code = None
        detail.reason = detail.warning = ""
        job.count_warnings(detail, 0)
        detail.log_file = f"{self.log_prefix}{job.id}{os.sep}{task}.{attempt}.log"
        job.attempts += 1
        job.latest = task
        job.completed = None
        if job.started is None:
            job.started = now.wall
        job.explain("")
        if job.total == 1:
            job.warning = ""
        agent.assign(job.id, task, attempt, now.mono)
        if agent.state is not AgentState.ENDING:
            self.set_agent_state(agent, AgentState.BUSY, now)


def _no_such_job(job_id: str) -> NotFound:
    return NotFound(f"there is no job {job_id[:40]}")
