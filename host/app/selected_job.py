"""The job or task that is selected in a farm plug-in's tab, as its event describes it. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .render_state import Phase

__all__ = ["STATES", "SelectedJob"]

STATES = {
    "Waiting": Phase.WAITING,
    "Running": Phase.RUNNING,
    "Stopping": Phase.RUNNING,
    "Completed": Phase.COMPLETED,
    "Cancelled": Phase.CANCELLED,
    "Failed": Phase.FAILED,
}
"""The phase for each state in a farm plug-in's event and list; other states are not shown."""


@dataclass(frozen=True)
class SelectedJob:
    """The job or task that is selected in a farm's tab."""

    job_id: str
    task: int | None
    """None: the whole job."""
    name: str
    picture: Path | None
    phase: Phase | None
    reason: str

    @classmethod
    def of_event(cls, arguments: Mapping[str, object]) -> SelectedJob:
        """Return the job or task that an event's keyword arguments describe; a missing one is unknown."""
        task, picture = arguments.get("task"), arguments.get("picture")
        return cls(
            str(arguments.get("jobId", "")),
            task if isinstance(task, int) else None,
            str(arguments.get("name", "")),
            Path(str(picture)) if picture else None,
            STATES.get(str(arguments.get("state", ""))),
            str(arguments.get("reason") or ""),
        )

    def is_same_row(self, other: SelectedJob | None) -> bool:
        """Return whether both are the same job or the same task of it."""
        return other is not None and (self.job_id, self.task) == (other.job_id, other.task)
