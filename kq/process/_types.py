"""What the twins of kq.process hand out, the same on every system. Data only: no system call is made here."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["INHERIT", "LIFELINE", "NOWHERE", "EndReport", "Exit", "MarkedProcess", "ProcessId", "Usage"]

NOWHERE = -1
"""For `spawn_service`: the stream reads from, or writes to, the null device."""
INHERIT = -2
"""For `spawn_service`: the stream is this process's own."""
LIFELINE = -3
"""For `spawn_service`'s stdin: a new pipe, of which `Child.lifeline` is the only write end."""


class ProcessId(NamedTuple):
    """One process, for good: a pid alone is given to another process one day."""

    pid: int
    start_time: float
    """As the system counts it: clock ticks since boot on Linux, seconds since the epoch elsewhere."""


class MarkedProcess(NamedTuple):
    """A process that carries a mark in its environment."""

    pid: int
    start_time: float
    value: str

    @property
    def id(self) -> ProcessId:
        """The process without its mark."""
        return ProcessId(self.pid, self.start_time)


class Exit(NamedTuple):
    """How a process ended."""

    code: int | None
    """Negative: the signal. None: not known, because the process was not this one's child."""
    peak_memory: int | None = None
    """Bytes, of the largest of the process and the children it waited for. None: not known, or so little that
    the system cannot tell it from this process's own (Linux counts what was in use before the exec)."""
    cpu_s: float | None = None
    """CPU seconds of the process and the children it waited for."""


class EndReport(NamedTuple):
    """What came of ending processes."""

    processes: int = 0
    """How many were running, and were seen gone afterwards."""
    survivors: tuple[ProcessId, ...] = ()
    """What still runs: stuck in the kernel, or another user's."""


class Usage(NamedTuple):
    """What processes use together at one moment."""

    cpu_s: float = 0.0
    """CPU seconds so far. It falls when a process ends unawaited: take differences of 0 and more only."""
    memory: int = 0
    """Bytes resident. Pages that processes share count once for each of them."""
    processes: int = 0
