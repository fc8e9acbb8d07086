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


def raise_oom_score(score: int) -> None:
    """Have Linux end this process, and all that it starts, before the desktop when memory runs out.

    Args:
        score: 1 (somewhat rather) to 1000 (in any case).
    """
    if sys.platform == "linux":
        try:
            Path("/proc/self/oom_score_adj").write_text(str(score))
        except OSError:
            pass  # a container may forbid it


def usable_cores() -> int:
    """Return the cores that this process may use; under `taskset` or a batch system fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
