"""The Agent: one thread, one loop, one task at a time. The server decides about jobs.

Each heartbeat reports the task that it runs. When none is answered for the length of the lease, it ends.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import signal
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from .. import __version__, process
from .. import messages as m
from ..agent_config import AgentConfig, Site
from ..own_files import read_own
from ..states import AgentExit, Outcome
from ..wire import AgentWire, Poller
from .attempt import Attempt
from .standby import Standby

if TYPE_CHECKING:
    from .remote_attempt import RemoteAttempt

__all__ = ["Agent"]

_REGISTER_TIMEOUT_S = 30.0
_REGISTER_AGAIN_S = 5.0
"""Interval of registration without a reply: the server is busy, or waits for an Agent of this id to end."""
_NOT_INHERITED = ("KQ_ROLE", "PWD", "OLDPWD")
"""Variables of an Agent that its renders must not inherit: the mark of kq's own processes, and folders."""
_log = logging.getLogger("kq.agent")
T = TypeVar("T")


class Agent:
    """Receives orders, runs attempts and reports on them. To be used from the main thread."""

    def __init__(
        self,
        config: AgentConfig,
        agent_id: str,
        *,
        lifeline: process.StdinLifeline | None,
        site: Site | None = None,
        pulse: Callable[[], None] = lambda: None,
        connection_file: Path | None = None,
    ) -> None:
        """
        Args:
            lifeline: when it ends, so does this Agent.
            site: paths and streaming on this machine; None: all is as on the server's machine.
            pulse: called whenever a heartbeat is due, also while the server is silent.
            connection_file: where the server writes its current ports; None: they never change.
        """
        self.config = config
        self._site = site
        self._pulse = pulse
        self._connection_file = connection_file
        self._connection = config.connection
        self.id = agent_id
        self._lifeline = lifeline
        self._wire = AgentWire(config.connection, agent_id, network=not config.local)
        self._poller = Poller()
        self._wire.add_to(self._poller)
        if self._lifeline is not None:
            self._poller.add(self._lifeline.wake_fd)
        self._wake = process.SignalWake()
        self._poller.add(self._wake.wake_fd)
        self._identity = process.own_id()
        self._standby = Standby(config.standby_s, config.standby_memory, _log.warning)
        self._attempt: Attempt | RemoteAttempt | None = None
        self._remote: RemoteAttempt | None = None
        """The same attempt, if it is a remote one."""
        self._attempt_fd: int | None = None
        self._last_attempt = ""
        self._unacknowledged: dict[str, m.AttemptEnding] = {}
        """Endings that the server has not acknowledged."""
        self._assign_number = 0
        self._heartbeat_number = 0
        self._heartbeat_s = config.heartbeat_s
        self._heartbeats_sent: dict[int, float] = {}
        """Monotonic time at which each heartbeat without a reply was sent."""
        now = time.monotonic()
        self._lease_from = now
        self._registered = False
        self._register_again_at: float | None = None
        """Monotonic time to register again if no reply has come; None while disconnected."""
        self._next_heartbeat = now + self._heartbeat_s
        self._started = now
        self._leaving = ""
        self._exit_code = AgentExit.ENDED
        self._environment = {
            **{key: value for key, value in os.environ.items() if key not in _NOT_INHERITED},
            "KQ_SESSION": config.connection.session,
            "KQ_AGENT": agent_id,
        }

    def report_agent_gone(self, agent_id: str, reason: str) -> None:
        """Report to the server that another Agent of this machine and all its processes have ended."""
        self._wire.send_update(m.LeaveUpdate(agent=agent_id, reason=reason))

    def run(self) -> int:
        """Run the loop until the Agent has to end. Returns the process's exit code (AgentExit)."""
        signal.signal(signal.SIGTERM, self._on_signal)
        self._wake.listen()
        while not (self._leaving and self._attempt is None):
            now = time.monotonic()
            ready = self._poller.wait(self._timeout_s(now))
            if self._wake.wake_fd in ready:
                self._drain_wake()
            lifeline = self._lifeline
            if lifeline is not None and lifeline.wake_fd in ready and lifeline.is_closed():
                self._on_lifeline_end(lifeline)
            self._take_messages(ready)
            self._step_attempt()
            if self._attempt is None and not self._leaving:
                self._standby.step(time.monotonic())
            self._send_heartbeat()
        return self._leave()

    # --- Time ---

    def _timeout_s(self, now: float) -> float:
        until = max(self._next_heartbeat - now, 0.0)
        if self._attempt is not None:
            return min(until, self._attempt.next_step_s(now))
        return min(until, self._standby.next_step_s(now))

    def _send_heartbeat(self) -> None:
        now = time.monotonic()
        if now < self._next_heartbeat:
            return
        self._next_heartbeat = now + self._heartbeat_s
        self._pulse()
        if self._register_again_at is None or self._heartbeat_number in self._heartbeats_sent:
            self._follow_ports()
        if not self._registered:
            if self._register_again_at is not None and now >= self._register_again_at:
                self._register()
            if now - self._started > _REGISTER_TIMEOUT_S:
                self._give_up(f"no server answered for {_REGISTER_TIMEOUT_S:.0f} s", AgentExit.SERVER_SILENT)
            return
        if now - self._lease_from > self.config.lease_s:
            self._give_up(
                f"no heartbeat answered by the server for {self.config.lease_s:g} s", AgentExit.SERVER_SILENT
            )
            return
        self._heartbeat_number += 1
        self._heartbeats_sent[self._heartbeat_number] = now
        for old in [sent for sent in self._heartbeats_sent if sent < self._heartbeat_number - 100]:
            del self._heartbeats_sent[old]
        attempt = self._attempt
        self._wire.send_update(
            m.HeartbeatUpdate(
                agent=self.id,
                number=self._heartbeat_number,
                assign_number=self._assign_number,
                attempt=attempt.id if attempt else "",
                endings=tuple(self._unacknowledged.values()),
                cpu_percent=attempt.cpu_percent if attempt else None,
                memory=attempt.memory if attempt else self._standby.memory,
            )
        )

    def _follow_ports(self) -> None:
        """Connect to a restarted server that had to take other ports, by the connection file."""
        if self._connection_file is None:
            return
        try:
            found = msgspec.json.decode(read_own(self._connection_file), type=AgentConfig).connection
        except (OSError, msgspec.DecodeError):
            return  # the session is ending
        if found.session == self._connection.session and found.ports != self._connection.ports:
            _log.warning("the server has other ports now: %s", found.ports)
            self._connection = found
            self._wire.move(found)

    def _give_up(self, reason: str, exit_code: AgentExit) -> None:
        """Leave, and kill the render at once: another Agent may be given its task."""
        if not self._leaving:
            _log.warning("ending: %s", reason)
            self._leaving, self._exit_code = reason, exit_code
        self._request_stop(0.0, reason)

    # --- Messages ---

    def _register(self) -> None:
        self._register_again_at = time.monotonic() + _REGISTER_AGAIN_S
        self._wire.send_request(
            m.RegisterUpdate(
                protocol=m.PROTOCOL_VERSION,
                version=__version__,
                agent=self.id,
                host=_host_name(),
                pid=self._identity.pid,
                started=self._identity.start_time,
                assign_number=self._assign_number,
                attempt=self._attempt.id if self._attempt else "",
                endings=tuple(self._unacknowledged.values()),
            )
        )

    def _take_messages(self, ready: Collection[object]) -> None:
        for change in self._wire.connection_changes(ready):
            self._register_again_at = None
            if change == "up":
                # Not while disconnected: what waits in the socket would be sent twice. On every connection:
                # a restarted server has no Agents and no route to this one.
                self._register()
            elif change == "refused" and not self._registered:
                self._give_up("the server refuses this Agent's key", AgentExit.KEY_REFUSED)
        for order in self._wire.replies(ready):
            if isinstance(order, m.AssignOrder):
                self._on_assign(order)
            elif isinstance(order, m.AcknowledgeOrder):
                self._on_acknowledge(order)
            elif isinstance(order, m.EndOrder):
                self._on_end(order)
            elif (remote := self._remote) is not None:
                self._guarded(remote.id, functools.partial(remote.take, order))
        for sent in self._wire.broadcasts(ready):
            if isinstance(sent, m.StopOrder):
                if self._attempt is not None and self._attempt.id == sent.attempt:
                    self._request_stop(sent.grace_s)
            elif isinstance(sent, m.EndOrder):
                self._on_end(sent)
            elif isinstance(sent, m.RegisterAgainOrder):
                self._register()
        if self._wire.mismatch:
            self._give_up(self._wire.mismatch, AgentExit.PROTOCOL_MISMATCH)

    def _on_assign(self, order: m.AssignOrder) -> None:
        if order.number <= self._assign_number:
            # Sent twice. The first was accepted, or this Agent was busy: the next heartbeat shows which.
            return
        if time.monotonic() - self._lease_from > self.config.lease_s:
            # This process was frozen for longer than its lease: another Agent has the order by now.
            return
        self._unacknowledged.clear()
        self._assign_number = order.number
        if self._attempt is not None or self._leaving or order.attempt == self._last_attempt:
            # Sent twice, or crossed with this Agent's ending: the next heartbeat shows which.
            return
        self._last_attempt = order.attempt
        job, task, number = order.attempt.split("/")
        marks = {"KQ_JOB": job, "KQ_TASK": task, "KQ_ATTEMPT": number}
        inherited = {key: value for key, value in self._environment.items() if key not in order.unset}
        environment = {**inherited, **marks}
        _log.debug("starts", extra={"job": job, "attempt": order.attempt})
        self._guarded(order.attempt, lambda: self._start_attempt(order, environment))
        self._watch_attempt()

    def _start_attempt(self, order: m.AssignOrder, environment: dict[str, str]) -> None:
        if self._site is None:
            self._attempt = Attempt(
                order, environment, self.id, self._standby, self.config.min_free_bytes, self.config.grace_s
            )
        else:
            from .remote_attempt import RemoteAttempt  # late: local Agents start sooner

            self._remote = RemoteAttempt(
                order, environment, self.id, self._site, self._wire, self._standby,
                self.config.min_free_bytes, self.config.grace_s,
            )  # fmt: skip
            self._attempt = self._remote
        self._attempt.start()

    def _on_acknowledge(self, order: m.AcknowledgeOrder) -> None:
        now = time.monotonic()
        if order.heartbeat == 0:
            if not self._registered:
                _log.info("registered with pid %d", self._identity.pid)
            self._registered = True
            self._lease_from = now
        else:
            self._lease_from = max(self._lease_from, self._heartbeats_sent.pop(order.heartbeat, 0.0))
        self._heartbeat_s = order.heartbeat_s or self.config.heartbeat_s
        for name in order.acknowledged:
            self._unacknowledged.pop(name, None)
        attempt = self._attempt
        # Orders arrive in sequence, so a reply received after the assignment takes it into account.
        if attempt is not None and (order.stop or attempt.id != order.desired):
            self._request_stop(order.grace_s, "" if order.stop else "no longer assigned by the queue")

    def _on_end(self, order: m.EndOrder) -> None:
        if not self._leaving:
            _log.info("ending: %s", order.reason)
            self._leaving, self._exit_code = (
                order.reason,
                (AgentExit.RESTART if order.restart else AgentExit.ENDED),
            )
        self._request_stop(order.grace_s, order.reason)

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._leaving = self._leaving or "the Agent was stopped"

    def _on_lifeline_end(self, lifeline: process.StdinLifeline) -> None:
        self._poller.remove(lifeline.wake_fd)
        lifeline.close()
        self._lifeline = None
        self._give_up("the session is over", AgentExit.ENDED)

    def _drain_wake(self) -> None:
        self._wake.drain()
        if self._leaving:
            self._request_stop(2.0, self._leaving)

    # --- The attempt ---

    def _step_attempt(self) -> None:
        attempt = self._attempt
        if attempt is None:
            return
        is_update = self._guarded(attempt.id, lambda: attempt.step(time.monotonic()))
        if is_update is None:
            return
        if is_update:
            update = attempt.update
            self._wire.send_update(
                m.ProgressUpdate(
                    agent=self.id,
                    attempt=attempt.id,
                    progress=update.progress,
                    picture=attempt.picture(),
                    warnings=update.warnings,
                )
            )
        self._watch_attempt()
        if attempt.ending is not None:
            self._attempt = None
            if attempt.ending.outcome not in (Outcome.COMPLETED, Outcome.STOPPED):
                self._log_ending(attempt.ending, logging.INFO)
            elif _log.isEnabledFor(logging.DEBUG):
                self._log_ending(attempt.ending, logging.DEBUG)
            self._unacknowledged[attempt.id] = attempt.ending
            self._wire.send_update(attempt.ending)

    def _request_stop(self, grace_s: float, reason: str = "") -> None:
        attempt = self._attempt
        if attempt is not None:
            self._guarded(attempt.id, lambda: attempt.request_stop(grace_s, reason=reason))

    def _guarded(self, attempt_id: str, action: Callable[[], T]) -> T | None:
        """Do something of an attempt. An error that it does not handle fails the attempt alone: None then."""
        try:
            return action()
        except Exception as error:  # noqa: BLE001  # an Agent must survive any error of one render
            story = self._attempt.story if self._attempt is not None else ()
            _log.exception("attempt %s failed in the Agent: %s", attempt_id, "; ".join(story))
            self._abandon(attempt_id, f"internal error of the Agent: {type(error).__name__}: {error}")
            return None

    def _abandon(self, attempt_id: str, reason: str) -> None:
        """End all processes of an attempt whose own steps fail, and report it as failed."""
        gone = process.end_strays()
        attempt, self._attempt, self._remote = self._attempt, None, None
        self._watch_attempt()
        if attempt is not None:
            with contextlib.suppress(OSError):
                attempt.close()
        ending = m.AttemptEnding(
            agent=self.id,
            attempt=attempt_id,
            outcome=Outcome.FAILED,
            reason=reason.encode("utf-8", "replace").decode()[:2000],
            processes_gone=gone.processes,
        )
        self._unacknowledged[attempt_id] = ending
        self._wire.send_update(ending)

    def _log_ending(self, ending: m.AttemptEnding, level: int) -> None:
        job = ending.attempt.partition("/")[0]
        text = f"{ending.outcome}: {ending.reason or f'exit code {ending.exit_code}'}"
        _log.log(level, "%s", text, extra={"job": job, "attempt": ending.attempt})

    def _watch_attempt(self) -> None:
        fd = self._attempt.wake_fd if self._attempt is not None else None
        if fd == self._attempt_fd:
            return
        if self._attempt_fd is not None:
            self._poller.remove(self._attempt_fd)
        if fd is not None:
            self._poller.add(fd)
        self._attempt_fd = fd

    def _leave(self) -> int:
        process.end_strays()
        _log.info("ended: %s", self._leaving)
        self._wire.send_update(m.LeaveUpdate(agent=self.id, reason=self._leaving))
        self._wire.close(linger_s=0.5)
        self._wake.close()
        return self._exit_code


def _host_name() -> str:
    import socket

    return socket.gethostname()
