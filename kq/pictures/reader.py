"""Reads pictures by a process of its own, for a desktop: starts it, asks it, kills it after a time limit.

A share that hangs, and a decoder that crashes or never ends, harm that process alone.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from .. import process
from ..client.interpreter import Interpreter
from ..errors import KqError
from ..plain_text import one_line
from .messages import (
    MAX_PIXELS,
    PIXEL_BYTES,
    FailedReply,
    FileReadReply,
    PixelsReply,
    ReadRequest,
    Reply,
    UnchangedReply,
)
from .open_file import PictureError

__all__ = ["Picture", "PictureReader"]

TIMEOUT_S = 20.0
"""How long one picture may take, from its file on a share to its pixels."""
_PROGRAM = Path(__file__).resolve().parent / "__main__.py"
_OOM_SCORE = 600
"""Added to the desktop's OOM score: a picture costs less than a render, and is read again at once."""
_POLL_INTERVAL_S = 0.1
_EXIT_TIMEOUT_S = 5.0
_MAX_SURVIVORS = 4
_MAX_LINE = 65536
_PIPE_BYTES = 1 << 20


class Picture(NamedTuple):
    """The pixels of a picture."""

    width: int
    height: int
    has_alpha: bool
    """If not, each fourth byte is 255."""
    pixels: bytearray
    """Rows from the top, 4 bytes a pixel: red, green, blue, and alpha, by which they are premultiplied."""
    stamp: tuple[int, int]
    """Size and mtime_ns of the file."""


class _Helper(NamedTuple):
    """A process that decodes, and what it has replied. None: its output has ended."""

    child: process.Child
    replies: queue.SimpleQueue[tuple[Reply, bytearray] | None]


class PictureReader:
    """Reads one picture after the other. To be used from one thread, which is not Qt's.

    The process is started at the first picture, and ends at `close`, or with this process.
    """

    def __init__(self, find_python: Callable[[], Interpreter], timeout_s: float = TIMEOUT_S) -> None:
        """Store the arguments; starts nothing.

        Args:
            find_python: returns the interpreter for the process; called once, at the first picture.
            timeout_s: seconds after which the process is killed, if one picture takes that long.
        """
        self._find_python = find_python
        self._timeout_s = timeout_s
        self._interpreter: Interpreter | None = None
        self._helper: _Helper | None = None
        self._survivors: list[process.Child] = []

    @property
    def pid(self) -> int | None:
        """The pid of the process; None while there is none."""
        return None if self._helper is None else self._helper.child.pid

    def read(
        self,
        path: str,
        *,
        fit: tuple[int, int] | None = None,
        stamp: tuple[int, int] | None = None,
        is_wanted: Callable[[bool], bool] = lambda _is_file_read: True,
    ) -> Picture | None:
        """Read the picture at `path`.

        Args:
            path: of the file.
            fit: scale the picture to fit into this width and height; None: do not scale.
            stamp: of the picture that was read before.
            is_wanted: called some times a second with whether the file has been read, else its folder has not
                responded yet; when it returns False, the process is killed.

        Returns:
            The picture; None: its file still has `stamp`, or it is no longer wanted.

        Raises:
            PictureError: it cannot be shown.
        """
        try:
            request = msgspec.json.encode(ReadRequest(path, fit, stamp)) + b"\n"
        except UnicodeEncodeError as error:
            raise PictureError("its path is not valid") from error
        helper = self._running()
        try:
            assert helper.child.lifeline is not None
            os.write(helper.child.lifeline, request)  # fits the pipe: it has no other request
        except OSError:
            pass  # it has just ended: so do its replies
        return self._answer(helper, is_wanted)

    def close(self) -> None:
        """End the process, if there is one; the next `read` starts another."""
        if self._helper is not None:
            helper, self._helper = self._helper, None
            helper.child.close_lifeline()
            if _exit_of(helper.child, _EXIT_TIMEOUT_S) is None:
                self._kill(helper.child)
            else:
                helper.child.close()

    def _answer(self, helper: _Helper, is_wanted: Callable[[bool], bool]) -> Picture | None:
        """Wait for the last reply to a request."""
        end_s = time.monotonic() + self._timeout_s
        is_file_read = False
        while True:
            try:
                answer = helper.replies.get(timeout=_POLL_INTERVAL_S)
            except queue.Empty:
                if not is_wanted(is_file_read):
                    self._discard(helper)
                    return None
                if time.monotonic() < end_s:
                    continue
                self._discard(helper)
                limit = f"within {self._timeout_s:g} s"
                raise PictureError(
                    f"it was not decoded {limit}" if is_file_read else f"its folder did not respond {limit}"
                ) from None
            if answer is None:
                raise PictureError(f"the process that decodes pictures {self._end_of(helper)}")
            match answer:
                case FileReadReply(), _:
                    is_file_read = True
                case UnchangedReply(), _:
                    return None
                case FailedReply(reason), _:
                    raise PictureError(one_line(reason))
                case PixelsReply(width, height, has_alpha, stamp), pixels:
                    return Picture(width, height, has_alpha, pixels, stamp)

    # --- The process ---

    def _running(self) -> _Helper:
        """Return the process, after starting it if there is none that runs."""
        if self._helper is not None and self._helper.child.poll() is not None:
            self._helper.child.close()
            self._helper = None
        if self._helper is None:
            self._survivors = [child for child in self._survivors if not _close_if_ended(child)]
            if len(self._survivors) >= _MAX_SURVIVORS:
                raise PictureError("processes that decode pictures hang in the system and cannot be killed")
            try:
                self._helper = self._start()
            except (KqError, OSError) as error:
                raise PictureError(f"no process to decode it can be started: {error}") from error
        return self._helper

    def _start(self) -> _Helper:
        if self._interpreter is None:
            self._interpreter = self._find_python()
            _ignore_broken_pipes()
        read_end, write_end = os.pipe()
        try:
            _enlarge(write_end)
            child = process.spawn_service(
                [self._interpreter.path, "-P", str(_PROGRAM)],
                environment=self._interpreter.environment,
                stdin=process.LIFELINE,
                stdout=write_end,
            )
            process.raise_oom_score(_OOM_SCORE, child.id.pid)  # not by itself: its import takes 20 ms
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        replies: queue.SimpleQueue[tuple[Reply, bytearray] | None] = queue.SimpleQueue()
        # A thread, because a pipe cannot be waited for with a time limit on Windows.
        threading.Thread(
            target=_receive, args=(read_end, replies), name="kq-picture-pipe", daemon=True
        ).start()
        return _Helper(child, replies)

    def _discard(self, helper: _Helper) -> None:
        self._helper = None
        self._kill(helper.child)

    def _kill(self, child: process.Child) -> None:
        process.end_tree([child.id])  # a tree, for the interpreter may be a script that starts one
        if not _close_if_ended(child):
            child.close_lifeline()
            self._survivors.append(child)

    def _end_of(self, helper: _Helper) -> str:
        """Say how a process whose output has ended, or is invalid, came to its end."""
        self._helper = None
        ended = _exit_of(helper.child, _EXIT_TIMEOUT_S)
        if ended is None:
            self._kill(helper.child)
            return "sent an invalid reply, and was killed"
        helper.child.close()
        code = ended.code
        if code is None:
            return "ended"
        # A shell, as that of Katana's python.sh, reports a signal by adding 128.
        number = -code if code < 0 else code - 128 if sys.platform != "win32" and 128 < code < 192 else 0
        if not number:
            return f"ended by exit code {code if code < 1 << 16 else hex(code)}"
        try:
            return f"ended by signal {number} ({signal.Signals(number).name})"
        except ValueError:
            return f"ended by signal {number}"


def _receive(read_end: int, replies: queue.SimpleQueue[tuple[Reply, bytearray] | None]) -> None:
    """Take replies in on a thread, until the output ends or has something invalid.

    What decoded a hostile file may be under its control: sizes are checked again.
    """
    decoder: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)
    try:
        with open(read_end, "rb") as source:
            while line := source.readline(_MAX_LINE):
                reply = decoder.decode(line)
                pixels = bytearray()
                if isinstance(reply, PixelsReply):
                    if min(reply.width, reply.height) < 1 or reply.width * reply.height > MAX_PIXELS:
                        return
                    pixels = bytearray(PIXEL_BYTES * reply.width * reply.height)
                    if source.readinto(pixels) != len(pixels):
                        return
                replies.put((reply, pixels))
    except (OSError, MemoryError, msgspec.DecodeError):
        pass  # as when it ends
    finally:
        replies.put(None)


def _exit_of(child: process.Child, timeout_s: float) -> process.Exit | None:
    """Wait for the end of a process that is about to end; None: it did not."""
    end_s = time.monotonic() + timeout_s
    wait_s = 0.001
    while (ended := child.poll()) is None and time.monotonic() < end_s:
        time.sleep(wait_s)
        wait_s = min(wait_s * 2, 0.05)
    return ended


def _close_if_ended(child: process.Child) -> bool:
    if child.poll() is None:
        return False
    child.close()
    return True


def _enlarge(pipe: int) -> None:
    """Have a pipe hold more of a picture, so that both processes work at the same time."""
    if sys.platform == "linux":
        import fcntl

        try:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        except OSError:
            pass  # the user's limit is reached: it is only slower


def _ignore_broken_pipes() -> None:
    """Keep SIGPIPE from ending a desktop that has not told Python to ignore it. For this thread."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
