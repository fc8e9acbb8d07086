"""Finds the tasks of a job to render again: those not completed, and those whose pictures are missing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from .....kq.api import JobSpec, TaskState, fill_picture
from ....qt_dispatch import post
from .file_thread import FileThread

__all__ = ["MissingFrames", "tasks_to_render"]

_STATES = tuple(TaskState)


class MissingFrames(FileThread):
    """Checks for files on a worker thread, because they may be on a slow share.

    Signals:
        found(str, list): a job's id, and the indexes of its tasks to render again.
    """

    found = Signal(str, object)

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
            post(self._on_found, job_id, tasks_to_render(spec, states, _exists))

    def _on_found(self, job_id: str, tasks: list[int]) -> None:
        self.found.emit(job_id, tasks)


def tasks_to_render(spec: JobSpec, states: bytes, exists: Callable[[Path], bool]) -> list[int]:
    """Return the indexes of tasks that failed, were stopped, or completed without a file for each frame.

    Unfinished tasks are left out. If the job names no picture, completed tasks are left out, too.

    Args:
        spec: what was submitted.
        states: one byte for each task, the index of its state in TaskState.
        exists: whether a file exists.
    """
    chunks = spec.chunks()
    if len(states) != (1 if chunks is None else len(chunks)):
        return []
    folder = Path(spec.cwd or spec.temp_dir or ".")
    tasks = []
    for task, code in enumerate(states):
        state = _STATES[code]
        if not state.is_terminal:
            continue
        frames: list[range | None] = [None]
        if chunks is not None:
            frames = [range(frame, frame + 1) for frame in chunks[task]]
        files = [folder / fill_picture(spec.picture, frame) for frame in frames if spec.picture]
        if state is not TaskState.COMPLETED or not all(map(exists, files)):
            tasks.append(task)
    return tasks


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
