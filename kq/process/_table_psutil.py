"""The system's table of processes, read through psutil, where there is no /proc. Twin of _table_linux."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

from ._types import MarkedProcess, Usage

if TYPE_CHECKING:
    import psutil

__all__ = ["children_of", "find_marked", "process_start_time", "tree_usage", "walk"]

# psutil takes 70 ms to import: only what looks at other processes pays for it, when it first does.
# Of a process that ends just then it has an error of its own, and on Windows at times a bare OSError.


def _process(pid: int) -> psutil.Process | None:
    import psutil

    try:
        return psutil.Process(pid)
    except (psutil.Error, OSError):
        return None


def process_start_time(pid: int) -> float | None:
    """When the process `pid` started, in seconds since the epoch; None once it has ended, reaped or not."""
    return _start_time(pid, ended=False)


def _start_time(pid: int, *, ended: bool) -> float | None:
    import psutil

    process = _process(pid)
    try:
        if process is None or (not ended and process.status() == psutil.STATUS_ZOMBIE):
            return None
        return process.create_time()
    except (psutil.Error, OSError):
        return None


def _parents() -> dict[int, list[int]]:
    import psutil

    found: dict[int, list[int]] = {}
    for process in psutil.process_iter(["ppid"]):
        parent = process.info["ppid"]
        # On Windows a parent's pid may name a later process: a child cannot be older than its parent.
        if parent is not None:
            found.setdefault(parent, []).append(process.pid)
    return found


def children_of(pid: int) -> list[int]:
    """The pids of the children of `pid`."""
    import psutil

    process = _process(pid)
    try:
        return [child.pid for child in process.children()] if process is not None else []
    except (psutil.Error, OSError):
        return []


def walk(
    roots: Iterable[int],
    keep: Collection[int],
    before: Callable[[int], None] | None = None,
    *,
    ended: bool = False,
) -> dict[int, float]:
    """Running processes among `roots` and their descendants, without `keep` and what is below those.

    Args:
        before: called with each pid before its children are looked up.
        ended: whether ended ones that were not reaped yet are wanted too; what is below them always is.

    Returns:
        pid and start time of each.
    """
    found: dict[int, float] = {}
    seen = set(keep)
    stack = [pid for pid in roots if pid not in seen]
    while stack:
        level = [pid for pid in stack if pid not in seen]
        seen.update(level)
        if before is not None:
            for pid in level:
                before(pid)
        # One pass over all processes a level: the calls for single ones each make such a pass of their own.
        table = _parents()
        stack = []
        for pid in level:
            started = _start_time(pid, ended=ended)
            if started is not None:
                found[pid] = started
            for child in table.get(pid, ()):
                born = process_start_time(child)
                if child not in seen and (started is None or born is None or born >= started):
                    stack.append(child)
    return found


def find_marked(name: str, value: str | None = None, *, forks: bool = True) -> list[MarkedProcess]:
    """Running processes of this user that were started with the variable `name` in their environment.

    Args:
        value: what it must be; None: anything.
        forks: as on Linux; elsewhere a fork cannot be told from a program, and counts.
    """
    import psutil

    user = psutil.Process().username()
    found = []
    for process in psutil.process_iter():
        try:
            marked = process.environ().get(name)
            if marked is None or (value is not None and marked != value) or process.username() != user:
                continue
            found.append(MarkedProcess(process.pid, process.create_time(), marked))
        except (psutil.Error, OSError):
            continue  # it ended meanwhile, or may not be read
    return found


def tree_usage(roots: Iterable[int]) -> Usage:
    """What `roots` and all their descendants use together now."""
    import psutil

    cpu_s, memory, count = 0.0, 0, 0
    for pid in walk(roots, ()):
        try:
            process = psutil.Process(pid)
            times = process.cpu_times()
            memory += process.memory_info().rss
        except (psutil.Error, OSError):
            continue  # it ended meanwhile
        cpu_s += times.user + times.system
        count += 1
    return Usage(cpu_s, memory, count)
