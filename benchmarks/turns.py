"""Stalls of Qt's event loop, and how much of their time other programs on the machine took.

A turn is the time between two events of a 1 ms timer. A helper module, not a benchmark.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
from PySide6.QtCore import QEventLoop, Qt, QTimer

__all__ = ["Turns"]

FRAME_MS = 16.0
LONGEST_S = 120.0
BARE_S = 0.005
POLL_INTERVAL_S = 0.1
"""How often stolen time is read, which is too slow for every turn."""


class Turns:
    """The longest turns while `run` runs; on Qt's thread. Keeps no list: growing a long one takes 10 ms."""

    def __init__(self) -> None:
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(1)  # the scheduler penalises a loop that never sleeps
        self._timer.timeout.connect(self._beat)
        self._waited = _Waited()
        self._until: Callable[[], bool] = lambda: True
        self._loop = QEventLoop()
        self._forget()

    def _forget(self) -> None:
        self.longest_ms = self.longest_own_ms = self.longest_cpu_ms = self.stolen_ms = 0.0
        self.over_frame = self.over_frame_own = self.over_frame_unstolen = 0

    def run(self, until: Callable[[], bool], at_least_s: float = 0.0) -> float:
        """Run events until something holds, at most LONGEST_S; returns after how many seconds it held."""
        self._forget()
        self._begin_s = time.perf_counter()
        self._least_s, self._held_s = at_least_s, None
        self._until = until
        self._last = (self._begin_s, time.thread_time(), self._waited.so_far_s())
        stolen_s = self._stolen_s = _stolen_s()
        self._looked_s = self._begin_s
        self._timer.start()
        self._loop.exec()
        self._timer.stop()
        self.stolen_ms = (_stolen_s() - stolen_s) * 1000
        self._until = lambda: True
        return self._held_s if self._held_s is not None else time.perf_counter() - self._begin_s

    def bare(self, seconds: float) -> dict[str, Any]:
        """A row of figures of what this machine does to a program that does next to nothing: it computes
        BARE_S, some thirty times a second."""

        def compute() -> None:
            end_s = time.perf_counter() + BARE_S
            while time.perf_counter() < end_s:
                pass

        timer = QTimer()
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        timer.setInterval(33)
        timer.timeout.connect(compute)
        timer.start()
        took_s = self.run(lambda: True, seconds)
        timer.stop()
        what = f"bare: nothing but {BARE_S * 1000:.0f} ms of computing, 30 times a second"
        return {"what": what, **self.figures(), "took_s": round(max(took_s, seconds), 2)}

    def _beat(self) -> None:
        now_s, cpu_s, waited_s = time.perf_counter(), time.thread_time(), self._waited.so_far_s()
        took_ms = (now_s - self._last[0]) * 1000
        own_ms = took_ms - (waited_s - self._last[2]) * 1000
        self.longest_ms = max(self.longest_ms, took_ms)
        self.longest_own_ms = max(self.longest_own_ms, own_ms)
        self.longest_cpu_ms = max(self.longest_cpu_ms, (cpu_s - self._last[1]) * 1000)
        self.over_frame += took_ms > FRAME_MS
        self.over_frame_own += own_ms > FRAME_MS
        if now_s - self._looked_s > POLL_INTERVAL_S or own_ms > FRAME_MS:
            before_s, self._stolen_s, self._looked_s = self._stolen_s, _stolen_s(), now_s
            self.over_frame_unstolen += own_ms > FRAME_MS and self._stolen_s == before_s
        self._last = (now_s, cpu_s, waited_s)
        spent_s = now_s - self._begin_s
        if self._held_s is None and self._until():
            self._held_s = spent_s
        if spent_s > LONGEST_S or (self._held_s is not None and spent_s >= self._least_s):
            self._loop.quit()

    def figures(self) -> dict[str, Any]:
        """Columns of a row, milliseconds.

        longest_ms: elapsed time, as the artist experiences it.
        own_ms: likewise without the time in which the thread was ready and other programs had the cores;
            what it waited for the program's own threads, and for the disk, is in it. None where the system
            does not tell.
        cpu_ms: the thread's own computing.
        stolen_ms: what a virtual machine's host took from all of its cores in the whole time, to 10 ms.
        over_16: how many turns were longer than a frame: by the clock; without others; and of these, in how
            many the host took no core, not even shortly before.
        """
        known = self._waited.is_known
        return {
            "longest_ms": round(self.longest_ms, 1),
            "own_ms": round(self.longest_own_ms, 1) if known else None,
            "cpu_ms": round(self.longest_cpu_ms, 1),
            "stolen_ms": round(self.stolen_ms),
            "over_16": f"{self.over_frame}, {self.over_frame_own}, {self.over_frame_unstolen}"
            if known
            else self.over_frame,
        }


class _Waited:
    """How long the calling thread was ready to run and another had the core (Linux tells: Documentation/
    scheduler/sched-stats, the second figure of schedstat, in nanoseconds)."""

    def __init__(self) -> None:
        try:
            self._fd: int | None = os.open(
                f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY | os.O_CLOEXEC
            )
        except OSError:
            self._fd = None

    @property
    def is_known(self) -> bool:
        return self._fd is not None

    def so_far_s(self) -> float:
        return 0.0 if self._fd is None else int(os.pread(self._fd, 80, 0).split()[1]) / 1e9


def _stolen_s() -> float:
    """Of all cores, since the machine started (psutil: cpu_times; 0 where there is no such thing)."""
    return float(getattr(psutil.cpu_times(), "steal", 0.0))
