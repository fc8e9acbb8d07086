"""The render process's log on stderr: messages, progress, pictures, warnings.

Never decides anything. Other programs read the forms `ALF_PROGRESS N%`, `kq_picture: PATH` and `ERROR: ...`.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)
"""Control characters, line ends of every kind, what turns the direction of text, and halves of characters."""
_FORMS = re.compile(r"%|(?<=ALF_)(?=PROGRESS)|(?<=kq_)(?=picture)|(?<=openjd_)(?=progress)", re.IGNORECASE)
"""What other programs look for: percentages, and the beginnings of our own forms."""


def escaped(text: str) -> str:
    """The text as one harmless line: names and messages come from scenes, which anyone may have written."""
    plain = _UNPRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
    return _FORMS.sub(lambda found: "\\x25" if found[0] else "\\", plain)


class Report:
    """One line at a time, flushed, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._percent = -1

    def say(self, text: str) -> None:
        """Log a line with the seconds since the start."""
        self._write(f"[{time.monotonic() - self._started:7.2f} s] {escaped(text)}")

    def trace(self, text: str) -> None:
        """Log several lines, each marked, so that none is taken for another form."""
        for line in text.splitlines():
            self._write(f"| {escaped(line)}")

    def warn(self, text: str) -> None:
        """Log what is not as the artist meant it, while the render goes on."""
        self._write(f"WARNING: {escaped(text)}")

    def error(self, text: str) -> None:
        """Log why the render failed, as the last line."""
        self._write(f"ERROR: {escaped(' '.join(text.split()))}")

    def progress(self, fraction: float) -> None:
        """Progress from 0 to 1; says nothing when the whole percentage is the same as before."""
        percent = max(0, min(100, int(fraction * 100 + 1e-6)))
        if percent > self._percent:
            self._percent = percent
            self._write(f"ALF_PROGRESS {percent}%")

    def picture(self, path: str) -> None:
        """Log that the picture file was replaced; not for a path that is no single line."""
        if not _UNPRINTABLE.search(path):
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
