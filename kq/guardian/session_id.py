"""The name of a session, by which any process can check whether that session lives. No process is ended here.

A machine's name is for people and may change at any time; what identifies the machine does not.
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
    """`HOST@MARK:PID:START:RANDOM`: the guardian, and the running system in which that pid is its own.

    Where systems have no mark it is `HOST:PID:START:RANDOM`.
    """
    guardian = process.own_id()
    host, mark = socket.gethostname(), process.system_mark()
    where = host if mark == host else f"{host}@{mark}"
    return f"{where}:{guardian.pid}:{guardian.start_time:.2f}:{os.urandom(4).hex()}"


def is_session_alive(session: str) -> bool | None:
    """Whether the guardian of `session` runs; None when another machine or container is to say that."""
    where, _, rest = session.partition(":")
    pid, _, rest = rest.partition(":")
    started, _, _ = rest.partition(":")
    if where.rpartition("@")[2] != process.system_mark() or not pid.isdigit():
        return None
    now = process.process_start_time(int(pid))
    return now is not None and f"{now:.2f}" == started


def machine_id() -> str:
    """An id of this machine that outlives its name, hashed as machine-id(5) asks; empty where there is none.

    Machines that were cloned may share it: it is not enough to say whether a process lives.
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
