"""Uploads a growing log, and complete files, to a server that does not share this machine's disk.

Few parts are in flight at once: the server acknowledges them, and lost ones are sent again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections import deque
from pathlib import Path
from typing import IO

from .. import messages as m
from ..files import open_to_read
from ..wire import AgentWire

__all__ = ["FileUpload", "LogUpload"]

_IN_FLIGHT_BYTES = 2 * m.STREAM_PART_BYTES
_SEND_AGAIN_S = 3.0
_MAX_SEND_AGAIN_S = 24.0


class _Silence:
    """When what was not acknowledged is sent again: after 3 s, then after 6, 12 and 24.

    A link that is slow, or was interrupted, would otherwise get more and more of the same.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Something is sent after nothing was under way."""
        self._limit_s = _SEND_AGAIN_S
        self._since = time.monotonic()

    def end(self) -> None:
        """The server has answered. That may have taken longer than thought: the limit stays."""
        self._since = time.monotonic()

    def is_too_long(self) -> bool:
        """Whether to send again now."""
        now = time.monotonic()
        if now - self._since <= self._limit_s:
            return False
        self._since, self._limit_s = now, min(2 * self._limit_s, _MAX_SEND_AGAIN_S)
        return True


def _open_regular(path: Path) -> IO[bytes]:
    """Open a file that a render named, and may replace meanwhile, without blocking on a named pipe.

    A device is not opened at all, because that alone may have an effect.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
    """
    _check_regular(path.stat())
    fd = open_to_read(path)
    try:
        _check_regular(os.fstat(fd))
    except OSError:
        os.close(fd)
        raise
    return os.fdopen(fd, "rb")


def _check_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")


class LogUpload:
    """The upload of one log, while it grows. To be used from one thread; no method blocks."""

    def __init__(self, agent_id: str, attempt: str, path: Path, wire: AgentWire) -> None:
        self._agent = agent_id
        self._attempt = attempt
        self._path = path
        self._wire = wire
        self._file: IO[bytes] | None = None
        self._sent = 0
        self._received = 0
        self._silence = _Silence()
        self.refused = ""
        """Why no more of the log is sent, as a message; empty while it is."""

    def pump(self) -> None:
        """Send new output, as far as the limit in flight allows, and lost parts again."""
        if self.refused:
            return
        try:
            if self._file is None:
                self._file = self._path.open("rb")
            if self._sent == self._received:
                self._silence.begin()
            elif self._silence.is_too_long():
                self._sent = self._received
            while self._sent - self._received < _IN_FLIGHT_BYTES:
                self._file.seek(self._sent)
                data = self._file.read(m.STREAM_PART_BYTES)
                if not data:
                    return
                self._wire.send_update(
                    m.LogUpdate(agent=self._agent, attempt=self._attempt, offset=self._sent, data=data)
                )
                self._sent += len(data)
        except FileNotFoundError:
            return  # nothing was written yet
        except OSError as error:
            self.refused = f"its log {self._path} cannot be read: {error.strerror}"

    def take(self, order: m.StreamedOrder) -> None:
        """Handle an acknowledgement, and send more."""
        self._silence.end()
        self.refused = self.refused or order.refused
        self._received = max(self._received, order.received)
        self._sent = max(self._sent, self._received)
        self.pump()

    @property
    def is_complete(self) -> bool:
        """Whether the server has the whole log as it is now, or refuses the rest."""
        if self.refused:
            return True
        try:
            return self._received >= self._path.stat().st_size
        except OSError:
            return True  # there is no log

    @property
    def received(self) -> int:
        """Bytes that the server has acknowledged."""
        return self._received

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


class FileUpload:
    """The upload of files, one after the other. To be used from one thread; no method blocks."""

    def __init__(self, agent_id: str, attempt: str, wire: AgentWire) -> None:
        self._agent = agent_id
        self._attempt = attempt
        self._wire = wire
        self._queue: deque[tuple[Path, str]] = deque()
        self._file: IO[bytes] | None = None
        self._path = Path()
        self._target = ""
        self._size = self._sent = self._received = self._hashed = 0
        self._hash = hashlib.sha256()
        """Of the first `_hashed` bytes of the file."""
        self._silence = _Silence()
        self.arrived: list[str] = []
        """Paths on the server's machine of the files that have arrived, in order."""
        self.refused: dict[str, str] = {}
        """Errors of the files that failed, by path on the server's machine."""

    def add(self, path: Path, target: str) -> None:
        """Queue the local file `path` for upload to `target`, a path on the server's machine."""
        if (path, target) not in self._queue:
            self._queue.append((path, target))
        self.pump()

    @property
    def is_idle(self) -> bool:
        """Whether no file is queued or being sent."""
        return self._file is None and not self._queue

    @property
    def under_way(self) -> tuple[str, int]:
        """Target of the file that is being sent, and the bytes of it that were acknowledged."""
        return self._target, self._received

    def pump(self) -> None:
        """Send as much as the limit in flight allows, and lost parts again."""
        if self._file is None and not self._open_next():
            return
        if self._sent > self._received and self._silence.is_too_long():
            self._sent = self._received
        self._send_parts()

    def _open_next(self) -> bool:
        while self._queue:
            self._path, self._target = self._queue.popleft()
            try:
                self._target.encode()  # no message can carry a name that is not UTF-8
                self._file = _open_regular(self._path)
                self._size = os.fstat(self._file.fileno()).st_size
            except OSError as error:
                self.refused[self._target] = f"{self._path} cannot be read: {error.strerror}"
                continue
            except ValueError:
                self.refused[self._target] = f"{self._path!s:.200} cannot be read: its path is not valid"
                continue
            self._sent = self._received = self._hashed = 0
            self._hash = hashlib.sha256()
            self._silence.begin()
            return True
        return False

    def _send_parts(self) -> None:
        while (
            self._file is not None
            and (self._sent < self._size or self._size == 0)
            and self._sent - self._received < _IN_FLIGHT_BYTES
        ):
            try:
                self._file.seek(self._sent)
                data = self._file.read(min(m.STREAM_PART_BYTES, self._size - self._sent))
            except OSError as error:  # of a share or disk that failed meanwhile
                self._finish(f"{self._path} cannot be read: {error.strerror}")
                return
            if not data and self._size:
                # It shrank: the caller queues the changed file again.
                self._finish("it changed while it was sent")
                return
            end = self._sent + len(data)
            if end > self._hashed:  # else it is sent again
                self._hash.update(data[self._hashed - self._sent :])
                self._hashed = end
            self._wire.send_update(
                m.FileUpdate(
                    agent=self._agent,
                    attempt=self._attempt,
                    path=self._target,
                    offset=self._sent,
                    size=self._size,
                    data=data,
                    digest=self._hash.hexdigest() if end == self._size else "",
                )
            )
            self._sent = end
            if self._size == 0:
                return

    def take(self, order: m.StreamedOrder) -> None:
        """Handle an acknowledgement of the file that is being sent, and send more."""
        if self._file is None or order.path != self._target:
            return
        self._silence.end()
        if order.refused:
            self._finish(order.refused)
        elif order.received > self._hashed:
            pass  # more than was sent: it is about an earlier version of the file
        elif order.received >= self._size:
            self._finish("")
        elif order.received < self._received:
            # The server lost the earlier parts: it restarted, or began anew with one that came again.
            self._sent = self._received = order.received
        else:
            self._received = order.received
            self._sent = max(self._sent, self._received)
        self.pump()

    def _finish(self, refused: str) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        if refused:
            self.refused[self._target] = refused
        else:
            self.refused.pop(self._target, None)
            self.arrived.append(self._target)

    def close(self) -> None:
        """Close the current file and drop those that are queued."""
        self._queue.clear()
        if self._file is not None:
            self._file.close()
            self._file = None
