"""*Start Missing*: runs the tasks of a job again that failed, were stopped, or whose files are missing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QObject, Signal

from ....kq.api import JobRecord, JobSpec, KqError, QueueClient
from .bridge import QueueBridge
from .job_sources import JobSources
from .models.jobs import JobsModel
from .models.missing_frames import MissingFrames

__all__ = ["MissingTasks"]


class MissingTasks(QObject):
    """Finds and starts missing tasks. Called on Qt's thread; files are checked on a worker thread.

    Signals:
        noticed(str): a message about what was done.
        refused(str): why nothing was done.
    """

    noticed = Signal(str)
    refused = Signal(str)

    def __init__(self, model: JobsModel, bridge: QueueBridge, sources: JobSources, parent: QObject) -> None:
        super().__init__(parent)
        self._model, self._bridge, self._sources = model, bridge, sources
        self.frames = MissingFrames(self)
        self.frames.found.connect(self._on_found)

    @property
    def _client(self) -> QueueClient | None:
        return self._sources.client if self._sources.is_live else None

    def start(self, jobs: Sequence[JobRecord]) -> None:
        """Start the missing tasks of `jobs`: finished jobs of the queue, not of a farm. Returns at once."""
        if self._client is None:
            return
        for job in jobs:
            self._bridge.watch(self._client.spec(job.id), partial(self._ask_states, job.id), self._refuse)

    def _ask_states(self, job_id: str, spec: JobSpec) -> None:
        if self._client is not None:
            states = self._client.task_states(job_id)
            self._bridge.watch(states, partial(self.frames.find, job_id, spec), self._refuse)

    def _on_found(self, job_id: str, tasks: list[int], names_pictures: bool) -> None:
        job = self._model.job(job_id)
        if job is None or self._client is None:
            return
        if not tasks and not job.state.is_terminal:
            self._refuse(f"{job.name} has been started again already; nothing was done.")
            return
        if not tasks and not names_pictures:
            self.noticed.emit(f"{job.name}: all tasks are completed; it names none of its picture files.")
            return
        if not tasks:
            self.noticed.emit(f"{job.name} is complete: no frame is missing.")
            return
        count = "1 task" if len(tasks) == 1 else f"{len(tasks):,} tasks"
        done = f"Started {count} of {job.name} again."
        try:
            started = self._client.start_tasks(job_id, tasks)
        except KqError as error:
            self._refuse(str(error))
            return
        self._bridge.watch(started, lambda _result: self.noticed.emit(done), self._refuse)

    def _refuse(self, message: str) -> None:
        self.refused.emit(f"Start Missing: {message}")
