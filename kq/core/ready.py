"""Which job is next: priority, then order of submission, and nothing waits for ever. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from kq.core.jobs import Job

__all__ = ["OLDEST_EVERY", "ReadyJobs"]

OLDEST_EVERY = 8
"""One assignment in so many goes to the job that was submitted first, whatever its priority."""


class ReadyJobs:
    """Jobs with tasks to give, in two orders. Entries are checked when they come up, not when jobs change."""

    def __init__(self, is_eligible: Callable[[Job], bool]) -> None:
        self._is_eligible = is_eligible
        self._by_priority: list[tuple[int, int, int, Job]] = []
        self._by_age: list[tuple[int, Job]] = []
        self._turn = 0
        self._stamp = 0
        """Parts entries of the same job, which are not to be compared."""

    def list_job(self, job: Job) -> None:
        """Make sure that `job` comes up; called whenever it may have become eligible."""
        if job.listed_priority != job.priority:
            # An entry under the old priority may remain; it is dropped when it comes up.
            job.listed_priority = job.priority
            self._stamp += 1
            heapq.heappush(self._by_priority, (-job.priority, job.order, self._stamp, job))
        if not job.listed_age:
            job.listed_age = True
            heapq.heappush(self._by_age, (job.order, job))

    def next_job(self) -> Job | None:
        """The job whose task should be given next, or None. It stays listed."""
        job = self._oldest() if self._turn + 1 >= OLDEST_EVERY else self._most_important()
        if job is not None:
            self._turn = (self._turn + 1) % OLDEST_EVERY
        return job

    def _most_important(self) -> Job | None:
        heap = self._by_priority
        while heap:
            priority, _, _, job = heap[0]
            if job.listed_priority == -priority:
                if self._is_eligible(job):
                    return job
                job.listed_priority = None
            heapq.heappop(heap)
        return None

    def _oldest(self) -> Job | None:
        heap = self._by_age
        while heap:
            job = heap[0][1]
            if self._is_eligible(job):
                return job
            job.listed_age = False
            heapq.heappop(heap)
        return None
