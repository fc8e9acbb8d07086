"""The bars that show all frames of a job in its row: asks for what they need, and selects what is clicked."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from PySide6.QtCore import QObject, QTimer, Signal

from ....kq.api import JobRecord, JobSpec, TaskState
from .bridge import QueueBridge
from .job_sources import JobSources
from .models.frame_states import FrameOrder, FrameStates, frame_order, has_frame_bar
from .models.jobs import JobsModel
from .views.jobs_view import JobsView

__all__ = ["FrameBars"]

INTERVAL_MS = 400
"""The frames of a job that changes all the time are asked for no more often."""


class FrameBars(QObject):
    """Of the jobs in sight alone. Qt's thread.

    Signals:
        frame_chosen(TaskState): a click selected a task, which is in that state.
    """

    frame_chosen = Signal(object)

    def __init__(
        self,
        view: JobsView,
        model: JobsModel,
        bridge: QueueBridge,
        sources: JobSources,
        frames: FrameStates,
    ) -> None:
        super().__init__(view)
        self._view, self._model, self._bridge, self._frames = view, model, bridge, frames
        self._sources = sources
        self._under_way: set[str] = set()
        """The jobs whose states were asked for."""
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.setInterval(INTERVAL_MS)
        self._again.timeout.connect(self.ask)
        view.visible_rows_changed.connect(self.ask)
        view.frame_bar_clicked.connect(self._on_clicked)

    def forget(self) -> None:
        """There is another queue."""
        self._frames.clear()
        self._under_way.clear()

    def job_changed(self, job: JobRecord) -> None:
        """A job reads otherwise."""
        if has_frame_bar(job) and not self._again.isActive() and self._view.isVisible():
            self._again.start()

    def ask(self) -> None:
        """Ask for what the rows in sight need and do not have."""
        if not self._view.isVisible():
            return
        first, last = self._view.visible_rows()
        for row in range(first, last + 1):
            job = self._model.record(row)
            if isinstance(job, JobRecord) and has_frame_bar(job) and job.id not in self._under_way:
                self._ask_for(job)

    def _ask_for(self, job: JobRecord) -> None:
        source = self._sources.of(job)
        if source is None:
            return
        if self._frames.needs_order(job.id):
            self._with_order(job.id, self._draw)
        if not self._frames.needs_states(job):
            return
        self._under_way.add(job.id)

        def done(states: bytes) -> None:
            self._under_way.discard(job.id)
            if len(states) == job.tasks:
                self._frames.set_states(job, states)
            self._draw()
            now = self._model.job(job.id)
            if now is not None and now is not job:
                self.job_changed(now)  # it went on while the answer was on its way

        self._bridge.watch(source.task_states(job.id), done, lambda _why: self._under_way.discard(job.id))

    def _with_order(self, job_id: str, call: Callable[[], None]) -> None:
        """Call `call` when the order of the job's frames is known; never where the job is gone."""
        if not self._frames.needs_order(job_id):
            call()
            return
        source = self._sources.of(self._model.job(job_id))
        if source is None:
            return

        def done(order: FrameOrder) -> None:
            self._frames.set_order(job_id, order)
            call()

        self._bridge.watch(_order(source.spec(job_id)), done)

    def _draw(self) -> None:
        self._view.viewport().update()

    def _on_clicked(self, job_id: str, fraction: float) -> None:
        self._with_order(job_id, lambda: self._choose(job_id, fraction))

    def _choose(self, job_id: str, fraction: float) -> None:
        task, job = self._frames.task_at(job_id, fraction), self._model.job(job_id)
        if task is None or job is None:
            return
        self._model.expand(job_id)
        self._view.show_task(job_id, task)
        shown = self._frames.shown(job)
        if shown:
            place = min(int(fraction * len(shown)), len(shown) - 1)
            self.frame_chosen.emit(tuple(TaskState)[shown[place]])


def _order(spec: Future[JobSpec]) -> Future[FrameOrder]:
    """Worked out where the answer comes: of ten thousand frames Qt's thread would be held up."""
    order: Future[FrameOrder] = Future()

    def done(over: Future[JobSpec]) -> None:
        if over.cancelled():
            order.cancel()
        elif (error := over.exception()) is not None:
            order.set_exception(error)
        else:
            order.set_result(frame_order(over.result()))

    spec.add_done_callback(done)
    return order
