"""Reads lines of a log file of any size, by an index of where lines start. Keeps no content in memory.

No Qt and no thread. Its methods block, so they are called on a worker thread.
"""

from __future__ import annotations

import os
import re
import stat
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import BinaryIO, NamedTuple

from .....kq.api import Severity

__all__ = [
    "Block",
    "FileChange",
    "LogFile",
    "LogLine",
    "LogProblem",
    "as_text",
    "last_state",
    "without_escapes",
]

CHUNK = 64 * 1024
"""Bytes between two entries of the index: 1 GB of log costs 128 kB of memory."""
LONGEST = 16 * 1024
"""Bytes of one line that are shown; a note says how many more it has."""
LONG = 128 * 1024
"""Bytes of one line that are searched."""
_SIGNATURE = 256


class LogProblem(Exception):
    """The log cannot be read. Its text is a whole message for the user."""


class FileChange(Enum):
    """What happened to the file since the last check."""

    NONE = "none"
    GREW = "grew"
    RESTARTED = "restarted"
    """The file was truncated or replaced: line numbers start over."""


class LogLine(NamedTuple):
    """One line to show."""

    text: str
    severity: Severity | None = None
    """Its severity: error, warning or empty."""


class Block(NamedTuple):
    """Consecutive whole lines of the file."""

    data: bytes
    lines: int
    """The number of lines in `data`."""
    end: int
    """The offset of the next line in the file, in bytes."""


class LogFile:
    """One log file. It is opened for each read, so that it can be renamed or removed between reads.

    All methods that read raise LogProblem when the file cannot be read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None
        self._opened_at = -1  # the file's ctime (ns) at the last check at which it could be opened
        self.was_there = False
        """Whether the file has ever been found: a missing one was then removed, not just not written yet."""
        self._reset()

    def _reset(self) -> None:
        self.size = 0
        """The file's size in bytes at the last check."""
        self.indexed = 0
        """How many bytes are indexed."""
        self._before = array("Q", [0])  # line ends before each whole chunk
        self._ends = 0
        self._ends_with_newline = True
        self._signature = b""

    @property
    def line_count(self) -> int:
        """The number of lines indexed; the last one may still grow."""
        return self._ends + (0 if self._ends_with_newline else 1)

    @property
    def is_complete(self) -> bool:
        """Whether the whole file is indexed."""
        return self.indexed >= self.size

    def check(self) -> FileChange:
        """Compare the file with its state at the last call, and update `size`. Raises LogProblem."""
        try:
            status = Path(self.path).stat()
        except OSError as error:
            self._identity = None
            self._reset()
            raise LogProblem(_in_words(self.path, error, was_there=self.was_there)) from error
        if stat.S_ISDIR(status.st_mode):
            raise LogProblem(f"{self.path} is a folder, not a log file.")
        if not stat.S_ISREG(status.st_mode):
            raise LogProblem(f"{self.path} is not a regular file.")
        identity = (status.st_dev, status.st_ino)
        known, self._identity, self.was_there = self._identity, identity, True
        if known is not None and known != identity:
            return self._restart(status.st_size)
        if status.st_size < self.indexed:
            return self._restart(status.st_size)
        if status.st_size == self.size:
            if status.st_ctime_ns != self._opened_at:  # its permissions may have changed: raise if unreadable
                with self._open():
                    pass
                self._opened_at = status.st_ctime_ns
            return FileChange.NONE
        # Truncated and grown past its old size between two checks: only the content shows that.
        if self._signature and self._read(0, len(self._signature)) != self._signature:
            return self._restart(status.st_size)
        self.size = status.st_size
        if len(self._signature) < _SIGNATURE:
            self._signature = self._read(0, min(_SIGNATURE, self.size))
        return FileChange.GREW

    def _restart(self, size: int) -> FileChange:
        self._reset()
        self.size = size
        self._signature = self._read(0, min(_SIGNATURE, size))
        return FileChange.RESTARTED

    def advance(self, budget_bytes: int) -> None:
        """Index the next `budget_bytes` of the file."""
        with self._open() as file:
            file.seek(self.indexed)
            end = min(self.size, self.indexed + budget_bytes)
            while self.indexed < end:
                wanted = min(CHUNK - self.indexed % CHUNK, end - self.indexed)
                block = file.read(wanted)
                if not block:
                    break  # truncated meanwhile; the next check finds that
                self._ends += block.count(b"\n")
                self.indexed += len(block)
                self._ends_with_newline = block.endswith(b"\n")
                if self.indexed % CHUNK == 0:
                    self._before.append(self._ends)

    def lines(self, first: int, count: int) -> list[str]:
        """Return the texts of `count` lines from `first` on, counted from 0; fewer at the end."""
        count = min(count, self.line_count - first)
        if count <= 0 or first < 0:
            return []
        with self._open() as file:
            start, end = self._start_of(file, first), self._start_of(file, first + count)
            if end - start <= count * LONGEST // 4 or end - start <= 1 << 20:
                parts = _read_at(file, start, end - start).split(b"\n")[:count]
                return [as_text(part[:LONGEST], part[-LONGEST:], len(part)) for part in parts]
            texts = []
            for line in range(first, first + count):
                start, end = self._start_of(file, line), self._end_of(file, line)
                length = max(0, end - start)
                head = _read_at(file, start, min(length, LONGEST))
                tail = _read_at(file, max(start, end - LONGEST), min(length, LONGEST))
                texts.append(as_text(head, tail, length))
            return texts

    def tail(self, count: int) -> list[str]:
        """Return the texts of the last lines, at most `count`, within the last CHUNK. Needs no index."""
        start = max(0, self.size - CHUNK)
        parts = self._read(start, self.size - start).split(b"\n")
        if parts and not parts[-1]:
            parts.pop()
        if start and len(parts) > 1:
            parts = parts[1:]  # the first line is incomplete
        return [as_text(part[:LONGEST], part[-LONGEST:], len(part)) for part in parts[-count:]]

    def block(self, first_line: int, budget_bytes: int, start: int | None = None) -> Block:
        """Return whole lines from `first_line` on, of about `budget_bytes`, or one longer line.

        Args:
            first_line: counted from 0.
            budget_bytes: how much to read. Of a longer line, at most LONG bytes are returned: its beginning,
                or what has overwritten it.
            start: the offset of `first_line`, if known: to find it takes as long as to read a block.
        """
        with self._open() as file:
            if start is None:
                start = self._start_of(file, first_line)
            data = _read_at(file, start, min(budget_bytes, self.indexed - start))
            if start + len(data) < self.indexed:
                cut = data.rfind(b"\n")
                if cut < 0:
                    data = _read_at(file, start, min(LONG, self.indexed - start))
                    cut = data.find(b"\n")
                if cut < 0 and start + len(data) < self.indexed:
                    end = self._end_of(file, first_line)
                    tail = _read_at(file, end - LONGEST, LONGEST)
                    return Block(last_state(data, tail), 1, min(end + 1, self.indexed))
                data = data[: cut + 1] if cut >= 0 else data
        lines = data.count(b"\n") + (0 if data.endswith(b"\n") or not data else 1)
        return Block(data, lines, start + len(data))

    def _start_of(self, file: BinaryIO, line: int) -> int:
        """Return the offset of `line` in bytes; the end of the index for the line after the last."""
        if line <= 0:
            return 0
        if line > self._ends:
            return self.indexed
        # The line starts after the `line`-th newline of the file, which is in this chunk:
        chunk = bisect_left(self._before, line) - 1
        missing = line - self._before[chunk]
        block = _read_at(file, chunk * CHUNK, CHUNK)
        at = -1
        for _ in range(missing):
            at = block.find(b"\n", at + 1)
        return chunk * CHUNK + at + 1

    def _end_of(self, file: BinaryIO, line: int) -> int:
        """Return the offset of the newline of `line` in bytes; the end of the index where it has none yet."""
        return self._start_of(file, line + 1) - (1 if line < self._ends else 0)

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        """Open the file for the body, whose reads may fail, too: a share can go away between two of them."""
        try:
            with open(self.path, "rb", buffering=0) as file:
                yield file
        except OSError as error:
            raise LogProblem(_in_words(self.path, error, was_there=self.size > 0)) from error

    def _read(self, start: int, length: int) -> bytes:
        with self._open() as file:
            return _read_at(file, start, length)


def _read_at(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    parts = []
    while length > 0:
        part = file.read(length)
        if not part:
            break
        parts.append(part)
        length -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


_ESCAPES = re.compile(r"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_ESCAPE_BYTES = re.compile(_ESCAPES.pattern.encode())
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def as_text(head: bytes, tail: bytes, length: int) -> str:
    """Return a line's text to show, without escape sequences, and with bytes that are not UTF-8 escaped.

    Of a line that was overwritten by carriage returns, only the last state is returned.

    Args:
        head: the beginning of the line.
        tail: its end, at most LONGEST bytes; may overlap `head`.
        length: the number of all its bytes.
    """
    is_written_over = b"\r" in tail.rstrip(b"\r")
    cut = 0 if is_written_over else length - len(head)
    text = last_state(head, tail).decode("utf-8", "backslashreplace")
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    text = text.expandtabs(8)
    if _CONTROLS.search(text):
        text = _CONTROLS.sub(_control_picture, text)
    return f"{text} … ({cut:,} more bytes in this line)" if cut > 0 else text


def last_state(head: bytes, tail: bytes) -> bytes:
    """Return the bytes of a line that are shown: what overwrote it last, else its beginning.

    Args:
        head: the beginning of the line.
        tail: its end, at most LONGEST bytes; may overlap `head`.
    """
    tail = tail.rstrip(b"\r")
    start = tail.rfind(b"\r") + 1
    return tail[start:] if start else head.rstrip(b"\r")


def without_escapes(line: bytes) -> bytes:
    """Return a line without escape sequences, which `as_text` does not show."""
    return _ESCAPE_BYTES.sub(b"", line) if b"\x1b" in line else line


def _control_picture(match: re.Match[str]) -> str:
    return "\u2421" if match[0] == "\x7f" else chr(0x2400 + ord(match[0]))


def _in_words(path: str, error: OSError, was_there: bool) -> str:
    if isinstance(error, FileNotFoundError):
        if was_there:
            return f"The log file {path} was removed or moved."
        return f"There is no log file at {path}."
    if isinstance(error, PermissionError):
        return f"No permission to read {path}: ask its owner, or check the permissions of its folder."
    return f"{path} cannot be read: {error.strerror or os.strerror(error.errno or 0)}."
