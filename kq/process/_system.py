"""This process within the system: what its pids refer to, its cores, and how soon it is ended."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
from pathlib import Path

__all__ = ["raise_oom_score", "system_mark", "usable_cores"]


def system_mark() -> str:
    """Return an id of the system that this process's pids belong to: boot and pid namespace, or host name."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes()
        namespace = os.fsencode(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return socket.gethostname()  # not Linux, or a sandbox without them
    return hashlib.sha256(boot + namespace).hexdigest()[:12]


def raise_oom_score(by: int, pid: int | None = None) -> None:
    """Have Linux end a process, and all that it starts, before the desktop when memory runs out.

    Args:
        by: how much is added to its score, which it has from the process that started it: many desktop
            environments raise the score of all applications. The largest score is 1000.
        pid: the process; None: this one.
    """
    if sys.platform == "linux":
        path = Path(f"/proc/{pid or 'self'}/oom_score_adj")
        try:
            path.write_text(str(min(int(path.read_text()) + by, 1000)))
        except OSError:
            pass  # it has ended, or a container forbids it


def usable_cores() -> int:
    """Return the cores that this process may use; under `taskset` or a batch system fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
