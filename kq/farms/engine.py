"""The interface of an engine adapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from .decide import EngineStatus

__all__ = ["Engine", "EngineTask", "Option", "by_token"]


class Option(NamedTuple):
    """A submission option of an engine, for forms and for `kq farm submit --option NAME=VALUE`."""

    name: str
    help: str


class EngineTask(NamedTuple):
    """One task in an engine's list."""

    engine_id: str
    token: str
    task: int
    """The task's number minus the submission's offset."""
    status: EngineStatus


def by_token(rows: Sequence[EngineTask]) -> dict[str, dict[int, EngineStatus]]:
    """Return the states by a submission's token and a task's number in it."""
    found: dict[str, dict[int, EngineStatus]] = {}
    for row in rows:
        found.setdefault(row.token, {})[row.task] = row.status
    return found


class Engine(Protocol):
    """An engine adapter. Methods may block for seconds, and are called on the farm's thread only.

    All raise ConnectionLost when the engine does not reply, and Refused when it refuses the request.
    """

    options: Sequence[Option]

    def check(self, options: Mapping[str, str]) -> list[str]:
        """Check that the engine replies and accepts `options`. Returns warnings. Raises BadInput, Refused."""

    def max_array(self) -> int:
        """Return the most tasks that one submission may have."""

    def submit(
        self,
        folder: Path,
        name: str,
        token: str,
        tasks: Sequence[int],
        offset: int,
        options: Mapping[str, str],
    ) -> str:
        """Submit tasks of the job in `folder`. Returns the engine's id of the submission.

        Args:
            name: the job's name.
            token: identifies the submission in `list_tasks`.
            tasks: numbers of the tasks.
            offset: subtracted from the numbers: with 1000, the engine's task 3 is task 1003.
            options: values by the name of an Option.
        """

    def list_tasks(self) -> list[EngineTask]:
        """List all tasks of this user's submissions that have a token of kq."""

    def stop(self, engine_ids: Sequence[str]) -> None:
        """Stop all tasks of these submissions. Unknown ids are ignored."""

    def stop_tasks(self, engine_id: str, indexes: Sequence[int]) -> None:
        """Stop some tasks of one submission, by their number minus the offset."""

    def start_now(self, engine_id: str, index: int) -> None:
        """Start a task that the engine delays, for example after the loss of a node."""
