"""Starts an Agent: reads its arguments and connection file, and opens its log."""

from __future__ import annotations

import argparse
import logging
import os
import select
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from .. import process
from ..agent_config import AgentConfig, Site
from ..errors import KqError
from ..logs import open_log
from ..own_files import read_own
from ..states import AgentExit
from .program import Agent

__all__ = ["main"]

_FILE_TIMEOUT_S = 30.0
_POLL_INTERVAL_S = 0.005
_log = logging.getLogger("kq.agent")


def main(argv: Sequence[str] | None = None) -> int:
    """Run `python -m kq.agent --connection FILE --agent-id ID`. Returns the exit code (AgentExit)."""
    parser = argparse.ArgumentParser(prog="kq.agent", description="Host render processes for a queue.")
    parser.add_argument("--connection", required=True, type=Path, help="connection file of the session")
    parser.add_argument("--agent-id", required=True)
    parser.add_argument("--lifeline", action="store_true", help="end when standard input ends")
    parser.add_argument(
        "--early", action="store_true", help="with --lifeline: wait for the connection file to be written"
    )
    parser.add_argument("--log", type=Path, metavar="FILE", help="default: standard error")
    parser.add_argument("--site", type=Path, help="site file of this machine")
    parser.add_argument("--pulse", action="store_true", help="write a byte to standard output now and then")
    parser.add_argument(
        "--replaces", nargs=2, default=(), metavar=("ID", "WHY"), help="an Agent that is gone from here"
    )
    options = parser.parse_args(argv)
    lifeline = process.StdinLifeline() if options.lifeline else None
    if options.early and lifeline is not None and not _await_file(options.connection, lifeline):
        return AgentExit.SERVER_SILENT
    try:
        config = msgspec.json.decode(read_own(options.connection), type=AgentConfig)
        site = msgspec.json.decode(read_own(options.site), type=Site) if options.site else None
    except (OSError, msgspec.DecodeError) as error:
        _print_error(f"the connection file {options.connection} cannot be used: {error}")
        return AgentExit.NO_CONNECTION_FILE
    if options.pulse and sys.platform != "win32":
        # A supervisor that hangs must not block its Agents.
        os.set_blocking(1, False)
    open_log(
        options.log,
        config.log_level,
        program="agent",
        session=config.connection.session,
        agent=options.agent_id,
    )
    process.keep_from_interrupts()
    process.become_subreaper()
    process.lower_priority(config.nice)
    try:
        agent = Agent(
            config,
            options.agent_id,
            lifeline=lifeline,
            site=site,
            pulse=_write_pulse if options.pulse else lambda: None,
            connection_file=options.connection if config.local else None,
        )
        if options.replaces:
            agent.report_agent_gone(*options.replaces)
        return agent.run()
    except KqError as error:
        _log.error("%s", error)
        return AgentExit.ERROR


def _print_error(message: str) -> None:
    """Print an error to standard error, for use before the log is open."""
    try:
        print(f"kq.agent: {message}", file=sys.stderr, flush=True)
    except OSError:
        pass  # standard error is closed; the exit code has the reason as well


def _await_file(path: Path, lifeline: process.StdinLifeline) -> bool:
    """Wait until the server has written `path`. Returns False when the session or 30 s are over."""
    until = time.monotonic() + _FILE_TIMEOUT_S
    while not path.exists():
        if select.select([lifeline.wake_fd], [], [], _POLL_INTERVAL_S)[0] and lifeline.is_closed():
            return False  # the session ended while it started
        if time.monotonic() > until:
            _print_error(f"{path} did not appear within {_FILE_TIMEOUT_S:.0f} s")
            return False
    return True


def _write_pulse() -> None:
    try:
        os.write(1, b".")
    except OSError:
        pass  # the supervisor has ended, or does not read; if it has, the lifeline ends as well
