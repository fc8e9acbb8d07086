"""All jobs that the tab knows, shown or not: records by id, how many in each state. Pure; no Qt."""

from __future__ import annotations

from collections.abc import Iterable

from .....kq.api import JobRecord, JobState

__all__ = ["JobStore"]


class JobStore:
    """What `take` and `drop` were told."""

    def __init__(self) -> None:
        self.records: dict[str, JobRecord] = {}
        self.counts: dict[JobState, int] = dict.fromkeys(JobState, 0)
        self._newest = (0.0, "")

    @property
    def newest(self) -> str:
        """The job that was submitted last; empty before any."""
        return self._newest[1]

    def take(self, job: JobRecord) -> JobRecord | None:
        """`job` is as this now; returns how it was, or None when it is new."""
        old = self.records.get(job.id)
        self.records[job.id] = job
        self.counts[job.state] += 1
        if old is not None:
            self.counts[old.state] -= 1
        else:
            self._newest = max(self._newest, (job.submitted, job.id))
        return old

    def fill(self, jobs: Iterable[JobRecord]) -> None:
        """Take in many that are new."""
        for job in jobs:
            self.take(job)

    def drop(self, job_id: str) -> bool:
        """The job is gone; returns whether it was there."""
        job = self.records.pop(job_id, None)
        if job is None:
            return False
        self.counts[job.state] -= 1
        return True
