"""Finds threads, processes and sockets that a test left behind; without /proc it sees no sockets.

Ends the processes it reports, so that one leak fails one test.
"""

from __future__ import annotations

import gc
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import psutil

__all__ = ["LeakGuard", "mark_descendants"]

RUN_MARK = "KQ_TEST_RUN"
"""An environment variable whose value identifies all processes of one test run."""

_T = TypeVar("_T")
_PROC = Path("/proc")


def mark_descendants() -> None:
    """Set the marker in this process's environment, which all processes started later inherit."""
    os.environ[RUN_MARK] = uuid.uuid4().hex


class LeakGuard:
    """Records threads, processes and sockets on creation; `leaks` reports those added since.

    Args:
        base_temp: the folder below which this run's tests have their temporary folders.
        grace_s: how long to wait for things that are ending: lingering sockets, killed processes that are
            not reaped yet.
    """

    def __init__(self, base_temp: Path, *, grace_s: float) -> None:
        self._grace_s = grace_s
        self._mark, self._base_temp = os.environ[RUN_MARK], f"{base_temp}{os.sep}"
        self._threads = set(threading.enumerate())
        self._processes = _all_pids()
        self._sockets = _open_sockets()

    def leaks(self) -> list[str]:
        """Return one line for each leak, after waiting up to `grace_s`. Kills leaked processes."""
        processes = self._remaining(self._new_processes)
        threads = self._remaining(self._new_threads)
        sockets = self._remaining(self._new_sockets)
        lines = [f"thread {thread.name!r}" for thread in threads]
        lines += [_describe_and_kill(process) for process in processes]
        lines += [f"socket {link}" for link in sorted(sockets)]
        return lines

    def _remaining(self, look: Callable[[], Iterable[_T]]) -> list[_T]:
        """Return what `look` still finds after `grace_s`; returns at once when it finds nothing."""
        found = list(look())
        if not found:
            return found
        gc.collect()
        deadline = time.monotonic() + self._grace_s
        while (found := list(look())) and time.monotonic() < deadline:
            time.sleep(0.01)
        return found

    def _new_threads(self) -> list[threading.Thread]:
        # A non-Python thread that called Python stays listed as a dummy thread after it has ended.
        return [
            thread
            for thread in threading.enumerate()
            if thread not in self._threads and not isinstance(thread, threading._DummyThread)
        ]

    def _new_sockets(self) -> set[str]:
        return _open_sockets() - self._sockets

    def _new_processes(self) -> list[psutil.Process]:
        found = []
        for pid in sorted(_all_pids() - self._processes):
            try:
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE and self._is_of_this_run(process):
                    found.append(process)
            except (psutil.Error, OSError):
                continue  # it has ended meanwhile
        return found

    def _is_of_this_run(self, process: psutil.Process) -> bool:
        """Whether the process is a descendant, or, if re-parented, has this run's marker or folder."""
        command = " ".join(process.cmdline())
        if "multiprocessing.resource_tracker" in command:
            return False  # lives as long as the interpreter, by design
        if "\\conhost.exe" in command:
            return False  # conhost.exe: ends some time after the last program of its console
        ours = any(parent.pid == os.getpid() for parent in process.parents())
        try:
            environment, folder = process.environ(), process.cwd()
        except (OSError, psutil.Error):
            return ours  # perhaps another user's process
        if environment.get("KQ_ROLE") == "agent" and process.ppid() in self._processes:
            # A queue of a wider fixture scope started it to replace an Agent that timed out, as happens on a
            # busy machine: not this test's leak. The Agent's renders are.
            return False
        return (
            ours
            or environment.get(RUN_MARK) == self._mark
            or any(self._base_temp in text for text in (folder, *environment.values()))
        )


def _describe_and_kill(process: psutil.Process) -> str:
    try:
        text = f"process {process.pid}: {' '.join(process.cmdline()) or process.name()}"
        process.kill()
        process.wait(60)
    except psutil.Error as error:
        return f"process {process.pid}: {error}"
    return text


def _all_pids() -> set[int]:
    return set(psutil.pids())


def _open_sockets() -> set[str]:
    """Return this process's sockets as `/proc` names them; empty on platforms without it."""
    found = set()
    for entry in _PROC.glob("self/fd/*"):
        try:
            link = str(entry.readlink())
        except OSError:
            continue  # closed since it was listed, as the listing's own descriptor is
        if link.startswith("socket:"):
            found.add(link)
    return found
