"""Fetches the data of the frame bars in the rows of jobs, and selects the task of a frame that is clicked."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from PySide6.QtCore import QObject, QTimer, Signal

from ....kq.api import JobRecord, JobSpec
from .bridge import QueueBridge
from .job_sources import JobSources
from .models.frame_states import FrameOrder, FrameStates, frame_order, has_frame_bar
from .models.jobs import JobsModel
from .views.jobs_view import JobsView

__all__ = ["FrameBars"]

INTERVAL_MS = 400
"""Minimum time between two requests for the frames of changing jobs."""


class FrameBars(QObject):
    """Keeps the frame bars of the visible rows up to date. Qt's thread.

    Signals:
        frame_chosen(TaskState): a click on a bar selected the task of a frame; its state.
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
        """The ids of jobs whose states were requested and have not arrived."""
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.setInterval(INTERVAL_MS)
        self._again.timeout.connect(self.ask)
        view.visible_rows_changed.connect(self.ask)
        view.frame_bar_clicked.connect(self._on_clicked)

    def forget(self) -> None:
        """Drop all frames, because another queue is shown."""
        self._frames.clear()
        self._under_way.clear()

    def job_changed(self, job: JobRecord) -> None:
        """Update the bar of a job that has changed, soon, if the list is visible."""
        if has_frame_bar(job) and not self._again.isActive() and self._view.isVisible():
            self._again.start()

    def ask(self) -> None:
        """Request the frames that the visible rows need and do not have. They are drawn as they arrive."""
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

        def done(answer: tuple[bytes, tuple[int, ...]]) -> None:
            self._under_way.discard(job.id)
            states, written = answer
            if len(states) == job.tasks:
                self._frames.set_states(job, states, written)
            self._draw()
            now = self._model.job(job.id)
            if now is not None and now is not job:
                self.job_changed(now)  # the job changed between the request and its result

        self._bridge.watch(source.frame_states(job.id), done, lambda _why: self._under_way.discard(job.id))

    def _with_order(self, job_id: str, call: Callable[[], None]) -> None:
        """Call `call` as soon as the order of the job's frames is known; not at all if the job is gone."""
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
        chosen = self._frames.frame_at(job_id, fraction)
        if chosen is None or self._model.job(job_id) is None:
            return
        self._model.expand(job_id)
        self._view.show_frame(job_id, chosen)
        if chosen.state is not None:
            self.frame_chosen.emit(chosen.state)


def _order(spec: Future[JobSpec]) -> Future[FrameOrder]:
    """Return a future of the frame order, computed on the thread that resolves `spec`.

    On Qt's thread, ten thousand frames would be felt as a pause.
    """
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
