"""Finds the tasks of a job to render again: those not completed, and those whose pictures are missing."""

from __future__ import annotations

from collections import deque

from PySide6.QtCore import QObject, Signal

from .....kq.api import JobSpec, tasks_to_render
from ....qt_dispatch import post
from .file_thread import FileThread

__all__ = ["MissingFrames"]


class MissingFrames(FileThread):
    """Checks for files on a worker thread, because they may be on a slow share.

    Signals:
        found(str, list, bool): a job's id, the indexes of its tasks to render again, and whether it names
            pictures: else those of completed tasks were not checked.
    """

    found = Signal(str, object, bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__("kq-missing-frames", parent)
        self._asked: deque[tuple[str, JobSpec, bytes]] = deque()

    def find(self, job_id: str, spec: JobSpec, states: bytes) -> None:
        """Check the files of a job; `found` is emitted with the result. Qt's thread; returns at once.

        Args:
            job_id: the job.
            spec: what was submitted.
            states: one byte for each task, the index of its state in TaskState.
        """
        with self._condition:
            self._asked.append((job_id, spec, states))
            self._condition.notify()
        self._start()

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._asked and not self._ending.is_set():
                    self._condition.wait()
                if self._ending.is_set():
                    return
                job_id, spec, states = self._asked.popleft()
            post(self._on_found, job_id, tasks_to_render(spec, states), bool(spec.picture))

    def _on_found(self, job_id: str, tasks: list[int], names_pictures: bool) -> None:
        self.found.emit(job_id, tasks, names_pictures)
