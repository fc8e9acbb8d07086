"""The server: builds its components, and runs their single event loop.

A request passes RequestHandler, Scheduler, Core, Effects and AgentLinks: each calls the next directly.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Collection
from pathlib import Path

import msgspec

from .. import messages as m
from .. import process
from ..clock import Clock
from ..core import Core, CoreSettings
from ..core import events as ev
from ..logs import log_folder
from ..own_folders import is_taken_over, owner_of
from ..session_events import SessionEvent, report
from ..settings import Settings
from ..wire import KeyLimits, Poller, ServerWire
from .agent_links import AgentLinks
from .agent_messages import AgentMessages
from .change_feed import ChangeFeed
from .client_outbox import ClientOutbox
from .credentials import SessionFiles
from .effects import Effects
from .history import History
from .journal_writer import JournalWriter
from .local_agents import LocalAgents
from .remote_hosts import RemoteHosts
from .request_handler import RequestHandler
from .restore import restore_session
from .scheduler import Scheduler
from .streams import Streams

__all__ = ["Server", "ServerOptions"]

_MAX_MESSAGES = 512
"""Messages read from one port before the journal is written and replies are sent."""
_MAX_TICK_S = 1.0
_SUSPICIOUS_TICK_S = 0.25
"""Time to the next periodic work while a connection may be sending a message without end."""
_HISTORY_TURN_S = 0.005
_END_MARGIN_S = 3.0
"""Seconds beyond a render's grace that the end of the session may take."""
_log = logging.getLogger("kq.server")


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Command-line options of the server process."""

    queue_dir: Path
    session: str
    journal_session: str
    """Id under which jobs are in the journal; an earlier session's when its jobs are continued."""
    guardian_pid: int
    """Process id of the guardian; 0 for none."""
    first: bool
    """Whether this is the session's first server: no earlier one can have started Agents."""


class Server:
    """Owns the jobs of one session. All methods are called from one thread."""

    def __init__(
        self, settings: Settings, options: ServerOptions, early_agents: dict[str, process.Child]
    ) -> None:
        """`early_agents`: by Agent id, the processes that `start_early` has started."""
        logs = log_folder(settings.data_root, options.queue_dir)
        environment = {**os.environ, "KQ_SESSION": options.session}
        self._settings = settings
        self._options = options
        self._clock = Clock()
        self._poller = Poller()
        self._wake = process.SignalWake()
        self._files = SessionFiles(settings, options.queue_dir, options.session)
        self._key_limits = KeyLimits(time.monotonic, _log.warning)
        self._wire = ServerWire(self._files.server_keys, self._key_limits)
        self._core = Core(_core_settings(settings))
        self._change_feed = ChangeFeed(self._core)
        self._outbox = ClientOutbox(self._wire, self._change_feed)
        journal = options.queue_dir / "journal.sqlite"
        self._journal_writer = JournalWriter(journal, options.journal_session, self._change_feed)
        self._history = History(self._core, self._journal_writer, settings)
        self._links = AgentLinks(self._wire, self._key_limits)
        self._local_agents = LocalAgents(
            self._files.agent_file, logs, self._poller, environment, options.guardian_pid, early_agents
        )
        self._hosts = RemoteHosts(self._files, self._wire, self._key_limits, settings)
        self._streams = Streams(self._core, self._links, self._wake, settings)
        effects = Effects(
            settings, self._core, self._journal_writer, self._change_feed, self._outbox, self._links,
            self._local_agents, self._history, self._streams,
        )  # fmt: skip
        self._scheduler = Scheduler(self._clock, self._core, effects, self._journal_writer, self._outbox)
        self._agent_messages = AgentMessages(
            self._core, self._scheduler, self._outbox, self._journal_writer, self._links, self._streams
        )
        self._request_handler = RequestHandler(
            self._clock, self._core, self._scheduler, self._outbox, self._change_feed, self._journal_writer,
            self._links, self._hosts,
        )  # fmt: skip
        self._root_owner = _owner_of_folder(settings.data_root)
        self._exit_code = 0
        self._lifeline: process.StdinLifeline | None = None
        self._is_end_requested = False
        self._ending_until: float | None = None
        self._next_tick = 0.0
        self._announced = False

    # --- The loop ---

    def run(self) -> int:
        """Serve until the session ends. Returns the process's exit code."""
        self._open()
        while not self._is_over():
            ready = self._poller.wait(self._wait_s(time.monotonic()))
            self._take_wakes(ready)
            self._take_messages(ready)
            self._step_local_agents(ready)
            self._tick(time.monotonic())
            self._load_history()
            self._scheduler.settle()
            self._announce_when_ready()
        return self._close()

    def _open(self) -> None:
        """Open the ports, restore the session and begin to listen. Raises Refused, OSError."""
        self._files.bind(self._wire)
        self._wire.add_to(self._poller)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._poller.add(self._wake.wake_fd)
        self._wake.listen()
        if self._options.guardian_pid:
            self._lifeline = process.StdinLifeline()
            self._poller.add(self._lifeline.wake_fd)
        restore_session(
            self._clock, self._core, self._scheduler, self._journal_writer, self._links, self._local_agents,
            continues=self._files.continues,
            stray_session="" if self._options.first else self._options.session,
        )  # fmt: skip
        self._next_tick = time.monotonic() + self._tick_s
        self._history.begin()
        self._files.announce_open()

    def _wait_s(self, now: float) -> float:
        """Seconds that the loop may wait for messages. `now`: monotonic seconds."""
        waits = [self._next_tick - now, self._scheduler.due_in_s(now)]
        step_s = self._local_agents.next_step_s(now)
        if step_s is not None:
            waits.append(step_s)
        launch_at = self._core.next_launch_at()
        if launch_at is not None and launch_at > now:
            waits.append(launch_at - now)
        if self._history.is_loading:
            waits.append(_HISTORY_TURN_S)
        return max(min(waits), 0.0)

    def _take_wakes(self, ready: Collection[object]) -> None:
        """Handle signals, results of the streaming thread, and the end of the guardian."""
        if self._wake.wake_fd in ready:
            self._wake.drain()
            self._streams.send_answers()
            if self._is_end_requested:
                self._begin_end(self._settings.grace_s)
        lifeline = self._lifeline
        if lifeline is not None and lifeline.wake_fd in ready and lifeline.is_closed():
            # Agents read the same pipe, see its end as well, and end by themselves.
            _log.error("the guardian is gone: ending")
            self._lifeline = None
            self._poller.remove(lifeline.wake_fd)
            lifeline.close()
            self._begin_end(0.0)

    def _take_messages(self, ready: Collection[object]) -> None:
        """Handle the messages that arrived, at most _MAX_MESSAGES from each port."""
        self._wire.admit(ready)
        for update in self._wire.updates(_MAX_MESSAGES, ready):
            self._agent_messages.take_update(update)
        for incoming in self._wire.requests(_MAX_MESSAGES, ready):
            message = incoming.message
            if isinstance(message, m.RegisterUpdate):
                self._agent_messages.take_registration(incoming.peer, incoming.role, message)
                # Counts the Agent for its host, even if it is gone before the next tick.
                self._hosts.sweep(self._core.agent_ids())
            else:
                self._request_handler.take(incoming.peer, message)

    def _step_local_agents(self, ready: Collection[object]) -> None:
        self._local_agents.on_ready(ready)
        self._local_agents.step(time.monotonic())
        for agent_exit in self._local_agents.take_exits():
            self._scheduler.handle(ev.AgentGone(agent_exit.agent, agent_exit.reason))

    def _tick(self, now: float) -> None:
        """Do the periodic work when it is due, or when a delayed launch is. `now`: monotonic seconds."""
        launch_at = self._core.next_launch_at()
        launch_is_due = launch_at is not None and self._next_tick - _MAX_TICK_S < launch_at <= now
        if now >= self._next_tick or launch_is_due:
            self._next_tick = now + self._tick_s
            self._scheduler.handle(ev.Tick())
            self._hosts.sweep(self._core.agent_ids())
            self._journal_writer.check_file()
            self._check_data_root()
            self._key_limits.tick()
            if self._wire.close_endless():
                self._next_tick = now + min(self._tick_s, _SUSPICIOUS_TICK_S)

    def _check_data_root(self) -> None:
        """End the session if another user's folder has taken the place of the data root."""
        root, owner = self._settings.data_root, self._root_owner
        if self._ending_until is None and owner is not None and is_taken_over(root, owner):
            message = (
                f"{root} belongs to {owner_of(root)} now: the folder of this session was moved away, and it "
                f"ends. Set the sticky bit of {root.parent} (chmod +t)"
            )
            _log.error("%s", message)
            report(SessionEvent.FAILED, message=message)
            self._exit_code = 2  # the guardian starts no other server
            self._begin_end(0.0)

    @property
    def _tick_s(self) -> float:
        return min(_MAX_TICK_S, self._settings.lease_s / 4)

    def _load_history(self) -> None:
        """Delete jobs that are too old, and load a batch of the history."""
        if self._history.is_sweep_due:
            self._scheduler.handle(ev.JobsRemoved(tuple(self._history.sweep())))
        if self._history.is_loading:
            for job_id in self._history.load_more():
                self._change_feed.job_changed(job_id)

    def _announce_when_ready(self) -> None:
        if self._announced:
            return
        agents = [self._core.agent(agent_id) for agent_id in self._core.agent_ids()]
        registered = sum(1 for each in agents if each and each.local and each.registered_at is not None)
        if registered >= self._core.queue_record().agents_wanted:
            self._announced = True
            self._files.announce_ready()

    # --- The end ---

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._is_end_requested = True

    def _begin_end(self, grace_s: float) -> None:
        if self._ending_until is None:
            self._ending_until = time.monotonic() + grace_s + _END_MARGIN_S
            _log.info("the session ends, with %g s for running tasks", grace_s)
            self._scheduler.handle(ev.SessionEnding())

    def _is_over(self) -> bool:
        if self._ending_until is None:
            return False
        is_agent_left = self._local_agents.count or any(map(self._links.has_route, self._core.agent_ids()))
        return not is_agent_left or time.monotonic() > self._ending_until

    def _close(self) -> int:
        """End all Agents, write the journal, send the last messages, and delete the keys."""
        self._local_agents.end_all()
        self._streams.close()
        self._hosts.close()
        self._journal_writer.commit()
        self._outbox.close(time.monotonic(), is_durable=self._journal_writer.is_durable)
        self._journal_writer.close()
        self._wire.close()
        self._files.remove()
        self._wake.close()
        return self._exit_code


def _owner_of_folder(path: Path) -> int | None:
    """Return the user id of a folder's owner; None if it is missing, or a link, which the user made."""
    return path.stat().st_uid if path.is_dir() and not path.is_symlink() else None


def _core_settings(settings: Settings) -> CoreSettings:
    return CoreSettings(
        log_root=str(settings.data_root / "logs" / "jobs"),
        agents_wanted=settings.num_agents,
        heartbeat_s=settings.heartbeat_s,
        lease_s=settings.lease_s,
        lease_margin_s=max(2 * settings.heartbeat_s, 0.2 * settings.lease_s),
        max_agent_losses=settings.max_agent_losses,
    )
