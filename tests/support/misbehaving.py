"""Renders that do not behave: `python misbehaving.py KIND PIDFILE`.

Every process that it makes writes its pid into PIDFILE, a line each; the first one writes the line `ready`
when all that it makes at once is there. Nothing in here ends by itself before 10 minutes.
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
        from kq.files import open_to_append

        fd = open_to_append(PIDFILE)
    else:
        fd = os.open(PIDFILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, f"{text}\n".encode())
    os.close(fd)


def sleep_on() -> None:
    end = time.monotonic() + LIFETIME_S
    while time.monotonic() < end:
        time.sleep(60.0)


def sleep_alone() -> None:
    """In a session of its own, which no signal to the group reaches; on Windows, without the console."""
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
    """Have a child that notes its pid before this returns, and then does `body`, a function of this module.

    Returns:
        What waits for its end.
    """
    if sys.platform == "win32":  # nothing forks there
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
    """One child, which stays when this ends."""
    leave_session()
    child(sleep_on)


def ignore_term() -> None:
    """It and its child ignore all that asks them to end."""
    ignore_requests()
    child(sleep_on)
    note("ready")
    sleep_on()


def many() -> None:
    """200 children, each tenth in a session of its own; on Windows, where each is started anew, 40."""
    for number in range(40 if sys.platform == "win32" else 200):
        child(sleep_on if number % 10 else sleep_alone)
    note("ready")
    sleep_on()


def forking() -> None:
    """It forks a child every few milliseconds, and so does its first child; all of them ignore SIGTERM."""
    child(keep_forking)
    note("ready")
    keep_forking()


def keep_forking() -> None:
    """A child every few milliseconds."""
    ignore_requests()
    for _ in range(2000):
        child(sleep_on)
        time.sleep(0.002)
    sleep_on()


def relay() -> None:
    """A chain: each process forks the next one and ends, so that whoever is looked at is gone already."""
    note("ready")
    end = time.monotonic() + LIFETIME_S
    while time.monotonic() < end:
        if os.fork():
            os._exit(0)
        os.setsid()


def orphan() -> None:
    """The first process ends at once, with code 0; a child in a session of its own stays."""
    child(sleep_alone)
    note("ready")


def stopped() -> None:
    """A child that stands still (SIGSTOP)."""

    def body() -> None:
        os.kill(os.getpid(), signal.SIGSTOP)
        sleep_on()

    await_end = child(body)
    await_end()
    note("ready")
    sleep_on()


def threads() -> None:
    """A child of a thread that is not the main one."""
    import threading

    threading.Thread(
        target=subprocess.run, args=([sys.executable, __file__, "plain", PIDFILE],), daemon=True
    ).start()
    sleep_on()


def headless() -> None:
    """Its main thread has ended, which makes it look like a zombie, and another goes on."""
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
