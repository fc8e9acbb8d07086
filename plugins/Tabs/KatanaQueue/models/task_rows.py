"""The tasks of one opened job, as far as they are known. Pure; no Qt."""

from __future__ import annotations

from collections.abc import Iterable

from .....kq.api import JobRecord, TaskRecord, reason_of_task
from .columns import Column, bytes_text, clock_text, elapsed_s, remaining_s, span_text

__all__ = ["MAX_SHOWN", "TaskRows", "task_text"]

MAX_SHOWN = 20_000
"""A job with more tasks shows these, and says how many there are beyond."""


class TaskRows:
    """Rows of one job's tasks: as many as it has, filled in as they are looked at."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.shown = min(total, MAX_SHOWN)
        self._tasks: dict[int, TaskRecord] = {}

    def task(self, row: int) -> TaskRecord | None:
        """The task in `row`, counted from the job's first; None while unknown."""
        return self._tasks.get(row)

    def update(self, tasks: Iterable[TaskRecord]) -> tuple[int, int] | None:
        """Take in `tasks`; returns the first and last row that look different now."""
        changed = []
        for task in tasks:
            if task.index < self.shown and self._tasks.get(task.index) != task:
                self._tasks[task.index] = task
                changed.append(task.index)
        return (min(changed), max(changed)) if changed else None


def task_text(
    rows: TaskRows, row: int, job: JobRecord | None, why_waiting: str, column: int, now_s: float
) -> str:
    """What a cell of a task of `job` says; `why_waiting` is for one that waits for nothing of its own."""
    task = rows.task(row)
    if task is None:
        return f"task {row + 1}" if column == Column.NAME else ""
    match column:
        case Column.NAME:
            last = row == rows.shown - 1 and rows.total > rows.shown
            beyond = f" (and {rows.total - rows.shown:,} more tasks)" if last else ""
            return (task.label or f"task {task.index + 1}") + beyond
        case Column.STATE:
            return str(task.state)
        case Column.PROGRESS:
            return "" if task.progress is None else f"{int(task.progress * 100)}%"
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
            reason = task.reason if job is None else reason_of_task(task, job, why_waiting)
            return reason or task.warning
        case Column.LOG_FILE:
            return task.log_file
    return ""
