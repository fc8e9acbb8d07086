"""Connects the tab to Katana's Catalog: two actions, and progress and pictures that renderers do not print.

`plugins.catalog` finds the Catalog item of a job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence

from ....kq.api import JobRecord, JobState
from ... import catalog
from .models.jobs import JobsModel
from .models.pictures import PictureLoader
from .views.jobs_view import JobsView

__all__ = ["CatalogActions", "CatalogPictures", "with_catalog_progress"]

_ENDED_S = 10.0
"""How long after a job's end, in seconds, the Catalog may still receive its last picture."""


class CatalogActions(QObject):
    """The actions *Show in Monitor* and *Show in Catalog*, for the job of the current row. Qt's thread.

    Signals:
        refused(str): an error message; empty when the last one no longer matters.
    """

    refused = Signal(str)

    def __init__(self, view: JobsView, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._view = view
        self.show_in_monitor = self._action("Show in Monitor", "Ctrl+Shift+M", catalog.show_in_monitor)
        self.show_in_catalog = self._action("Show in Catalog", "Ctrl+Shift+G", catalog.show_in_catalog)
        self.update_enabled()

    @property
    def actions(self) -> list[QAction]:
        """Both actions, in the order of the menu."""
        return [self.show_in_monitor, self.show_in_catalog]

    def update_enabled(self) -> None:
        """Enable the actions if the current job has an item in the Catalog."""
        has_item = catalog.has_item(self._current())
        for action in self.actions:
            action.setEnabled(has_item)

    def _action(self, text: str, keys: str, show: Callable[[str], bool]) -> QAction:
        action = QAction(text, self)
        action.setShortcut(QKeySequence(keys))
        action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        action.setAutoRepeat(False)
        action.triggered.connect(lambda _checked=False: self._show(show))
        self._view.addAction(action)
        return action

    def _show(self, show: Callable[[str], bool]) -> None:
        if show(self._current()):
            self.refused.emit("")
        else:
            self.refused.emit("The job's item is no longer in the Catalog; nothing was shown.")
            self.update_enabled()

    def _current(self) -> str:
        return self._view.current()[0] if self._view.chosen.has_current() else ""


class CatalogPictures:
    """Takes the pictures of renders that name no picture file from the Catalog. Qt's thread."""

    def __init__(self, model: JobsModel, pictures: PictureLoader) -> None:
        self._model, self._pictures = model, pictures
        self._final: set[str] = set()
        """The ids of jobs that ended more than _ENDED_S ago: their pictures do not change any more."""

    def update(self) -> None:
        """Fetch the pictures of running and just ended jobs that name no picture file. Call it regularly."""
        for job_id in catalog.rendered_jobs():
            job = self._model.job(job_id)
            if job is None:
                self._pictures.put_unsaved(job_id, None)
            elif job.completed is None:
                self._final.discard(job_id)
            elif job_id in self._final:
                continue
            elif self._model.now_s() - job.completed > _ENDED_S:
                self._final.add(job_id)
            if job is not None and not job.picture and job.started is not None:
                self._pictures.put_unsaved(job_id, catalog.thumbnail_of(job_id))


def with_catalog_progress(jobs: Iterable[JobRecord]) -> tuple[JobRecord, ...]:
    """Return `jobs`; running ones without printed progress get the progress that the Catalog shows.

    For a live render the Catalog has the progress of its present picture, which is none of the job.
    """
    return tuple(_with_progress(job) for job in jobs) if catalog.knows_renders() else tuple(jobs)


def _with_progress(job: JobRecord) -> JobRecord:
    if job.state != JobState.RUNNING or job.progress is not None or job.is_live:
        return job
    progress = catalog.progress_of(job.id)
    if progress is None:
        return job
    values = {name: getattr(job, name) for name in JobRecord.__struct_fields__}
    return JobRecord(**{**values, "progress": progress})
