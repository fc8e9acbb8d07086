"""All that the core remembers, and the few steps that every handler takes. Pure."""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import NamedTuple

import msgspec

from kq.core import instructions as do
from kq.core.agents import Agent
from kq.core.jobs import Job
from kq.core.ready import ReadyJobs
from kq.errors import NotFound
from kq.records import QueueRecord, attempt_id
from kq.states import AgentState, TaskState

__all__ = ["CoreSettings", "CoreState", "Instant"]


class Instant(NamedTuple):
    """One moment on both clocks."""

    mono: float
    """Monotonic seconds: all decisions."""
    wall: float
    """Seconds since the epoch: only what people read."""


class CoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the core needs to know beforehand. Durations in seconds."""

    log_root: str = "logs"
    agents_wanted: int = 2
    heartbeat_s: float = 1.0
    lease_s: float = 10.0
    lease_margin_s: float = 2.0
    """How much longer than an Agent the server waits, so that the Agent's side ends first."""
    launch_timeout_s: float = 30.0
    max_agent_losses: int = 3


class CoreState:
    """Jobs, Agents, what is next, and the instructions of the event at hand."""

    def __init__(self, settings: CoreSettings) -> None:
        self.settings = settings
        self.jobs: dict[str, Job] = {}
        self.agents: dict[str, Agent] = {}
        self.dependents: dict[str, set[str]] = {}
        """Which jobs wait for a job."""
        self.free: OrderedDict[str, Agent] = OrderedDict()
        """Agents that may be given a task, longest idle first; checked when they come up."""
        self.ready = ReadyJobs(self.is_eligible)
        self.paused = False
        self.ending = False
        self.agents_wanted = settings.agents_wanted
        self.next_order = 1
        self.next_agent = 1
        self.launch_failures = 0
        self.launch_not_before = 0.0
        self.trouble = ""
        self.out: list[do.Instruction] = []

    # --- looking up -------------------------------------------------------------

    def job(self, job_id: str) -> Job:
        """The job, or NotFound."""
        job = self.jobs.get(job_id)
        if job is None or job.removing:
            raise NotFound(f"there is no job {job_id[:40]}")
        return job

    def jobs_of(self, job_ids: tuple[str, ...]) -> list[Job]:
        """The jobs; NotFound before anything is changed when one is missing."""
        return [self.job(job_id) for job_id in dict.fromkeys(job_ids)]

    def agents_of(self, agent_ids: tuple[str, ...]) -> list[Agent]:
        """The Agents; NotFound before anything is changed when one is missing."""
        missing = [agent_id for agent_id in agent_ids if agent_id not in self.agents]
        if missing:
            raise NotFound(f"there is no Agent {missing[0][:80]}")
        return [self.agents[agent_id] for agent_id in dict.fromkeys(agent_ids)]

    def queue_record(self) -> QueueRecord:
        """What people are told of the queue as a whole."""
        return QueueRecord(paused=self.paused, agents_wanted=self.agents_wanted, trouble=self.trouble)

    def attempt_of(self, name: str) -> tuple[Job, int] | None:
        """The job and task whose current attempt is called `name`, when an Agent has it."""
        job_id, _, rest = name.partition("/")
        task_text, _, number = rest.partition("/")
        job = self.jobs.get(job_id)
        if job is None or not (task_text.isdigit() and number.isdigit()) or int(task_text) >= job.total:
            return None
        task = int(task_text)
        if not job.task_state(task).is_on_agent or job.details[task].attempts != int(number):
            return None
        return job, task

    # --- steps that handlers share ------------------------------------------------

    def is_eligible(self, job: Job) -> bool:
        """Whether a task of `job` may be given now."""
        if not job.waiting or job.removing:
            return False
        if job.spec.max_parallel and job.on_agents >= job.spec.max_parallel:
            return False
        return not job.spec.after or all(
            before in self.jobs and self.jobs[before].is_complete for before in job.spec.after
        )

    def offer(self, job: Job) -> None:
        """`job` may have something to give."""
        if job.waiting:
            self.ready.list_job(job)

    def move_task(self, job: Job, task: int, new: TaskState) -> None:
        """Move one task on, and say so."""
        job.set_task_state(task, new)
        self.out.append(do.TaskChanged(job.id, task))

    def after_task(self, job: Job, now: Instant) -> None:
        """Draw the job-wide consequences of a task that ended or came back."""
        if job.is_over:
            job.completed = now.wall
            if job.is_complete:
                job.reason = ""
                for dependent in self.dependents.get(job.id, ()):
                    if dependent in self.jobs:
                        self.explain_waiting(self.jobs[dependent])
                        self.offer(self.jobs[dependent])
            if job.removing:
                self.forget(job)
        else:
            self.offer(job)

    def explain_waiting(self, job: Job) -> None:
        """Say in the job's reason which jobs it waits for, if any."""
        if not job.waiting or job.on_agents or not job.spec.after:
            return
        names = []
        for before in job.spec.after:
            other = self.jobs.get(before)
            if other is None:
                names.append(f"{before} (removed)")
            elif not other.is_complete:
                names.append(f"{other.spec.name} ({other.state.value})")
        reason = f"waits for {', '.join(names)}" if names else ""
        if reason != job.reason:
            job.reason = reason
            self.out.append(do.JobChanged(job.id))

    def forget(self, job: Job) -> None:
        """Drop the job from everything."""
        self.jobs.pop(job.id, None)
        for before in job.spec.after:
            self.dependents.get(before, set()).discard(job.id)
        self.out.append(do.JobRemoved(job.id))
        for dependent in self.dependents.pop(job.id, ()):
            if dependent in self.jobs:
                self.explain_waiting(self.jobs[dependent])

    def set_agent_state(self, agent: Agent, new: AgentState, now: Instant) -> None:
        """Move an Agent on, and say so when that is a change."""
        if agent.set_state(new, now.wall):
            self.out.append(do.AgentChanged(agent.id))

    def agent_is_free(self, agent: Agent) -> None:
        """The Agent may have become free for work."""
        if agent.is_free:
            self.free.setdefault(agent.id, agent)

    def dispatch(self, now: Instant) -> None:
        """Give tasks to free Agents while there are both."""
        if self.paused or self.ending:
            return
        while self.free:
            agent = next(iter(self.free.values()))
            if not agent.is_free or self.agents.get(agent.id) is not agent:
                del self.free[agent.id]
                continue
            job = self.ready.next_job()
            if job is None:
                return
            del self.free[agent.id]
            self._assign(job, agent, now)

    def _assign(self, job: Job, agent: Agent, now: Instant) -> None:
        task = job.take_waiting()
        job.set_task_state(task, TaskState.RUNNING)
        detail = job.detail(task)
        detail.attempts += 1
        detail.agent = agent.id
        detail.started, detail.ended = now.wall, None
        detail.progress = detail.exit_code = None
        detail.reason = detail.warning = ""
        detail.log_file = os.path.join(  # noqa: PTH118  # a Path for each of 1,000,000 tasks costs ten times as much
            self.settings.log_root, job.id, f"{task}.{detail.attempts}.log"
        )
        job.attempts += 1
        job.latest = task
        job.completed = None
        if job.started is None:
            job.started = now.wall
        if job.total == 1 or job.on_agents == 1:
            job.reason = ""
        agent.want = (job.id, task, detail.attempts)
        agent.assign_number += 1
        agent.assigned_at = now.mono
        agent.idle_beats = 0
        agent.set_state(AgentState.BUSY, now.wall)
        out = self.out
        out.append(do.TaskChanged(job.id, task))
        out.append(do.AgentChanged(agent.id))
        out.append(do.Assign(agent.id, agent.assign_number, job.id, task, detail.attempts))

    def wanted_attempt(self, agent: Agent) -> str:
        """The name of the attempt that `agent` should be running, or empty."""
        return "" if agent.want is None else attempt_id(*agent.want)
