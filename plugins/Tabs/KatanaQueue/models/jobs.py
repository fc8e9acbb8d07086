"""The jobs list as a Qt model: takes in what the queue tells, in short turns; keeps every row in its place.

What rows are and say is in `job_table.py`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, Qt, QTimer, Signal, SignalInstance

from .....kq.api import JobRecord, JobState, QueueChange
from ....gil_yield import gil_yield
from .columns import COLUMNS, Column
from .job_order import Arrangement, Entry, JobFilter, SortBy, taken_apart
from .job_store import JobStore
from .job_table import JobTable

__all__ = ["JobsModel"]

BUDGET_S = 0.002
"""How long one turn of work may keep Qt's thread; a frame also holds the drawing."""
APART_MS = 1
"""Between two turns of work: what else waits for Qt's thread comes in between."""
AT_ONCE = 2000
"""Up to so many jobs a rebuild is done on the spot: it takes less than a frame."""
LOOK_AT_CLOCK = 16
"""After so many jobs."""
BATCH = 32
"""So many rows are put in place together."""
MAX_UNSETTLED = 4000
"""Above so many rows to put in place one by one, the list is arranged anew instead."""

_NO_INDEX = QModelIndex()
_ROWS_MOVE = QAbstractItemModel.LayoutChangeHint.VerticalSortHint


class JobsModel(JobTable):
    """All methods on Qt's thread.

    What the queue tells is taken in at once when it is little, else in turns of BUDGET_S.

    Signals:
        about_to_rearrange(): all rows will change place; remember what is selected, by id.
        rearranged(): it is done; select again.
        merged(list): what was taken in, as pairs of a job now and before (None: it is new).
        counts_changed(): how many jobs are in which state, or are shown, changed.
    """

    about_to_rearrange = Signal()
    rearranged = Signal()
    merged = Signal(object)
    counts_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._filter = JobFilter()
        self._wanted_sort = self._order.sort_by
        self._arrangement: Arrangement | None = None
        self._rebuild: Iterator[None] = iter(())
        self._arrivals: deque[Iterator[JobRecord] | Iterator[str]] = deque()
        self._unsettled: dict[str, None] = {}  # jobs whose rows do not stand where they belong
        self._held: dict[str, None] = {}  # likewise, and are to stand there for now
        self._holds = False
        self._leavings: Iterator[None] = iter(())  # of what was replaced
        self._is_drawn = self._is_put_off = False
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(APART_MS)
        self._timer.timeout.connect(self._on_turn)

    # --- what the queue tells ----------------------------------------------------------------------------

    def apply(self, change: QueueChange) -> None:
        """Take in what the queue tells."""
        if change.reset:
            self._arrivals.clear()
            self._start_rebuild(change.jobs)
            return
        is_idle = not self.is_rebuilding
        if change.jobs:
            self._arrivals.append(iter(change.jobs))
        if change.removed_jobs:
            self._arrivals.append(iter(change.removed_jobs))
        if is_idle and self._arrivals:
            self._work()

    def set_why_waiting(self, message: str) -> None:
        """What holds up a job, or a task, that waits for nothing of its own."""
        if message != self._why_waiting:
            self._why_waiting = message
            if (self._store.counts[JobState.WAITING] or self._open) and self.rowCount():
                column = int(Column.REASON)
                self.dataChanged.emit(self.index(0, column), self.index(self.rowCount() - 1, column))

    def hold_rows(self, hold: bool) -> None:
        """Whether rows stay where they are though their jobs belong elsewhere, because many are selected.

        Qt remembers each selected row whenever one moves, and nobody wants rows to leave while they choose.
        """
        self._holds = hold
        if not hold and self._held:
            self._unsettled.update(self._held)
            self._held.clear()
            self._timer.start()

    def put_off(self) -> None:
        """The list was drawn, which takes a good part of a frame: the next turn of work waits for another."""
        self._is_drawn = True

    def _on_turn(self) -> None:
        # It may have been drawn in this very turn of Qt's loop. Twice in a row nothing is put off.
        self._is_put_off = self._is_drawn and not self._is_put_off
        self._is_drawn = False
        if not self._is_put_off:
            with gil_yield:
                self._work()

    def _work(self, budget_s: float = BUDGET_S) -> None:
        """One turn of whatever is left to do."""
        began_s = time.perf_counter()
        end_s = began_s + budget_s
        if self._arrangement is None:
            self._merge(end_s - budget_s / 2)  # those who are told of it take as long again
            # Of many the list is arranged anew, once all have come.
            if not self._arrivals and time.perf_counter() < end_s:
                self._settle(end_s)
        else:
            # Rows stand still until it is done; what is already known is shown as it is now.
            for _ in self._rebuild:
                if time.perf_counter() > end_s:
                    break
            else:
                # All rows are drawn anew after it: not in one turn with much else.
                if budget_s > BUDGET_S or time.perf_counter() - began_s < BUDGET_S / 4:
                    self._finish_rebuild(self._arrangement)
        if self.is_rebuilding or next(self._leavings, self) is not self:
            if not self._timer.isActive():
                self._timer.start()
        else:
            self._timer.stop()

    def _merge(self, end_s: float) -> None:
        """Take in what has arrived."""
        if not self._arrivals:
            return
        news: list[tuple[JobRecord, JobRecord | None]] = []
        changed: list[str] = []
        store, order, passes, unsettled = self._store, self._order, self._filter.passes, self._unsettled
        for done, item in enumerate(self._arrived(), 1):
            if isinstance(item, str):
                if store.drop(item) and item in order:
                    unsettled[item] = None
            else:
                job_id = item.id
                news.append((item, store.take(item)))
                if job_id not in order:
                    if passes(item):
                        unsettled[job_id] = None
                elif not passes(item) or order.has_moved(item):
                    unsettled[job_id] = None
                else:
                    changed.append(job_id)
            if not done % LOOK_AT_CLOCK and time.perf_counter() > end_s:
                break
        self._tell_changed(changed)
        self.merged.emit(news)
        self.counts_changed.emit()

    def _arrived(self) -> Iterator[JobRecord | str]:
        while self._arrivals:
            yield from self._arrivals[0]
            self._arrivals.popleft()

    def _tell_changed(self, job_ids: list[str]) -> None:
        if self._open:
            for tasks in map(self.rows_of_tasks, job_ids):
                if tasks:  # what a task waits for may be its job's
                    self._tell_rows(tasks.start, tasks.stop - 1)
        job_rows = [self._order.row(job_id) for job_id in job_ids]
        rows = [self._open.row(row) for row in job_rows if row is not None]
        if rows:
            self.changed_rows = rows
            self._tell_rows(min(rows), max(rows))
            self.changed_rows = None

    def _tell_rows(self, first: int, last: int) -> None:
        self.dataChanged.emit(self.index(first, 0), self.index(last, len(COLUMNS) - 1))

    # --- every row in its place --------------------------------------------------------------------------

    def _settle(self, end_s: float) -> None:
        """Put rows where they belong, as many as there is time for, and some in any case."""
        if len(self._unsettled) > MAX_UNSETTLED:
            self._start_rebuild(self._store)
            return
        while self._unsettled:
            batch = list(islice(self._unsettled, BATCH))
            for job_id in batch:
                del self._unsettled[job_id]
            self._place(batch)
            if time.perf_counter() > end_s:
                break

    def _place(self, job_ids: list[str]) -> None:
        added: list[Entry] = []
        moved: list[JobRecord] = []
        changed: list[str] = []
        for job_id in job_ids:
            job = self._store.records.get(job_id)
            is_wanted = job is not None and self._filter.passes(job)
            if job_id not in self._order:
                if job is not None and is_wanted:
                    added.append(self._order.sort_by.entry(job))
            elif job is None or not is_wanted:
                self._take_out(job_id)
            elif self._holds:
                self._held[job_id] = None
                changed.append(job_id)
            elif self._order.has_moved(job):
                moved.append(job)
            else:
                changed.append(job_id)
        self._tell_changed(changed)
        if moved:
            self._move(moved)
        if added:
            self._add(added)
        self.counts_changed.emit()

    def _add(self, added: list[Entry]) -> None:
        """Groups what belongs into one gap: Qt hears of many new jobs once."""
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

    def _move(self, jobs: list[JobRecord]) -> None:
        """All in one: Qt and the view redo what depends on the rows once, not for each job."""
        _with_hint(self.layoutAboutToBeChanged).emit([], _ROWS_MOVE)
        kept = self.persistentIndexList()
        places = [(self.job_id(index.row()), self.task(index.row()), index.column()) for index in kept]
        for job in jobs:
            self._order.move(self._order.sort_by.entry(job))
        self._open.place(self._order)
        self.changePersistentIndexList(kept, [self._index_of(*place) for place in places])
        _with_hint(self.layoutChanged).emit([], _ROWS_MOVE)

    def _index_of(self, job_id: str, task: int | None, column: int) -> QModelIndex:
        row = self.row(job_id)
        if row is None:
            return _NO_INDEX
        return self.index(row if task is None else row + 1 + task, column)

    # --- filter, sort, rebuild ---------------------------------------------------------------------------

    def set_filter(self, shown: JobFilter) -> None:
        """Show what passes `shown`; the rows follow at once, or in steps when there are many."""
        if shown != self._filter:
            self._filter = shown
            self._start_rebuild(self._store)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Order the rows; at once, or in steps when there are many."""
        if 0 <= column < len(COLUMNS):
            wanted = SortBy(Column(column), order == Qt.SortOrder.DescendingOrder)
            if wanted != self._wanted_sort:
                self._wanted_sort = wanted
                self._start_rebuild(self._store)

    @property
    def sort_by(self) -> SortBy:
        """The order that was asked for last."""
        return self._wanted_sort

    @property
    def is_rebuilding(self) -> bool:
        """Whether rows still follow a new filter, order or reset, or what the queue told."""
        return self._arrangement is not None or bool(self._arrivals or self._unsettled)

    def _start_rebuild(self, jobs: JobStore | tuple[JobRecord, ...]) -> None:
        if jobs is self._store and self._arrangement is not None:
            jobs = self._arrangement.jobs  # a reset may be under way: arrange that
        self._arrangement = Arrangement(jobs, self._filter, self._wanted_sort)
        self._rebuild = self._arrangement.steps()
        if (len(jobs.records) if isinstance(jobs, JobStore) else len(jobs)) <= AT_ONCE:
            self._work(budget_s=float("inf"))
        else:
            self._timer.start()

    def _finish_rebuild(self, made: Arrangement) -> None:
        self._arrangement = None
        self.about_to_rearrange.emit()
        self.beginResetModel()
        old_store = self._store if made.store is not self._store else None
        self._leavings = chain(self._leavings, taken_apart(self._order, old_store))
        self._store, self._order = made.store, made.order
        self._unsettled.clear()
        self._held.clear()
        self._open.place(self._order)
        self.endResetModel()
        self.rearranged.emit()
        self.counts_changed.emit()


def _with_hint(signal: SignalInstance) -> SignalInstance:
    """The overload that says how rows move. Without it Qt remembers a selection cell by cell."""
    overloads: Any = signal  # it can be indexed, which PySide's types do not say
    chosen: SignalInstance = overloads["QList<QPersistentModelIndex>", "QAbstractItemModel::LayoutChangeHint"]
    return chosen
