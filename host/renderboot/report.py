"""The render process's log on stderr: messages, progress, pictures, warnings.

Other programs parse the forms `ALF_PROGRESS N%`, `kq_picture: PATH` and `ERROR: ...`.
"""

from __future__ import annotations

import io
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)
"""Control characters, all line ends, bidirectional overrides, and unpaired surrogates."""
_FORMS = re.compile(r"%|(?<=ALF_)(?=PROGRESS)|(?<=kq_)(?=picture)|(?<=openjd_)(?=progress)", re.IGNORECASE)
"""What other programs parse: percentages, and the prefixes of our own lines."""


def escaped(text: str) -> str:
    """Escape text to one line without parsed forms: names and messages come from untrusted scenes."""
    plain = _UNPRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
    return _FORMS.sub(lambda found: "\\x25" if found[0] else "\\", plain)


def write_utf8() -> None:
    """Have the standard streams write UTF-8 in any locale: the log's readers know no other encoding."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


class Report:
    """Writes log lines to stderr, each flushed. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._percent = -1
        self.has_picture = False
        """Whether a picture file was written."""

    def say(self, text: str) -> None:
        """Log a line with the seconds since the start."""
        self._write(f"[{time.monotonic() - self._started:7.2f} s] {escaped(text)}")

    def trace(self, text: str) -> None:
        """Log several lines, each marked, so that none is taken for another form."""
        for line in text.splitlines():
            self._write(f"| {escaped(line)}")

    def warn(self, text: str) -> None:
        """Log a problem that does not end the render."""
        self._write(f"WARNING: {escaped(text)}")

    def error(self, text: str) -> None:
        """Log why the render failed, as the last line."""
        self._write(f"ERROR: {escaped(' '.join(text.split()))}")

    def progress(self, fraction: float) -> None:
        """Log the progress, 0 to 1, when its whole percentage has changed."""
        percent = max(0, min(100, int(fraction * 100 + 1e-6)))
        if percent > self._percent:
            self._percent = percent
            self._write(f"ALF_PROGRESS {percent}%")

    def picture(self, path: str) -> None:
        """Log that the picture file was replaced; not for a path that is no single line."""
        self.has_picture = True
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
