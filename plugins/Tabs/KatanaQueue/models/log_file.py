"""A view of a log file of any size, line by line: an index of where lines start, and no copy of the file.

Pure file access; no Qt, no thread. It blocks, so it is called on a thread of its own.
"""

from __future__ import annotations

import os
import re
import stat
from array import array
from bisect import bisect_left
from enum import Enum
from pathlib import Path
from typing import BinaryIO, NamedTuple

__all__ = ["Block", "FileChange", "LogFile", "LogLine", "LogProblem", "as_text"]

CHUNK = 64 * 1024
"""Bytes between two entries of the index: 1 GB of log costs 128 kB of memory."""
LONGEST = 16 * 1024
"""Bytes of one line that are shown; the view shows how many more there are."""
LONG = 128 * 1024
"""Bytes of one line that are searched."""
_SIGNATURE = 256


class LogProblem(Exception):
    """Why there is nothing to show."""


class FileChange(Enum):
    """What happened to the file since the last check."""

    NONE = "none"
    GREW = "grew"
    RESTARTED = "restarted"
    """It was cut off or replaced: everything known of it is void."""


class LogLine(NamedTuple):
    """One line as it is shown."""

    text: str
    kind: str = ""
    """error, warning, or empty."""


class Block(NamedTuple):
    """Some whole lines."""

    data: bytes
    lines: int
    """How many they are."""
    end: int | None
    """Where the next line starts; None when that is not known."""


class LogFile:
    """One log file. It is opened for each read, so that it may be renamed and removed meanwhile."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None
        self._opened_at = -1  # when its rights or content had last changed, when it could be opened
        self.was_there = False
        """Whether it was seen: what is not there then has gone; else it may still come."""
        self._reset()

    def _reset(self) -> None:
        self.size = 0
        """Bytes, at the last check."""
        self.indexed = 0
        """Bytes whose lines are known."""
        self._before = array("Q", [0])  # line ends before each whole chunk
        self._ends = 0
        self._ends_with_newline = True
        self._signature = b""

    @property
    def line_count(self) -> int:
        """Lines that are known; the last one may still grow."""
        return self._ends + (0 if self._ends_with_newline else 1)

    @property
    def is_complete(self) -> bool:
        """Whether all lines are known."""
        return self.indexed >= self.size

    def check(self) -> FileChange:
        """Check what happened to the file. Raises LogProblem when there is nothing to show."""
        try:
            status = Path(self.path).stat()
        except OSError as error:
            self._identity = None
            self._reset()
            raise LogProblem(_in_words(self.path, error, was_there=self.was_there)) from error
        if stat.S_ISDIR(status.st_mode):
            raise LogProblem(f"{self.path} is a folder, not a log file.")
        if not stat.S_ISREG(status.st_mode):
            raise LogProblem(f"{self.path} is no plain file, so it is not read.")
        identity = (status.st_dev, status.st_ino)
        known, self._identity, self.was_there = self._identity, identity, True
        if known is not None and known != identity:
            return self._restart(status.st_size)
        if status.st_size < self.indexed:
            return self._restart(status.st_size)
        if status.st_size == self.size:
            if status.st_ctime_ns != self._opened_at:  # its rights may be others: is it still to be read?
                self._open().close()
                self._opened_at = status.st_ctime_ns
            return FileChange.NONE
        # Truncated and written past its old end between two checks: only its content shows that.
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
        """Get to know the lines of the next `budget_bytes`."""
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
        """Texts of lines `first` and following, counted from 0; fewer at the end."""
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
                start, end = self._start_of(file, line), self._start_of(file, line + 1)
                length = max(0, end - start - 1)
                head = _read_at(file, start, min(length, LONGEST))
                tail = _read_at(file, max(start, end - 1 - LONGEST), min(length, LONGEST))
                texts.append(as_text(head, tail, length))
            return texts

    def tail(self, count: int) -> list[str]:
        """Texts of the last lines, without knowing the others: at most `count`, within the last CHUNK."""
        start = max(0, self.size - CHUNK)
        parts = self._read(start, self.size - start).split(b"\n")
        if parts and not parts[-1]:
            parts.pop()
        if start and len(parts) > 1:
            parts = parts[1:]  # the first is cut
        return [as_text(part[:LONGEST], part[-LONGEST:], len(part)) for part in parts[-count:]]

    def block(self, first_line: int, budget_bytes: int, start: int | None = None) -> Block:
        """Whole lines from `first_line` on, about `budget_bytes` of them; of a longer one at most LONG bytes.

        `start` is where `first_line` starts, if that is known: to find it costs as much as to read a block.
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
                    return Block(data, 1, None)  # its beginning represents it
                data = data[: cut + 1] if cut >= 0 else data
        lines = data.count(b"\n") + (0 if data.endswith(b"\n") or not data else 1)
        return Block(data, lines, start + len(data))

    def _start_of(self, file: BinaryIO, line: int) -> int:
        """The offset at which `line` starts; the end of what is known for the line after the last."""
        if line <= 0:
            return 0
        if line > self._ends:
            return self.indexed
        # The line starts behind the `line`-th line end, which lies in this chunk:
        chunk = bisect_left(self._before, line) - 1
        missing = line - self._before[chunk]
        block = _read_at(file, chunk * CHUNK, CHUNK)
        at = -1
        for _ in range(missing):
            at = block.find(b"\n", at + 1)
        return chunk * CHUNK + at + 1

    def _open(self) -> BinaryIO:
        try:
            return open(self.path, "rb", buffering=0)
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
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def as_text(head: bytes, tail: bytes, length: int) -> str:
    """A line as it is shown: of one that was written over its last state; without colours; odd bytes spelled.

    `head` and `tail` are the line's beginning and end, `length` all its bytes.
    """
    tail = tail.removesuffix(b"\r")
    written_over = tail.rfind(b"\r")
    if written_over >= 0:
        shown, cut = tail[written_over + 1 :], 0
    else:
        shown, cut = head.removesuffix(b"\r"), length - len(head)
    text = shown.decode("utf-8", "backslashreplace")
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    text = text.expandtabs(8)
    if _CONTROLS.search(text):
        text = _CONTROLS.sub(_control_picture, text)
    return f"{text} … ({cut:,} more bytes in this line)" if cut > 0 else text


def _control_picture(match: re.Match[str]) -> str:
    return "\u2421" if match[0] == "\x7f" else chr(0x2400 + ord(match[0]))


def _in_words(path: str, error: OSError, was_there: bool) -> str:
    if isinstance(error, FileNotFoundError):
        if was_there:
            return f"The log file is gone: {path} was removed or moved away."
        return f"There is no log file at {path}."
    if isinstance(error, PermissionError):
        return f"There is no permission to read {path}: ask its owner, or check the rights of its folder."
    return f"{path} cannot be read: {error.strerror or os.strerror(error.errno or 0)}."
