"""Chooses the next job: by priority, then by submission, without starving any. Pure."""

from __future__ import annotations

import heapq

from .jobs import Job

__all__ = ["OLDEST_EVERY", "ReadyJobs"]

OLDEST_EVERY = 8
"""Every OLDEST_EVERY-th assignment serves the job that was submitted first, whatever its priority."""
_SWEEP_AT_LEAST = 64


class ReadyJobs:
    """Two heaps of jobs that may have tasks to assign. An entry is checked when it reaches the top.

    Entries below a long job may never reach the top. When there are many, stale ones are dropped, so that
    ended and removed jobs do not stay in memory.
    """

    def __init__(self) -> None:
        self._by_priority: list[tuple[int, int, int, Job]] = []
        self._by_age: list[tuple[int, int, Job]] = []
        self._turn = 0
        self._entry_number = 0
        """Makes each heap entry unique: Job objects cannot be compared."""
        self._sweep_at = _SWEEP_AT_LEAST

    def add(self, job: Job) -> None:
        """Add `job`, unless it is listed. To be called whenever it may have become eligible."""
        if job.listed_priority == job.priority and job.listed_age:
            return
        self._entry_number += 1
        if job.listed_priority != job.priority:
            # An entry under the old priority may remain; it is dropped when it reaches the top.
            job.listed_priority = job.priority
            heapq.heappush(self._by_priority, (-job.priority, job.order, self._entry_number, job))
        if not job.listed_age:
            job.listed_age = True
            heapq.heappush(self._by_age, (job.order, self._entry_number, job))
        if len(self._by_priority) + len(self._by_age) > self._sweep_at:
            self._sweep()

    def next_job(self) -> Job | None:
        """The job whose task should be assigned next, or None. It stays listed."""
        job = self._oldest() if self._turn + 1 >= OLDEST_EVERY else self._highest_priority()
        if job is not None:
            self._turn = (self._turn + 1) % OLDEST_EVERY
        return job

    def __len__(self) -> int:
        """The number of heap entries, stale ones included."""
        return len(self._by_priority) + len(self._by_age)

    def _highest_priority(self) -> Job | None:
        """The eligible job with the highest priority. Drops stale entries above it."""
        heap = self._by_priority
        while heap:
            priority, _, _, job = heap[0]
            if job.listed_priority == -priority:
                if _is_eligible(job):
                    return job
                job.listed_priority = None
            heapq.heappop(heap)
        return None

    def _oldest(self) -> Job | None:
        """The eligible job that was submitted first. Drops stale entries above it."""
        heap = self._by_age
        while heap:
            job = heap[0][2]
            if _is_eligible(job):
                return job
            job.listed_age = False
            heapq.heappop(heap)
        return None

    def _sweep(self) -> None:
        """Drop stale entries. Called when the number of entries has doubled since the last time."""
        jobs = {id(entry[-1]): entry[-1] for heap in (self._by_priority, self._by_age) for entry in heap}
        self._by_priority, self._by_age = [], []
        for job in jobs.values():
            eligible = _is_eligible(job)
            job.listed_priority = job.priority if eligible else None
            job.listed_age = eligible
            if eligible:
                self._entry_number += 1
                self._by_priority.append((-job.priority, job.order, self._entry_number, job))
                self._by_age.append((job.order, self._entry_number, job))
        heapq.heapify(self._by_priority)
        heapq.heapify(self._by_age)
        self._sweep_at = max(_SWEEP_AT_LEAST, 2 * len(self))


def _is_eligible(job: Job) -> bool:
    """Whether a task of `job` may be assigned now."""
    if not job.waiting or job.removing:
        return False
    limit = job.spec.max_parallel
    return not job.unmet_dependencies and not (limit and job.on_agents >= limit)
