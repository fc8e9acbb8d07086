"""What every engine offers: check, submit, look, stop. No engine lives here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from .decide import EngineRow

__all__ = ["Engine", "Option", "Row"]


class Option(NamedTuple):
    """A setting that an engine understands, for forms and for `kq farm submit --option NAME=VALUE`."""

    name: str
    help: str


class Row(NamedTuple):
    """One line of an engine's list."""

    engine_id: str
    token: str
    task: int
    """The task's number, less the submission's offset."""
    what: EngineRow


class Engine(Protocol):
    """An adapter. Each method may take seconds: it is called on a farm's own thread.

    Each raises ConnectionLost when the engine does not answer, and Refused when it refuses.
    """

    options: Sequence[Option]

    def check(self, options: Mapping[str, str]) -> list[str]:
        """What is noteworthy of the engine, a line each. Raises Refused for options that cannot work."""

    def max_array(self) -> int:
        """How many tasks one submission may have."""

    def submit(
        self,
        folder: Path,
        name: str,
        token: str,
        tasks: Sequence[int],
        offset: int,
        options: Mapping[str, str],
    ) -> str:
        """Give tasks of the job in `folder` to the engine, once. Returns the engine's id of them.

        Args:
            offset: the engine counts from here: it knows task 1003 as 3 when this is 1000.
        """

    def look(self) -> list[Row]:
        """All that the engine lists of this user's jobs that carry a token of ours."""

    def stop(self, engine_ids: Sequence[str]) -> None:
        """End what waits and runs of these submissions. One that the engine has forgotten is no error."""

    def stop_tasks(self, engine_id: str, indexes: Sequence[int]) -> None:
        """The same for some tasks of one submission."""

    def start_now(self, engine_id: str, index: int) -> None:
        """Start a task that the engine holds back, for example after the loss of a node."""
