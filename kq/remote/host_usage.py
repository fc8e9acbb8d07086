"""Which remote hosts are in use: by an operation of the launcher, or by Agents that the queue lists.

The launcher admits one operation a host at a time; a tunnel stays open while its host is in use.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import Refused
from ..records import AgentRecord

if TYPE_CHECKING:
    from .preflight import Queue

__all__ = ["HostUsage"]


class HostUsage:
    """The hosts that are in use, by label. Thread-safe.

    Args:
        queue: the session's client; None where no session runs.
    """

    def __init__(self, queue: Queue | None) -> None:
        self._queue = queue
        self._lock = threading.Lock()
        self._busy: set[str] = set()

    @contextmanager
    def exclusive(self, label: str) -> Iterator[None]:
        """Mark the host as busy meanwhile. Raises Refused when it is busy already."""
        with self._lock:
            if label in self._busy:
                raise Refused(
                    f"{label} is busy with another check, start or stop: wait, or cancel that first"
                )
            self._busy.add(label)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(label)

    def agents(self, label: str) -> list[AgentRecord]:
        """Return the Agents of the host that the queue lists; none without a session."""
        return [each for each in self._remote_agents() if each.id.startswith(f"{label}:")]

    def agents_elsewhere(self, label: str) -> list[AgentRecord]:
        """Return the Agents of other remote hosts that the queue lists; none without a session."""
        return [each for each in self._remote_agents() if not each.id.startswith(f"{label}:")]

    def _remote_agents(self) -> list[AgentRecord]:
        if self._queue is None or not self._queue.session or self._queue.has_ended:
            return []
        return [each for each in self._queue.agents() if not each.local]

    def is_in_use(self, label: str) -> bool:
        """Return whether the host has Agents, or an operation in progress."""
        with self._lock:
            is_busy = label in self._busy
        return is_busy or bool(self.agents(label))

    def ports(self) -> tuple[int, int, int]:
        """Return the server's ports on this machine; zeros while they are not known."""
        return (0, 0, 0) if self._queue is None else self._queue.ports
