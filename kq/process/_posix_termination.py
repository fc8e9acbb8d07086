"""Ending whole trees of processes on Linux and macOS, so that nothing forks away. Never starts any.

A tree is first frozen from the root downwards: a stopped process forks no more, so the list of its children
is final once it is stopped. Only then is it killed, and looked at again until all of it is gone.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Collection, Iterable

from . import _posix
from ._types import EndReport, ProcessId

if sys.platform == "linux":
    from ._table_linux import children_of, walk
else:
    from ._table_psutil import children_of, walk

assert sys.platform != "win32"  # so that mypy checks this file for the systems that it is for

__all__ = [
    "TreeEnd",
    "descendants",
    "end_strays",
    "end_tree",
    "has_children",
    "has_strays",
    "reap_adopted",
]

_ROUNDS_A_STEP = 20
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
            roots: end these and all their descendants. Those that are gone already are passed over.
            strays: end all children of this process too, adopted ones among them. What a subreaper adopts
                while this goes on is ended as well.
            keep: pids that are left alone with all that is below them.
            timeout_s: how long after the last kill something may take to end before it counts as a survivor.
        """
        self._roots = tuple(roots)
        self._strays = strays
        self._keep = frozenset(keep) | {os.getpid()}
        self._timeout_s = timeout_s
        self._seen: set[ProcessId] = set()
        self._remaining: set[ProcessId] = set()
        self._gone = 0
        self._last_kill = time.monotonic()
        self.wait_s = 0.0
        """How long to wait before the next step."""

    @property
    def report(self) -> EndReport:
        """What has come of it so far."""
        return EndReport(self._gone, tuple(sorted(self._remaining)))

    def step(self) -> bool:
        """Freeze, kill and reap what there is now. Takes some 0.3 milliseconds for each process.

        Returns:
            True when all is over: nothing is left, or what is left does not go.
        """
        fresh = self._freeze()
        for process in fresh:
            _signal(process.pid, signal.SIGKILL)
        if fresh:
            self._remaining |= fresh
            self._last_kill = time.monotonic()
            self.wait_s = _SHORTEST_WAIT_S
        else:
            self.wait_s = min(max(self.wait_s * 2, _SHORTEST_WAIT_S), _LONGEST_WAIT_S)
        gone = {process for process in self._remaining if not _posix.is_running(*process)}
        # Now, for what ended a moment ago counts as gone, too, and is not looked at again.
        self._reap(gone)
        self._remaining -= gone
        self._gone += len(gone)
        if self._remaining:
            return time.monotonic() - self._last_kill > self._timeout_s
        # What was adopted between the look and the kill shows only now.
        return not fresh and not (self._strays and has_strays(self._keep))

    def _freeze(self) -> set[ProcessId]:
        """Stop all that is there and was not killed yet, and return what that is."""
        fresh: set[ProcessId] = set()
        stopped: set[int] = {process.pid for process in self._remaining}
        for _ in range(_ROUNDS_A_STEP):
            before = len(fresh)
            roots = [pid for pid, start_time in self._roots if _posix.is_running(pid, start_time)]
            if self._strays:
                roots += children_of(os.getpid())

            def stop(pid: int) -> None:
                if pid not in stopped:
                    _signal(pid, signal.SIGSTOP)
                    stopped.add(pid)

            found = {ProcessId(*item) for item in walk(roots, self._keep, stop).items()}
            fresh |= found - self._seen
            self._seen |= found
            if len(fresh) == before:
                break
        return fresh

    def _reap(self, gone: Iterable[ProcessId]) -> None:
        if self._strays:
            reap_adopted(self._keep)
            return
        # Only what was ended here: other children's exits belong to those who started them.
        for process in gone:
            _reap_one(process.pid)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # gone, or another user's: which of the two shows when it is looked at again


def _reap_one(pid: int) -> bool:
    """Whether it was reaped, and was no Child."""
    known = _posix.known_children.get(pid)
    if known is not None:
        known.poll()
        return False
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False  # not ours: its own parent, or the system, reaps it


def end_tree(roots: Iterable[ProcessId], keep: Collection[int] = (), timeout_s: float = 5.0) -> EndReport:
    """End `roots` and all their descendants, and wait until they are gone.

    Args:
        roots: processes; those that are gone already are passed over, though not what they left: see
            `end_strays`.
        keep: pids that are left alone with all that is below them.
        timeout_s: how long to wait for what does not go.
    """
    return _run(TreeEnd(roots, keep=keep, timeout_s=timeout_s))


def end_strays(keep: Collection[int] = (), timeout_s: float = 5.0) -> EndReport:
    """End all children of this process and what is below them, and wait until they are gone.

    In a subreaper that is everything which it, or what it started, ever started: nothing gets away.

    Args:
        keep: pids that are left alone with all that is below them.
        timeout_s: how long to wait for what does not go.
    """
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
    """Whether this process has any child, ended ones that were not reaped among them. One system call."""
    if sys.platform == "linux":
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return True
    else:  # noqa: RET505  # mypy takes the lines for another system to be unreachable otherwise
        return bool(children_of(os.getpid()))


def has_strays(keep: Collection[int] = ()) -> bool:
    """Whether this process has children besides `keep`; they are not looked at further."""
    if not has_children():
        return False
    return any(pid not in keep for pid in children_of(os.getpid()))


def reap_adopted(keep: Collection[int] = ()) -> int:
    """Reap what has ended among the children of this process. Never waits.

    The exit of a `Child` is kept for its `poll`.

    Args:
        keep: pids of children that others in this process started, and will wait for.

    Returns:
        How many others were reaped.
    """
    reaped = 0
    if sys.platform == "linux":
        while (pid := _next_ended()) is not None:
            if pid in keep and pid not in _posix.known_children:
                # The system would name this one again and again: so look for others by hand.
                others = [child for child in children_of(os.getpid()) if child not in keep]
                return reaped + sum(map(_reap_one, others))
            reaped += _reap_one(pid)
    else:
        # Nothing is ever adopted here.
        for child in list(_posix.known_children.values()):
            child.poll()
    return reaped


if sys.platform == "linux":

    def _next_ended() -> int | None:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return None
        return None if ended is None else ended.si_pid
