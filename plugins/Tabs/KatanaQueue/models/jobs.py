"""The Qt model of the jobs list: a row per job, and below each expanded job a row per task.

It is a table rather than a tree: Qt reads every row to lay out a tree, but only the visible rows of a table.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from PySide6.QtCore import (
    QAbstractItemModel,
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    QTimer,
    Signal,
)

# Five levels up is the package that holds `kq` beside `plugins`, by whatever name it was loaded.
from .....kq.api import JobRecord, JobState, QueueChange, TaskRecord
from .column_titles import column_title
from .columns import COLUMNS, Column, job_text, moment_text
from .job_order import JobFilter, JobOrder, SortBy
from .task_rows import ExpandedJobs, TaskRows, task_text

__all__ = ["JobsModel"]

MAX_SINGLE_CHANGES = 200
"""If more jobs than this are added, moved or removed, the model is reset; if more change, all are redrawn."""

_Index = QModelIndex | QPersistentModelIndex
_NO_INDEX = QModelIndex()
# Looked up once: data() is called for every visible cell, and enum members are slow to look up.
_DISPLAY = int(Qt.ItemDataRole.DisplayRole)
_TOOL_TIP = int(Qt.ItemDataRole.ToolTipRole)
_ALIGNMENT = int(Qt.ItemDataRole.TextAlignmentRole)
_ACCESSIBLE = int(Qt.ItemDataRole.AccessibleTextRole)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_TIMES = (int(Column.SUBMITTED), int(Column.COMPLETED))
_ROWS_MOVE = QAbstractItemModel.LayoutChangeHint.VerticalSortHint


class JobsModel(QAbstractTableModel):
    """The model of the jobs list. To be used on Qt's thread only.

    A job is *shown*, which means that it has a row, if it passes the filter. A *row* is a position in the
    table, where tasks have rows, too; a *job row* is a position among the shown jobs. Methods that take one
    row raise IndexError if there is no such row, except `data`, and `task`, which returns None beyond the
    last row. Records of tasks are fetched for visible rows only.

    Signals:
        about_to_rearrange(): the model will be reset; save the selection by job ids.
        rearranged(): the model was reset; restore the selection.
        jobs_changed(object): list of pairs: a job's new record, and the previous one or None; empty when
            jobs were only removed. When all jobs are replaced, it has those that were known and differ.
        counts_changed(): the number of jobs in a state, or of shown jobs, may have changed.
        tasks_wanted(str, int, int): records of tasks are needed: job id, index of the first, count. To be
            answered with `set_tasks`.
    """

    about_to_rearrange = Signal()
    rearranged = Signal()
    jobs_changed = Signal(object)
    counts_changed = Signal()
    tasks_wanted = Signal(str, int, int)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs: dict[str, JobRecord] = {}
        self._counts: Counter[JobState] = Counter()
        self._newest = (0.0, "")
        """Time of submission and id of the job that was submitted last, even if removed, until a reset."""
        self._filter = JobFilter()
        self._order = JobOrder()
        self._expanded = ExpandedJobs()
        self._why_waiting = ""
        self.now_s: Callable[[], float] = time.time
        """Returns the time in seconds since the epoch. The tab sets it to the queue's clock."""
        self._rows_are_held = False
        """Whether jobs keep their rows until `hold_rows(False)`."""
        # Held rows are released in the next iteration of the event loop: `hold_rows(False)` is called while
        # Qt is changing the selection.
        self._rearrange_timer = QTimer(self)
        self._rearrange_timer.setSingleShot(True)
        self._rearrange_timer.setInterval(0)
        self._rearrange_timer.timeout.connect(self._release_held_rows)
        self._held_a_row = False
        """Whether a job kept its row although its sorting would place it elsewhere."""

    # --- Changes of the queue ---

    def apply(self, change: QueueChange) -> None:
        """Apply changed and removed jobs (no job is in both). A change with `reset` replaces all jobs."""
        if change.reset:
            before, self._jobs = self._jobs, {job.id: job for job in change.jobs}
            self._counts = Counter(job.state for job in change.jobs)
            self._newest = max(((job.submitted, job.id) for job in change.jobs), default=(0.0, ""))
            self._rearrange()
            # Changes that the queue sent while the connection was lost are in its snapshot alone.
            changed = [(job, old) for job in change.jobs if (old := before.get(job.id)) and old != job]
            if changed:
                self.jobs_changed.emit(changed)
            return
        if not change.jobs and not change.removed_jobs:
            return
        pairs = [(job, self._store(job)) for job in change.jobs]
        removed = [job_id for job_id in change.removed_jobs if self._remove_record(job_id)]
        self._update_rows(change.jobs, [job_id for job_id in removed if job_id in self._order])
        self.jobs_changed.emit(pairs)
        self.counts_changed.emit()

    def _store(self, job: JobRecord) -> JobRecord | None:
        """Store the new record of a job. Returns the old one; None for a new job."""
        old = self._jobs.get(job.id)
        self._jobs[job.id] = job
        self._counts[job.state] += 1
        if old is not None:
            self._counts[old.state] -= 1
        else:
            self._newest = max(self._newest, (job.submitted, job.id))
        return old

    def _remove_record(self, job_id: str) -> bool:
        """Remove a job's record. Returns whether there was one."""
        job = self._jobs.pop(job_id, None)
        if job is not None:
            self._counts[job.state] -= 1
        return job is not None

    def _update_rows(self, jobs: Sequence[JobRecord], removed: list[str]) -> None:
        """Add, move or redraw the rows of changed jobs, and remove rows.

        Args:
            jobs: changed jobs. The row of one that does not pass the filter any more is removed.
            removed: ids of the shown jobs that were removed.
        """
        added: list[JobRecord] = []
        moved: list[JobRecord] = []
        changed: list[str] = []
        for job in jobs:
            passes = self._filter.passes(job)
            if job.id not in self._order:
                if passes:
                    added.append(job)
            elif not passes:
                removed.append(job.id)
            elif not self._order.has_moved(job):
                changed.append(job.id)
            elif self._rows_are_held:
                changed.append(job.id)
                self._held_a_row = True
            else:
                moved.append(job)
        if len(added) + len(moved) + len(removed) > MAX_SINGLE_CHANGES:
            self._rearrange()
            return
        for job_id in removed:
            self._remove_rows(job_id)
        self._emit_changed(changed)
        if moved:
            self._move_rows(moved)
        for job in added:
            self._insert_row(job)

    def _emit_changed(self, job_ids: list[str]) -> None:
        """Emit one `dataChanged` for all rows of these jobs, and those between: the view then draws once."""
        if len(job_ids) > MAX_SINGLE_CHANGES:
            self._emit_rows(0, self.rowCount() - 1)
            return
        rows = [row for job_id in job_ids if (row := self.row(job_id)) is not None]
        # A task may show its job's reason, so the rows of a job's tasks are redrawn too.
        rows += [tasks[-1] for job_id in job_ids if (tasks := self.rows_of_tasks(job_id))]
        if rows:
            self._emit_rows(min(rows), max(rows))

    def _emit_rows(self, first: int, last: int, column: int | None = None) -> None:
        """Emit `dataChanged` for rows `first` to `last`. `column`: the only one that changed; None: all."""
        last_column = len(COLUMNS) - 1 if column is None else column
        self.dataChanged.emit(self.index(first, column or 0), self.index(last, last_column))

    def _insert_row(self, job: JobRecord) -> None:
        row = self._expanded.row(self._order.insertion_row(job))
        self.beginInsertRows(_NO_INDEX, row, row)
        self._order.add(job)
        self._expanded.update_rows(self._order)
        self.endInsertRows()

    def _remove_rows(self, job_id: str) -> None:
        row = self.row(job_id)
        if row is None:
            return
        tasks = self._expanded.tasks.get(job_id)
        self.beginRemoveRows(_NO_INDEX, row, row + (tasks.row_count if tasks else 0))
        self._expanded.tasks.pop(job_id, None)
        self._order.remove(job_id)
        self._expanded.update_rows(self._order)
        self.endRemoveRows()

    def _move_rows(self, jobs: list[JobRecord]) -> None:
        """Move the rows of these jobs, with one layout change for all: Qt updates the view once."""
        _with_hint(self.layoutAboutToBeChanged).emit([], _ROWS_MOVE)
        indexes = self.persistentIndexList()
        cells = [(self.job_id(index.row()), self.task(index.row()), index.column()) for index in indexes]
        for job in jobs:
            self._order.remove(job.id)
            self._order.add(job)
        self._expanded.update_rows(self._order)
        self.changePersistentIndexList(indexes, [self._index_of(*cell) for cell in cells])
        _with_hint(self.layoutChanged).emit([], _ROWS_MOVE)

    def _index_of(self, job_id: str, task: int | None, column: int) -> QModelIndex:
        """Return the index of a cell of a job or, if `task` is not None, of that task."""
        row = self.row(job_id)
        if row is None:
            return _NO_INDEX
        return self.index(row if task is None else row + 1 + task, column)

    def set_why_waiting(self, message: str) -> None:
        """Set the reason to show for waiting jobs and tasks that have no reason of their own."""
        if message != self._why_waiting:
            self._why_waiting = message
            if (self._counts[JobState.WAITING] or self._expanded.tasks) and self.rowCount():
                self._emit_rows(0, self.rowCount() - 1, int(Column.REASON))

    # --- Filter and sort ---

    def set_filter(self, job_filter: JobFilter) -> None:
        """Show only the jobs that pass the filter."""
        if job_filter != self._filter:
            self._filter = job_filter
            self._rearrange()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort the rows by `column`. Called by Qt."""
        if 0 <= column < len(COLUMNS):
            wanted = SortBy(Column(column), order == Qt.SortOrder.DescendingOrder)
            if wanted != self._order.sort_by:
                self._rearrange(wanted)

    @property
    def sort_by(self) -> SortBy:
        """The column by which the rows are sorted, and the direction."""
        return self._order.sort_by

    def hold_rows(self, hold: bool) -> None:
        """Set whether jobs keep their rows even if sorting would place them elsewhere after a change.

        A large change, a new filter or another sorting rearranges them nevertheless. After `hold_rows(False)`
        the model is reset in the next iteration of the event loop, if any row was held. Used while many rows
        are selected: rows that move would disturb the artist, and Qt is slow to move rows then, as it saves
        the position of each selected row.
        """
        self._rows_are_held = hold
        if not hold and self._held_a_row:
            self._rearrange_timer.start()

    def _release_held_rows(self) -> None:
        """Move the jobs that kept their rows, unless rows are held again, or were rearranged meanwhile."""
        if self._held_a_row and not self._rows_are_held:
            self._rearrange()

    def _rearrange(self, sort_by: SortBy | None = None) -> None:
        """Filter and sort all jobs anew, and reset the model. If `sort_by` is None, the sorting stays."""
        self.about_to_rearrange.emit()
        self.beginResetModel()
        jobs: Iterable[JobRecord] = self._jobs.values()
        if not self._filter.is_empty:
            jobs = filter(self._filter.passes, jobs)
        self._order = JobOrder(sort_by or self._order.sort_by, jobs)
        self._expanded.update_rows(self._order)  # collapses the jobs that are not shown any more
        self._held_a_row = False
        self.endResetModel()
        self.rearranged.emit()
        self.counts_changed.emit()

    # --- Rows ---

    def record(self, row: int) -> JobRecord | TaskRecord | None:
        """Return the job or task in `row`; None for a task not fetched yet, or a job just removed."""
        job_row, task = self._expanded.locate(row)
        job_id = self._order.id_at(job_row)
        return self._jobs.get(job_id) if task is None else self._expanded.tasks[job_id].task(task)

    def job_id(self, row: int) -> str:
        """Return the id of the job in `row`, or of the job whose task is in it."""
        return self._order.id_at(self._expanded.locate(row)[0])

    def task(self, row: int) -> int | None:
        """Return the index (from 0, within its job) of the task in `row`; None if it is a job's row."""
        return self._expanded.locate(row)[1]

    def is_on_farm(self, row: int) -> bool:
        """Return whether the job in `row`, or the job of the task in it, was submitted to a farm."""
        job = self._jobs.get(self.job_id(row))
        return job is not None and bool(job.farm)

    def row(self, job_id: str) -> int | None:
        """Return the row of a job; None when it is not shown."""
        job_row = self._order.row(job_id)
        return None if job_row is None else self._expanded.row(job_row)

    def job(self, job_id: str) -> JobRecord | None:
        """Return the record of a job, shown or not; None if there is none."""
        return self._jobs.get(job_id)

    def job_ids(self, first: int, last: int) -> list[str]:
        """Return the ids of the jobs whose own row is among `first` to `last`; rows of tasks are ignored."""
        job_row, task = self._expanded.locate(first)
        return self._order.ids(job_row if task is None else job_row + 1, self._expanded.locate(last)[0])

    @property
    def newest(self) -> str:
        """The id of the job submitted last, even if not shown, or removed since the last reset; "": none."""
        return self._newest[1]

    @property
    def total(self) -> int:
        """The number of jobs, shown or not."""
        return len(self._jobs)

    @property
    def shown(self) -> int:
        """The number of shown jobs."""
        return len(self._order)

    def count(self, state: JobState) -> int:
        """Return the number of jobs in `state`, shown or not."""
        return self._counts[state]

    # --- Tasks ---

    def is_expanded(self, job_id: str) -> bool:
        """Return whether the tasks of a job have rows. A job that is not shown is not expanded."""
        return job_id in self._expanded.tasks

    def expand(self, job_id: str) -> None:
        """Add a row per task, up to task_rows.MAX_SHOWN. Ignored if expanded, not shown, or of one task."""
        record, row = self._jobs.get(job_id), self.row(job_id)
        if record is None or row is None or record.tasks < 2 or job_id in self._expanded.tasks:
            return
        tasks = TaskRows(record.tasks)
        self.beginInsertRows(_NO_INDEX, row + 1, row + tasks.row_count)
        self._expanded.tasks[job_id] = tasks
        self._expanded.update_rows(self._order)
        self.endInsertRows()
        self._emit_rows(row, row)

    def collapse(self, job_id: str) -> None:
        """Remove the rows of a job's tasks. Ignored unless it is shown and expanded."""
        row, tasks = self.row(job_id), self._expanded.tasks.get(job_id)
        if row is None or tasks is None:
            return
        self.beginRemoveRows(_NO_INDEX, row + 1, row + tasks.row_count)
        del self._expanded.tasks[job_id]
        self._expanded.update_rows(self._order)
        self.endRemoveRows()
        self._emit_rows(row, row)

    def expanded_jobs(self) -> list[str]:
        """Return the ids of the jobs whose tasks have rows."""
        return list(self._expanded.tasks)

    def rows_of_tasks(self, job_id: str) -> range:
        """Return the rows of a job's tasks; empty when it is not expanded or not shown."""
        row, tasks = self.row(job_id), self._expanded.tasks.get(job_id)
        return range(0) if row is None or tasks is None else range(row + 1, row + 1 + tasks.row_count)

    def request_tasks(self, first_row: int, last_row: int) -> None:
        """Emit `tasks_wanted` for each range of tasks in rows `first_row` to `last_row`, the visible ones."""
        for job_id, tasks in self._expanded.tasks.items():
            row = self.row(job_id)
            if row is None:
                continue
            first, last = max(first_row - row - 1, 0), min(last_row - row - 1, tasks.row_count - 1)
            if first <= last:
                self.tasks_wanted.emit(job_id, first, last - first + 1)

    def set_tasks(self, job_id: str, tasks: Iterable[TaskRecord]) -> None:
        """Show `tasks` of an expanded job; those of a job that was collapsed meanwhile are dropped."""
        rows, row = self._expanded.tasks.get(job_id), self.row(job_id)
        if rows is None or row is None:
            return
        changed = rows.update(tasks)
        if changed is not None:
            self._emit_rows(row + 1 + changed[0], row + 1 + changed[1])

    # --- QAbstractTableModel ---

    def rowCount(self, parent: _Index = _NO_INDEX) -> int:
        """Return the number of rows of jobs and tasks."""
        return 0 if parent.isValid() else len(self._order) + self._expanded.task_rows

    def columnCount(self, parent: _Index = _NO_INDEX) -> int:
        """Return the number of columns, hidden ones included."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        """Return the title, tool tip or alignment of a column."""
        return column_title(section, orientation, role)

    def data(self, index: _Index, role: int = 0) -> Any:
        """Return a cell's text, tool tip or alignment. The view itself draws from `content`."""
        if not index.isValid() or not 0 <= index.row() < self.rowCount():
            return None
        if role == _TOOL_TIP and index.column() in _TIMES:
            return moment_text(self._time(index.row(), index.column())) or None
        if role in (_DISPLAY, _TOOL_TIP, _ACCESSIBLE):
            return self.text(index.row(), index.column(), self.now_s()) or None
        if role == _ALIGNMENT:
            return _RIGHT if COLUMNS[index.column()].right else _LEFT
        return None

    def _time(self, row: int, column: int) -> float | None:
        """Return the time (seconds since the epoch) that is shown in a cell; None for an empty cell."""
        record = self.record(row)
        if isinstance(record, JobRecord):
            return record.submitted if column == Column.SUBMITTED else record.completed
        return record.ended if record is not None and column == Column.COMPLETED else None

    def content(self, row: int) -> tuple[JobRecord | TaskRecord | None, bool, Callable[[int, float], str]]:
        """Return all that is needed to draw a row.

        Returns:
            The record of the job or task (None: not fetched yet, or just removed), whether it is a task's
            row, and a function that returns a cell's text by column and time (seconds since the epoch).
        """
        job_row, task = self._expanded.locate(row)
        job_id = self._order.id_at(job_row)
        record = self._jobs.get(job_id)
        if task is not None:
            tasks = self._expanded.tasks[job_id]
            return tasks.task(task), True, partial(task_text, tasks, task, record, self._why_waiting)
        text = _no_text if record is None else partial(job_text, record, self._why_waiting)
        return record, False, text

    def text(self, row: int, column: int, now_s: float) -> str:
        """Return the text of a cell. `now_s`: the time in seconds since the epoch, for elapsed times."""
        return self.content(row)[2](column, now_s)


def _no_text(_column: int, _now_s: float) -> str:
    return ""


def _with_hint(signal: Any) -> Any:
    """Return the overload of a layout signal that takes a hint: without one, Qt saves each selected cell."""
    return signal["QList<QPersistentModelIndex>", "QAbstractItemModel::LayoutChangeHint"]
