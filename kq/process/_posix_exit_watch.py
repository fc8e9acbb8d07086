"""What becomes readable when a process has ended: a pidfd, a kernel queue, or a thread's socket. POSIX only.

How it ended is reported elsewhere.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import socket

assert sys.platform != "win32"  # so that mypy checks this file for the systems that it is for

if sys.platform == "linux":
    from ._table_linux import process_start_time
else:
    from ._table_psutil import process_start_time

__all__ = ["EndNotice", "socket_closed_at_exit"]


class _Holder(Protocol):
    def fileno(self) -> int: ...
    def close(self) -> None: ...


class EndNotice:
    """Something to poll that becomes readable when a process has ended, and stays so.

    `fd` is what to poll; -1 once closed.
    """

    def __init__(self, pid: int, is_child: bool) -> None:
        self._holder: _Holder | None = None
        if sys.platform == "linux":
            try:
                self.fd = os.pidfd_open(pid)
            except OSError:
                # Kernels before 5.3 have no pidfd. If it is gone instead, the thread reports that at once.
                self._holder = socket_closed_at_exit(pid, is_child)
                self.fd = self._holder.fileno()
        else:
            self._holder = _Queue(pid)
            self.fd = self._holder.fileno()

    def close(self) -> None:
        """Let go of it; the process is not touched. May be called again."""
        if self.fd >= 0:
            if self._holder is None:
                os.close(self.fd)
            else:
                self._holder.close()
        self.fd = -1


def socket_closed_at_exit(pid: int, is_child: bool) -> socket.socket:
    """A socket that a thread of its own makes readable when the process has ended, for kernels without pidfd.

    Args:
        is_child: whether the process may be waited for; it is left to be reaped. Others are looked at anew
            twice a second.
    """
    import socket  # an Agent starts sooner without, and does without where there is a pidfd

    near_end, far_end = socket.socketpair()
    # The far end is closed by the thread alone: that is what makes the near one readable.
    waiter = threading.Thread(
        target=_wait_and_notify, args=(pid, is_child, far_end), name=f"kq-wait-{pid}", daemon=True
    )
    waiter.start()
    return near_end


def _wait_and_notify(pid: int, is_child: bool, far_end: socket.socket) -> None:
    with far_end:
        started = process_start_time(pid)
        if is_child and sys.platform == "linux":
            try:
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            except ChildProcessError:
                pass  # reaped already: it has ended
            return
        while started is not None and process_start_time(pid) == started:
            time.sleep(0.5)


if sys.platform != "linux":

    class _Queue:
        """A kernel event queue that becomes readable when the process `pid` has ended."""

        def __init__(self, pid: int) -> None:
            self._queue = select.kqueue()
            ended = select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, fflags=select.KQ_NOTE_EXIT)
            try:
                self._queue.control([ended], 0)
            except ProcessLookupError:
                # It has ended already: an event that is due at once makes the queue readable all the same.
                self._queue.control([select.kevent(1, select.KQ_FILTER_TIMER, select.KQ_EV_ADD)], 0)
            self.fileno = self._queue.fileno
            self.close = self._queue.close
