"""Starts a session: first its server, which takes longest, then the guardian's own imports."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Sequence
from pathlib import Path

import msgspec

from .. import process
from ..errors import KqError, SessionFailed
from ..own_folders import own_data_root
from ..session_events import SessionEvent, report
from ..settings import Settings
from .folder import QueueFolder, end_leftovers
from .server_process import allow_start, start_server
from .session_id import machine_id, new_session_id

__all__ = ["main"]

_OOM_SCORE = 200
"""Added to the desktop's OOM score for this process and the server; Agents and renders add to that."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `python -m kq.guardian [--lifeline]`, with settings from KQ_* variables. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="kq.guardian", description="Guard one session of the queue.")
    parser.add_argument("--lifeline", action="store_true", help="end the session when standard input ends")
    parser.add_argument(
        "--continue", dest="continues", default="", metavar="SESSION", help="go on with the jobs of this one"
    )
    parser.add_argument("--queue-dir", type=Path, metavar="DIR", help="and in the folder where they are")
    options = parser.parse_args(argv)
    process.raise_oom_score(_OOM_SCORE)
    try:
        settings = Settings.from_environment()
        settings = msgspec.structs.replace(settings, data_root=own_data_root(settings.data_root))
        folder = QueueFolder.take(
            settings.data_root, socket.gethostname(), options.queue_dir, machine=machine_id()
        )
        session = new_session_id()
        journal_session = options.continues or session
        # Before any event of the server: the reader needs the folder to handle those.
        report(SessionEvent.QUEUE, queue_dir=str(folder.path), session=session)
        server = start_server(settings, folder.path, session, journal_session, first=True)
        end_leftovers()  # while the server's interpreter starts
        # Before the server starts processes that it may leave behind.
        process.become_subreaper()
        allow_start(server)
    except KqError as error:
        report(SessionEvent.FAILED, message=str(error))
        return 2
    except OSError as error:
        report(SessionEvent.FAILED, message=str(SessionFailed.because(error)))
        return 2
    from .program import Guardian  # late: the server starts meanwhile

    return Guardian(settings, folder, session, journal_session, server, lifeline=options.lifeline).run()
