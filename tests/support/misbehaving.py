"""Renders that misbehave: `python misbehaving.py KIND PIDFILE`.

Each process writes its pid as a line into PIDFILE; the first one writes the line `ready` when all initial
processes run. No process ends by itself before 10 minutes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

LIFETIME_S = 600.0


def note(text: str) -> None:
    if sys.platform == "win32":
        from kq.own_files import open_to_append

        fd = open_to_append(PIDFILE)
    else:
        fd = os.open(PIDFILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, f"{text}\n".encode())
    os.close(fd)


def sleep_on() -> None:
    end = time.monotonic() + LIFETIME_S
    while time.monotonic() < end:
        time.sleep(0.1)  # a signal that comes just before a sleep is handled only after it


def sleep_alone() -> None:
    """Sleep in a separate session, out of reach of signals to the group; on Windows, without a console."""
    leave_session()
    sleep_on()


def leave_session() -> None:
    if sys.platform != "win32":
        os.setsid()


def ignore_requests() -> None:
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def child(body: Callable[[], None]) -> Callable[[], object]:
    """Start a child that writes its pid before this returns, then runs `body`, a function of this module.

    Returns:
        A function that waits for the child's end.
    """
    if sys.platform == "win32":  # Windows has no fork
        flags = subprocess.DETACHED_PROCESS if body in (sleep_alone, have_child_alone) else 0
        process = subprocess.Popen(
            [sys.executable, "-S", __file__, body.__name__, PIDFILE], creationflags=flags
        )
        while str(process.pid) not in noted():
            time.sleep(0.01)
        return process.wait
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        note(str(os.getpid()))
        os.close(write_end)
        try:
            body()
        finally:
            os._exit(0)
    os.close(write_end)
    os.read(read_end, 1)
    os.close(read_end)
    return lambda: os.waitpid(pid, os.WUNTRACED)


def noted() -> list[str]:
    with open(PIDFILE) as file:
        return file.read().split()


def obedient() -> None:
    """No child; ends with code 3 when it is asked to."""
    asked = signal.SIGBREAK if sys.platform == "win32" else signal.SIGTERM
    signal.signal(asked, lambda _number, _frame: os._exit(3))
    note("ready")
    sleep_on()


def plain() -> None:
    """One child, in the same group."""
    child(sleep_on)
    note("ready")
    sleep_on()


def setsid() -> None:
    """One child, in a session of its own."""
    child(sleep_alone)
    note("ready")
    sleep_on()


def double_fork() -> None:
    """A grandchild in a session of its own, whose parent has ended: it is in no process tree."""
    await_end = child(have_child_alone)
    await_end()
    note("ready")
    sleep_on()


def have_child_alone() -> None:
    """One child, which outlives this process."""
    leave_session()
    child(sleep_on)


def ignore_term() -> None:
    """The process and its child ignore all requests to end."""
    ignore_requests()
    child(sleep_on)
    note("ready")
    sleep_on()


def many() -> None:
    """200 children, every tenth in its own session; 40 on Windows, where processes start slowly."""
    for number in range(40 if sys.platform == "win32" else 200):
        child(sleep_on if number % 10 else sleep_alone)
    note("ready")
    sleep_on()


def forking() -> None:
    """The process and its first child fork every few milliseconds; all processes ignore SIGTERM."""
    child(keep_forking)
    note("ready")
    keep_forking()


def keep_forking() -> None:
    """Fork a child every few milliseconds."""
    ignore_requests()
    for _ in range(2000):
        child(sleep_on)
        time.sleep(0.002)
    sleep_on()


def relay() -> None:
    """A chain: each process forks the next and ends, so every pid found is already stale."""
    note("ready")
    end = time.monotonic() + LIFETIME_S
    while time.monotonic() < end:
        if os.fork():
            os._exit(0)
        os.setsid()


def orphan() -> None:
    """The first process ends at once with code 0; a child in a separate session keeps running."""
    child(sleep_alone)
    note("ready")


def stopped() -> None:
    """A child that is suspended by SIGSTOP."""

    def body() -> None:
        os.kill(os.getpid(), signal.SIGSTOP)
        sleep_on()

    await_end = child(body)
    await_end()
    note("ready")
    sleep_on()


def threads() -> None:
    """A child started by a thread other than the main one."""
    import threading

    threading.Thread(
        target=subprocess.run, args=([sys.executable, __file__, "plain", PIDFILE],), daemon=True
    ).start()
    sleep_on()


def headless() -> None:
    """The main thread has ended, so it looks like a zombie, but another thread keeps running."""
    import ctypes
    import threading

    libc = ctypes.CDLL(None)

    def go_on() -> None:
        while True:
            with open("/proc/self/stat") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    break
            time.sleep(0.001)
        note("ready")
        sleep_on()

    threading.Thread(target=go_on).start()
    libc.pthread_exit(None)


KINDS: dict[str, Callable[[], None]] = {
    "obedient": obedient,
    "plain": plain,
    "setsid": setsid,
    "double-fork": double_fork,
    "ignore-term": ignore_term,
    "many": many,
    "forking": forking,
    "relay": relay,
    "orphan": orphan,
    "stopped": stopped,
    "threads": threads,
    "headless": headless,
}

if __name__ == "__main__":
    kind, PIDFILE = sys.argv[1:]
    note(str(os.getpid()))
    (KINDS.get(kind) or vars()[kind])()
