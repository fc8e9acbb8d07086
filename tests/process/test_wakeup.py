"""What wakes a loop: signals, other threads, and the end of what holds a lifeline."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

from kq.process import SignalWake
from kq.process._wakeup import socket_closed_at_end


def _is_readable(fd: int, timeout_s: float) -> bool:
    return bool(select.select([fd], [], [], timeout_s)[0])


def test_a_signal_wakes_the_loop_until_it_is_drained() -> None:
    """A signal that comes while the loop waits ends the wait; drained, it waits again."""
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    wake = SignalWake()
    try:
        wake.listen()
        signal.raise_signal(signal.SIGTERM)
        assert _is_readable(wake.wake_fd, 60)
        wake.drain()
        assert not _is_readable(wake.wake_fd, 0)
    finally:
        wake.close()
        signal.signal(signal.SIGTERM, before)


def test_any_number_of_wakes_is_taken_and_none_waits() -> None:
    """A loop that is busy for long is woken more often than the system keeps: nobody is held up by that."""
    wake = SignalWake()
    for _ in range(100_000):
        wake.wake()
    wake.drain()
    assert not _is_readable(wake.wake_fd, 0)
    wake.close()


def test_a_thread_hangs_up_at_the_end_of_a_pipe() -> None:
    """What is written is no end; the last writer's going is. So it is done where pipes cannot be polled."""
    read_end, write_end = os.pipe()
    near = socket_closed_at_end(read_end)
    os.write(write_end, b"not yet")
    assert not _is_readable(near.fileno(), 0.05)
    os.close(write_end)
    assert _is_readable(near.fileno(), 60)
    assert near.recv(1) == b""
    near.close()
    os.close(read_end)


def test_the_end_of_input_comes_after_what_was_written() -> None:
    """A word on the lifeline does not end a program; its end does."""
    program = (
        "import select, sys\nfrom kq.process import StdinLifeline\nend = StdinLifeline()\ncount = 0\n"
        "while select.select([end.wake_fd], [], []) and not end.is_closed(): count += 1\n"
        "print(count > 0 or sys.platform == 'win32')\n"  # where a thread drops it, and wakes nobody
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    said, _ = child.communicate("a word\n", timeout=60)
    assert said.strip() == "True"
