"""The selection of jobs and tasks in the list, which is kept when the model is reset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from PySide6.QtCore import QItemSelection, QItemSelectionModel, QObject, Signal
from PySide6.QtWidgets import QAbstractItemView

from ..models.jobs import JobsModel

__all__ = ["JobSelection"]

HOLD_ROWS = 100
"""While more rows than this are selected, rows do not move (`JobsModel.hold_rows`)."""
MAX_STRETCHES = 200
"""A selection of more separate ranges than this is dropped: Qt takes 0.25 s to select 4,000 single rows."""


class JobSelection(QObject):
    """The selection of `view`, which must have its model already, and owns this object. Qt's thread.

    Signals:
        changed(): other jobs or tasks are selected.
    """

    changed = Signal()

    def __init__(self, view: QAbstractItemView, jobs: JobsModel) -> None:
        super().__init__(view)
        self._view, self._jobs = view, jobs
        self._remembered: tuple[list[str], dict[str, list[int]], str, int | None] = ([], {}, "", None)
        view.selectionModel().selectionChanged.connect(lambda *_: self._on_selection_changed())
        jobs.about_to_rearrange.connect(self.remember)
        jobs.rearranged.connect(self.recall)

    def job_ids(self, at_most: int | None = None) -> list[str]:
        """Return the ids of the first `at_most` selected jobs (None: of all), from the top.

        A job of which only tasks are selected is left out.
        """
        ids: list[str] = []
        for first, last in self._ranges():
            if at_most is not None:
                last = min(last, first + at_most - len(ids) - 1)
            ids += self._jobs.job_ids(first, last)
            if at_most is not None and len(ids) >= at_most:
                break
        return ids

    def tasks(self) -> dict[str, list[int]]:
        """Return the indexes of the selected tasks, by job id."""
        tasks: dict[str, list[int]] = {}
        for job_id in self._jobs.expanded_jobs():
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

    def current(self) -> tuple[str, int | None]:
        """Return the current row's job id and task index; the id is empty without a current row, and the
        index None in a job's own row."""
        row = self._view.currentIndex().row()
        if not 0 <= row < self._jobs.rowCount():
            return "", None
        return self._jobs.job_id(row), self._jobs.task(row)

    def has_current(self) -> bool:
        """Whether the current row is selected: it is not after its job was removed and Qt chose another."""
        return self._view.selectionModel().isSelected(self._view.currentIndex().siblingAtColumn(0))

    def select(self, job_ids: Iterable[str], tasks: Mapping[str, Iterable[int]] | None = None) -> None:
        """Select only these jobs, and these tasks of expanded jobs, by job id; none if they form more than
        MAX_STRETCHES separate ranges."""
        rows = [row for job_id in job_ids if (row := self._jobs.row(job_id)) is not None]
        for job_id, indexes in (tasks or {}).items():
            of_tasks = self._jobs.rows_of_tasks(job_id)
            rows += [of_tasks[index] for index in indexes if index < len(of_tasks)]
        stretches: list[list[int]] = []
        for row in sorted(rows):
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
        """Save the selection before the model is reset."""
        self._remembered = (self.job_ids(), self.tasks(), *self.current())

    def recall(self) -> None:
        """Restore the saved selection after the model was reset, as far as its jobs are still shown."""
        selected, tasks, current, task = self._remembered
        self._remembered = ([], {}, "", None)
        row = self._jobs.row(current) if current else None
        if row is not None:
            if task is not None and self._jobs.is_expanded(current):
                row += task + 1
            index = self._jobs.index(row, 0)
            self._view.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
        if selected or tasks:
            self.select(selected, tasks)
            if row is not None:
                self._view.scrollTo(self._jobs.index(row, 0))

    def _ranges(self) -> Iterator[tuple[int, int]]:
        selection = self._view.selectionModel().selection()
        parts = (selection.at(place) for place in range(selection.count()))
        yield from sorted({(part.top(), part.bottom()) for part in parts})

    def _on_selection_changed(self) -> None:
        self._jobs.hold_rows(sum(last - first + 1 for first, last in self._ranges()) > HOLD_ROWS)
        self.changed.emit()
