"""Offers to start the jobs that were not over when the last session ended, for example in a crash."""

from __future__ import annotations

from PySide6.QtCore import QObject

from ....kq.api import JobRecord, JobSpec, QueueChange
from ...render_commands import only_sends_pixels
from .actions import JobActions
from .bridge import QueueBridge
from .job_sources import JobSources
from .models.jobs import JobsModel
from .views.banner import Banner

__all__ = ["CutOffJobs"]


class CutOffJobs(QObject):
    """The offer in `banner`. Qt's thread.

    Left out are live renders, and renders that only send their pixels to a Katana that has ended.
    """

    def __init__(
        self, model: JobsModel, banner: Banner, actions: JobActions, bridge: QueueBridge, sources: JobSources
    ) -> None:
        super().__init__(banner)
        self._model, self._banner, self._bridge, self._sources = model, banner, bridge, sources
        self._ids: dict[str, None] = {}
        """Ids of the jobs on offer, in the order in which they were received."""
        self._asked: set[str] = set()
        """Ids of the jobs without a picture whose specs were fetched, to see whether they write one."""
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
            self._asked.clear()
        for job in change.jobs:
            if not job.is_cut_off or job.is_live:
                self._forget(job.id)
            elif job.picture or not job.node:  # it has a file, or was not submitted by a desktop
                self._ids[job.id] = None
            elif job.id not in self._asked:
                self._ask(job)
        for job_id in change.removed_jobs:
            self._forget(job_id)
        return len(self._ids) != before

    def _forget(self, job_id: str) -> None:
        self._ids.pop(job_id, None)
        self._asked.discard(job_id)

    def _ask(self, job: JobRecord) -> None:
        """Fetch the spec of `job`, and offer the job if its render writes a picture file."""
        source = self._sources.of(job)
        if source is None:
            return
        self._asked.add(job.id)

        def take(spec: JobSpec) -> None:
            if job.id in self._asked and not only_sends_pixels(spec.commands):
                self._ids[job.id] = None
                self.show()

        self._bridge.watch(source.spec(job.id), take, lambda _message: self._asked.discard(job.id))

    def show(self) -> None:
        """Show the offer if there are such jobs, it is not dismissed, and the banner has no other text."""
        jobs = self._jobs()
        if jobs and not self._is_dismissed and self._banner.text in ("", self._offered):
            what = "1 job was" if len(jobs) == 1 else f"{len(jobs):,} jobs were"
            named = ", ".join(job.name for job in jobs[:3]) + (" …" if len(jobs) > 3 else "")
            self._banner.offer_start(f"{what} not over when the last session ended: {named}")
            self._offered = self._banner.text

    def _jobs(self) -> list[JobRecord]:
        return [job for job_id in self._ids if (job := self._model.job(job_id)) is not None]

    def _dismiss(self) -> None:
        self._is_dismissed = True
        self._banner.hide()
