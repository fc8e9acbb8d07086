"""One farm: its jobs, and the thread that alone calls the engine and reads the jobs' folders."""

from __future__ import annotations

import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import msgspec

from ..errors import ConnectionLost, KqError, NotFound, Refused
from ..frame_ranges import format_frames
from ..records import JobRecord, JobSpec, TaskRecord
from ..states import TaskState
from .decide import EngineRow, Poll, TaskView, decide_task, poll_delay_s
from .engine import Engine, Row
from .job_folder import FarmJob, JobFolder, Submission
from .known_job import KnownJob

__all__ = ["Farm"]

_RESUBMIT_AFTER_S = 60.0
"""A submission whose answer was not heard is looked for this long before it is made again."""
_log = logging.getLogger("kq.farms")
T = TypeVar("T")


class Farm:
    """The jobs of one farm. Methods may be called from any thread, return at once, and give futures.

    Args:
        name: for people, and for the folder.
        folder: where the jobs' folders are; the farm's machines must see it by the same path.
        engine: used on this object's own thread alone.
        on_change: called on that thread with the ids of jobs that changed.
    """

    def __init__(
        self, name: str, folder: Path, engine: Engine, on_change: Callable[[set[str]], None] | None = None
    ) -> None:
        self.name = name
        self._folder = folder
        self._engine = engine
        self._on_change = on_change
        self._jobs: dict[str, KnownJob] = {}
        self._lock = threading.Lock()
        self._poll: Poll | None = None
        self._rows: list[Row] = []
        self._failed_polls = 0
        self._closed = False
        self.problem = ""
        """Why the engine does not answer; empty while it does."""
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"farm-{name}", daemon=True)
        self._thread.start()

    # --- What callers ask for -----------------------------------------------------

    def submit(self, job_id: str, spec: JobSpec, options: Mapping[str, str] | None = None) -> Future[None]:
        """Write a job's folder and give all its tasks to the engine.

        The future raises BadInput, Refused, or ConnectionLost; after the last the job is kept, and given to
        the engine when it answers.
        """
        return self._ask(lambda: self._submit(job_id, spec, dict(options or {})))

    def stop(self, job_id: str) -> Future[None]:
        """End what waits and runs of a job. The future raises NotFound, ConnectionLost."""
        return self._ask(lambda: self._stop(self._job(job_id)))

    def start(self, job_id: str) -> Future[None]:
        """Run failed and cancelled tasks again. The future raises NotFound, Refused, ConnectionLost."""
        return self._ask(lambda: self._start(self._job(job_id)))

    def start_now(self, job_id: str, task: int) -> Future[None]:
        """Start a task that the engine holds back. The future raises NotFound, Refused, ConnectionLost."""
        return self._ask(lambda: self._start_now(self._job(job_id), task))

    def remove(self, job_id: str) -> Future[None]:
        """Forget a job that is over; its folder stays. The future raises NotFound, Refused."""
        return self._ask(lambda: self._remove(self._job(job_id)))

    def check(self, options: Mapping[str, str]) -> Future[list[str]]:
        """What the engine says of such a job. The future raises BadInput, Refused, ConnectionLost."""
        return self._ask(lambda: self._engine.check(options))

    def refresh(self) -> Future[None]:
        """Ask the engine now. The future raises ConnectionLost."""
        return self._ask(self._refresh)

    def jobs(self) -> list[JobRecord]:
        """All jobs, the latest first, as they were at the last look."""
        with self._lock:
            jobs = [job.record(self._silence()) for job in self._jobs.values()]
        return sorted(jobs, key=lambda record: -record.submitted)

    def job(self, job_id: str) -> JobRecord | None:
        """One job, or None."""
        with self._lock:
            job = self._jobs.get(job_id)
            return None if job is None else job.record(self._silence())

    def tasks(self, job_id: str) -> list[TaskRecord]:
        """The tasks of a job. Raises NotFound."""
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None:
                raise NotFound(f"{self.name} has no job {job_id}")
            return [job.task_record(task) for task in range(len(job.kept.labels))]

    def close(self, timeout_s: float | None = None) -> None:
        """End the thread, and wait for it at most so long; jobs go on at the farm."""
        with self._lock:
            self._closed = True
        self._work.put(None)
        if timeout_s != 0:
            self._thread.join(timeout_s)

    # --- The thread ---------------------------------------------------------------

    def _ask(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work())
            except (KqError, OSError) as error:
                future.set_exception(error if isinstance(error, KqError) else Refused(str(error)))

        with self._lock:
            if self._closed:
                future.set_exception(ConnectionLost(f"{self.name} is closed"))
            else:
                self._work.put(run)
        return future

    def _run(self) -> None:
        self._load()
        while True:
            with self._lock:
                is_live = any(job.is_live for job in self._jobs.values())
            delay_s = poll_delay_s(has_live_tasks=is_live, failed_polls=self._failed_polls)
            try:
                work = self._work.get(timeout=delay_s)
            except queue.Empty:
                work = self._look_again
            if work is None:
                return
            work()

    def _load(self) -> None:
        """Find the jobs of earlier sessions again, by their folders."""
        try:
            folders = sorted(path for path in self._folder.iterdir() if path.is_dir())
        except OSError:
            return  # no job was ever submitted
        for path in folders:
            folder = JobFolder(path)
            try:
                job = KnownJob(folder, folder.load())
            except (OSError, msgspec.DecodeError) as error:
                _log.warning("%s: the farm job in %s cannot be read: %s", self.name, path, error)
                continue
            with self._lock:
                self._jobs[job.kept.id] = job
            self._decide(job)

    def _look_again(self) -> None:
        try:
            self._refresh()
        except ConnectionLost:
            pass  # `problem` says so

    def _refresh(self) -> None:
        try:
            self._rows = self._engine.look()
        except KqError as error:
            self._failed_polls += 1
            if self._poll is not None:
                self._poll = self._poll._replace(is_current=False)
            self.problem = str(error)
            self._changed({job_id for job_id, job in self._jobs.items() if job.is_live})
            raise ConnectionLost(str(error)) from error
        self._poll = Poll(time.time(), True)
        self._failed_polls = 0
        self.problem = ""
        changed = set()
        for job in list(self._jobs.values()):
            if job.is_live:
                self._settle_submissions(job)
                if self._decide(job):
                    changed.add(job.kept.id)
        self._changed(changed)

    def _silence(self) -> str:
        """Since when the engine has not answered, and why; empty while it does."""
        if not self.problem:
            return ""
        at = None if self._poll is None else time.strftime("%H:%M:%S", time.localtime(self._poll.at))
        return f"{self.name} has not answered {f'since {at}' if at else 'yet'}: {self.problem}"

    def _changed(self, jobs: set[str]) -> None:
        if jobs and self._on_change is not None:
            self._on_change(jobs)

    def _job(self, job_id: str) -> KnownJob:
        job = self._jobs.get(job_id)
        if job is None:
            raise NotFound(f"{self.name} has no job {job_id}")
        return job

    # --- Giving tasks to the engine, once -----------------------------------------

    def _submit(self, job_id: str, spec: JobSpec, options: dict[str, str]) -> None:
        if job_id in self._jobs:
            return
        self._engine.check(options)
        chunks = spec.chunks()
        labels = [""] if chunks is None else [_label(frames) for frames in chunks]
        kept = FarmJob(job_id, spec.name, time.time(), labels, options)
        job = KnownJob(JobFolder.create(self._folder, kept, spec), kept)
        with self._lock:
            self._jobs[job_id] = job
        self._give(job, range(len(labels)))

    def _give(self, job: KnownJob, tasks: Sequence[int]) -> None:
        """Note what is to be submitted, then submit it: a desktop that dies in between finds the note."""
        size = self._engine.max_array()
        for offset in sorted({task // size * size for task in tasks}):
            chosen = [task for task in tasks if offset <= task < offset + size]
            job.kept.submissions.append(Submission(secrets.token_hex(8), chosen, time.time(), offset))
            for task in chosen:
                job.views.pop(task, None)
        job.kept.stopped_at, job.kept.error = 0.0, ""
        job.folder.set_stop(wanted=False)
        job.folder.save(job.kept)
        for submission in job.kept.submissions:
            if not submission.engine_id:
                self._send(job, submission)
        self._decide(job)
        self._changed({job.kept.id})

    def _send(self, job: KnownJob, submission: Submission) -> None:
        kept = job.kept
        try:
            submission.engine_id = self._engine.submit(
                job.folder.path,
                kept.name,
                submission.token,
                submission.tasks,
                submission.offset,
                kept.options,
            )
        except Refused as error:
            kept.error = str(error)
            kept.submissions.remove(submission)
            job.folder.save(kept)
            self._decide(job)
            self._changed({kept.id})
            raise
        job.folder.save(kept)

    def _settle_submissions(self, job: KnownJob) -> None:
        """Find by its token what the engine was given without its answer being heard; else give it again."""
        for submission in list(job.kept.submissions):
            if submission.engine_id:
                continue
            found = next((row.engine_id for row in self._rows if row.token == submission.token), "")
            if not found:
                records = job.folder.attempts()
                found = next(
                    (
                        each.engine_id
                        for task in records.values()
                        for each in task
                        if each.token == submission.token
                    ),
                    "",
                )
            if found:
                submission.engine_id = found
                job.folder.save(job.kept)
            elif job.is_stop_wanted:
                job.kept.submissions.remove(submission)
                job.folder.save(job.kept)
            elif time.time() > submission.at + _RESUBMIT_AFTER_S:
                submission.at = time.time()
                try:
                    self._send(job, submission)
                except KqError as error:
                    _log.warning("%s: job %s: %s", self.name, job.kept.id, error)

    def _stop(self, job: KnownJob) -> None:
        job.kept.stopped_at = time.time()
        job.folder.set_stop(wanted=True)
        job.folder.save(job.kept)
        self._engine.stop([each.engine_id for each in job.kept.submissions if each.engine_id])
        self._look_again()

    def _start(self, job: KnownJob) -> None:
        self._refresh()
        again = [
            task
            for task in range(len(job.kept.labels))
            if (view := job.views.get(task)) is None or view.state in (TaskState.FAILED, TaskState.CANCELLED)
        ]
        if not again:
            raise Refused(f"nothing of job {job.kept.id} failed or was cancelled")
        self._give(job, again)

    def _start_now(self, job: KnownJob, task: int) -> None:
        submission = job.submission_of(task)
        if submission is None or not submission.engine_id:
            raise NotFound(f"task {task} of job {job.kept.id} is not at the farm")
        self._engine.start_now(submission.engine_id, task - submission.offset)
        self._look_again()

    def _remove(self, job: KnownJob) -> None:
        if job.is_live:
            raise Refused(f"job {job.kept.id} is not over: stop it first")
        job.folder.path.rename(job.folder.path.with_name(f".removed-{job.folder.path.name}"))
        with self._lock:
            del self._jobs[job.kept.id]
        self._changed({job.kept.id})

    # --- What is known ------------------------------------------------------------

    def _decide(self, job: KnownJob) -> bool:
        """Bring the views of a job's tasks up to date. Returns whether one changed."""
        try:
            attempts = job.folder.attempts()
        except OSError as error:
            _log.warning("%s: the records of job %s cannot be read: %s", self.name, job.kept.id, error)
            return False
        rows = _rows_by_task(job.kept.submissions, self._rows)
        views = {}
        for task in range(len(job.kept.labels)):
            submission = job.submission_of(task)
            if submission is None:
                state = TaskState.FAILED if job.kept.error else TaskState.CANCELLED
                views[task] = TaskView(state, job.kept.error)
                continue
            views[task] = decide_task(
                rows.get(task),
                attempts.get(task, ()),
                token=submission.token,
                submitted=submission.at,
                poll=self._poll,
                is_stop_wanted=job.is_stop_wanted,
                previous=job.views.get(task),
            )
        with self._lock:
            is_changed = views != job.views or attempts != job.attempts
            job.views, job.attempts = views, attempts
        return is_changed


def _rows_by_task(submissions: Sequence[Submission], rows: Sequence[Row]) -> dict[int, EngineRow]:
    """The engine's row of each task's latest submission."""
    by_token: dict[str, dict[int, EngineRow]] = {}
    for row in rows:
        by_token.setdefault(row.token, {})[row.task] = row.what
    found: dict[int, EngineRow] = {}
    for submission in submissions:
        listed = by_token.get(submission.token, {})
        for task in submission.tasks:
            found.pop(task, None)
            if task - submission.offset in listed:
                found[task] = listed[task - submission.offset]
    return found


def _label(frames: range) -> str:
    return f"frame {frames[0]}" if len(frames) == 1 else f"frames {format_frames(frames)}"
