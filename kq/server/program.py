"""The server: waits for messages and processes, asks the core, writes the journal, sends. In that order.

One thread, one loop. What the core decided is on disk before anybody is told of it.
"""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import time
from collections.abc import Collection
from pathlib import Path

import msgspec

from .. import messages as m
from .. import process
from ..core import Core, CoreSettings, Instant
from ..core import events as ev
from ..core import instructions as do
from ..errors import MalformedMessage, Refused
from ..logs import log_folder
from ..records import AttemptRecord
from ..settings import Settings
from ..wire import Incoming, Poller, ServerWire
from .agent_messages import AgentMessages
from .change_feed import ChangeFeed
from .credentials import SessionFiles
from .history import History
from .journal_writer import JournalWriter
from .local_agents import LocalAgents
from .noting import Notes
from .orders import Orders
from .remote_hosts import RemoteHosts
from .request_handler import RequestHandler
from .streams import Streams
from .telling import tell_instruction

__all__ = ["Server"]

_DRAIN = 512
"""Messages taken from one port before the journal is written and answers leave."""
_AFTER_ORDERS_S = 0.005
"""How much later than an Agent clients are told, unless an attempt ends before. What wakes them would take
the cores that the order and the process it is about need now."""
_URGENT = (do.Assign, do.AskStop)
_OVERRIDES = (ev.QueuePaused, ev.AgentsWanted, ev.AgentsDrained, ev.AgentEndAsked)
"""What people tell the queue that a server which follows this one has to know."""
_log = logging.getLogger("kq.server")


def _now() -> Instant:
    return Instant(time.monotonic(), time.time())


class Server:
    """Owns the jobs of one session. To be used from one thread."""

    def __init__(
        self,
        settings: Settings,
        queue_dir: Path,
        session: str,
        journal_session: str,
        guardian_pid: int,
        *,
        first: bool,
        early: dict[str, process.Child],
    ) -> None:
        """
        Args:
            journal_session: whose jobs this goes on with.
            guardian_pid: 0: there is none.
            first: no server of this session can have started Agents before.
            early: Agents that this process started already.
        """
        self._settings = settings
        self._core = Core(
            CoreSettings(
                log_root=str(settings.data_root / "logs" / "jobs"),
                agents_wanted=settings.num_agents,
                heartbeat_s=settings.heartbeat_s,
                lease_s=settings.lease_s,
                lease_margin_s=max(2 * settings.heartbeat_s, 0.2 * settings.lease_s),
                max_agent_losses=settings.max_agent_losses,
            )
        )
        self._session = session
        self._files = SessionFiles(settings, queue_dir, session)
        self._change_feed = ChangeFeed(self._core)
        self._poller = Poller()
        self._wire = ServerWire(self._files.server_keys)
        self._files.bind(self._wire)
        self._wire.add_to(self._poller)
        self._agents = LocalAgents(
            self._files.agent_file,
            log_folder(settings.data_root, queue_dir),
            self._poller,
            self._on_agent_gone,
            {**os.environ, "KQ_SESSION": session},
            guardian_pid,
            early,
        )
        self._first = first
        self._request_handler = RequestHandler(
            self._core, self._change_feed, self._handle, self._attempts_of, self._admit, self._revoke
        )
        self._outbox: list[do.Instruction] = []
        self._answers: list[tuple[bytes, msgspec.Struct]] = []
        self._tell_at: float | None = None
        """When clients are told, while they are to be told later than Agents."""
        self._agent_messages = AgentMessages(
            self._core,
            self._handle,
            lambda peer, order: self._answers.append((peer, order)),
            self._remember_agent,
            lambda message: self._streams.take(message),
        )
        self._streams = Streams(
            self._core, lambda agent_id, message: self._orders.send(agent_id, message), self._wake_up
        )
        self._hosts = RemoteHosts(self._files, self._wire, settings.data_root, settings.lease_s)
        self._gone: list[tuple[str, str]] = []
        self._journal_writer = JournalWriter(queue_dir / "journal.sqlite", journal_session, self._change_feed)
        self._journal = self._journal_writer.journal
        self._orders = Orders(
            settings,
            self._core,
            self._wire,
            self._agent_messages,
            self._agents,
            self._journal_writer,
            self._handle,
            self._remember_agent,
        )
        self._history = History(self._core, self._journal, settings, self._journal_writer.say_lasting)
        self._notes = Notes(
            self._core,
            self._journal,
            self._change_feed,
            self._history,
            self._streams,
            self._agent_messages,
            later=self._outbox.append,
            attempt_over=self._hasten_telling,
        )
        self._wake = process.SignalWake()
        self._poller.add(self._wake.wake_fd)
        self._ending_until: float | None = None
        self._end_asked = False
        self._lifeline: process.InputEnd | None = None
        self._next_tick = 0.0

    # --- the loop -----------------------------------------------------------------

    def run(self, *, lifeline: bool) -> int:
        """Serve until told to end. Returns the process's exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._wake.listen()
        if lifeline:
            self._lifeline = process.InputEnd()
            self._poller.add(self._lifeline.wake_fd)
        self._restore()
        self._files.announce_open()
        announced = False
        while self._ending_until is None or self._agents.count or self._remote_agents():
            now = time.monotonic()
            ready = self._poller.wait(self._timeout_s(now))
            self._take_wakes(ready)
            self._wire.admit(ready)
            for update in self._wire.updates(_DRAIN, ready):
                self._agent_messages.take_update(update)
            for request in self._wire.requests(_DRAIN, ready):
                self._take_request(request)
            self._agents.on_ready(ready)
            self._agents.step(time.monotonic())
            self._take_gone()
            self._tick()
            self._settle()
            if not announced and self._is_staffed():
                announced = True
                self._files.announce_ready()
            if self._ending_until is not None and time.monotonic() > self._ending_until:
                break
        return self._close()

    def _timeout_s(self, now: float) -> float:
        waits = [self._next_tick - now]
        waits.append(self._change_feed.due_in_s(now) if self._tell_at is None else self._tell_at - now)
        step = self._agents.next_step_s(now)
        if step is not None:
            waits.append(step)
        launch = self._core.launch_at()
        if launch is not None and launch > now:
            waits.append(launch - now)
        if self._history.is_loading:
            waits.append(0.005)
        return max(min(waits), 0.0)

    def _tick(self) -> None:
        now = time.monotonic()
        launch = self._core.launch_at()
        due = launch is not None and self._next_tick - 1.0 < launch <= now
        if now >= self._next_tick or due:
            self._next_tick = now + min(1.0, self._settings.lease_s / 4)
            self._handle(ev.Tick())
            self._hosts.sweep(self._core.agent_ids())
            self._journal_writer.look()
        if self._history.is_sweep_due:
            self._handle(ev.JobsRemoved(tuple(self._history.sweep())))
        if self._history.is_loading:
            for job_id in self._history.load_more():
                self._change_feed.job_changed(job_id)

    def _take_wakes(self, ready: Collection[object]) -> None:
        if self._wake.wake_fd in ready:
            self._wake.drain()
            self._streams.deliver()
            if self._end_asked:
                self._begin_end()
        lifeline = self._lifeline
        if lifeline is not None and lifeline.wake_fd in ready and lifeline.has_come():
            # The guardian is gone. Agents see the same end of the same pipe, and end by themselves.
            _log.error("the guardian is gone: ending")
            self._lifeline = None
            self._poller.remove(lifeline.wake_fd)
            lifeline.close()
            self._begin_end(0.0)

    def _wake_up(self) -> None:
        """End the wait for messages, from another thread."""
        self._wake.wake()

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._end_asked = True

    def _begin_end(self, grace_s: float | None = None) -> None:
        if self._ending_until is not None:
            return
        grace = self._settings.grace_s if grace_s is None else grace_s
        self._ending_until = time.monotonic() + grace + 3.0
        _log.info("the session ends, with %g s for what runs", grace)
        self._handle(ev.SessionEnding())

    def _is_staffed(self) -> bool:
        agents = [self._core.agent(agent_id) for agent_id in self._core.agent_ids()]
        there = sum(1 for each in agents if each and each.local and each.registered_at is not None)
        return there >= self._core.queue_record().agents_wanted

    def _remote_agents(self) -> bool:
        return any(agent_id in self._agent_messages.routes for agent_id in self._core.agent_ids())

    def _close(self) -> int:
        self._agents.end_all()
        self._streams.close()
        self._hosts.close()
        self._journal_writer.commit()
        self._tell_clients(time.monotonic())
        self._wire.publish_to_clients(m.ChangesEvent(sequence=self._change_feed.sequence + 1, stopping=True))
        self._journal.close()
        self._wire.close()
        self._files.remove()
        self._wake.close()
        return 0

    # --- the core -----------------------------------------------------------------

    def _handle(self, event: ev.CoreEvent) -> list[do.Instruction]:
        """Ask the core, note what it wants. Raises KqError for wishes that make no sense."""
        instructions = self._core.handle(event, _now())
        if _log.isEnabledFor(logging.DEBUG):
            for each in instructions:
                tell_instruction(each)
        for each in instructions:
            self._notes.take(each)
        if isinstance(event, _OVERRIDES):
            self._journal.note_overrides(self._core.overrides())
        return instructions

    def _restore(self) -> None:
        """What the server before this one left, if there was one in this session."""
        now = _now()
        try:
            self._restore_from_journal(now)
        except sqlite3.Error as error:
            self._journal_writer.say_lasting(
                f"the journal cannot be read ({error}): what it held is not shown"
            )
        for each in self._core.requeue_unheld(now):
            self._notes.take(each)
        self._handle(ev.Tick())
        self._next_tick = now.mono + min(1.0, self._settings.lease_s / 4)
        self._settle()
        self._history.begin()

    def _restore_from_journal(self, now: Instant) -> None:
        journal = self._journal
        self._core.restore_numbering(next_job=journal.last_number() + 1)
        if self._files.continues:
            self._core.restore_numbering(next_agent=journal.next_agent())
        try:
            # The guardian ended every process on this machine whose session's guardian was gone.
            journal.forget_agents(local_too=not self._files.continues)
        except sqlite3.Error as error:
            self._journal_writer.failed(error)
        for job in journal.restore_jobs():
            self._core.restore_job(job)
        for known in journal.restore_agents():
            self._agent_messages.roles[known.id] = known.role
            self._core.restore_agent(
                known.id,
                host=known.host,
                pid=known.pid,
                process_started=known.process_started,
                local=known.local,
                now=now,
            )
            if known.local:
                self._agents.adopt(known.id, known.pid, known.process_started)
        overrides = journal.restore_overrides()
        if overrides is not None:
            self._core.restore_overrides(overrides)
        if not self._first:
            self._agents.end_unknown(self._session)

    def _settle(self) -> None:
        """Journal first; then tell: Agents at once, clients when what Agents were told is on its way."""
        self._journal_writer.commit()
        outbox = self._outbox[:]
        self._outbox.clear()
        for each in outbox:
            self._orders.carry_out(each)
        now = time.monotonic()
        if self._tell_at is None and any(isinstance(each, _URGENT) for each in outbox):
            self._tell_at = now + _AFTER_ORDERS_S
        if self._tell_at is None or now >= self._tell_at:
            self._tell_clients(now)

    def _hasten_telling(self) -> None:
        """An attempt is over: if clients wait for its process to come up, it has."""
        if self._tell_at is not None:
            self._tell_at = 0.0

    def _tell_clients(self, now: float) -> None:
        self._tell_at = None
        answers, self._answers = self._answers, []
        for answer in answers:
            self._reply(*answer)
        for event in self._change_feed.take(now):
            self._wire.publish_to_clients(event)

    def _reply(self, peer: bytes, message: msgspec.Struct) -> None:
        try:
            self._wire.send(peer, message)
        except MalformedMessage as error:
            _log.error("no answer to a %s: %s", type(message).__name__, error)

    # --- messages -----------------------------------------------------------------

    def _take_request(self, incoming: Incoming[m.RequestMessage]) -> None:
        message = incoming.message
        if isinstance(message, m.RegisterUpdate):
            self._agent_messages.take_registration(incoming.peer, incoming.role, message)
            return
        for reply in self._request_handler.answer(message, _now()):
            self._answers.append((incoming.peer, reply))

    def _remember_agent(self, agent_id: str) -> None:
        agent = self._core.agent(agent_id)
        role = self._agent_messages.roles.get(agent_id)
        if agent is None or role is None:
            return
        try:
            self._journal.note_agent(agent, role)
        except sqlite3.Error as error:
            self._journal_writer.failed(error)

    def _attempts_of(self, job_id: str, task: int | None) -> list[AttemptRecord]:
        self._journal_writer.commit()
        try:
            return self._journal.attempts(self._core.job_entry(job_id), task)
        except (sqlite3.Error, msgspec.DecodeError) as error:
            raise Refused(f"the journal cannot be read: {error}") from error

    def _admit(self, request: m.AdmitHostRequest) -> str:
        return self._hosts.admit(request.host, request.bind, by_hand=request.by_hand)

    def _revoke(self, request: m.RevokeHostRequest) -> None:
        if request.undo and self._hosts.is_by_hand(request.host):
            return
        role = self._hosts.revoke(request.host)
        ids = tuple(
            agent_id
            for agent_id in self._core.agent_ids()
            if self._agent_messages.roles.get(agent_id) == role
        )
        if ids:
            self._handle(ev.AgentEndAsked(ids))

    def _on_agent_gone(self, agent_id: str, reason: str) -> None:
        # Called from within launch and step: taken up once those are through.
        self._gone.append((agent_id, reason))

    def _take_gone(self) -> None:
        while self._gone:
            agent_id, reason = self._gone.pop(0)
            self._handle(ev.AgentGone(agent_id, reason))
