"""Which jobs and tasks are selected in the list, and that they stay so while it is arranged anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelection, QItemSelectionModel, QObject, QTimer, Signal

from ..models.jobs import JobsModel

if TYPE_CHECKING:
    from .jobs_view import JobsView

__all__ = ["JobSelection"]

HOLD_ROWS = 100
"""While more rows than this are selected, they stay where they are."""
MAX_REMEMBERED = 5000
"""A selection of more jobs than this, and not of all, is let go when the list is sorted anew."""
MAX_STRETCHES = 200
"""Likewise one that lies in more places: Qt takes a quarter of a second to select 4,000 single rows."""


class JobSelection(QObject):
    """The selection of `view`, which has its model already, and owns this.

    Signals:
        changed(): other jobs are selected.
    """

    changed = Signal()

    def __init__(self, view: JobsView, jobs: JobsModel) -> None:
        super().__init__(view)
        self._view, self._jobs = view, jobs
        self._remembered: tuple[list[str] | None, str, int | None] = ([], "", None)
        self._tell = QTimer(self)
        self._tell.setSingleShot(True)
        self._tell.setInterval(0)
        self._tell.timeout.connect(self.changed)
        view.selectionModel().selectionChanged.connect(lambda *_: self._on_selection_changed())
        jobs.about_to_rearrange.connect(self.remember)
        jobs.rearranged.connect(self.recall)

    def job_ids(self, at_most: int | None = None) -> list[str]:
        """The selected jobs, from the top; a job whose task is selected counts when it is selected itself."""
        ids: list[str] = []
        for first, last in self._ranges():
            if at_most is not None:
                last = min(last, first + at_most - len(ids) - 1)
            ids += self._jobs.job_ids(first, last)
            if at_most is not None and len(ids) >= at_most:
                break
        return ids

    def job_ids_in_steps(self) -> Iterator[list[str]]:
        """The same, a few hundred at a time, as they are selected at the first step."""
        return self._jobs.job_ids_in_steps(self._ranges())

    def tasks(self) -> dict[str, list[int]]:
        """The selected tasks of each job."""
        tasks: dict[str, list[int]] = {}
        for job_id in self._jobs.open_jobs():
            rows = self._jobs.rows_of_tasks(job_id)
            found = [
                row - rows.start
                for first, last in self._ranges()
                for row in range(max(first, rows.start), min(last + 1, rows.stop))
            ]
            if found:
                tasks[job_id] = found
        return tasks

    def any(self) -> bool:
        """Whether any row is selected."""
        return self._view.selectionModel().hasSelection()

    def has_current(self) -> bool:
        """Whether the row with the focus is selected. A job that goes leaves the focus to its neighbour."""
        return self._view.selectionModel().isSelected(self._view.currentIndex().siblingAtColumn(0))

    def select(self, job_ids: Iterable[str]) -> None:
        """Select these jobs and no others; none when they stand in more than MAX_STRETCHES places."""
        stretches: list[list[int]] = []
        for row in sorted(row for job_id in job_ids if (row := self._jobs.row(job_id)) is not None):
            if stretches and stretches[-1][1] == row - 1:
                stretches[-1][1] = row
            else:
                stretches.append([row, row])
        selection = QItemSelection()
        if len(stretches) <= MAX_STRETCHES:
            for first, last in stretches:
                selection.select(self._jobs.index(first, 0), self._jobs.index(last, 0))
        flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        self._view.selectionModel().select(selection, flags)

    def remember(self) -> None:
        """The list is about to be arranged anew."""
        current, task = self._view.current()
        count = sum(last - first + 1 for first, last in self._ranges())
        if count == self._jobs.rowCount() and count > 1:
            self._remembered = (None, current, task)
        elif count <= MAX_REMEMBERED:
            self._remembered = (self.job_ids(), current, task)
        else:
            self._remembered = ([], current, task)

    def recall(self) -> None:
        """It was: what was selected is selected again, and in sight."""
        selected, current, task = self._remembered
        self._remembered = ([], "", None)
        row = self._jobs.row(current) if current else None
        if row is not None:
            if task is not None and self._jobs.is_open(current):
                row += task + 1
            index = self._jobs.index(row, 0)
            self._view.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
        if selected is None:
            self._view.selectAll()
        elif selected:
            self.select(selected)
            if row is not None:
                self._view.scrollTo(self._jobs.index(row, 0))

    def _ranges(self) -> Iterator[tuple[int, int]]:
        selection = self._view.selectionModel().selection()
        parts = (selection.at(place) for place in range(selection.count()))
        yield from sorted({(part.top(), part.bottom()) for part in parts})

    def _on_selection_changed(self) -> None:
        ranges = self._view.selectionModel().selection().count()
        many = ranges > HOLD_ROWS or sum(b - a + 1 for a, b in self._ranges()) > HOLD_ROWS
        self._jobs.hold_rows(many)
        if self._jobs.is_rebuilding:
            self._tell.start()  # rows that leave change it one by one
        else:
            self.changed.emit()
