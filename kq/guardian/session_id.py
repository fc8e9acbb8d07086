"""A session's id, from which any process can check whether the session still runs.

The host name in it is for display only, because it may change at any time.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import sys
from pathlib import Path

from .. import process

__all__ = ["is_session_alive", "machine_id", "new_session_id"]


def new_session_id() -> str:
    """Return `HOST@MARK:PID:START:RANDOM`: process.system_mark, and pid and start time of this process.

    Without a mark of its own, a system's id is `HOST:PID:START:RANDOM`.
    """
    guardian = process.own_id()
    host, mark = socket.gethostname(), process.system_mark()
    where = host if mark == host else f"{host}@{mark}"
    return f"{where}:{guardian.pid}:{guardian.start_time:.2f}:{os.urandom(4).hex()}"


def is_session_alive(session: str) -> bool | None:
    """Whether the guardian of `session` runs; None when it belongs to another machine or container."""
    where, _, rest = session.partition(":")
    pid, _, rest = rest.partition(":")
    started, _, _ = rest.partition(":")
    if where.rpartition("@")[2] != process.system_mark() or not pid.isdigit():
        return None
    now = process.process_start_time(int(pid))
    return now is not None and f"{now:.2f}" == started


def machine_id() -> str:
    """Return a hash of machine-id(5), which stays when the machine is renamed; empty without one.

    Cloned machines may share it, so it does not prove that a process belongs to this machine.
    """
    if sys.platform != "linux":
        return ""
    try:
        text = Path("/etc/machine-id").read_bytes().strip()
    except OSError:
        return ""
    if not re.fullmatch(rb"[0-9a-f]{32}", text):
        return ""  # an image that has not been started yet
    return hashlib.sha256(b"katana-queue " + text).hexdigest()[:32]
