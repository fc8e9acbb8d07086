"""Starts the local Agents, watches them, and ends them with all that they started. Decides nothing."""

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
"""How much longer than a render's grace an Agent that was asked to end may take."""
_log = logging.getLogger("kq.server")


class _Ending:
    """The ending of one Agent: what is left of it is looked for and killed, step by step."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.tree: process.TreeEnd | None = None


class AgentExit(NamedTuple):
    """Nothing of an Agent is left, or it could not be started."""

    agent: str
    reason: str


class LocalAgents:
    """The Agents on this machine. `take_exits` returns each once, when nothing of it is left."""

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
            environment: of the Agents, but for their own marks.
            guardian_pid: 0: there is none.
            early: Agents whose processes were started already, for their launch to come.
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
        self._asked: dict[str, float] = {}
        """Agents that were asked to end, and until when they may take."""
        self._endings: dict[str, _Ending] = {}

    def launch(self, agent_id: str) -> None:
        """Start an Agent, or take the one started early. One that cannot start is an exit with the reason."""
        child = self._early.pop(agent_id, None)
        try:
            if child is None:
                child = start_agent(agent_id, self._connection_file, self._log_folder, self._environment)
        except KqError as error:
            _log.error("cannot be started: %s", error, extra={"agent": agent_id})
            self._exits.append(AgentExit(agent_id, str(error)))
            return
        _log.info("started with pid %d", child.pid, extra={"agent": agent_id})
        self._watch(agent_id, child)

    def adopt(self, agent_id: str, pid: int, process_started: float) -> None:
        """Watch an Agent that the server before this one started."""
        try:
            self._watch(agent_id, process.watch(pid, process_started))
        except NotFound:
            self._endings[agent_id] = _Ending("its process was gone when the server came back")

    def end_unknown(self, session: str) -> None:
        """End Agents of an earlier server of this session that the journal does not name. Blocks meanwhile.

        One may have been given a task that the journal does not know of either.
        """
        known = {each.pid for each in self._running.values()} | {os.getpid()}
        ours = {each.id for each in process.find_marked("KQ_SESSION", session, forks=False)}
        agents = {each.id for each in process.find_marked("KQ_ROLE", "agent")}
        # Launched over SSH on this very machine: they have a supervisor of their own.
        remote = {each.id for each in process.find_marked("KQ_REMOTE")}
        process.end_tree([each for each in (ours & agents) - remote if each.pid not in known], keep=known)

    def process_of(self, agent_id: str) -> process.ProcessId | None:
        """The process of an Agent that runs."""
        running = self._running.get(agent_id)
        return None if running is None else running.id

    def _watch(self, agent_id: str, running: process.Child | process.Watch) -> None:
        for ending in self._endings.values():
            # It is to leave the newcomer alone, too: made anew, it knows.
            ending.tree = None
        self._running[agent_id] = running
        self._by_fd[running.wake_fd] = agent_id
        self._poller.add(running.wake_fd)

    def end(self, agent_id: str, reason: str, *, force: bool, grace_s: float) -> None:
        """End an Agent that was asked already, or, with `force`, cannot be asked."""
        if agent_id in self._endings:
            return
        if force:
            self._begin_end(agent_id, reason)
        elif agent_id in self._running:
            self._asked.setdefault(agent_id, time.monotonic() + grace_s + _ASKED_TIMEOUT_S)
        else:
            self._endings[agent_id] = _Ending(reason)

    def _begin_end(self, agent_id: str, reason: str) -> None:
        self._asked.pop(agent_id, None)
        if agent_id not in self._endings:
            self._endings[agent_id] = _Ending(reason)

    def on_ready(self, ready: Collection[object]) -> None:
        """Take note of Agents whose process has ended."""
        for fd in [fd for fd in self._by_fd if fd in ready]:
            agent_id = self._by_fd[fd]
            ended = self._running[agent_id].poll()
            if ended is not None:
                self._begin_end(agent_id, _how_ended(ended))

    def next_step_s(self, now: float) -> float | None:
        """Seconds until `step` or `take_exits` has something to do; None when nothing is under way."""
        if self._exits:
            return 0.0
        waits = [max(until - now, 0.0) for until in self._asked.values()]
        waits += [ending.tree.wait_s if ending.tree else 0.0 for ending in self._endings.values()]
        return min(waits) if waits else None

    def step(self, now: float) -> None:
        """Go on with what is being ended. Never waits."""
        for agent_id in [each for each, until in self._asked.items() if now >= until]:
            self._begin_end(agent_id, "it did not end when asked")
        for agent_id, ending in list(self._endings.items()):
            if ending.tree is None:
                ending.tree = self._tree_of(agent_id)
            if ending.tree.step():
                self._let_go(agent_id)
                del self._endings[agent_id]
                _log.info("gone: %s", ending.reason, extra={"agent": agent_id})
                self._exits.append(AgentExit(agent_id, ending.reason))

    def take_exits(self) -> list[AgentExit]:
        """The Agents that ended since the last call."""
        exits, self._exits = self._exits, []
        return exits

    def _tree_of(self, agent_id: str) -> process.TreeEnd:
        """All that is left of an Agent.

        It is a subreaper: what its renders started stays below it. Once it is gone, that comes to the server,
        or, when another server had started it, to the guardian: strays there belong to no living Agent.
        """
        keep = {each.pid for other, each in self._running.items() if other != agent_id} | {os.getpid()}
        roots = []
        running = self._running.get(agent_id)
        if running is not None:
            roots.append(running.id)
        # Without a guardian the parent is not a process of kq, and its children are not to be ended.
        guarded = os.getppid() == self._guardian_pid
        for pid in process.children_of(self._guardian_pid) if guarded else ():
            if pid not in keep:
                started = process.process_start_time(pid)
                if started is not None:
                    roots.append(process.ProcessId(pid, started))
        return process.TreeEnd(roots, strays=True, keep=keep)

    def _let_go(self, agent_id: str) -> None:
        running = self._running.pop(agent_id, None)
        if running is not None:
            running.poll()
            self._by_fd.pop(running.wake_fd, None)
            self._poller.remove(running.wake_fd)
            running.close()

    @property
    def count(self) -> int:
        """How many are running or being ended."""
        return len(self._running.keys() | self._endings.keys())

    def end_all(self) -> None:
        """End everything at once, whatever it is doing. Blocks until it is gone."""
        process.end_strays()


def _how_ended(ended: process.Exit) -> str:
    if ended.code is None:
        return "its Agent ended"
    if ended.code < 0:
        return f"its Agent was ended by signal {-ended.code}"
    return f"its Agent ended with exit code {ended.code}"
