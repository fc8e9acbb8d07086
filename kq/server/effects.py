"""Carries out the core's instructions: writes to the journal, changes for clients, orders to Agents.

The table at the end maps each instruction to its method. No decisions are made here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from .. import messages as m
from .. import process
from ..core import Core
from ..core import events as ev
from ..core import instructions as do
from ..core.pool import heartbeat_interval_s
from ..errors import MalformedMessage
from ..placeholders import fill_picture
from ..records import attempt_id, task_commands
from ..settings import Settings
from ..states import Outcome
from .agent_links import LOCAL_ROLE, AgentLinks
from .change_feed import ChangeFeed
from .client_outbox import ClientOutbox
from .decision_log import log_attempt
from .history import History
from .journal_writer import JournalWriter
from .local_agents import LocalAgents
from .streams import Streams

__all__ = ["Effects"]


class Effects:
    """Carries out instructions. Server thread only."""

    def __init__(
        self,
        settings: Settings,
        core: Core,
        journal_writer: JournalWriter,
        change_feed: ChangeFeed,
        outbox: ClientOutbox,
        links: AgentLinks,
        local_agents: LocalAgents,
        history: History,
        streams: Streams,
    ) -> None:
        self._settings = settings
        self._core = core
        self._journal_writer = journal_writer
        self._journal = journal_writer.journal
        self._change_feed = change_feed
        self._outbox = outbox
        self._links = links
        self._local_agents = local_agents
        self._history = history
        self._streams = streams
        self._cores = process.usable_cores()
        self._held: list[do.Instruction] = []
        self._failures: list[ev.CoreEvent] = []

    @property
    def is_pending(self) -> bool:
        """Whether `take_failures` or `carry_out_orders` has something to do."""
        return bool(self._held or self._failures)

    def take(self, instructions: list[do.Instruction]) -> None:
        """Carry out instructions; hold those to Agents, `when_journaled`, for `carry_out_orders`."""
        for each in instructions:
            effect = _EFFECTS[type(each)]
            if effect.when_journaled:
                self._held.append(each)
            else:
                effect.carry_out(self, each)

    def carry_out_orders(self) -> None:
        """Carry out the held instructions. To be called after the journal was written."""
        held, self._held = self._held, []
        for each in held:
            _EFFECTS[type(each)].carry_out(self, each)

    def take_failures(self) -> list[ev.CoreEvent]:
        """Return and clear the events for the core that failed orders caused."""
        failures, self._failures = self._failures, []
        return failures

    # --- Journal and clients ---

    def _task_changed(self, instruction: do.TaskChanged) -> None:
        if self._core.has_job(instruction.job_id):
            self._journal.note_task(self._core.job(instruction.job_id), instruction.task)
            self._change_feed.job_changed(instruction.job_id)

    def _job_changed(self, instruction: do.JobChanged) -> None:
        if self._core.has_job(instruction.job_id):
            self._journal.note_job(self._core.job(instruction.job_id))
            self._change_feed.job_changed(instruction.job_id)

    def _tasks_reset(self, instruction: do.TasksReset) -> None:
        if self._core.has_job(instruction.job_id):
            self._journal.note_job(self._core.job(instruction.job_id), tasks_reset=True)
            self._change_feed.job_changed(instruction.job_id)

    def _job_removed(self, instruction: do.JobRemoved) -> None:
        self._change_feed.job_removed(instruction.job_id)
        self._history.forget(instruction.job_id)
        self._streams.forget_job(instruction.job_id)

    def _attempt_over(self, instruction: do.AttemptOver) -> None:
        record = instruction.record
        if record.outcome not in (Outcome.COMPLETED, Outcome.STOPPED):
            log_attempt(record)
        if self._core.has_job(record.job_id):
            self._journal.note_attempt(self._core.job(record.job_id), record)
        self._streams.attempt_over(record.agent, attempt_id(record.job_id, record.task, record.attempt))
        self._outbox.release()

    def _agent_changed(self, instruction: do.AgentChanged) -> None:
        self._change_feed.agent_changed(instruction.agent)

    def _agent_removed(self, instruction: do.AgentRemoved) -> None:
        self._change_feed.agent_removed(instruction.agent)
        self._links.forget(instruction.agent)
        self._journal_writer.forget_agent(instruction.agent)

    def _queue_changed(self, _instruction: do.QueueChanged) -> None:
        self._change_feed.queue_changed()

    # --- Agents ---

    def _launch_agent(self, instruction: do.LaunchAgent) -> None:
        # Stored before the process exists: the next server must not use the number again.
        self._journal_writer.note_next_agent(self._core.next_agent)
        self._links.set_role(instruction.agent, LOCAL_ROLE)
        self._local_agents.launch(instruction.agent)
        running = self._local_agents.process_of(instruction.agent)
        agent = self._core.agent(instruction.agent)
        if running is not None and agent is not None:
            agent.pid, agent.process_started = running
            self._journal_writer.note_agent(agent, LOCAL_ROLE)

    def _end_agent(self, instruction: do.EndAgent) -> None:
        # A broadcast reaches an Agent that has no route; a local one is killed if it does not end in time.
        grace_s = self._settings.grace_s
        if not instruction.force:
            order = m.EndOrder(reason=instruction.reason, grace_s=grace_s, restart=instruction.restart)
            if not self._links.send(instruction.agent, order):
                self._links.publish(instruction.agent, order)
        agent = self._core.agent(instruction.agent)
        if agent is not None and agent.local:
            self._local_agents.end(
                instruction.agent, instruction.reason, force=instruction.force, grace_s=grace_s
            )

    def _assign(self, instruction: do.Assign) -> None:
        self._outbox.hold(time.monotonic())
        agent = self._core.agent(instruction.agent)
        if agent is None or agent.desired != (instruction.job_id, instruction.task, instruction.attempt):
            return  # a later decision has changed the assignment
        job = self._core.job(instruction.job_id)
        spec, frames = job.spec, job.frames(instruction.task)
        environment = dict(spec.environment)
        if agent.local:
            threads = max(self._cores // max(self._core.state.agents_wanted, 1), 1)
            environment.setdefault("KQ_THREADS", str(threads))
        order = m.AssignOrder(
            number=instruction.number,
            attempt=attempt_id(instruction.job_id, instruction.task, instruction.attempt),
            commands=task_commands(spec, frames),
            cwd=spec.cwd,
            environment=environment,
            unset=spec.unset,
            log_file=job.details[instruction.task].log_file,
            picture=fill_picture(spec.picture, frames),
            renderer=spec.renderer,
            timeout_s=spec.timeout_s,
            silence_s=spec.silence_s,
            memory_limit=spec.memory_limit,
            temp_dir=spec.temp_dir,
            standby=spec.standby,
            stop_signal=spec.stop_signal,
            warnings=spec.warnings(),
        )
        try:
            self._links.send(instruction.agent, order)
        except MalformedMessage as error:
            ending = m.AttemptEnding(
                agent=instruction.agent, attempt=order.attempt, outcome=Outcome.FAILED, reason=str(error)
            )
            self._failures.append(ev.AttemptEnded(ending))

    def _ask_stop(self, instruction: do.AskStop) -> None:
        self._outbox.hold(time.monotonic())
        order = m.StopOrder(attempt=instruction.attempt, grace_s=self._settings.grace_s)
        self._links.publish(instruction.agent, order)

    def _ask_to_register(self, instruction: do.AskToRegister) -> None:
        self._links.publish(instruction.agent, m.RegisterAgainOrder())

    def _acknowledge(self, instruction: do.Acknowledge) -> None:
        order = m.AcknowledgeOrder(
            heartbeat=instruction.heartbeat,
            desired=instruction.desired,
            stop=instruction.stop,
            grace_s=self._settings.grace_s,
            acknowledged=instruction.acknowledged,
            heartbeat_s=heartbeat_interval_s(self._core.state),
        )
        self._links.send(instruction.agent, order)


class _Effect(NamedTuple):
    carry_out: Callable[[Effects, Any], None]
    when_journaled: bool = False
    """Whether it is carried out only after the journal was written."""


_EFFECTS: dict[type[do.Instruction], _Effect] = {
    do.TaskChanged: _Effect(Effects._task_changed),
    do.JobChanged: _Effect(Effects._job_changed),
    do.TasksReset: _Effect(Effects._tasks_reset),
    do.JobRemoved: _Effect(Effects._job_removed),
    do.AttemptOver: _Effect(Effects._attempt_over),
    do.AgentChanged: _Effect(Effects._agent_changed),
    do.AgentRemoved: _Effect(Effects._agent_removed),
    do.QueueChanged: _Effect(Effects._queue_changed),
    do.LaunchAgent: _Effect(Effects._launch_agent, when_journaled=True),
    do.EndAgent: _Effect(Effects._end_agent, when_journaled=True),
    do.Assign: _Effect(Effects._assign, when_journaled=True),
    do.AskStop: _Effect(Effects._ask_stop, when_journaled=True),
    do.AskToRegister: _Effect(Effects._ask_to_register, when_journaled=True),
    do.Acknowledge: _Effect(Effects._acknowledge, when_journaled=True),
}
