"""The usage and the limits of one attempt. Pure: the caller passes measurements and times."""

from __future__ import annotations

from ..messages import AssignOrder
from ..states import Outcome
from .attempt_machine import Stop

__all__ = ["UsageLimits"]

_SILENT_CPU = 0.01
"""CPU use below this share of a core counts as none."""
_SMALL_LOG_BYTES = 1 << 20
"""A log up to this size is not what fills a disk: its render goes on, even when nothing is left."""


class UsageLimits:
    """Checks one attempt against its order's limits. To be used from one thread.

    Times are monotonic, in seconds; sizes are in bytes.

    Attributes:
        memory: of all processes, at the last sample; None before the first.
        peak_memory: the highest value so far.
        cpu_percent: between the last two samples, where 100 is one core; None before the second.
    """

    def __init__(self, order: AssignOrder, now: float, min_free_bytes: int = 0, grace_s: float = 2.0) -> None:
        """
        Args:
            now: when the attempt began.
            min_free_bytes: free space that its log must leave on its disk.
            grace_s: seconds that a render has to end after its limit on time or silence.
        """
        self._grace_s = grace_s
        self._order = order
        self._min_free_bytes = min_free_bytes
        self._began = self._last_sample = self._last_sign = now
        self._cpu_s: float | None = None
        self.memory: int | None = None
        self.peak_memory: int | None = None
        self.cpu_percent: float | None = None
        self._log_bytes = self._free_bytes = 0
        self._is_silence_limited = bool(order.silence_s)

    @property
    def deadline(self) -> float | None:
        """Monotonic time of the time limit; None when there is none."""
        return self._began + self._order.timeout_s if self._order.timeout_s else None

    def sample_due(self, now: float, interval_s: float) -> bool:
        """Whether the last sample is at least `interval_s` seconds old."""
        return now - self._last_sample >= interval_s

    def record_output(self, now: float) -> None:
        """Note at `now` that the render has written output."""
        self._last_sign = now

    def ignore_silence(self) -> None:
        """Do not apply the limit on silence: without a log, output is not seen."""
        self._is_silence_limited = False

    def record_log_size(self, size: int, free: int | None) -> None:
        """Note the size of the log, and the free space on its disk; None when that is not known."""
        self._log_bytes, self._free_bytes = (0, 0) if free is None else (size, free)

    def record_exit(self, peak_memory: int | None) -> None:
        """Note the peak memory of a process that has ended; None when it is not known."""
        if peak_memory is not None:
            self.peak_memory = max(self.peak_memory or 0, peak_memory)

    def record_sample(self, now: float, memory: int, cpu_s: float) -> None:
        """Note the usage of all processes at `now`. `cpu_s`: CPU seconds since their start."""
        elapsed, self._last_sample = now - self._last_sample, now
        self.memory = memory
        self.peak_memory = max(self.peak_memory or 0, memory)
        if self._cpu_s is not None and elapsed > 0:
            share = max(cpu_s - self._cpu_s, 0.0) / elapsed
            self.cpu_percent = round(share * 100.0, 1)
            if share > _SILENT_CPU:
                self._last_sign = now
        self._cpu_s = cpu_s

    def exceeded(self, now: float) -> Stop | None:
        """Return the Stop event for a limit that is exceeded at `now`; None when there is none."""
        order = self._order
        if order.timeout_s and now - self._began > order.timeout_s:
            return Stop(
                Outcome.TIMED_OUT, f"it ran longer than its limit of {order.timeout_s:g} s", self._grace_s
            )
        if order.memory_limit and (self.memory or 0) > order.memory_limit:
            used, limit = (self.memory or 0) / 2**20, order.memory_limit / 2**20
            return Stop(Outcome.OUT_OF_MEMORY, f"it used {used:,.0f} MiB, its limit is {limit:,.0f} MiB", 0.0)
        is_large = self._log_bytes > max(self._free_bytes, _SMALL_LOG_BYTES)
        if is_large and self._free_bytes < self._min_free_bytes:
            log, free = self._log_bytes / 2**20, self._free_bytes / 2**20
            return Stop(
                Outcome.FAILED,
                f"its log of {log:,.0f} MiB left only {free:,.0f} MiB free on the disk (KQ_MIN_FREE_BYTES)",
                0.0,
            )
        # Up to the last sample: CPU use since then is not known.
        if self._is_silence_limited and self._last_sample - self._last_sign > order.silence_s:
            return Stop(
                Outcome.TIMED_OUT, f"no output and no CPU activity for {order.silence_s:g} s", self._grace_s
            )
        return None
