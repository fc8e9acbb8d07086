"""The system's table of processes, read from /proc. Twin of _table_psutil. It changes no process."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator

from ._types import MarkedProcess, Usage

assert sys.platform == "linux"  # so that mypy checks this file for the system that it is for

__all__ = [
    "children_of",
    "find_marked",
    "process_start_time",
    "tree_usage",
    "walk",
]

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_LONGEST_EXEC_S, _BETWEEN_LOOKS_S = 2.0, 0.001
"""How long a process in the middle of an exec is looked at again: it may wait there for a free core."""
_SHORT = 2048
"""A read that gives less was the whole rest: what /proc does not give at once, it gives a page of."""
_HAS_CHILDREN_FILES = os.path.exists("/proc/thread-self/children")  # noqa: PTH110  # pathlib would cost start-up


def _read(path: str) -> bytes:
    """The whole file, or nothing when its process is gone or another user's."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        parts = []
        while part := os.read(fd, 65536):
            parts.append(part)
            if len(part) < _SHORT:
                break
        return b"".join(parts)
    except OSError:
        return b""  # ESRCH: it ended while it was read
    finally:
        os.close(fd)


def _stat(pid: int) -> list[bytes]:
    """The fields of /proc/PID/stat from the third on (state, parent, …), or nothing."""
    content = _read(f"/proc/{pid}/stat")
    # The second field is the program's name in brackets; it may hold blanks and brackets itself.
    return content[content.rfind(b")") + 2 :].split()


_FLAGS, _FORKED_WITHOUT_EXEC = 6, 0x40
_STATE, _PARENT, _USER_TICKS, _SYSTEM_TICKS, _THREADS, _START = 0, 1, 11, 12, 17, 19
_VIRTUAL, _RESIDENT, _CODE_END = 20, 21, 24


def _has_ended(fields: list[bytes]) -> bool:
    """Whether all of it has: while other threads run, a main thread that has ended shows the same state."""
    return fields[_STATE] in b"ZX" and int(fields[_THREADS]) <= 1


def process_start_time(pid: int) -> float | None:
    """When the process `pid` started, in clock ticks since boot; None once it has ended, reaped or not."""
    fields = _stat(pid)
    if not fields or _has_ended(fields):
        return None
    return float(fields[_START])


def children_of(pid: int) -> list[int]:
    """The pids of the children of `pid`, ended ones that were not reaped among them."""
    if _HAS_CHILDREN_FILES:
        try:
            threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208  # names are wanted, not paths
        except OSError:
            return []
        return [child for thread in threads for child in _children_of_thread(pid, thread)]
    return _parents().get(pid, [])


def _children_of_thread(pid: int, thread: str | int) -> Iterable[int]:
    return map(int, _read(f"/proc/{pid}/task/{thread}/children").split())


def _parents() -> dict[int, list[int]]:
    """The children of each process, by one pass over all."""
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit() and (fields := _stat(int(name))):
            found.setdefault(int(fields[_PARENT]), []).append(int(name))
    return found


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
    found = _stats(roots, keep, before)
    return {pid: float(fields[_START]) for pid, fields in found if ended or not _has_ended(fields)}


def _stats(
    roots: Iterable[int], keep: Collection[int], before: Callable[[int], None] | None = None
) -> Iterator[tuple[int, list[bytes]]]:
    """As `walk`, with the fields of each process's stat file, ended ones among them."""
    seen = set(keep)
    stack = [pid for pid in roots if pid not in seen]
    table = {} if _HAS_CHILDREN_FILES else _parents()
    while stack:
        pid = stack.pop()
        if pid in seen:
            continue
        seen.add(pid)
        if before is not None:
            before(pid)
        fields = _stat(pid)
        if fields:
            yield pid, fields
        if not _HAS_CHILDREN_FILES:
            children: Iterable[int] = table.get(pid, [])
        elif fields and fields[_THREADS] == b"1":
            children = _children_of_thread(pid, pid)  # to list its threads would take as long as all the rest
        else:
            children = children_of(pid)
        stack += [child for child in children if child not in seen]


def find_marked(name: str, value: str | None = None, *, forks: bool = True) -> list[MarkedProcess]:
    """Running processes of this user that were started with the variable `name` in their environment.

    Args:
        value: what it must be; None: anything.
        forks: whether those count that run no program of their own yet. Until its exec a child shows its
            parent's environment: a render that is being started would be taken for a second Agent.
    """
    user = os.geteuid()
    found = []
    waiting = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]  # noqa: PTH208
    end_s = time.monotonic() + _LONGEST_EXEC_S
    while True:
        unclear = []
        for pid in waiting:
            content = _environment(pid)
            marked = None if content is None else _variable(content, os.fsencode(name) + b"=")
            if marked is not None and (value is None or marked == value):
                started = process_start_time(pid)
                if started is not None and _owner(pid) == user and (forks or not _is_fork(pid)):
                    found.append(MarkedProcess(pid, started, marked))
            elif content is None and _owner(pid) == user:
                unclear.append(pid)
        if not unclear or time.monotonic() > end_s:
            return found
        waiting = unclear
        time.sleep(_BETWEEN_LOOKS_S)


def _is_fork(pid: int) -> bool:
    """Whether it has been forked and has executed no program since."""
    fields = _stat(pid)
    return bool(fields) and bool(int(fields[_FLAGS]) & _FORKED_WITHOUT_EXEC)


def _variable(content: bytes, start: bytes) -> str | None:
    """The value behind `start` (a name and "=") in the content of an environ file."""
    if content.startswith(start):
        at = 0
    else:
        at = content.find(b"\0" + start) + 1
        if at == 0:
            return None
    end = content.find(b"\0", at)
    return os.fsdecode(content[at + len(start) : end if end >= 0 else len(content)])


def _owner(pid: int) -> int | None:
    try:
        return os.stat(f"/proc/{pid}").st_uid  # noqa: PTH116
    except OSError:
        return None  # it ended meanwhile


def _environment(pid: int) -> bytes | None:
    """The content of its environ file; empty where there is none, None in the middle of an exec.

    Then there is no environment for a moment, and its parent continues at that moment: it must
    not be taken for an unmarked one.
    """
    for _ in range(2):
        content = _read(f"/proc/{pid}/environ")
        if content:
            return content
        if _is_in_exec(pid):
            return None
        # Read again: it may have come out of an exec between the two looks.
    return b""


def _is_in_exec(pid: int) -> bool:
    """Whether it has memory, which threads of the kernel and zombies have not, and no code in it yet."""
    fields = _stat(pid)
    return bool(fields) and int(fields[_VIRTUAL]) > 0 and int(fields[_CODE_END]) == 0


def tree_usage(roots: Iterable[int]) -> Usage:
    """What `roots` and all their descendants use together now. About 30 microseconds for each process."""
    ticks = pages = count = 0
    for _, fields in _stats(roots, ()):
        if _has_ended(fields):
            continue
        # The two fields behind hold the time of children that were waited for.
        ticks += sum(map(int, fields[_USER_TICKS : _SYSTEM_TICKS + 3]))
        pages += int(fields[_RESIDENT])
        count += 1
    return Usage(ticks / _TICKS, pages * _PAGE, count)
