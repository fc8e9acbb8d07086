"""Starts the process of a session's server."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .. import process
from ..session_events import SessionEvent, report
from ..settings import Settings

__all__ = ["allow_start", "start_server"]

_SERVER_FILE = Path(__file__).resolve().parents[1] / "server" / "__main__.py"


def start_server(
    settings: Settings, queue_dir: Path, session: str, journal_session: str, *, first: bool
) -> process.Child:
    """Start a server of the session, and report its pid. It imports, then waits for `allow_start`.

    Args:
        journal_session: id of the session whose jobs it continues.
        first: whether it is the session's first server.

    Raises:
        BadInput, Refused: it cannot be started.
    """
    environment = {
        **os.environ,
        "KQ_SESSION": session,
        "KQ_ROLE": "server",
        "KQ_DATA_ROOT": str(settings.data_root),
    }
    server = process.spawn_service(
        [sys.executable, "-P", str(_SERVER_FILE), "--queue-dir", str(queue_dir),
         "--session", session, "--journal-session", journal_session,
         "--guardian-pid", str(os.getpid()), *(["--first"] if first else [])],
        environment=environment,
        stdin=process.LIFELINE,
        stdout=process.INHERIT,
        stderr=process.INHERIT,
    )  # fmt: skip
    report(SessionEvent.SERVER, pid=server.pid)
    return server


def allow_start(server: process.Child) -> None:
    """Let a server start to use the session's folder, once processes of earlier sessions have ended."""
    assert server.lifeline is not None
    try:
        os.write(server.lifeline, b"\n")
    except OSError:
        pass  # it has died already, which the guardian handles as any other death
