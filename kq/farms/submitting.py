"""Submits tasks to the engine exactly once, and stops them. On the farm's thread."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Sequence

from ..errors import ConnectionLost, KqError, Refused
from .engine import Engine
from .job_folder import Submission
from .known_job import KnownJob, StatusesByToken

__all__ = ["Submitter"]

_RESUBMIT_AFTER_S = 60.0
"""A submission whose reply was lost is repeated if it is not in the engine's list after so long."""
_log = logging.getLogger("kq.farms")


class Submitter:
    """Submits and stops tasks. Each request is saved in the job's folder before it is sent to the engine.

    Args:
        engine: the farm's engine.
        on_change: called with a job that changed.
    """

    def __init__(self, engine: Engine, on_change: Callable[[KnownJob], None]) -> None:
        self._engine = engine
        self._on_change = on_change

    def give(self, job: KnownJob, tasks: Sequence[int]) -> None:
        """Save the submissions, then send them, so that a crash in between loses none.

        Raises Refused, ConnectionLost; after the latter `settle` finds or repeats the submission.
        """
        kept = job.kept
        size = self._engine.max_array()
        for offset in sorted({task // size * size for task in tasks}):
            chosen = [task for task in tasks if offset <= task < offset + size]
            kept.submissions.append(Submission(secrets.token_hex(8), chosen, time.time(), offset))
        job.forget_views(tasks)
        kept.stopped_at, kept.error = 0.0, ""
        kept.stopped_tasks = [task for task in kept.stopped_tasks if task not in set(tasks)]
        job.is_stop_unsent = False
        job.folder.set_stop(wanted=False)
        job.folder.set_output_mark(kept, wanted=True)
        job.folder.save(kept)
        self._on_change(job)
        for submission in list(kept.submissions):
            if not submission.engine_id:
                self._send(job, submission)
        self._on_change(job)

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
            self._on_change(job)
            raise
        job.folder.save(kept)

    def settle(self, job: KnownJob, rows: StatusesByToken, engine_ids: dict[str, str]) -> None:
        """Find submissions whose reply was lost, by their token; repeat those not listed after 60 s.

        Args:
            job: a job that is not over.
            rows: the engine's current list.
            engine_ids: the engine's id by token, from that list.
        """
        for submission in list(job.kept.submissions):
            if submission.engine_id:
                continue
            found = engine_ids.get(submission.token, "") or _engine_id_in_records(job, submission.token)
            if found:
                submission.engine_id = found
                job.folder.save(job.kept)
                job.is_stop_unsent = job.is_stop_wanted
            elif job.is_stop_wanted:
                job.kept.submissions.remove(submission)
                job.folder.save(job.kept)
            elif time.time() > submission.at + _RESUBMIT_AFTER_S:
                submission.at = time.time()
                try:
                    self._send(job, submission)
                except KqError as error:
                    _log.warning("job %s: %s", job.kept.id, error)
        if job.is_stop_unsent:
            try:
                self.send_stop(job, rows)
            except ConnectionLost:
                pass  # it is sent again with the next poll

    def stop(self, job: KnownJob, rows: StatusesByToken, tasks: Sequence[int] | None = None) -> None:
        """Stop a job, or these tasks of it. Raises ConnectionLost: then the stop is sent again later."""
        kept = job.kept
        if tasks is None:
            kept.stopped_at = time.time()
            job.folder.set_stop(wanted=True)
        else:
            kept.stopped_tasks = sorted({*kept.stopped_tasks, *tasks})
        job.is_stop_unsent = True
        job.folder.save(kept)
        self._on_change(job)
        self.send_stop(job, rows)

    def send_stop(self, job: KnownJob, rows: StatusesByToken) -> None:
        """Send the stop that the user requested to the engine. Raises ConnectionLost."""
        sent = [each for each in job.kept.submissions if each.engine_id]
        if job.is_stop_wanted:
            self._engine.stop([each.engine_id for each in sent])
        else:
            latest = job.latest_submissions()
            for submission in sent:
                indexes = [
                    task - submission.offset
                    for task in job.kept.stopped_tasks
                    if latest.get(task) is submission
                ]
                if indexes:
                    self._engine.stop_tasks(submission.engine_id, indexes)
        job.is_stop_unsent = False


def _engine_id_in_records(job: KnownJob, token: str) -> str:
    """Return the engine's id from the attempt records, in case the engine lists the job no more; or empty."""
    attempts = (each for tries in job.folder.attempts().values() for each in tries)
    return next((each.engine_id for each in attempts if each.token == token), "")
