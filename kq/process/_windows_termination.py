"""Ending all that came of a process on Windows. Twin of _posix_ending. Never starts any.

Nothing leaves a job, so a render's job is all that the render ever started; a service, which has none, is
ended by its tree. What a subreaper started, it finds in the job that it made for itself.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection, Iterable

from . import _windows
from . import _windows_api as api
from . import _windows_types as t
from ._table_psutil import process_start_time, walk
from ._types import EndReport, ProcessId

assert sys.platform == "win32"  # so that mypy checks this file for the system that it is for

__all__ = [
    "TreeEnd",
    "descendants",
    "end_strays",
    "end_tree",
    "has_children",
    "has_strays",
    "reap_adopted",
]

_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 0.0005, 0.05


class TreeEnd:
    """The ending of a tree, in steps that never wait: for a loop that has other things to do.

    Call `step` until it returns True, `wait_s` seconds apart; then read `report`. To be used from one thread.
    """

    def __init__(
        self,
        roots: Iterable[ProcessId] = (),
        *,
        strays: bool = False,
        keep: Collection[int] = (),
        timeout_s: float = 5.0,
    ) -> None:
        """Nothing is touched before the first step.

        Args:
            roots: end these and all their descendants; a render's with all of its job.
            strays: end all that this process started too, directly or not (see `become_subreaper`).
            keep: pids that are left alone with all that is below them; nothing in a render's job can be.
            patience_s: how long after the last find something may take to go before it counts as a survivor.
        """
        self._roots = tuple(roots)
        self._strays = strays
        self._keep = frozenset(keep) | {os.getpid()}
        self._timeout_s = timeout_s
        self._seen: set[ProcessId] = set()
        self._remaining: set[ProcessId] = set()
        self._gone = 0
        self._last_find = time.monotonic()
        self.wait_s = 0.0
        """How long to wait before the next step."""

    @property
    def report(self) -> EndReport:
        """What has come of it so far."""
        return EndReport(self._gone, tuple(sorted(self._remaining)))

    def step(self) -> bool:
        """End what there is now. Windows reports a process as ended, and ends it a little later.

        Returns:
            True when all is over: nothing is left, or what is left does not go.
        """
        found = self._find()
        fresh = found - self._seen
        self._seen |= found
        self._remaining |= fresh
        if fresh:
            self._last_find = time.monotonic()
            self.wait_s = _SHORTEST_WAIT_S
        else:
            self.wait_s = min(max(self.wait_s * 2, _SHORTEST_WAIT_S), _LONGEST_WAIT_S)
        self._terminate(found)
        gone = {process for process in self._remaining if not _windows.is_running(*process)}
        self._remaining -= gone
        self._gone += len(gone)
        if self._remaining:
            return time.monotonic() - self._last_find > self._timeout_s
        return not fresh

    def _jobs(self) -> list[int]:
        """The jobs of renders that are to be ended."""
        roots = {process.pid for process in self._roots if _windows.is_running(*process)}
        # A render's root may be gone while others of its job run on.
        roots |= {pid for pid, start_time in self._roots if _is_known(pid, start_time)}
        if self._strays:
            roots |= set(_windows.known_children) - self._keep
        return [
            child.job
            for pid in roots
            if (child := _windows.known_children.get(pid)) is not None and child.job is not None
        ]

    def _find(self) -> set[ProcessId]:
        pids: set[int] = set()
        for job in self._jobs():
            pids.update(api.job_processes(job))
        roots = [pid for pid, start_time in self._roots if _windows.is_running(pid, start_time)]
        if self._strays:
            # Not this process's children by the table: the host of its console is one of them, and ending
            # that would end this process. It was made before the job, so it is not in there.
            roots += [child.pid for child in _windows.known_children.values() if child.poll() is None]
            if _windows.own_jobs:
                kept = walk(self._keep - {os.getpid()}, ())
                pids.update(pid for pid in api.job_processes(_windows.own_jobs[0]) if pid not in kept)
        found = {ProcessId(*item) for item in walk(roots, self._keep).items()}
        for pid in pids - self._keep:
            started = process_start_time(pid)
            if started is not None:
                found.add(ProcessId(pid, started))
        return found

    def _terminate(self, found: set[ProcessId]) -> None:
        # Again in each step: a process being made just then may not be ended by the first time.
        for job in self._jobs():
            api.terminate_job(job, _windows.KILLED)
        for pid, start_time in found:
            try:
                handle = api.open_process(pid, t.PROCESS_TERMINATE | t.PROCESS_QUERY_LIMITED_INFORMATION)
            except OSError:
                continue  # gone, or another user's: which of the two shows when it is looked at again
            try:
                # Looked at after opening, so that a pid given to another process meanwhile is noticed.
                if process_start_time(pid) == start_time:
                    api.terminate_process(handle, _windows.KILLED)
            except OSError:
                pass  # it is ending already
            finally:
                api.close_handle(handle)


def _is_known(pid: int, start_time: float) -> bool:
    known = _windows.known_children.get(pid)
    return known is not None and known.start_time == start_time


def end_tree(roots: Iterable[ProcessId], keep: Collection[int] = (), timeout_s: float = 5.0) -> EndReport:
    """End `roots` and all their descendants, and wait until they are gone. See TreeEnd."""
    return _run(TreeEnd(roots, keep=keep, timeout_s=timeout_s))


def end_strays(keep: Collection[int] = (), timeout_s: float = 5.0) -> EndReport:
    """End all that this process started, directly or not, and wait until it is gone. See TreeEnd."""
    return _run(TreeEnd(strays=True, keep=keep, timeout_s=timeout_s))


def _run(ending: TreeEnd) -> EndReport:
    while not ending.step():
        time.sleep(ending.wait_s)
    return ending.report


def descendants(pid: int, keep: Collection[int] = (), *, ended: bool = False) -> list[ProcessId]:
    """Running processes below `pid`, without itself, without `keep` and what is below those.

    Args:
        ended: whether ended ones that were not reaped yet are wanted too.
    """
    return [ProcessId(*item) for item in walk([pid], keep, ended=ended).items() if item[0] != pid]


def has_children() -> bool:
    """Whether anything that this process started, directly or not, still runs."""
    return has_strays()


def has_strays(keep: Collection[int] = ()) -> bool:
    """Whether anything that this process started still runs, besides `keep` and what is below those."""
    if _windows.own_jobs:
        others = set(api.job_processes(_windows.own_jobs[0])) - {os.getpid()}
        return bool(others - set(walk(keep, ())) if keep else others)
    return any(
        child.poll() is None or (child.job is not None and api.job_accounting(child.job)[0] > 0)
        for pid, child in _windows.known_children.items()
        if pid not in keep
    )


def reap_adopted(keep: Collection[int] = ()) -> int:
    """Nothing needs to be reaped here: a process that ended is gone once no handle of it is open."""
    return 0
