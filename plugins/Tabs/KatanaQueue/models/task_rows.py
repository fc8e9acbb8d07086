"""The rows of tasks below expanded jobs: their numbers and the text of each cell. Pure; no Qt.

A *row* counts all rows of the list, including tasks of expanded jobs; a *job row* counts only jobs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from .....kq.api import JobRecord, TaskRecord, elapsed_s, percent_text, reason_of_task, warning_text
from .columns import Column, bytes_text, clock_text, remaining_s, span_text
from .job_order import JobOrder

__all__ = ["MAX_SHOWN", "ExpandedJobs", "TaskRows", "task_text"]

MAX_SHOWN = 20_000
"""Most tasks of a job that have rows; the last row says how many more there are."""


class TaskRows:
    """The rows of one job's tasks. Their records are fetched as they become visible."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.row_count = min(total, MAX_SHOWN)
        self._tasks: dict[int, TaskRecord] = {}

    def task(self, row: int) -> TaskRecord | None:
        """Return the task in `row`, counted from the job's first task; None while not fetched."""
        return self._tasks.get(row)

    def update(self, tasks: Iterable[TaskRecord]) -> tuple[int, int] | None:
        """Store `tasks`. Returns the first and last row that changed; None when none did."""
        changed = []
        for task in tasks:
            if task.index < self.row_count and self._tasks.get(task.index) != task:
                self._tasks[task.index] = task
                changed.append(task.index)
        return (min(changed), max(changed)) if changed else None


class ExpandedJobs:
    """The expanded jobs. Converts between rows and job rows by bisection, since few jobs are expanded."""

    def __init__(self) -> None:
        self.tasks: dict[str, TaskRows] = {}
        """By job id. Call `update_rows` after a change."""
        self._job_rows: list[int] = []
        self._ends: list[int] = []  # for each of these jobs: the first row after its tasks

    def update_rows(self, order: JobOrder) -> None:
        """Compute the rows for the current order of jobs, and drop jobs that are not in it."""
        self.tasks = {job_id: tasks for job_id, tasks in self.tasks.items() if job_id in order}
        job_rows = sorted(row for job_id in self.tasks if (row := order.row(job_id)) is not None)
        ends, offset = [], 0
        for row in job_rows:
            offset += self.tasks[order.id_at(row)].row_count
            ends.append(row + offset + 1)
        self._job_rows, self._ends = job_rows, ends

    def __bool__(self) -> bool:
        return bool(self.tasks)

    @property
    def task_rows(self) -> int:
        """The number of all tasks' rows."""
        return self._ends[-1] - self._job_rows[-1] - 1 if self._job_rows else 0

    def row(self, job_row: int) -> int:
        """Return the row of the job in `job_row`."""
        before = bisect_right(self._job_rows, job_row - 1)
        if not before:
            return job_row
        return self._ends[before - 1] + job_row - self._job_rows[before - 1] - 1

    def locate(self, row: int) -> tuple[int, int | None]:
        """Return the job row that `row` belongs to, and the task's index; None if it is the job's own row.

        A row beyond the last one gives a job row beyond the last one. Raises IndexError if `row` is negative.
        """
        if row < 0:
            raise IndexError(f"row {row}")
        at = bisect_right(self._ends, row)
        if at < len(self._job_rows):
            open_row = self.row(self._job_rows[at])
            if row > open_row:
                return self._job_rows[at], row - open_row - 1
        if not at:
            return row, None
        return row - self._ends[at - 1] + self._job_rows[at - 1] + 1, None


def task_text(
    rows: TaskRows, row: int, job: JobRecord | None, why_waiting: str, column: int, now_s: float
) -> str:
    """Return the text of a cell in a task's row.

    Args:
        rows: the job's tasks.
        row: the task's row, counted from the job's first task.
        job: the job; None if unknown.
        why_waiting: the reason to show for a waiting task that has no reason of its own.
        column: a Column.
        now_s: the time of the queue's clock, in seconds since the epoch.
    """
    task = rows.task(row)
    if task is None:
        return f"task {row + 1}" if column == Column.NAME else ""
    match column:
        case Column.NAME:
            last = row == rows.row_count - 1 and rows.total > rows.row_count
            beyond = f" (and {rows.total - rows.row_count:,} more tasks)" if last else ""
            return (task.label or f"task {task.index + 1}") + beyond
        case Column.STATE:
            return str(task.state)
        case Column.PROGRESS:
            return "" if task.progress is None else percent_text(task.progress)
        case Column.SUBMITTED:
            return ""
        case Column.ELAPSED:
            return span_text(elapsed_s(task, now_s))
        case Column.REMAINING:
            left = remaining_s(task, now_s)
            return "" if left is None else f"~ {span_text(left)}"
        case Column.COMPLETED:
            return clock_text(task.ended, now_s)
        case Column.AGENT:
            return task.agent
        case Column.MEMORY:
            return bytes_text(task.peak_memory)
        case Column.REASON:
            if job is None:
                return task.reason or warning_text(task)
            return reason_of_task(task, job, why_waiting)
        case Column.LOG_FILE:
            return task.log_file
    return ""
