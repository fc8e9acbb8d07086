"""Who has a job: the queue or one of the site's farms. Requests about jobs are put to it. Draws nothing."""

from __future__ import annotations

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
    """A farm, with the requests about jobs that a QueueClient has. None of them waits."""

    def __init__(self, farm: Farm) -> None:
        self.farm = farm

    def start_jobs(self, job_ids: Sequence[str]) -> Future[None]:
        """Run again what of these jobs failed or was cancelled."""
        return _all(self.farm.start(job_id) for job_id in job_ids)

    def stop_jobs(self, job_ids: Sequence[str]) -> Future[None]:
        """Cancel what waits, end what runs."""
        return _all(self.farm.stop(job_id) for job_id in job_ids)

    def remove_jobs(self, job_ids: Sequence[str]) -> Future[None]:
        """Take jobs that are over out of the list."""
        return _all(self.farm.remove(job_id) for job_id in job_ids)

    def start_tasks(self, job_id: str, tasks: Sequence[int]) -> Future[None]:
        """Run single tasks of a job again."""
        return self.farm.start(job_id, tasks)

    def stop_tasks(self, job_id: str, tasks: Sequence[int]) -> Future[None]:
        """Stop single tasks of a job; its others go on."""
        return self.farm.stop(job_id, tasks)

    def submit_again(self, job_id: str) -> Future[None]:
        """Submit what a job is as a new one."""
        return self.farm.submit_again(job_id, new_job_id())

    def tasks(self, job_id: str, first: int, count: int) -> Future[tuple[TaskRecord, ...]]:
        """The tasks of a job from `first` on."""
        return _done(lambda: tuple(self.farm.tasks(job_id, first, count)))

    def task_states(self, job_id: str) -> Future[bytes]:
        """The state of each task of a job, as its place among the states."""
        return _done(lambda: self.farm.task_states(job_id))

    def attempts(self, job_id: str, task: int | None = None) -> Future[tuple[AttemptRecord, ...]]:
        """The attempts that are over, of a job or of one of its tasks."""
        return _done(lambda: tuple(self.farm.attempts(job_id, task)))

    def spec(self, job_id: str) -> Future[JobSpec]:
        """What was submitted."""
        return self.farm.spec(job_id)


JobSource = QueueClient | FarmSource


class JobSources:
    """The queue and the farms of this session. Qt's thread.

    Attributes:
        client: of the queue; None before there is one.
        is_live: whether the queue answers. Farms always take requests, and answer when they can.
    """

    def __init__(self) -> None:
        self.client: QueueClient | None = None
        self.is_live = False
        self._farms: dict[str, FarmSource] = {}

    def set_farms(self, farms: Mapping[str, Farm]) -> None:
        """Put requests about their jobs to these farms."""
        self._farms = {farm.title: FarmSource(farm) for farm in farms.values()}

    def of(self, job: JobRecord | None) -> JobSource | None:
        """Who has the job, whether it answers or not; None: it is not known now."""
        if job is None:
            return None
        return self._farms.get(job.farm) if job.farm else self.client

    def takes_requests(self, job: JobRecord) -> bool:
        """Whether something can be asked about the job now."""
        return job.farm in self._farms if job.farm else self.is_live

    def by_source(self, jobs: Iterable[JobRecord]) -> list[tuple[JobSource, list[str]]]:
        """The ids of `jobs` by who has them; those of a farm that is not known now are left out."""
        found: dict[str, tuple[JobSource, list[str]]] = {}
        for job in jobs:
            source = self.of(job)
            if source is not None and self.takes_requests(job):
                found.setdefault(job.farm, (source, []))[1].append(job.id)
        return list(found.values())

    def holds_back(self, task: TaskRecord) -> bool:
        """Whether a farm may be asked to start the task before others."""
        return task.state is TaskState.WAITING and any(
            source.farm.job(task.job_id) is not None for source in self._farms.values()
        )

    def unfinished_on_farms(self) -> list[JobRecord]:
        """The jobs on farms that wait or run."""
        jobs = (job for source in self._farms.values() for job in source.farm.jobs())
        return [job for job in jobs if not job.state.is_terminal]


def start_tasks(tasks: list[int], source: JobSource, job_ids: list[str]) -> Future[None]:
    """Ask for the start of tasks of one job: to be given to those who ask `by_source`."""
    return source.start_tasks(job_ids[0], tasks)


def stop_tasks(tasks: list[int], source: JobSource, job_ids: list[str]) -> Future[None]:
    """Likewise for their stop."""
    return source.stop_tasks(job_ids[0], tasks)


def _done(answer: Callable[[], T]) -> Future[T]:
    future: Future[T] = Future()
    try:
        future.set_result(answer())
    except KqError as error:
        future.set_exception(error)
    return future


def _all(futures: Iterable[Future[None]]) -> Future[None]:
    """Done when all of them are; fails as the last that failed."""
    open_ = list(futures)
    joined: Future[None] = Future()
    left = len(open_)
    error: BaseException | None = None

    def on_done(future: Future[None]) -> None:  # a farm has one thread: never two at once
        nonlocal left, error
        left -= 1
        error = future.exception() or error
        if not left and error is not None:
            joined.set_exception(error)
        elif not left:
            joined.set_result(None)

    if not open_:
        joined.set_result(None)
    for future in open_:
        future.add_done_callback(on_done)
    return joined
