"""Where rows are when some jobs show their tasks beneath them. Pure; no Qt.

A *job row* counts jobs alone; a *row* counts what the list shows, opened tasks included.
"""

from __future__ import annotations

from bisect import bisect_right

from .job_order import JobOrder
from .task_rows import TaskRows

__all__ = ["OpenJobs"]


class OpenJobs:
    """The jobs whose tasks are shown: a few among many, so that a row is found by bisection."""

    def __init__(self) -> None:
        self.tasks: dict[str, TaskRows] = {}
        """By job; call `place` after a change."""
        self._job_rows: list[int] = []
        self._ends: list[int] = []  # for each of them: the first row after its tasks

    def place(self, order: JobOrder) -> None:
        """The jobs stand as in `order` now."""
        self.tasks = {job_id: tasks for job_id, tasks in self.tasks.items() if job_id in order}
        job_rows = sorted(row for job_id in self.tasks if (row := order.row(job_id)) is not None)
        ends, offset = [], 0
        for row in job_rows:
            offset += self.tasks[order.id_at(row)].shown
            ends.append(row + offset + 1)
        self._job_rows, self._ends = job_rows, ends

    def __bool__(self) -> bool:
        return bool(self.tasks)

    @property
    def task_rows(self) -> int:
        """How many rows tasks take in all."""
        return self._ends[-1] - self._job_rows[-1] - 1 if self._job_rows else 0

    def row(self, job_row: int) -> int:
        """The row of the job in `job_row`."""
        before = bisect_right(self._job_rows, job_row - 1)
        if not before:
            return job_row
        return self._ends[before - 1] + job_row - self._job_rows[before - 1] - 1

    def locate(self, row: int) -> tuple[int, int | None]:
        """The job row of `row`, and which of its tasks it is, if it is one."""
        at = bisect_right(self._ends, row)
        if at < len(self._job_rows):
            open_row = self.row(self._job_rows[at])
            if row > open_row:
                return self._job_rows[at], row - open_row - 1
        if not at:
            return row, None
        return row - self._ends[at - 1] + self._job_rows[at - 1] + 1, None
