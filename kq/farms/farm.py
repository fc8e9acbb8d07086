"""One farm: its jobs, and the only thread that calls the engine and reads the jobs' folders."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from ..errors import BadInput, ConnectionLost, NotFound, Refused
from ..records import AttemptRecord, JobRecord, JobSpec, TaskRecord, check_job_id
from ..states import TaskState
from .decide import EngineStatus, Poll, poll_delay_s
from .engine import Engine, by_token
from .known_job import KnownJob
from .new_job import create_job, limits_of, unsent_record
from .outputs import UnseenOutputs, is_local
from .published import FarmChange, PublishedJobs
from .removal import FolderRemoval, own_scene
from .running_logs import RunningLogs
from .sharing import JobFinder, sole_change
from .submitting import Submitter, reason_for

__all__ = ["Farm"]

_log = logging.getLogger("kq.farms")
_LOCK_TIMEOUT_S = 30.0
"""How long a change waits for that of another desktop, by default; that may wait for sbatch for 20 s."""
T = TypeVar("T")


class Farm:
    """The jobs of one farm. Thread-safe; except for `close`, methods return at once, some of them a future.

    Args:
        name: the name in paths and settings.
        folder: contains the jobs' folders; the farm's machines must share it under the same path.
        engine: used on this object's thread only.
        title: display name; empty: `name`.
    """

    def __init__(self, name: str, folder: Path, engine: Engine, title: str = "") -> None:
        self.name = name
        self.title = title or name
        self._folder = folder
        self._engine = engine
        self._jobs: dict[str, KnownJob] = {}
        self._unsent: dict[str, tuple[JobSpec, dict[str, str]]] = {}
        """Jobs that were not submitted to the engine, with their options."""
        self._outputs = UnseenOutputs(folder / "unseen.json")
        self._published = PublishedJobs()
        self._lock = threading.Lock()
        self._poll: Poll | None = None
        self._rows: dict[str, dict[int, EngineStatus]] = {}
        self._failed_polls = 0
        self._answer_s = 0.0
        self._closed = False
        self.problem = ""
        """Why the engine does not reply; empty while it does."""
        self._submitter = Submitter(engine)
        self._finder = JobFinder(folder, self.title)
        self._logs = RunningLogs()
        self._removal = FolderRemoval(folder)
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"farm-{name}", daemon=True)
        self._thread.start()

    # --- Requests ---

    def submit(
        self,
        job_id: str,
        spec: JobSpec,
        options: Mapping[str, str] | None = None,
        *,
        copy_files: bool = False,
    ) -> Future[None]:
        """Write a job's folder and submit all its tasks to the engine. The job is listed at once.

        The future raises BadInput, Refused or ConnectionLost. A job that could not be submitted is listed as
        Failed with the reason until this object is closed; `start` submits it again.

        Args:
            job_id: a new id, see new_job_id.
            spec: the job.
            options: values by the name of an engine's Option.
            copy_files: whether to copy the spec's `temp_dir`, which another job may delete.
        """
        given = dict(options or {})
        try:
            spec.check()
            check_job_id(job_id)
        except BadInput as error:
            failed: Future[None] = Future()
            failed.set_exception(error)
            return failed
        waiting = unsent_record(self.title, job_id, spec, f"is being submitted to {self.title}")
        self._published.publish([waiting])
        return self._ask(lambda: self._submit(job_id, spec, given, copy_files))

    def submit_again(self, job_id: str, new_id: str) -> Future[None]:
        """Submit a copy of a job, with its options, as `new_id`. The future raises as that of `submit`."""
        return self._ask(lambda: self._submit_again(job_id, new_id))

    def stop(self, job_id: str, tasks: Sequence[int] | None = None) -> Future[None]:
        """Stop a job or these tasks, if need be once the engine replies. Raises NotFound, ConnectionLost."""
        return self._ask(lambda: self._stop(self._job(job_id), tasks))

    def start(self, job_id: str, tasks: Sequence[int] | None = None) -> Future[None]:
        """Run the failed and cancelled tasks of a job again, or of these tasks; of these, waiting ones start
        now. The future raises NotFound, Refused, ConnectionLost.
        """
        return self._ask(lambda: self._start(job_id, tasks))

    def start_now(self, job_id: str, task: int) -> Future[None]:
        """Start a task that the engine delays. The future raises NotFound, Refused, ConnectionLost."""
        return self._ask(lambda: self._start_now(self._job(job_id), task))

    def remove(self, job_id: str) -> Future[None]:
        """Remove a finished job and its files, but for its pictures. The future raises NotFound, Refused."""
        return self._ask(lambda: self._remove(job_id))

    def check(self, options: Mapping[str, str]) -> Future[list[str]]:
        """Check options: a list of warnings. The future raises BadInput, Refused, ConnectionLost."""
        return self._ask(lambda: self._check(options))

    def refresh(self) -> Future[None]:
        """Poll the engine now. The future raises ConnectionLost."""
        return self._ask(self._refresh)

    def spec(self, job_id: str) -> Future[JobSpec]:
        """Get a job as it was submitted. The future raises NotFound."""
        return self._ask(lambda: self._spec(job_id))

    # --- Records ---

    def add_listener(self, listener: Callable[[FarmChange], None]) -> Callable[[], None]:
        """Have `listener` called: at once, on this thread, with all jobs; later, on any, with changed ones.

        It must not block. Returns a function that removes it.
        """
        return self._published.add_listener(listener)

    def jobs(self) -> list[JobRecord]:
        """Return all jobs as of the last poll, newest first."""
        return sorted(self._published.all(), key=lambda record: -record.submitted)

    def job(self, job_id: str) -> JobRecord | None:
        """Return a job as of the last poll, or None."""
        return self._published.get(job_id)

    def tasks(self, job_id: str, first: int = 0, count: int | None = None) -> list[TaskRecord]:
        """Return up to `count` tasks of a job, starting with number `first`. Raises NotFound."""
        with self._lock:
            job = self._jobs.get(job_id)
        if job is None:
            if self._published.get(job_id) is None:
                raise NotFound(f"{self.title} has no job {job_id}")
            return []  # it was not submitted to the engine
        last = len(job.kept.labels) if count is None else min(first + count, len(job.kept.labels))
        return [job.task_record(task) for task in range(first, last)]

    def task_states(self, job_id: str) -> bytes:
        """Return one byte per task: the index of its state in TaskState. Empty for a job not submitted."""
        with self._lock:
            job = self._jobs.get(job_id)
        return b"" if job is None else job.states()

    def attempts(self, job_id: str, task: int | None = None) -> list[AttemptRecord]:
        """Return the finished attempts of a job, or of one of its tasks; empty for an unknown job."""
        with self._lock:
            job = self._jobs.get(job_id)
        return [] if job is None else list(job.attempt_records(task))

    def close(self, timeout_s: float | None = None) -> None:
        """End the threads, and wait up to `timeout_s` seconds for each. Jobs continue on the farm."""
        with self._lock:
            self._closed = True
        self._work.put(None)
        self._thread.join(timeout_s)
        self._removal.close(timeout_s)

    # --- The thread ---------------------------------------------------------------

    def _ask(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work())
            except Exception as error:  # noqa: BLE001  # a bug, as of an adapter, must not end the thread
                why = reason_for(error)
                future.set_exception(Refused(why) if isinstance(error, OSError) else error)

        with self._lock:
            if self._closed:
                future.set_exception(ConnectionLost(f"{self.title} is closed"))
            else:
                self._work.put(run)
        return future

    def _run(self) -> None:
        work: Callable[[], None] | None = self._begin
        while work is not None:
            try:
                work()
            except Exception:  # noqa: BLE001  # a bug must not end the thread
                _log.exception("%s: a poll failed", self.name)
            delay_s = poll_delay_s(
                has_live_tasks=self._has_live_jobs(), failed_polls=self._failed_polls, answer_s=self._answer_s
            )
            try:
                work = self._work.get(timeout=delay_s)
            except queue.Empty:
                work = self._poll_engine

    def _begin(self) -> None:
        self._removal.resume()
        self._find_jobs()
        if self._has_live_jobs():
            self._poll_engine()

    def _has_live_jobs(self) -> bool:
        return any(job.is_live for job in self._jobs.values())

    def _find_jobs(self) -> None:
        """Add the jobs of earlier sessions and of other desktops, newest first."""
        for job in self._finder.find(self._jobs):
            if self._closed:
                return
            job.is_stop_unsent = job.is_stop_wanted or bool(job.kept.stopped_tasks)
            self._add(job)
            self._decide(job)

    def _add(self, job: KnownJob) -> None:
        with self._lock:
            self._jobs[job.kept.id] = job

    def _forget(self, job: KnownJob) -> None:
        with self._lock:
            self._jobs.pop(job.kept.id, None)
        self._published.publish((), [job.kept.id])

    @contextmanager
    def _changing(self, job: KnownJob, wait_s: float | None = None) -> Iterator[None]:
        """Change a job, as it is on the share now, while no other process does. Raises Refused, NotFound."""
        with sole_change(self._folder, _LOCK_TIMEOUT_S if wait_s is None else wait_s):
            if not self._is_current(job):
                raise NotFound(f"{self.title} has no job {job.kept.id} any more")
            yield

    def _is_current(self, job: KnownJob) -> bool:
        """Take what another process has saved of the job. Returns False if it has removed it."""
        try:
            job.reload()
        except FileNotFoundError:
            self._forget(job)
            return False
        except (OSError, msgspec.DecodeError) as error:
            raise Refused(f"job {job.kept.id} cannot be read: {error}") from error
        return True

    def _poll_engine(self) -> None:
        with suppress(ConnectionLost):  # `problem` has the reason
            self._refresh()

    def _refresh(self) -> None:
        self._find_jobs()
        live = [job for job in self._jobs.values() if job.is_live]
        asked = time.monotonic()
        try:
            rows = self._engine.list_tasks()
        except Exception as error:
            self._failed_polls += 1
            if self._poll is not None:
                self._poll = self._poll._replace(is_current=False)
            self.problem = reason_for(error)
            self._publish(live)
            raise ConnectionLost(self.problem) from error
        self._answer_s = time.monotonic() - asked
        was_silent, self.problem, self._failed_polls = bool(self.problem), "", 0
        self._poll = Poll(time.time(), True)
        self._rows = by_token(rows)
        engine_ids = {row.token: row.engine_id for row in rows}
        for job in live:
            is_refused = False
            try:
                if not self._is_current(job):
                    continue
                if job.is_unsettled:
                    with self._changing(job, 0.0):
                        is_refused = self._submitter.settle(job, engine_ids)
            except Exception as error:  # noqa: BLE001  # the other jobs are to be updated
                _log.info(
                    "%s: job %s is left to the next poll: %s", self.name, job.kept.id, reason_for(error)
                )
            self._decide(job, is_news=was_silent or is_refused)
        self._publish(self._logs.read([job for job in live if job.is_live]))

    def _silence(self) -> str:
        """A message on since when and why the engine has not replied; empty while it does."""
        if not self.problem:
            return ""
        at = None if self._poll is None else time.strftime("%H:%M:%S", time.localtime(self._poll.at))
        return f"{self.title} has not answered {f'since {at}' if at else 'yet'}: {self.problem}"

    def _decide(self, job: KnownJob, *, is_news: bool = False) -> None:
        """Update the job, and publish it if it changed, or with `is_news` in any case."""
        try:
            is_changed = job.decide(self._rows, self._poll)
            if is_changed:
                self._outputs.note(job.unseen_outputs())
            if not job.is_live:
                job.folder.set_output_mark(job.kept, wanted=False)
            if is_changed or is_news or self._published.get(job.kept.id) is None:
                self._publish([job])
        except Exception as error:  # noqa: BLE001  # the other jobs are to be updated
            _log.warning("%s: job %s cannot be updated: %s", self.name, job.kept.id, reason_for(error))

    def _publish(self, jobs: Sequence[KnownJob]) -> None:
        silence = self._silence()
        self._published.publish([job.record(silence if job.is_live else "") for job in jobs])

    def _job(self, job_id: str) -> KnownJob:
        job = self._jobs.get(job_id)
        if job is None:
            raise NotFound(f"{self.title} has no job {job_id}")
        return job

    # --- Requests, on the thread ---

    def _submit(self, job_id: str, spec: JobSpec, options: dict[str, str], copy_files: bool = False) -> None:
        if job_id in self._jobs:
            return
        try:
            options = {**limits_of(spec, self._engine.options), **options}
            self._engine.check(options)
            self._engine.max_array()  # cached, so that an engine that does not reply fails here, not half-way
            self._outputs.check(spec)
            job = create_job(self._folder, self.title, job_id, spec, options, copy_files=copy_files)
        except Exception as error:
            self._unsent[job_id], why = (spec, options), reason_for(error)
            self._published.publish([unsent_record(self.title, job_id, spec, why, TaskState.FAILED)])
            raise
        self._unsent.pop(job_id, None)
        self._add(job)
        try:
            with self._changing(job):
                self._give(job, range(len(job.kept.labels)))
        except (Refused, OSError) as error:
            if not job.kept.submissions:
                job.kept.error = str(error)
                with suppress(OSError):
                    job.folder.save(job.kept)
                self._decide(job, is_news=True)
            raise

    def _give(self, job: KnownJob, tasks: Sequence[int]) -> None:
        """Submit these tasks. The job is published before it is sent, which may take long, and after."""
        self._submitter.save_submissions(job, tasks)
        self._decide(job, is_news=True)
        try:
            self._submitter.send_submissions(job)
        finally:
            self._decide(job, is_news=True)

    def _check(self, options: Mapping[str, str]) -> list[str]:
        noted = list(self._engine.check(options))
        if is_local(self._folder):
            noted.append(f"KQ_DATA_ROOT ({self._folder.parents[1]}) seems to be on this machine's own disk")
        return noted

    def _submit_again(self, job_id: str, new_id: str) -> None:
        unsent = self._unsent.get(job_id)
        options = self._job(job_id).kept.options if unsent is None else unsent[1]
        self._submit(new_id, self._spec(job_id), dict(options))

    def _spec(self, job_id: str) -> JobSpec:
        if job_id in self._unsent:
            return self._unsent[job_id][0]
        try:
            return self._job(job_id).folder.spec()
        except (OSError, msgspec.DecodeError) as error:
            raise NotFound(f"what was submitted as job {job_id} cannot be read: {error}") from error

    def _stop(self, job: KnownJob, tasks: Sequence[int] | None) -> None:
        with self._changing(job):
            self._submitter.save_stop(job, tasks)
            self._decide(job, is_news=True)
            self._submitter.send_stop(job)
        self._poll_engine()

    def _start(self, job_id: str, tasks: Sequence[int] | None) -> None:
        if job_id in self._unsent:
            self._submit(job_id, *self._unsent[job_id])
            return
        job = self._job(job_id)
        self._refresh()
        with self._changing(job):
            self._start_tasks(job, tasks)

    def _start_tasks(self, job: KnownJob, tasks: Sequence[int] | None) -> None:
        self._decide(job)  # another desktop may have changed it
        chosen = range(len(job.kept.labels)) if tasks is None else tasks
        over = (TaskState.FAILED, TaskState.CANCELLED)
        again = [task for task in chosen if task in job.views and job.views[task].state in over]
        held = [task for task in tasks or () if task in job.views and task not in again]
        held = [task for task in held if job.views[task].state is TaskState.WAITING]
        for task in held:
            self._start_now(job, task)
        if not again and held:
            return
        if not again:
            raise Refused(f"job {job.kept.id} has no failed or cancelled tasks")
        self._give(job, again)

    def _start_now(self, job: KnownJob, task: int) -> None:
        submission = job.latest_submissions().get(task)
        if submission is None or not submission.engine_id:
            raise NotFound(f"task {task + 1} of job {job.kept.id} is not on the farm")
        self._engine.start_now(submission.engine_id, task - submission.offset)
        self._poll_engine()

    def _remove(self, job_id: str) -> None:
        if self._unsent.pop(job_id, None) is None:
            self._remove_folder(self._job(job_id))
        self._published.publish((), [job_id])

    def _remove_folder(self, job: KnownJob) -> None:
        with self._changing(job):
            self._decide(job)
            # A task that is complete may still run a second time, after a node was lost.
            rows = [row for each in job.kept.submissions for row in self._rows.get(each.token, {}).values()]
            if job.is_live or any(row.state.is_live for row in rows):
                raise Refused(f"{job.kept.name} has not ended on {self.title}: stop it first")
            self._find_jobs()
            scene = own_scene(job.kept.temp_dir, self._folder.parents[1])
            # A job that was submitted again has the scene of the first.
            others = [each.kept.temp_dir for each in self._jobs.values() if each is not job]
            self._removal.remove(job.folder.path, None if job.kept.temp_dir in others else scene)
            self._forget(job)
