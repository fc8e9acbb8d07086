"""What the benchmarks share: a queue of their own, the moment of a process's first step, rows of figures.

A helper module, not a benchmark.
"""

from __future__ import annotations

import os
import select
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from kq.api import ConnectionStatus, Session, Settings

__all__ = ["Doorbell", "connected_session", "cpu_s", "figures", "until"]

LONGEST_S = 120.0


class Doorbell:
    """A named pipe that processes write to in their first step; `wait` returns the time and the text."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "doorbell"
        os.mkfifo(self.path)
        # Opened for both: the pipe never ends, and a process that rings never waits for a reader.
        self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)

    @property
    def ring(self) -> tuple[str, ...]:
        """A command whose first step is to ring."""
        return ("/bin/sh", "-c", f"echo >'{self.path}'")

    def wait(self) -> tuple[float, str]:
        """The moment of the next ring, on `time.perf_counter`, and its words."""
        if not select.select([self._fd], [], [], LONGEST_S)[0]:
            raise TimeoutError(f"no process rang within {LONGEST_S:g} s")
        now = time.perf_counter()
        return now, os.read(self._fd, 65536).decode()

    def close(self) -> None:
        """Release the pipe."""
        os.close(self._fd)


@contextmanager
def connected_session(agents: int = 2) -> Iterator[tuple[Session, Path]]:
    """A queue with its Agents there and its client connected, and a folder; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="kq-benchmark-") as name:
        folder = Path(name)
        session = Session(Settings.from_environment({}, data_root=folder / "data", num_agents=agents))
        try:
            if not session.wait_ready(LONGEST_S):
                raise RuntimeError(f"the queue did not become ready: {session.failure or 'it took too long'}")
            until(lambda: session.client.status == ConnectionStatus.CONNECTED)
            yield session, folder
        finally:
            session.close()
            if not session.wait(LONGEST_S):
                raise RuntimeError("the queue did not end")


def until(condition: Callable[[], bool], every_s: float = 0.002, longest_s: float = LONGEST_S) -> None:
    """Wait for a condition, looking again every so often."""
    end_s = time.perf_counter() + longest_s
    while not condition():
        if time.perf_counter() > end_s:
            raise TimeoutError(f"what was waited for did not come within {longest_s:g} s")
        time.sleep(every_s)


def cpu_s(process: psutil.Process) -> float:
    """CPU seconds of all threads: in nanoseconds on Linux, in coarser ticks elsewhere."""
    threads = list(Path(f"/proc/{process.pid}/task").glob("*/schedstat"))
    if threads:
        return sum(int(each.read_text().split()[0]) for each in threads) / 1e9
    times = process.cpu_times()
    return float(times.user + times.system)


def figures(what: str, who: str, values: Sequence[float], bare: Sequence[float] = ()) -> dict[str, object]:
    """A row: median, 95th percentile (the worse end of times), and the median's ratio to the bare limit's."""
    ordered = sorted(values)
    median = statistics.median(ordered)
    return {
        "what": what,
        "who": who,
        "median": round(median, 3),
        "p95": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], 3),
        "ratio": round(median / statistics.median(bare), 2) if bare else None,
        "samples": len(ordered),
    }
