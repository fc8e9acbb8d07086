"""The jobs list as a Qt model: adapts kq's records, with the tasks of opened jobs as rows beneath them.

A table, not a tree: laying out a tree, Qt asks for every one of 100,000 rows; of a table for those it paints.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    QTimer,
    Signal,
)

from kq.api import JobRecord, JobState, QueueChange, TaskRecord

from .columns import COLUMNS, Column
from .job_order import Arrangement, Entry, JobFilter, JobOrder, SortBy, taken_apart
from .open_jobs import OpenJobs
from .task_rows import TaskRows, task_text

__all__ = ["RECORD_ROLE", "JobsModel"]

RECORD_ROLE = int(Qt.ItemDataRole.UserRole)
"""The JobRecord, TaskRecord or None (a task not known yet) of a row."""

BUDGET_S = 0.004
"""How long one step of a rebuild may keep Qt's thread."""
AT_ONCE = 2000
"""Up to so many jobs a rebuild is done on the spot: it takes less than a frame."""
AT_LEAST = 20
"""So many rows are put in place in each step, however slow the machine."""
MAX_MISPLACED = 4000
"""Above so many rows to move or take out one by one, the list is arranged anew instead."""

_Index = QModelIndex | QPersistentModelIndex
_NO_INDEX = QModelIndex()
# Enum members are slow to look up, and data() is called often.
_DISPLAY = int(Qt.ItemDataRole.DisplayRole)
_TOOL_TIP = int(Qt.ItemDataRole.ToolTipRole)
_ALIGNMENT = int(Qt.ItemDataRole.TextAlignmentRole)
_ACCESSIBLE = int(Qt.ItemDataRole.AccessibleTextRole)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)


class JobsModel(QAbstractTableModel):
    """All methods on Qt's thread.

    Signals:
        about_to_rearrange(): all rows will change place; remember what is selected, by id.
        rearranged(): it is done; select again.
        counts_changed(): how many jobs are in which state, or are shown, changed.
        tasks_wanted(str, int, int): the tasks of a job, from a first one, so many, are looked at.
    """

    about_to_rearrange = Signal()
    rearranged = Signal()
    counts_changed = Signal()
    tasks_wanted = Signal(str, int, int)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._records: dict[str, JobRecord] = {}
        self._counts: dict[JobState, int] = dict.fromkeys(JobState, 0)
        self._newest = (0.0, "")
        self._filter = JobFilter()
        self._order = JobOrder()
        self._open = OpenJobs()
        self._wanted_sort = self._order.sort_by
        self._rebuild: Iterator[None] | None = None
        self._rebuilt_from: dict[str, JobRecord] | tuple[JobRecord, ...] = self._records
        self._arrangement = Arrangement((), self._filter, self._wanted_sort)
        self._leavings: Iterator[None] = iter(())  # of an order that was replaced
        self._misplaced: dict[str, None] = {}  # jobs whose rows do not stand where they belong
        self._late: dict[str, JobRecord | None] = {}  # what came during a rebuild; None: removed
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(lambda: self._step())

    # --- what the queue tells ----------------------------------------------------------------------------

    def apply(self, change: QueueChange) -> None:
        """Take in what the queue tells."""
        if change.reset:
            self._start_rebuild(change.jobs)
            return
        if self._rebuild is not None:
            # Rows stand still until the rebuild is done; what is already known is shown as it is now.
            self._late.update((job.id, job) for job in change.jobs)
            self._late.update(dict.fromkeys(change.removed_jobs))
            return
        self._merge(change.jobs, change.removed_jobs)

    def _merge(self, jobs: Iterable[JobRecord], removed: Iterable[str]) -> None:
        changed: list[str] = []
        added: list[Entry] = []
        order, records, counts, shown = self._order, self._records, self._counts, self._filter
        for job in jobs:
            old = records.get(job.id)
            records[job.id] = job
            counts[job.state] += 1
            self._newest = max(self._newest, (job.submitted, job.id))
            if old is not None:
                counts[old.state] -= 1
            if job.id not in order:
                if shown.passes(job):
                    added.append(order.sort_by.entry(job))
            elif not shown.passes(job) or order.has_moved(job):
                self._misplaced[job.id] = None
            else:
                changed.append(job.id)
        gone = [job_id for job_id in removed if job_id in records]
        for job_id in gone:
            counts[records.pop(job_id).state] -= 1
            if job_id in order:
                self._misplaced[job_id] = None
        self._add(added)
        self._tell_changed(changed)
        self._settle()
        self.counts_changed.emit()

    def _settle(self) -> None:
        """Put rows where they belong now, as many as a frame allows; the others follow in the next."""
        if len(self._misplaced) > MAX_MISPLACED:
            self._start_rebuild(self._records)
            return
        end_s = time.perf_counter() + BUDGET_S
        done = 0
        while self._misplaced and (done < AT_LEAST or time.perf_counter() < end_s):
            job_id = next(iter(self._misplaced))
            del self._misplaced[job_id]
            done += 1
            job = self._records.get(job_id)
            if job_id not in self._order:
                continue
            if job is None or not self._filter.passes(job):
                self._take_out(job_id)
            elif self._order.has_moved(job):
                self._move(job)
            else:
                self._tell_changed([job_id])
        if self._misplaced:
            self._timer.start()

    def _add(self, added: list[Entry]) -> None:
        """Groups what belongs into one gap: Qt hears of a thousand new jobs once."""
        added.sort()
        start = 0
        while start < len(added):
            gap = self._order.gap(added[start])
            end = start + 1
            while end < len(added) and self._order.gap(added[end]) == gap:
                end += 1
            group = added[start:end]
            first = self._open.row(gap)
            self.beginInsertRows(_NO_INDEX, first, first + len(group) - 1)
            self._order.insert(group)
            self._open.place(self._order)
            self.endInsertRows()
            start = end

    def _take_out(self, job_id: str) -> None:
        job_row = self._order.row(job_id)
        if job_row is None:
            return
        first = self._open.row(job_row)
        tasks = self._open.tasks.pop(job_id, None)
        self.beginRemoveRows(_NO_INDEX, first, first + (tasks.shown if tasks else 0))
        self._order.remove(job_id)
        self._open.place(self._order)
        self.endRemoveRows()

    def _move(self, job: JobRecord) -> None:
        old_row = self._order.row(job.id)
        if old_row is None:
            return
        entry = self._order.sort_by.entry(job)
        new_row = self._order.gap(entry)
        source, target = self._open.row(old_row), self._open.row(new_row)
        # A gap just before or after the row itself is no move.
        moves = new_row not in (old_row, old_row + 1)
        tasks = self._open.tasks.get(job.id)
        if moves:
            self.beginMoveRows(_NO_INDEX, source, source + (tasks.shown if tasks else 0), _NO_INDEX, target)
        self._order.remove(job.id)
        self._order.insert([entry])
        self._open.place(self._order)
        if moves:
            self.endMoveRows()
        self._tell_changed([job.id])

    def _tell_changed(self, job_ids: list[str]) -> None:
        if len(job_ids) > AT_ONCE:
            if self.rowCount():
                last_index = self.index(self.rowCount() - 1, len(COLUMNS) - 1)
                self.dataChanged.emit(self.index(0, 0), last_index)
            return
        last = len(COLUMNS) - 1
        for job_id in job_ids:
            job_row = self._order.row(job_id)
            if job_row is not None:
                row = self._open.row(job_row)
                self.dataChanged.emit(self.index(row, 0), self.index(row, last))

    # --- filter, sort, rebuild ---------------------------------------------------------------------------

    def set_filter(self, shown: JobFilter) -> None:
        """Show what passes `shown`; the rows follow at once, or in steps when there are many."""
        if shown != self._filter:
            self._filter = shown
            self._start_rebuild(self._records)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Order the rows; at once, or in steps when there are many."""
        if 0 <= column < len(COLUMNS):
            wanted = SortBy(Column(column), order == Qt.SortOrder.DescendingOrder)
            if wanted != self._wanted_sort:
                self._wanted_sort = wanted
                self._start_rebuild(self._records)

    @property
    def sort_by(self) -> SortBy:
        """The order that was asked for last."""
        return self._wanted_sort

    @property
    def is_rebuilding(self) -> bool:
        """Whether rows still follow a new filter, order or reset, or many changes."""
        return self._rebuild is not None or bool(self._misplaced)

    def _start_rebuild(self, jobs: dict[str, JobRecord] | tuple[JobRecord, ...]) -> None:
        if jobs is not self._records:
            self._late.clear()
        elif self._rebuild is not None and self._rebuilt_from is not self._records:
            jobs = self._rebuilt_from  # a reset is under way: arrange that
        self._rebuilt_from = jobs
        self._arrangement = Arrangement(jobs, self._filter, self._wanted_sort)
        self._rebuild = self._arrangement.steps()
        if len(jobs) <= AT_ONCE:
            self._step(budget_s=float("inf"))
        else:
            self._timer.start()

    def _step(self, budget_s: float = BUDGET_S) -> None:
        if self._rebuild is None:
            if next(self._leavings, self) is self:
                self._timer.stop()
            self._settle()
            return
        end_s = time.perf_counter() + budget_s
        for _ in self._rebuild:
            if time.perf_counter() > end_s:
                return
        self._finish_rebuild(self._arrangement)

    def _finish_rebuild(self, made: Arrangement) -> None:
        self._timer.stop()
        self._rebuild = None
        self.about_to_rearrange.emit()
        self.beginResetModel()
        if len(self._order) > AT_ONCE:
            self._leavings = taken_apart(self._order)
            self._timer.start()
        self._records, self._counts, self._order = made.records, made.counts, made.order
        self._newest = made.newest
        self._misplaced.clear()
        self._arrangement = Arrangement((), self._filter, made.sort_by)
        self._rebuilt_from = self._records
        self._open.place(self._order)
        self.endResetModel()
        self.rearranged.emit()
        late, self._late = self._late, {}
        self._merge(
            [job for job in late.values() if job is not None],
            [job_id for job_id, job in late.items() if job is None],
        )
        self.counts_changed.emit()

    # --- rows --------------------------------------------------------------------------------------------

    def record(self, row: int) -> JobRecord | TaskRecord | None:
        """What `row` shows; None for a task that is not known yet."""
        job_row, task = self._open.locate(row)
        job_id = self._order.id_at(job_row)
        return self._records.get(job_id) if task is None else self._open.tasks[job_id].task(task)

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
        return self._records.get(job_id)

    def job_ids(self, first: int, last: int) -> list[str]:
        """The jobs in rows `first` to `last`; those of tasks among them are not named."""
        if not self._open:
            return self._order.ids(first, last)
        return [self.job_id(row) for row in range(first, last + 1) if self.task(row) is None]

    @property
    def newest(self) -> str:
        """The job that was submitted last, shown or not; empty before any."""
        return self._newest[1]

    @property
    def total(self) -> int:
        """How many jobs there are, shown or not."""
        return len(self._records)

    @property
    def shown(self) -> int:
        """How many jobs are shown."""
        return len(self._order)

    def count(self, state: JobState) -> int:
        """How many jobs are in `state`."""
        return self._counts[state]

    # --- tasks -------------------------------------------------------------------------------------------

    def is_open(self, job_id: str) -> bool:
        """Whether the tasks of a job have rows."""
        return job_id in self._open.tasks

    def expand(self, job_id: str) -> None:
        """Give the tasks of a job rows beneath it."""
        record, row = self._records.get(job_id), self.row(job_id)
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
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(COLUMNS):
            return None
        if role in (_DISPLAY, _ACCESSIBLE):
            return COLUMNS[section].title
        if role == _TOOL_TIP:
            return COLUMNS[section].hint or None
        if role == _ALIGNMENT:
            return _RIGHT if COLUMNS[section].right else _LEFT
        return None

    def data(self, index: _Index, role: int = 0) -> Any:
        """Texts; the delegate draws from `record` and needs none of the other roles."""
        if not index.isValid() or not 0 <= index.row() < self.rowCount():
            return None
        if role in (_DISPLAY, _TOOL_TIP, _ACCESSIBLE):
            return self.text(index.row(), index.column(), time.time()) or None
        if role == RECORD_ROLE:
            return self.record(index.row())
        if role == _ALIGNMENT:
            return _RIGHT if COLUMNS[index.column()].right else _LEFT
        return None

    def text(self, row: int, column: int, now_s: float) -> str:
        """What a cell says."""
        job_row, task = self._open.locate(row)
        job_id = self._order.id_at(job_row)
        if task is not None:
            return task_text(self._open.tasks[job_id], task, Column(column), now_s)
        record = self._records.get(job_id)
        return "" if record is None else COLUMNS[column].text(record, now_s)
