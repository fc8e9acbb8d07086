"""What a session's guardian and server report to the process that started it: JSON lines on stdout."""

from __future__ import annotations

import json
from enum import StrEnum

__all__ = ["SessionEvent", "report"]


class SessionEvent(StrEnum):
    """The kind of a report; the facts that each brings are its other keys."""

    QUEUE = "queue"
    """The guardian has a folder: `queue_dir`, `session`."""
    SERVER = "server"
    """A server's process was started: `pid`."""
    OPEN = "open"
    """The server's ports are open, and its connection files are written: `session`, `pid`."""
    READY = "ready"
    """The first Agents are ready: `session`, `pid`, and the three ports."""
    SERVER_DIED = "server-died"
    """The server ended, and another is started: `code`."""
    FAILED = "failed"
    """The session ends: `message` says why."""


def report(event: SessionEvent, **facts: object) -> None:
    """Write one line of JSON for the process that started the session."""
    try:
        print(json.dumps({"event": event, **facts}), flush=True)
    except OSError:
        pass  # its reader is gone: the guardian ends the session then
