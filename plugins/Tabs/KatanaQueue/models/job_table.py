"""What the rows of the jobs list are and say: jobs in order, the tasks of opened ones beneath them.

A table, not a tree: laying out a tree, Qt asks for every one of 100,000 rows; of a table for those it paints.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from .....kq.api import JobRecord, JobState, TaskRecord
from .column_titles import column_title
from .columns import COLUMNS, Column, job_text, moment_text
from .expanded_jobs import OpenJobs
from .job_order import JobOrder
from .job_store import JobStore
from .task_rows import TaskRows, task_text

__all__ = ["JobTable"]

_Index = QModelIndex | QPersistentModelIndex
_NO_INDEX = QModelIndex()
# Enum members are slow to look up, and data() is called often.
_DISPLAY = int(Qt.ItemDataRole.DisplayRole)
_TOOL_TIP = int(Qt.ItemDataRole.ToolTipRole)
_ALIGNMENT = int(Qt.ItemDataRole.TextAlignmentRole)
_ACCESSIBLE = int(Qt.ItemDataRole.AccessibleTextRole)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_MOMENTS = (int(Column.SUBMITTED), int(Column.COMPLETED))
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)


class JobTable(QAbstractTableModel):
    """What can be asked of the rows; which jobs there are, and where, changes in `JobsModel`.

    Signals:
        tasks_wanted(str, int, int): the tasks of a job, from a first one, so many, are looked at.
    """

    tasks_wanted = Signal(str, int, int)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = JobStore()
        self._order = JobOrder()
        self._open = OpenJobs()
        self._why_waiting = ""
        self.changed_rows: list[int] | None = None
        """While `dataChanged` tells of a stretch: the rows in it that changed; None: all. To tell of each by
        itself would cost as much as to draw it."""

    # --- rows --------------------------------------------------------------------------------------------

    def record(self, row: int) -> JobRecord | TaskRecord | None:
        """What `row` shows; None for a task that is not known yet."""
        job_row, task = self._open.locate(row)
        job_id = self._order.id_at(job_row)
        return self._store.records.get(job_id) if task is None else self._open.tasks[job_id].task(task)

    def job_id(self, row: int) -> str:
        """The job of `row`, or the job whose task it is."""
        return self._order.id_at(self._open.locate(row)[0])

    def task(self, row: int) -> int | None:
        """The task in `row`; None when it is a job."""
        return self._open.locate(row)[1]

    def row(self, job_id: str) -> int | None:
        """The row of a job; None when it is not shown."""
        job_row = self._order.row(job_id)
        return None if job_row is None else self._open.row(job_row)

    def job(self, job_id: str) -> JobRecord | None:
        """A job, shown or not."""
        return self._store.records.get(job_id)

    def job_ids(self, first: int, last: int) -> list[str]:
        """The jobs in rows `first` to `last`; those of tasks among them are not named."""
        return self._order.ids(*self._job_rows(first, last))

    def job_ids_in_steps(self, stretches: Iterable[tuple[int, int]]) -> Iterator[list[str]]:
        """The jobs in `stretches` of rows, a few hundred at a time; rows may move meanwhile."""
        return self._order.ids_in_steps([self._job_rows(first, last) for first, last in stretches])

    def _job_rows(self, first: int, last: int) -> tuple[int, int]:
        """Of the jobs in rows `first` to `last`, both included; the second is smaller when there are none."""
        job_row, task = self._open.locate(first)
        return (job_row if task is None else job_row + 1), self._open.locate(last)[0]

    @property
    def newest(self) -> str:
        """The job that was submitted last, shown or not; empty before any."""
        return self._store.newest

    @property
    def total(self) -> int:
        """How many jobs there are, shown or not."""
        return len(self._store.records)

    @property
    def shown(self) -> int:
        """How many jobs are shown."""
        return len(self._order)

    def count(self, state: JobState) -> int:
        """How many jobs are in `state`."""
        return self._store.counts[state]

    # --- tasks -------------------------------------------------------------------------------------------

    def is_open(self, job_id: str) -> bool:
        """Whether the tasks of a job have rows."""
        return job_id in self._open.tasks

    def expand(self, job_id: str) -> None:
        """Give the tasks of a job rows beneath it."""
        record, row = self._store.records.get(job_id), self.row(job_id)
        if record is None or row is None or record.tasks < 2 or job_id in self._open.tasks:
            return
        tasks = TaskRows(record.tasks)
        self.beginInsertRows(_NO_INDEX, row + 1, row + tasks.shown)
        self._open.tasks[job_id] = tasks
        self._open.place(self._order)
        self.endInsertRows()
        self.dataChanged.emit(self.index(row, 0), self.index(row, 0))

    def collapse(self, job_id: str) -> None:
        """Take the rows of a job's tasks away."""
        row, tasks = self.row(job_id), self._open.tasks.get(job_id)
        if row is None or tasks is None:
            return
        self.beginRemoveRows(_NO_INDEX, row + 1, row + tasks.shown)
        del self._open.tasks[job_id]
        self._open.place(self._order)
        self.endRemoveRows()
        self.dataChanged.emit(self.index(row, 0), self.index(row, 0))

    def open_jobs(self) -> list[str]:
        """The jobs whose tasks have rows."""
        return list(self._open.tasks)

    def rows_of_tasks(self, job_id: str) -> range:
        """The rows beneath an opened job."""
        row, tasks = self.row(job_id), self._open.tasks.get(job_id)
        return range(0) if row is None or tasks is None else range(row + 1, row + 1 + tasks.shown)

    def want_tasks(self, first_row: int, last_row: int) -> None:
        """Rows `first_row` to `last_row` are in sight: ask, by `tasks_wanted`, for the tasks among them."""
        for job_id, tasks in self._open.tasks.items():
            row = self.row(job_id)
            if row is None:
                continue
            first, last = max(first_row - row - 1, 0), min(last_row - row - 1, tasks.shown - 1)
            if first <= last:
                self.tasks_wanted.emit(job_id, first, last - first + 1)

    def set_tasks(self, job_id: str, tasks: Iterable[TaskRecord]) -> None:
        """Show `tasks` of an opened job; those of a job that was closed meanwhile are dropped."""
        rows, row = self._open.tasks.get(job_id), self.row(job_id)
        if rows is None or row is None:
            return
        changed = rows.update(tasks)
        if changed is not None:
            first, last = row + 1 + changed[0], row + 1 + changed[1]
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(COLUMNS) - 1))

    # --- Qt's questions ----------------------------------------------------------------------------------

    def rowCount(self, parent: _Index = _NO_INDEX) -> int:
        """Rows of jobs and of opened tasks."""
        if parent.isValid():
            return 0
        return len(self._order) + self._open.task_rows

    def columnCount(self, parent: _Index = _NO_INDEX) -> int:
        """The columns, hidden ones included."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        """Titles and hints."""
        return column_title(section, orientation, role)

    def data(self, index: _Index, role: int = 0) -> Any:
        """Texts; the view draws its rows from `content`."""
        if not index.isValid() or not 0 <= index.row() < self.rowCount():
            return None
        if role == _TOOL_TIP and index.column() in _MOMENTS:
            return moment_text(self._moment(index.row(), index.column())) or None
        if role in (_DISPLAY, _TOOL_TIP, _ACCESSIBLE):
            return self.text(index.row(), index.column(), time.time()) or None
        if role == _ALIGNMENT:
            return _RIGHT if COLUMNS[index.column()].right else _LEFT
        return None

    def _moment(self, row: int, column: int) -> float | None:
        record = self.record(row)
        if isinstance(record, JobRecord):
            return record.submitted if column == Column.SUBMITTED else record.completed
        return record.ended if record is not None and column == Column.COMPLETED else None

    def content(self, row: int) -> tuple[JobRecord | TaskRecord | None, bool, Callable[[int, float], str]]:
        """All that drawing `row` needs, found at once: `record`, whether it is a
        task, and what tells the text of each column, by column and time."""
        job_row, task = self._open.locate(row)
        job_id = self._order.id_at(job_row)
        record = self._store.records.get(job_id)
        if task is not None:
            tasks = self._open.tasks[job_id]
            return tasks.task(task), True, partial(task_text, tasks, task, record, self._why_waiting)
        tell = _say_nothing if record is None else partial(job_text, record, self._why_waiting)
        return record, False, tell

    def text(self, row: int, column: int, now_s: float) -> str:
        """What a cell says."""
        return self.content(row)[2](column, now_s)


def _say_nothing(_column: int, _now_s: float) -> str:
    return ""
