"""Starts the local Agents, watches them, and ends them with their process trees. Makes no decisions."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from .. import process
from ..errors import KqError, NotFound
from ..wire import Poller
from .agent_process import start_agent

__all__ = ["AgentExit", "LocalAgents"]

_ASKED_TIMEOUT_S = 1.5
"""Seconds beyond a render's grace that an Agent may take to end when asked."""
_log = logging.getLogger("kq.server")


class _Ending:
    """The end of one Agent in progress: its remaining processes are found and killed in steps."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.tree: process.TreeEnd | None = None


class AgentExit(NamedTuple):
    """An Agent has no process left, or could not be started. `reason`: why, for users."""

    agent: str
    reason: str


class LocalAgents:
    """The Agents on this machine. `take_exits` returns each once, when it has no process left.

    Server thread only. `end_unknown` and `end_all` block until processes are gone.
    """

    def __init__(
        self,
        connection_file: Path,
        log_folder: Path,
        poller: Poller,
        environment: dict[str, str],
        guardian_pid: int,
        early: dict[str, process.Child],
    ) -> None:
        """
        Args:
            environment: environment variables of the Agents, without those that mark each Agent.
            guardian_pid: process id of the guardian; 0 for none.
            early: by Agent id, processes that were started before; `launch` uses them.
        """
        self._connection_file = connection_file
        self._log_folder = log_folder
        self._poller = poller
        self._exits: list[AgentExit] = []
        self._environment = environment
        self._guardian_pid = guardian_pid
        self._early = early
        self._running: dict[str, process.Child | process.Watch] = {}
        self._by_fd: dict[int, str] = {}
        self._deadlines: dict[str, float] = {}
        """By Agent that was asked to end: its deadline, in monotonic seconds."""
        self._endings: dict[str, _Ending] = {}

    def launch(self, agent_id: str) -> None:
        """Start an Agent, or use its early process. If it cannot start, `take_exits` returns the reason."""
        child = self._early.pop(agent_id, None)
        try:
            if child is None:
                child = start_agent(
                    agent_id,
                    self._connection_file,
                    self._log_folder,
                    self._environment,
                    running=len(self._running) + len(self._early),
                )
        except KqError as error:
            _log.error("cannot be started: %s", error, extra={"agent": agent_id})
            self._exits.append(AgentExit(agent_id, str(error)))
            return
        _log.info("started with pid %d", child.pid, extra={"agent": agent_id})
        self._watch(agent_id, child)

    def adopt(self, agent_id: str, pid: int, process_started: float) -> None:
        """Watch an Agent that an earlier server started. `process_started`: the start time of `pid`."""
        try:
            self._watch(agent_id, process.watch(pid, process_started))
        except NotFound:
            self._endings[agent_id] = _Ending("its process was gone when the server had restarted")

    def end_unknown(self, session: str) -> None:
        """End Agents of an earlier server of this session that are not in the journal. Blocks until they end.

        Such an Agent may run a task whose assignment is not in the journal either.
        """
        known = {each.pid for each in self._running.values()} | {os.getpid()}
        ours = {each.id for each in process.find_marked("KQ_SESSION", session, forks=False)}
        agents = {each.id for each in process.find_marked("KQ_ROLE", "agent")}
        # Agents launched over SSH onto this machine have their own supervisor.
        remote = {each.id for each in process.find_marked("KQ_REMOTE")}
        process.end_tree([each for each in (ours & agents) - remote if each.pid not in known], keep=known)

    def process_of(self, agent_id: str) -> process.ProcessId | None:
        """The process of a running Agent, or None."""
        running = self._running.get(agent_id)
        return None if running is None else running.id

    def _watch(self, agent_id: str, running: process.Child | process.Watch) -> None:
        for ending in self._endings.values():
            # Rebuilt at the next step, with the new Agent among the processes to keep.
            ending.tree = None
        self._running[agent_id] = running
        self._by_fd[running.wake_fd] = agent_id
        self._poller.add(running.wake_fd)

    def end(self, agent_id: str, reason: str, *, force: bool, grace_s: float) -> None:
        """Kill the Agent with `force`, or else if it has not ended by itself after `grace_s` and a margin."""
        if agent_id in self._endings:
            return
        if force:
            self._begin_end(agent_id, reason)
        elif agent_id in self._running:
            self._deadlines.setdefault(agent_id, time.monotonic() + grace_s + _ASKED_TIMEOUT_S)
        else:
            self._endings[agent_id] = _Ending(reason)

    def _begin_end(self, agent_id: str, reason: str) -> None:
        self._deadlines.pop(agent_id, None)
        if agent_id not in self._endings:
            self._endings[agent_id] = _Ending(reason)

    def on_ready(self, ready: Collection[object]) -> None:
        """Begin the end of Agents whose process has exited. `ready`: what the poller returned."""
        for fd in [fd for fd in self._by_fd if fd in ready]:
            agent_id = self._by_fd[fd]
            ended = self._running[agent_id].poll()
            if ended is not None:
                self._begin_end(agent_id, _exit_reason(ended))

    def next_step_s(self, now: float) -> float | None:
        """Seconds until `step` or `take_exits` has work; None if there is none. `now`: monotonic seconds."""
        if self._exits:
            return 0.0
        waits = [max(until - now, 0.0) for until in self._deadlines.values()]
        waits += [ending.tree.wait_s if ending.tree else 0.0 for ending in self._endings.values()]
        return min(waits) if waits else None

    def step(self, now: float) -> None:
        """Advance the ends in progress. Never waits. `now`: monotonic seconds."""
        for agent_id in [each for each, until in self._deadlines.items() if now >= until]:
            self._begin_end(agent_id, "it did not end when asked")
        for agent_id, ending in list(self._endings.items()):
            if ending.tree is None:
                ending.tree = self._tree_of(agent_id)
            if ending.tree.step():
                self._stop_watching(agent_id)
                del self._endings[agent_id]
                _log.info("gone: %s", ending.reason, extra={"agent": agent_id})
                self._exits.append(AgentExit(agent_id, ending.reason))

    def take_exits(self) -> list[AgentExit]:
        """Return and clear the Agents that ended since the last call."""
        exits, self._exits = self._exits, []
        return exits

    def _tree_of(self, agent_id: str) -> process.TreeEnd:
        """The processes that are left of an Agent, to be ended.

        An Agent is a subreaper: processes of its renders stay below it. When it is gone, they become children
        of the server, or of the guardian if another server started the Agent. No running Agent owns those.
        """
        keep = {each.pid for other, each in self._running.items() if other != agent_id} | {os.getpid()}
        roots = []
        running = self._running.get(agent_id)
        if running is not None:
            roots.append(running.id)
        # Without a guardian the parent is not a process of kq: its children must not be ended.
        guarded = os.getppid() == self._guardian_pid
        for pid in process.children_of(self._guardian_pid) if guarded else ():
            if pid not in keep:
                started = process.process_start_time(pid)
                if started is not None:
                    roots.append(process.ProcessId(pid, started))
        return process.TreeEnd(roots, strays=True, keep=keep)

    def _stop_watching(self, agent_id: str) -> None:
        running = self._running.pop(agent_id, None)
        if running is not None:
            running.poll()
            self._by_fd.pop(running.wake_fd, None)
            self._poller.remove(running.wake_fd)
            running.close()

    @property
    def count(self) -> int:
        """The number of Agents that are running or being ended."""
        return len(self._running.keys() | self._endings.keys())

    def end_all(self) -> None:
        """Kill all that this process started, directly or not. Blocks until it is gone."""
        process.end_strays()


def _exit_reason(ended: process.Exit) -> str:
    if ended.code is None:
        return "its Agent ended"
    if ended.code < 0:
        return f"its Agent was ended by signal {-ended.code}"
    return f"its Agent ended with exit code {ended.code}"
