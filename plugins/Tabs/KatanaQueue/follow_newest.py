"""Selects the job that was submitted last, unless the artist has selected an older one."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication

from .models.jobs import JobsModel
from .views.jobs_view import JobsView

__all__ = ["NewestJob"]

_AGAIN_MS = 100
"""When to try again while a menu is open, in milliseconds."""


class NewestJob(QObject):
    """Keeps the newest job of `model` selected in `view`. Qt's thread."""

    def __init__(self, view: JobsView, model: JobsModel) -> None:
        super().__init__(view)
        self._view, self._model = view, model
        self._follows = True
        self._seen = ""
        self._soon = QTimer(self)  # selects in a later turn of the event loop, when the list is filled
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._select)
        view.row_chosen.connect(self._on_row_chosen)
        model.rearranged.connect(self._soon.start)
        model.counts_changed.connect(self._on_counts_changed)

    def _on_counts_changed(self) -> None:
        if self._model.newest != self._seen:
            self._soon.start()

    def _on_row_chosen(self) -> None:
        job = self._model.job(self._view.current()[0])
        self._follows = job is None or job.id == self._model.newest

    def _select(self) -> None:
        has_menu = QApplication.activePopupWidget() is not None
        self._soon.setInterval(_AGAIN_MS if has_menu else 0)
        if has_menu:  # what is chosen in it is done to the selection that it was opened on
            self._soon.start()
            return
        job = self._model.job(self._model.newest)
        if job is None or self._model.row(job.id) is None:
            return  # not shown, or not yet
        self._seen = job.id
        # The row may be current without being selected: Qt makes it current when the list gets the focus.
        is_shown = job.id == self._view.current()[0] and self._view.chosen.any()
        # Jobs from the history were not submitted in this session.
        if self._follows and not job.from_history and not is_shown:
            self._view.show_job(job.id)
