"""Carries out what the core decided, once the journal is written: launches, sends, ends. Decides nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import msgspec

from .. import messages as m
from .. import process
from ..core import Core
from ..core import events as ev
from ..core import instructions as do
from ..core.pool import beat_interval_s
from ..errors import MalformedMessage
from ..records import attempt_id, fill, task_commands
from ..settings import Settings
from ..wire import ServerWire
from .agent_messages import AgentMessages
from .journal_writer import JournalWriter
from .local_agents import LocalAgents

__all__ = ["Orders"]


class Orders:
    """The hands of the server. To be used from its thread."""

    def __init__(
        self,
        settings: Settings,
        core: Core,
        wire: ServerWire,
        agent_messages: AgentMessages,
        agents: LocalAgents,
        journal_writer: JournalWriter,
        handle: Callable[[ev.CoreEvent], object],
        remember: Callable[[str], None],
    ) -> None:
        """
        Args:
            handle: takes events to the core.
            remember: notes an Agent in the journal.
        """
        self._settings = settings
        self._core = core
        self._wire = wire
        self._agent_messages = agent_messages
        self._agents = agents
        self._journal_writer = journal_writer
        self._handle = handle
        self._remember = remember
        self._cores = process.usable_cores()

    def carry_out(self, told: do.Instruction) -> None:
        """Do it. What is due later is an event of its own."""
        _ACTIONS[type(told)](self, told)

    def send(self, agent_id: str, message: msgspec.Struct) -> bool:
        """Send to an Agent; False when it cannot be reached now, and was asked to register again."""
        peer = self._agent_messages.routes.get(agent_id)
        if peer is not None and self._wire.send(peer, message):
            return True
        # Its route is dead or unknown; it may still listen to broadcasts.
        self._agent_messages.routes.pop(agent_id, None)
        self._wire.publish_to_agent(agent_id, m.RegisterAgainOrder())
        return False

    def _do_launch(self, told: do.LaunchAgent) -> None:
        # Noted before there is a process: a server that follows must not use the number again.
        try:
            self._journal_writer.journal.note_next_agent(self._core.next_agent)
        except sqlite3.Error as error:
            self._journal_writer.failed(error)
        self._agent_messages.roles[told.agent] = "agent:local"
        self._agents.launch(told.agent)
        running = self._agents.process_of(told.agent)
        agent = self._core.agent(told.agent)
        if running is not None and agent is not None:
            agent.pid, agent.process_started = running
            self._remember(told.agent)

    def _do_end_agent(self, told: do.EndAgent) -> None:
        grace = self._settings.grace_s
        if not told.force:
            order = m.EndOrder(reason=told.reason, grace_s=grace, again=told.again)
            if not self.send(told.agent, order):
                self._wire.publish_to_agent(told.agent, order)
        agent = self._core.agent(told.agent)
        if agent is not None and agent.local:
            self._agents.end(told.agent, told.reason, force=told.force, grace_s=grace)

    def _do_assign(self, told: do.Assign) -> None:
        agent = self._core.agent(told.agent)
        if agent is None or agent.desired != (told.job_id, told.task, told.attempt):
            return
        job = self._core.job_entry(told.job_id)
        spec, frames = job.spec, job.frames(told.task)
        environment = dict(spec.environment)
        if agent.local:
            threads = max(self._cores // max(self._core.state.agents_wanted, 1), 1)
            environment.setdefault("KQ_THREADS", str(threads))
        order = m.AssignOrder(
            number=told.number,
            attempt=attempt_id(told.job_id, told.task, told.attempt),
            commands=task_commands(spec, frames),
            cwd=spec.cwd,
            environment=environment,
            log_file=job.details[told.task].log_file,
            picture=fill(spec.picture, frames),
            renderer=spec.renderer,
            timeout_s=spec.timeout_s,
            silence_s=spec.silence_s,
            memory_limit=spec.memory_limit,
            temp_dir=spec.temp_dir,
            standby=spec.standby,
        )
        try:
            self.send(told.agent, order)
        except MalformedMessage as error:
            ending = m.AttemptEnding(
                agent=told.agent, attempt=order.attempt, outcome="failed", reason=str(error)
            )
            self._handle(ev.AttemptEnded(ending))

    def _do_ask_stop(self, told: do.AskStop) -> None:
        order = m.StopOrder(attempt=told.attempt, grace_s=self._settings.grace_s)
        self._wire.publish_to_agent(told.agent, order)

    def _do_ask_to_register(self, told: do.AskToRegister) -> None:
        self._wire.publish_to_agent(told.agent, m.RegisterAgainOrder())

    def _do_acknowledge(self, told: do.Acknowledge) -> None:
        order = m.AcknowledgeOrder(
            beat=told.beat,
            desired=told.desired,
            stop=told.stop,
            grace_s=self._settings.grace_s,
            acknowledged=told.acknowledged,
            beat_s=beat_interval_s(self._core.state),
        )
        self.send(told.agent, order)


_ACTIONS: dict[type[do.Instruction], Callable[[Orders, Any], None]] = {
    do.LaunchAgent: Orders._do_launch,
    do.EndAgent: Orders._do_end_agent,
    do.Assign: Orders._do_assign,
    do.AskStop: Orders._do_ask_stop,
    do.AskToRegister: Orders._do_ask_to_register,
    do.Acknowledge: Orders._do_acknowledge,
}
