"""Shows the log and picture of the selected job in their panels, and sends an event to monitors."""

from __future__ import annotations

import time
from pathlib import PurePath
from typing import Any

from Katana import Utils
from PySide6.QtCore import QObject, QTimer

from ....kq.api import AttemptRecord, JobRecord, TaskRecord
from ... import catalog
from .bridge import QueueBridge
from .job_sources import JobSources
from .models.columns import Column, clock_text
from .models.frame_states import ChosenFrame
from .models.jobs import JobsModel
from .models.pictures import PictureLoader
from .views.jobs_view import JobsView
from .views.log_panel import LogPanel
from .views.picture_panel import NamedPicture, PicturePanel

__all__ = ["JOB_SELECTED_EVENT", "SelectedJob"]

JOB_SELECTED_EVENT = "katana_queue_job_selected"
"""Katana event, sent when another job or task is selected, or one of the event's arguments changes.

Its keyword arguments are `jobId`, `task` (its index; None: the whole job), `name` (with the task's frames),
`picture` (a path), `state` (a value of JobState or TaskState) and `reason` (why it failed).
"""


ATTEMPTS_INTERVAL_MS = 400
"""Minimum time between two requests for the attempts of a job whose tasks end."""
_KATANAS_LINES = 10
"""How many of the last lines of Katana's own render log are shown of a job that has no log yet."""


class SelectedJob(QObject):
    """Keeps `log` and `picture` at the job or task of the current row of `view`. Qt's thread."""

    def __init__(
        self,
        view: JobsView,
        model: JobsModel,
        bridge: QueueBridge,
        sources: JobSources,
        log: LogPanel,
        picture: PicturePanel,
        pictures: PictureLoader,
    ) -> None:
        super().__init__(view)
        self._pictures = pictures
        self._view, self._model, self._bridge, self._sources = view, model, bridge, sources
        self._log, self._picture = log, picture
        self._shown: tuple[str, int | None] = ("", None)
        self._job: JobRecord | None = None
        self._record: JobRecord | TaskRecord | None = None
        self._chosen_log = ""
        self._sent: dict[str, Any] = {}
        """The arguments of the last event; empty when nothing is selected."""
        self._frame: ChosenFrame | None = None
        """The frame to show of a task of several frames; None: the task's latest picture."""
        self._compared: set[str] = set()  # ids of the two jobs whose pictures are compared
        self._attempts_timer = QTimer(self)
        self._attempts_timer.setSingleShot(True)
        self._attempts_timer.setInterval(ATTEMPTS_INTERVAL_MS)
        self._attempts_timer.timeout.connect(self._fetch_attempts_again)
        view.current_changed.connect(self.show_current)
        view.chosen.changed.connect(self._show_pictures)
        pictures.unsaved_changed.connect(self._on_unsaved_changed)
        log.attempt_chosen.connect(self._choose_log)

    def job_changed(self, job: JobRecord) -> None:
        """Update the comparison of two pictures, if `job`, which has changed, is one of the two."""
        if job.id in self._compared:
            self._show_pictures()

    def _on_unsaved_changed(self, job_id: str) -> None:
        if job_id == self._shown[0]:
            self._show_pictures()

    def show_current(self) -> None:
        """Show the log and picture of the current row, if its record has changed."""
        job_id, task = self._view.current()
        job = self._model.job(job_id)
        row = self._view.currentIndex().row()
        record: JobRecord | TaskRecord | None = self._model.record(row) if job is not None else None
        other = (job_id, task) != self._shown
        is_same_frame, self._frame = self._view.chosen_frame() == self._frame, self._view.chosen_frame()
        is_explained = record is None or record.log_file  # else the reason for no log may have changed
        if not other and job is self._job and record is self._record and is_explained:
            if not is_same_frame and job is not None and record is not None:
                self._show_pictures()
                self._send_event(job, task, record)
            return
        self._record = record
        before, self._shown, self._job = self._job, (job_id, task), job
        if other:
            self._chosen_log = ""
            self._log.set_attempts((), "")
        if job is None or record is None:
            self._job = None  # so that all of a task's details are fetched once its record is loaded
            self._log.show_log("", "Select a job to see its log." if job is None else "Loading the task …")
            self._show_pictures()
            if job is None:
                self._sent = {}
            return
        log_file = self._chosen_log or record.log_file
        if log_file:
            self._log.show_log(log_file)
        else:
            reason = self._model.text(row, Column.REASON, 0.0)
            message = f"{job.name} has no log yet{f': {reason}' if reason else ''}."
            katanas = catalog.render_log_of(job.id).strip().splitlines()[-_KATANAS_LINES:]
            self._log.show_log("", "\n".join([message, "", *katanas] if katanas else [message]))
        self._show_pictures()
        if other or before is None:
            self._fetch_attempts(job, task)
        elif _marks(before) != _marks(job) and not self._attempts_timer.isActive():
            self._attempts_timer.start()
        if other or before is None:
            self._fetch_renderer(job)
        self._send_event(job, task, record)

    def _send_event(self, job: JobRecord, task: int | None, record: JobRecord | TaskRecord) -> None:
        """Send JOB_SELECTED_EVENT, unless the last one had the same arguments."""
        event: dict[str, Any] = {
            "jobId": job.id,
            "task": task,
            "name": self._name(job, task),
            "picture": self._path(record),
            "state": record.state.value,
            "reason": record.reason,
        }
        if event != self._sent:
            self._sent = event
            Utils.EventModule.QueueEvent(JOB_SELECTED_EVENT, hash((job.id, task)), **event)

    def _name(self, job: JobRecord, task: int | None) -> str:
        """Return the name of the current row: the job's, with the label of the task in a task's row, or with
        the frame that was clicked."""
        if self._frame is not None:
            return f"{job.name}, frame {self._frame.frame}"
        row = self._view.currentIndex().row()
        return job.name if task is None else f"{job.name}, {self._model.text(row, Column.NAME, 0.0)}"

    def _path(self, record: JobRecord | TaskRecord) -> str:
        """Return the picture of the current row, or of the frame that was clicked."""
        return record.picture if self._frame is None else self._frame.shown_picture(record.picture)

    def _show_pictures(self) -> None:
        """Compare the pictures of two selected jobs, the older at the left; else show the current row's."""
        chosen = [job for job_id in self._view.chosen.job_ids(3) if (job := self._model.job(job_id))]
        if len(chosen) == 2 and all(job.picture for job in chosen):
            self._compared = {job.id for job in chosen}
            before, after = sorted(chosen, key=lambda job: (job.submitted, job.order))
            if PurePath(before.picture) == PurePath(after.picture):
                # Beside itself, the later picture would look as if the two renders were equal.
                self._picture.show_picture(after.picture, f"{before.name} and {after.name}: the same file")
                return
            self._picture.compare(_labelled(before, after), _labelled(after, before))
            return
        self._compared = set()
        job = self._job
        record, task = self._record, self._shown[1]
        if job is None or record is None:
            self._picture.show_picture("", "")
        elif task is None and not job.picture and (unsaved := self._pictures.unsaved(job.id)) is not None:
            self._picture.show_unsaved(unsaved, job.name)
        elif task is None:
            self._picture.show_picture(job.picture, job.name)
        else:
            self._picture.show_picture(self._path(record), self._name(job, task))

    def _choose_log(self, path: str) -> None:
        self._chosen_log = path
        self._record = None
        self.show_current()

    def _fetch_attempts_again(self) -> None:
        job_id, task = self._shown
        job = self._model.job(job_id)
        if job is not None:
            self._fetch_attempts(job, task)

    def _fetch_attempts(self, job: JobRecord, task: int | None) -> None:
        source = self._sources.of(job)
        if source is None or job.attempts < 2:
            return
        shown = self._shown

        def done(attempts: tuple[AttemptRecord, ...]) -> None:
            index = self._view.currentIndex()
            if shown == self._shown and self._job is not None and index.isValid():
                record = self._model.record(index.row())
                self._log.set_attempts(attempts, record.log_file if record is not None else "")

        self._bridge.watch(source.attempts(job.id, task), done)

    def _fetch_renderer(self, job: JobRecord) -> None:
        """Fetch the job's renderer, whose patterns the log panel needs to recognise errors."""
        source = self._sources.of(job)
        if source is None:
            return

        def recognise(renderer: str) -> None:
            if job.id == self._shown[0]:
                self._log.set_renderer(renderer)

        # Without its spec, errors must not be recognised by the patterns of the job that was shown before.
        self._bridge.watch(
            source.spec(job.id), lambda spec: recognise(spec.renderer), lambda _why: recognise("")
        )


def _marks(job: JobRecord) -> tuple[object, ...]:
    """Return the fields of a job that change when an attempt begins or ends."""
    return job.attempts, job.tasks_waiting, job.tasks_running, job.state


def _labelled(job: JobRecord, other: JobRecord) -> NamedPicture:
    """Return the picture of `job` with a label that differs from that of `other`, even for equal names."""
    if job.name != other.name:
        return NamedPicture(job.picture, job.name)
    times = [clock_text(each.submitted, time.time()) for each in (job, other)]
    label = times[0] if times[0] != times[1] else job.id
    return NamedPicture(job.picture, f"{job.name}, {label}")
