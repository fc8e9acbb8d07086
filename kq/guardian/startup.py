"""Starts a session with what takes longest, its server. What only guarding needs is imported after that."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import process
from ..errors import KqError, SessionFailed
from ..own_folders import own_data_root
from ..settings import Settings
from .folder import QueueFolder, end_leftovers, new_session_id

__all__ = ["let_begin", "main", "start_server", "tell"]

_SERVER_FILE = Path(__file__).resolve().parents[1] / "server" / "__main__.py"


def start_server(
    settings: Settings, queue_dir: Path, session: str, journal_session: str, *, first: bool
) -> process.Child:
    """Start a server of the session, and say so. It imports what it needs, and waits for `let_begin`.

    Args:
        journal_session: whose jobs it continues.
        first: whether the session had none before.

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
    tell("server", pid=server.pid)
    return server


def let_begin(server: process.Child) -> None:
    """Tell a server that it may touch what is there: no earlier session is at it any more."""
    assert server.lifeline is not None
    try:
        os.write(server.lifeline, b"\n")
    except OSError:
        pass  # it has died already; that is seen as any other death is


def tell(event: str, **facts: object) -> None:
    """One line for whoever started the session."""
    try:
        print(json.dumps({"event": event, **facts}), flush=True)
    except OSError:
        pass  # the desktop is gone; its lifeline says so as well


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m kq.guardian [--lifeline]`: settings come from KQ_* variables."""
    parser = argparse.ArgumentParser(prog="kq.guardian", description="Guard one session of the queue.")
    parser.add_argument("--lifeline", action="store_true", help="end the session when standard input ends")
    parser.add_argument(
        "--continue", dest="continues", default="", metavar="SESSION", help="go on with the jobs of this one"
    )
    parser.add_argument("--queue-dir", type=Path, metavar="DIR", help="and in the folder where they are")
    options = parser.parse_args(argv)
    try:
        settings = Settings.from_environment()
        settings = settings._replace(data_root=own_data_root(settings.data_root))
        folder = QueueFolder.take(settings.data_root, socket.gethostname(), options.queue_dir)
        session = new_session_id()
        journal_session = options.continues or session
        # Before the server has a chance to say anything: who listens needs to know where.
        tell("queue", queue_dir=str(folder.path), session=session)
        server = start_server(settings, folder.path, session, journal_session, first=True)
        end_leftovers()  # while the server's interpreter starts
        # Before anything is started that the server may leave behind.
        process.become_subreaper()
        let_begin(server)
    except KqError as error:
        tell("failed", message=str(error))
        return 2
    except OSError as error:
        tell("failed", message=str(SessionFailed.because(error)))
        return 2
    from .program import Guardian  # meanwhile the server is on its way

    return Guardian(settings, folder, session, journal_session, server, lifeline=options.lifeline).run()
