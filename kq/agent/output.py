"""Reads new output from a render's log: progress, pictures, warnings and errors. Never writes or blocks.

kq.patterns recognizes the lines. The render writes to the file directly, not through this process.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

import msgspec

from ..files import open_to_read
from ..patterns import OutputPatterns

__all__ = ["OutputReader", "OutputUpdate"]

MAX_LINE = 16 * 1024
"""Most bytes of a line that are examined; the rest of a longer line is skipped."""
_MAX_MESSAGE = 500
_CATCH_UP = 64
"""When unread output exceeds this multiple of the budget, all but the newest budget of it is skipped."""
_MAX_LINES = 1000
"""Most lines per read and kind that contain a keyword and are matched against the patterns. A log with a
keyword in every line would cost ten times as much."""
# NUL: fills the start of a log that was truncated while its writer had it open.
_LINE_ENDS = bytes.maketrans(b"\r\0", b"\n\n")
_CONTROLS = re.compile(r"\x1b\[[0-9;:?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")

_WARNING_WORD = re.compile(r"^.{0,60}?\bwarn(?:ing)?\b[\s\]|:>)-]*(?=\S)", re.IGNORECASE)
"""The start of a warning up to and with that word, removed to fit a job's row."""


class OutputUpdate(msgspec.Struct, frozen=True):
    """What the output has contained so far, as far as it was read."""

    progress: float | None = None
    """0 to 1."""
    picture: str = ""
    """The last picture path in the output, verbatim: it may be relative to the render's working folder."""
    warning: str = ""
    """The first line that matches a failure pattern, whatever the exit code; else the first warning, without
    the word "warning"."""
    warnings: int = 0
    """Number of lines read that match a warning or failure pattern."""
    last_error: str = ""
    """The last error line, other than those that only refer to an earlier error."""
    last_line: str = ""
    """The last line that is neither blank nor progress nor a picture."""
    grew: bool = False
    """Whether output was written since the previous read."""
    more: bool = False
    """Whether unread output is left: read again soon."""
    skipped: int = 0
    """Bytes skipped because output was written faster than it could be read."""


class OutputReader:
    """Reads one attempt's log while it is written. To be used from one thread.

    Lines end with a line feed or a carriage return. Any bytes are accepted. At most one line is remembered,
    and of that at most MAX_LINE bytes.
    """

    def __init__(self, path: Path | str, patterns: OutputPatterns) -> None:
        """Nothing is opened before the first read.

        Args:
            path: the log. It need not exist yet.
            patterns: recognize its lines.
        """
        self._path = Path(path)
        self._file: io.FileIO | None = None
        self._patterns = patterns
        self._offset = 0
        self._pending = b""
        """The start of a line that is not complete yet."""
        self._in_skipped_line = False
        self._progress: float | None = None
        self._provisional: float | None = None
        self._picture = ""
        self._failure = ""
        self._warning = ""
        self._warnings = 0
        self._last_error = ""
        self._has_cause = False
        self._last_line = b""
        self._skipped = 0

    def close(self) -> None:
        """Close the file. A later read opens it again and continues at the same offset."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def read(self, budget_bytes: int = 256 << 10) -> OutputUpdate:
        """Read new output, at most `budget_bytes`: 256 KiB take some 4 ms.

        Returns:
            The state so far. A file that cannot be read counts as one that has not grown.
        """
        grew, more = self._read_on(budget_bytes)
        self._provisional = None
        if not grew and self._pending:
            # An unfinished line that does not grow is probably complete: some programs end it only later.
            self._provisional = self._patterns.progress(self._pending)
        return self._update(grew, more)

    def finish(self, budget_bytes: int = 4 << 20) -> OutputUpdate:
        """Read the last `budget_bytes` of the rest, and treat an unfinished last line as complete.

        Returns:
            The final update. The reader is closed.
        """
        grew, _ = self._read_on(budget_bytes, catch_up=1)
        if self._pending:
            self._take_lines(self._pending + b"\n")
            self._pending = b""
        self._provisional = None
        self.close()
        return self._update(grew, more=False)

    def _update(self, grew: bool, more: bool) -> OutputUpdate:
        return OutputUpdate(
            self._progress if self._provisional is None else self._provisional,
            self._picture,
            self._failure or self._warning,
            self._warnings,
            self._last_error,
            _message(self._last_line),
            grew,
            more,
            self._skipped,
        )

    def _read_on(self, budget: int, catch_up: int = _CATCH_UP) -> tuple[bool, bool]:
        """Read a block. Returns whether the file grew, and whether unread output is left."""
        try:
            file, size = self._current_file()
            if size <= self._offset:
                return False, False
            behind = size - self._offset
            if behind > budget * catch_up:
                self._skip(behind - budget)
            file.seek(self._offset)
            chunk = file.read(min(budget, size - self._offset)) or b""
        except OSError:
            return False, False  # it does not exist yet, or its disk failed: the exit code still counts
        self._offset += len(chunk)
        self._take(chunk)
        return bool(chunk), bool(chunk) and self._offset < size

    def _current_file(self) -> tuple[io.FileIO, int]:
        """Open or reopen the file that is at the path now. Returns it and its size in bytes."""
        if self._file is not None and self._is_replaced(self._file):
            self.close()
            self._start_again()
        if self._file is None:
            self._file = io.FileIO(self._path, opener=lambda path, _flags: open_to_read(path))
        size = os.fstat(self._file.fileno()).st_size
        if size < self._offset:
            self._start_again()
        return self._file, size

    def _is_replaced(self, file: io.FileIO) -> bool:
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False  # deleted: writes continue into the file that is open
        return not os.path.samestat(there, os.fstat(file.fileno()))

    def _start_again(self) -> None:
        self._offset = 0
        self._pending = b""
        self._in_skipped_line = False

    def _skip(self, count: int) -> None:
        self._offset += count
        self._skipped += count
        self._pending = b""
        self._in_skipped_line = True

    def _take(self, chunk: bytes) -> None:
        text = chunk.translate(_LINE_ENDS)
        if self._in_skipped_line:
            # The rest of a line whose start was skipped, or whose first MAX_LINE bytes were read.
            end = text.find(b"\n")
            if end < 0:
                return
            self._in_skipped_line = False
            text = text[end + 1 :]
        end = text.rfind(b"\n")
        if end >= 0:
            self._take_lines(self._pending + text[: end + 1])
            self._pending = b""
            text = text[end + 1 :]
        room = MAX_LINE - len(self._pending)
        self._pending += text[:room]
        if len(text) > room:
            self._take_lines(self._pending + b"\n")
            self._pending = b""
            self._in_skipped_line = True

    def _take_lines(self, text: bytes) -> None:
        """Examine complete lines, each with its line feed."""
        low = text.lower()
        self._take_last_of(text, low, "progress")
        self._take_last_of(text, low, "picture")
        self._take_error(text, low)
        self._take_warnings(text, low)
        if not self._failure:
            for line in islice(_lines_with(self._patterns.keywords["failure"], text, low), _MAX_LINES):
                if self._patterns.is_failure(line):
                    self._failure = _message(line)
                    self._warnings += not self._patterns.is_warning(line)
                    break
        self._take_last_line(text)

    def _take_last_line(self, text: bytes) -> None:
        """Find the last line that says something: progress and pictures explain no failure."""
        end = len(text)
        for _ in range(_MAX_LINES):
            start = text.rfind(b"\n", 0, end) + 1
            line = text[start : min(end, start + MAX_LINE)]
            if (
                line.strip()
                and self._patterns.progress(line) is None
                and self._patterns.picture(line) is None
            ):
                self._last_line = line
                return
            if not start:
                return
            end = start - 1

    # Only the last match counts, so lines are examined from the end, and usually very few of them.

    def _take_last_of(self, text: bytes, low: bytes, kind: Literal["progress", "picture"]) -> None:
        for line in islice(_lines_with_from_end(self._patterns.keywords[kind], text, low), _MAX_LINES):
            if kind == "progress":
                progress = self._patterns.progress(line)
                if progress is not None:
                    self._progress = progress
                    return
            else:
                picture = self._patterns.picture(line)
                if picture is not None:
                    self._picture = picture
                    return

    def _take_warnings(self, text: bytes, low: bytes) -> None:
        for line in islice(_lines_with(self._patterns.keywords["warning"], text, low), _MAX_LINES):
            if self._patterns.is_warning(line):
                self._warnings += 1
                self._warning = self._warning or _WARNING_WORD.sub("", _message(line))

    def _take_error(self, text: bytes, low: bytes) -> None:
        consequence = b""
        for line in islice(_lines_with_from_end(self._patterns.keywords["error"], text, low), _MAX_LINES):
            if self._patterns.is_error(line):
                if not self._patterns.is_consequence(line):
                    self._last_error = _message(line)
                    self._has_cause = True
                    return
                consequence = consequence or line
        if consequence and not self._has_cause:
            self._last_error = _message(consequence)


def _lines_with(words: Sequence[bytes], text: bytes, low: bytes) -> Iterator[bytes]:
    """The lines with one of `words`, in order. `low` is `text` in lower case; both end with a line feed."""
    at = {word: found for word in words if (found := low.find(word)) >= 0}
    while at:
        nearest = min(at.values())
        start = low.rfind(b"\n", 0, nearest) + 1
        end = low.find(b"\n", nearest)
        yield text[start : min(end, start + MAX_LINE)]
        for word, found in list(at.items()):
            if found < end:
                at[word] = low.find(word, end)
                if at[word] < 0:
                    del at[word]


def _lines_with_from_end(words: Sequence[bytes], text: bytes, low: bytes) -> Iterator[bytes]:
    """As `_lines_with`, the last line first."""
    at = {word: found for word in words if (found := low.rfind(word)) >= 0}
    while at:
        nearest = max(at.values())
        start = low.rfind(b"\n", 0, nearest) + 1
        end = low.find(b"\n", nearest)
        yield text[start : min(end, start + MAX_LINE)]
        for word, found in list(at.items()):
            if found >= start:
                at[word] = low.rfind(word, 0, start)
                if at[word] < 0:
                    del at[word]


def _message(line: bytes) -> str:
    """The line as text, without terminal control codes, with an ellipsis after 500 characters."""
    text = " ".join(_CONTROLS.sub("", line[: 4 * _MAX_MESSAGE].decode("utf-8", "replace")).split())
    return text if len(text) <= _MAX_MESSAGE else text[: _MAX_MESSAGE - 1] + "…"
