"""Events from a session's guardian and server to the process that started it: JSON lines on stdout."""

from __future__ import annotations

import json
from enum import StrEnum

__all__ = ["SessionEvent", "report"]


class SessionEvent(StrEnum):
    """The type of an event. The docstrings list its other keys."""

    QUEUE = "queue"
    """The guardian has locked a folder: `queue_dir`, `session`."""
    SERVER = "server"
    """A server's process was started: `pid`."""
    OPEN = "open"
    """The server's ports are open, and its connection files are written: `session`, `pid`."""
    READY = "ready"
    """The first Agents are ready: `session`, `pid`, and the three ports."""
    SERVER_DIED = "server-died"
    """The server ended, and another is started: `code`."""
    FAILED = "failed"
    """The session ends because of an error: `message`."""


def report(event: SessionEvent, **facts: object) -> None:
    """Write an event to standard output, as one line of JSON."""
    try:
        print(json.dumps({"event": event, **facts}), flush=True)
    except OSError:
        pass  # the reader has ended: then the guardian ends the session
