"""Starts the processes of local Agents, also before the server is ready, since interpreters load slowly.

Imported before the rest of the server: it must import as little as possible.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from .. import process
from ..errors import KqError
from ..own_files import make_room, open_to_append
from ..own_folders import keys_folder

__all__ = ["connection_file_of", "start_agent", "start_early"]

_AGENT_FILE = Path(__file__).resolve().parents[1] / "agent" / "__main__.py"
_MAX_LOGS = 64
"""The number of logs of earlier Agents that are kept; a replacement Agent has a new one."""
_LOGS_AN_AGENT = 2
"""The most logs that a running Agent has: see kq/logs.py."""


def connection_file_of(queue_dir: Path) -> Path:
    """The connection file of local Agents."""
    return keys_folder(queue_dir) / "agent.json"


def start_agent(
    agent_id: str,
    connection_file: Path,
    log_folder: Path,
    environment: Mapping[str, str],
    *,
    running: int,
    early: bool = False,
) -> process.Child:
    """Start the process of a local Agent.

    Args:
        environment: all environment variables, except the one that marks an Agent.
        running: how many local Agents run already, whose logs must stay.
        early: whether the connection file is written later: the Agent imports its modules, and waits for it.

    Raises:
        BadInput, Refused: it cannot be started.
    """
    path = log_folder / f"agent-{agent_id}.log"
    log = _open_log(path, running)
    try:
        return process.spawn_service(
            [sys.executable, "-P", str(_AGENT_FILE), "--connection", str(connection_file),
             "--agent-id", agent_id, "--lifeline", "--log", str(path), *(["--early"] if early else [])],
            environment={**environment, "KQ_ROLE": "agent"},
            # The guardian has the other end: when it closes, the Agent ends its render and itself.
            stdin=process.INHERIT,
            stdout=log if log >= 0 else process.NOWHERE,
            stderr=log if log >= 0 else process.NOWHERE,
        )  # fmt: skip
    finally:
        if log >= 0:
            os.close(log)


def _open_log(path: Path, running: int) -> int:
    """Open the Agent's log for its output at start and in crashes; -1 if it cannot be opened."""
    make_room(path.parent, "agent-*.log*", _MAX_LOGS + _LOGS_AN_AGENT * running)
    try:
        return open_to_append(path, create_folder=True)
    except OSError:
        return -1  # the server reports once that the data root cannot be written


def start_early(
    count: int, queue_dir: Path, log_folder: Path, environment: Mapping[str, str]
) -> dict[str, process.Child]:
    """Start `count` Agents, a1 and following, that the first server of a session will launch first.

    Returns:
        The processes by Agent id, without those that could not be started: their launch reports why.
    """
    early: dict[str, process.Child] = {}
    for number in range(1, count + 1):
        agent_id = f"a{number}"
        try:
            early[agent_id] = start_agent(
                agent_id,
                connection_file_of(queue_dir),
                log_folder,
                environment,
                running=len(early),
                early=True,
            )
        except KqError:
            break
    return early
