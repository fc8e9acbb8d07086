"""What the render process says: log lines, progress, pictures, warnings, all on stderr.

Never decides anything. The forms `ALF_PROGRESS N%`, `kq_picture: PATH` and `ERROR: ...` are read by others.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Report:
    """One line at a time, flushed, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._percent = -1

    def say(self, text: str) -> None:
        """A line for people, with the seconds since the start."""
        self._write(f"[{time.monotonic() - self._started:7.2f} s] {text}")

    def warn(self, text: str) -> None:
        """Something is not as the artist meant it, and the render goes on."""
        self._write(f"WARNING: {text}")

    def error(self, text: str) -> None:
        """Why the render failed, in one sentence; the last line of the log."""
        self._write("ERROR: " + " ".join(text.split()))

    def progress(self, fraction: float) -> None:
        """Progress from 0 to 1; says nothing when the whole percentage is the same as before."""
        percent = max(0, min(100, int(fraction * 100 + 1e-6)))
        if percent > self._percent:
            self._percent = percent
            self._write(f"ALF_PROGRESS {percent}%")

    def picture(self, path: str) -> None:
        """The picture file was replaced."""
        self._write(f"kq_picture: {path}")

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Log how long a step took, if it succeeds."""
        before = time.monotonic()
        yield
        self.say(f"{what}: {time.monotonic() - before:.2f} s")

    def _write(self, line: str) -> None:
        with self._lock:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
