"""Offers to start the jobs that were not over when the last session ended, for example in a crash."""

from __future__ import annotations

from PySide6.QtCore import QObject

from ....kq.api import JobRecord, QueueChange
from .actions import JobActions
from .models.jobs import JobsModel
from .views.banner import Banner

__all__ = ["InterruptedJobs"]


class InterruptedJobs(QObject):
    """The offer in `banner`. Qt's thread.

    Left out are live renders, and renders that only send their pixels to a Katana that has ended: their scene
    is rarely open yet when this is shown. *Start* in the list renders those again.
    """

    def __init__(self, model: JobsModel, banner: Banner, actions: JobActions) -> None:
        super().__init__(banner)
        self._model, self._banner = model, banner
        self._ids: dict[str, None] = {}
        """Ids of the jobs on offer, in the order in which they were received."""
        self._offered = ""
        """The text of the last offer in the banner."""
        self._is_dismissed = False
        banner.start_wanted.connect(lambda: actions.start_jobs(self._jobs()))
        banner.dismissed.connect(self._dismiss)

    def apply(self, change: QueueChange) -> bool:
        """Take the changed jobs. Returns whether the offer has changed."""
        before = len(self._ids)
        if change.reset:
            self._ids.clear()
        for job in change.jobs:
            if job.is_interrupted and not job.is_live and not job.needs_desktop:
                self._ids[job.id] = None
            else:
                self._ids.pop(job.id, None)
        for job_id in change.removed_jobs:
            self._ids.pop(job_id, None)
        return len(self._ids) != before

    def show(self) -> None:
        """Show the offer if there are such jobs, it is not dismissed, and the banner has no other text."""
        jobs = self._jobs()
        if jobs and not self._is_dismissed and self._banner.text in ("", self._offered):
            what = "1 job was" if len(jobs) == 1 else f"{len(jobs):,} jobs were"
            named = ", ".join(job.name for job in jobs[:3]) + (" …" if len(jobs) > 3 else "")
            self._banner.offer_start(f"{what} interrupted when the last session ended: {named}")
            self._offered = self._banner.text

    def _jobs(self) -> list[JobRecord]:
        return [job for job_id in self._ids if (job := self._model.job(job_id)) is not None]

    def _dismiss(self) -> None:
        self._is_dismissed = True
        self._banner.hide()
