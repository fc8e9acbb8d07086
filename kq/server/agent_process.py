"""Starts the process of a local Agent, also before there is a server for it: interpreters take the longest.

Imported before all else: it brings nothing along that the server could do without at that moment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from .. import process
from ..errors import KqError
from ..files import open_to_append
from ..logs import make_room
from ..own_folders import keys_folder

__all__ = ["connection_file_of", "start_agent", "start_early"]

_AGENT_FILE = Path(__file__).resolve().parents[1] / "agent" / "__main__.py"
_MAX_LOGS = 64
"""Logs of Agents that are kept; each Agent that takes another's place has one of its own."""


def connection_file_of(queue_dir: Path) -> Path:
    """The connection file of local Agents."""
    return keys_folder(queue_dir) / "agent.json"


def start_agent(
    agent_id: str,
    connection_file: Path,
    log_folder: Path,
    environment: Mapping[str, str],
    *,
    early: bool = False,
) -> process.Child:
    """Start the process of a local Agent.

    Args:
        environment: all of it, but for the Agent's own mark.
        early: its connection file is written later; it imports what it needs, and waits for that.

    Raises:
        BadInput, Refused: it cannot be started.
    """
    path = log_folder / f"agent-{agent_id}.log"
    log = _open_log(path)
    try:
        return process.spawn_service(
            [sys.executable, "-P", str(_AGENT_FILE), "--connection", str(connection_file),
             "--agent-id", agent_id, "--lifeline", "--log", str(path), *(["--early"] if early else [])],
            environment={**environment, "KQ_ROLE": "agent"},
            # Its end is the guardian's end: the Agent then ends its render and itself.
            stdin=process.INHERIT,
            stdout=log if log >= 0 else process.NOWHERE,
            stderr=log if log >= 0 else process.NOWHERE,
        )  # fmt: skip
    finally:
        if log >= 0:
            os.close(log)


def _open_log(path: Path) -> int:
    """The Agent's own log, for what it says before it can log and when it crashes; -1: there is none."""
    make_room(path.parent, "agent-*.log*", _MAX_LOGS)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return open_to_append(path)
    except OSError:
        return -1  # the server says once that the data root cannot be written


def start_early(
    count: int, queue_dir: Path, log_folder: Path, environment: Mapping[str, str]
) -> dict[str, process.Child]:
    """Start the Agents that the first server of a session will launch first: its numbers begin at 1.

    Returns:
        Them by id. Those that could not be started are missing: their launch will say why.
    """
    early: dict[str, process.Child] = {}
    for number in range(1, count + 1):
        agent_id = f"a{number}"
        try:
            early[agent_id] = start_agent(
                agent_id, connection_file_of(queue_dir), log_folder, environment, early=True
            )
        except KqError:
            break
    return early
