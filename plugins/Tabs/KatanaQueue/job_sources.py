"""Finds the source of a job, which takes requests about it: the queue or one of the site's farms."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import TypeVar

from ....kq.api import (
    AttemptRecord,
    Farm,
    JobRecord,
    JobSpec,
    KqError,
    QueueClient,
    TaskRecord,
    TaskState,
    new_job_id,
)

__all__ = ["FarmSource", "JobSource", "JobSources", "start_tasks", "stop_tasks"]

T = TypeVar("T")


class FarmSource:
    """Adapts a farm to the methods of QueueClient about jobs. All return a future and never wait."""

    def __init__(self, farm: Farm) -> None:
        self.farm = farm

    def start_jobs(self, job_ids: Sequence[str]) -> Future[None]:
        """Run the failed and cancelled tasks of these jobs again."""
        return _all(self.farm.start(job_id) for job_id in job_ids)

    def stop_jobs(self, job_ids: Sequence[str]) -> Future[None]:
        """Cancel the waiting tasks of these jobs, and end the running ones."""
        return _all(self.farm.stop(job_id) for job_id in job_ids)

    def remove_jobs(self, job_ids: Sequence[str]) -> Future[None]:
        """Remove finished jobs from the list."""
        return _all(self.farm.remove(job_id) for job_id in job_ids)

    def start_tasks(self, job_id: str, tasks: Sequence[int]) -> Future[None]:
        """Run single tasks of a job again."""
        return self.farm.start(job_id, tasks)

    def stop_tasks(self, job_id: str, tasks: Sequence[int]) -> Future[None]:
        """Stop single tasks of a job; the others continue."""
        return self.farm.stop(job_id, tasks)

    def submit_again(self, job_id: str) -> Future[None]:
        """Submit a new job with the spec of this one."""
        return self.farm.submit_again(job_id, new_job_id())

    def tasks(self, job_id: str, first: int, count: int) -> Future[tuple[TaskRecord, ...]]:
        """Fetch at most `count` tasks of a job, from index `first` on."""
        return _done(lambda: tuple(self.farm.tasks(job_id, first, count)))

    def frame_states(self, job_id: str) -> Future[tuple[bytes, tuple[int, ...]]]:
        """Fetch the states of a job's tasks, one byte each: the state's index in TaskState. A farm does not
        count the frames of a task that are written.
        """
        return _done(lambda: (self.farm.task_states(job_id), ()))

    def attempts(self, job_id: str, task: int | None = None) -> Future[tuple[AttemptRecord, ...]]:
        """Fetch the finished attempts of a job, or of one of its tasks."""
        return _done(lambda: tuple(self.farm.attempts(job_id, task)))

    def spec(self, job_id: str) -> Future[JobSpec]:
        """Fetch the spec that was submitted."""
        return self.farm.spec(job_id)


JobSource = QueueClient | FarmSource


class JobSources:
    """The queue and the farms of this session. Qt's thread.

    Attributes:
        client: of the queue; None before the session has started.
        is_live: whether the queue is connected. Farms always take requests.
    """

    def __init__(self) -> None:
        self.client: QueueClient | None = None
        self.is_live = False
        self._farms: dict[str, FarmSource] = {}

    def set_farms(self, farms: Mapping[str, Farm]) -> None:
        """Set the farms of this session, by their names in KQ_FARMS."""
        self._farms = {farm.title: FarmSource(farm) for farm in farms.values()}

    def of(self, job: JobRecord | None) -> JobSource | None:
        """Return the source of `job`, connected or not; None for no job, or when its source is unknown."""
        if job is None:
            return None
        return self._farms.get(job.farm) if job.farm else self.client

    def takes_requests(self, job: JobRecord) -> bool:
        """Whether requests about `job` can be made now."""
        return job.farm in self._farms if job.farm else self.is_live

    def by_source(self, jobs: Iterable[JobRecord]) -> list[tuple[JobSource, list[str]]]:
        """Group the ids of `jobs` by their source. Jobs whose source takes no requests now are left out."""
        found: dict[str, tuple[JobSource, list[str]]] = {}
        for job in jobs:
            source = self.of(job)
            if source is not None and self.takes_requests(job):
                found.setdefault(job.farm, (source, []))[1].append(job.id)
        return list(found.values())

    def holds_back(self, task: TaskRecord) -> bool:
        """Whether the task is waiting on a farm, so that the farm can start it before others."""
        return task.state is TaskState.WAITING and any(
            source.farm.job(task.job_id) is not None for source in self._farms.values()
        )

    def unfinished_on_farms(self) -> list[JobRecord]:
        """Return the jobs on farms that are waiting or running."""
        jobs = (job for source in self._farms.values() for job in source.farm.jobs())
        return [job for job in jobs if not job.state.is_terminal]


def start_tasks(tasks: list[int], source: JobSource, job_ids: list[str]) -> Future[None]:
    """Start `tasks` of the one job in `job_ids`. A partial of it suits `JobRequests.ask_each`."""
    return source.start_tasks(job_ids[0], tasks)


def stop_tasks(tasks: list[int], source: JobSource, job_ids: list[str]) -> Future[None]:
    """Stop `tasks` of the one job in `job_ids`. A partial of it suits `JobRequests.ask_each`."""
    return source.stop_tasks(job_ids[0], tasks)


def _done(answer: Callable[[], T]) -> Future[T]:
    future: Future[T] = Future()
    try:
        future.set_result(answer())
    except KqError as error:
        future.set_exception(error)
    return future


def _all(futures: Iterable[Future[None]]) -> Future[None]:
    """Return a future that is done when all `futures` are; it has the last of their errors, if any."""
    open_ = list(futures)
    joined: Future[None] = Future()
    left = len(open_)
    error: BaseException | None = None
    lock = threading.Lock()  # one that is done already is counted on the caller's thread

    def on_done(future: Future[None]) -> None:
        nonlocal left, error
        found = future.exception()
        with lock:
            left -= 1
            error = found or error
            if left:
                return
        if error is not None:
            joined.set_exception(error)
        else:
            joined.set_result(None)

    if not open_:
        joined.set_result(None)
    for future in open_:
        future.add_done_callback(on_done)
    return joined
