"""What a program's loop waits for besides its sockets and children: signals, and the end of its input."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading

if sys.platform == "win32":
    from ._windows import StopListener

__all__ = ["SignalWake", "StdinLifeline", "wait_for_byte"]

_INPUT = 0


class SignalWake:
    """Wakes a loop when a signal has come, or when `wake` is called. To be made on the main thread.

    A pair of sockets rather than a pipe: Windows can wait for nothing else together with sockets.
    """

    def __init__(self) -> None:
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)
        if sys.platform == "win32":
            self._stop_listener: StopListener | None = None

    @property
    def wake_fd(self) -> int:
        """What to poll for readability."""
        return self._near.fileno()

    def listen(self) -> None:
        """From now on, signals that have a handler wake the loop. Main thread only."""
        signal.set_wakeup_fd(self._far.fileno(), warn_on_full_buffer=False)
        if sys.platform == "win32":
            self._stop_listener = StopListener()

    def wake(self) -> None:
        """Wake the loop. From any thread."""
        try:
            self._far.send(b"\0")
        except BlockingIOError:
            pass  # so many wakes are pending that one more changes nothing

    def drain(self) -> None:
        """Take note of all that has come. Never waits."""
        try:
            while self._near.recv(4096):
                pass
        except BlockingIOError:
            pass  # that was all

    def close(self) -> None:
        """Stop listening. Main thread only."""
        signal.set_wakeup_fd(-1)
        if sys.platform == "win32" and self._stop_listener is not None:
            self._stop_listener.close()
        self._near.close()
        self._far.close()


class StdinLifeline:
    """The end of standard input, as something to poll: a lifeline's other end is gone then."""

    def __init__(self) -> None:
        self._near: socket.socket | None = None
        if sys.platform == "win32":
            # A pipe cannot be polled there: a thread waits for its end, and hangs up.
            self._near = socket_closed_at_end(_INPUT)
        self.wake_fd = _INPUT if self._near is None else self._near.fileno()

    def is_closed(self) -> bool:
        """Whether it is there, once `wake_fd` is readable. What was written instead is dropped."""
        return not os.read(_INPUT, 4096) if self._near is None else not self._near.recv(4096)

    def close(self) -> None:
        """Stop waiting for it. The input itself stays as it is."""
        if self._near is not None:
            self._near.close()


def wait_for_byte() -> bool:
    """Wait for one byte on standard input, before anything else reads there. Returns False at its end."""
    return bool(os.read(_INPUT, 1))


def socket_closed_at_end(source: int) -> socket.socket:
    """A socket that becomes readable, with nothing to read, when the descriptor `source` is at its end."""
    near, far = socket.socketpair()

    def wait() -> None:
        with far:
            try:
                while os.read(source, 4096):
                    pass
            except OSError:
                pass  # it was closed here: that is an end as well

    threading.Thread(target=wait, name="kq-input-end", daemon=True).start()
    return near
