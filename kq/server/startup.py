"""Starts the server: parses arguments, reads settings, opens the log. program.py has the server itself.

The Agents' processes are started first: their interpreters load while the server imports the rest.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from .. import __version__, process
from ..errors import IllegalTransition, KqError, MalformedMessage, SessionFailed
from ..logs import log_folder, open_log
from ..session_events import SessionEvent, report
from ..settings import Settings
from .agent_process import start_early

__all__ = ["main"]

_OPEN_FILES = 16384
_MIN_FILES, _FILES_AN_AGENT = 64, 4
_log = logging.getLogger("kq.server")


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m kq.server --queue-dir DIR --session ID --guardian-pid N`, started by the guardian."""
    parser = argparse.ArgumentParser(prog="kq.server", description="Own the jobs of one session.")
    parser.add_argument("--queue-dir", required=True, type=Path)
    parser.add_argument("--session", required=True)
    parser.add_argument("--journal-session", default="", help="whose jobs this goes on with")
    parser.add_argument("--guardian-pid", type=int, default=0)
    parser.add_argument("--first", action="store_true", help="no server of this session was before this one")
    options = parser.parse_args(argv)
    # Agents inherit this process's standard input: it must be read before they are started.
    if options.guardian_pid and not process.wait_for_byte():
        return 0  # the guardian is gone
    # If this process crashes, its Agents continue with the next server; the guardian ends them later.
    process.become_subreaper(outlived=options.guardian_pid != 0)
    # 100,000 jobs are many long-lived objects: with the default, scans of them take a third of the time.
    gc.set_threshold(50_000, 50, 100)
    try:
        settings = Settings.from_environment()
        _raise_file_limit(settings.num_agents)
        logs = log_folder(settings.data_root, options.queue_dir)
        environment = {**os.environ, "KQ_SESSION": options.session}
        early = (
            start_early(settings.num_agents, options.queue_dir, logs, environment) if options.first else {}
        )
        # Imported after the Agents were started, since it is slow: their imports run at the same time.
        from ..messages import PROTOCOL_VERSION
        from .program import Server, ServerOptions

        open_log(
            logs / "server.log",
            settings.log_level,
            program="server",
            session=options.session,
        )
        server_options = ServerOptions(
            queue_dir=options.queue_dir,
            session=options.session,
            journal_session=options.journal_session or options.session,
            guardian_pid=options.guardian_pid,
            first=options.first,
        )
        server = Server(settings, server_options, early)
        _log.info("kq %s, protocol %d, begins with pid %d", __version__, PROTOCOL_VERSION, os.getpid())
        return server.run()
    except (IllegalTransition, MalformedMessage):
        raise  # a bug, for which the guardian starts another server
    except KqError as error:
        _exit_with_error(str(error))
    except OSError as error:
        _exit_with_error(str(SessionFailed.because(error)))


def _raise_file_limit(agents: int) -> None:
    """Raise the limit of open files, usually 1024: each Agent needs four, and any peer may connect.

    Raises:
        SessionFailed: the limit cannot be raised enough. The server would accept and drop connections
            endlessly.
    """
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
        if soft == resource.RLIM_INFINITY:
            return
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        needed = _MIN_FILES + _FILES_AN_AGENT * agents
        if max(soft, wanted) < needed:
            raise SessionFailed(
                f"the queue may have {max(soft, wanted)} files open, and needs {needed}: raise the limit, "
                f"as with `ulimit -n 1024`"
            )


def _exit_with_error(message: str) -> NoReturn:
    """Report to the session's starter why the server cannot start. Exits with 2: do not retry."""
    report(SessionEvent.FAILED, message=message)
    if _log.hasHandlers():  # else the log is not open yet
        _log.error("%s", message)
    sys.exit(2)
