"""Submits tasks to the engine exactly once, and stops them. On the farm's thread."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Sequence

import msgspec

from ..errors import ConnectionLost, KqError
from .engine import Engine
from .job_folder import Submission
from .known_job import KnownJob

__all__ = ["Submitter", "reason_for"]

_RESUBMIT_AFTER_S = 60.0
"""A submission whose reply was lost is repeated if it is not in the engine's list after so long."""
_log = logging.getLogger("kq.farms")


class Submitter:
    """Submits and stops tasks. Each request is saved in the job's folder before it is sent to the engine.

    Args:
        engine: the farm's engine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def save_submissions(self, job: KnownJob, tasks: Sequence[int]) -> None:
        """Save the submissions that `send_submissions` is to send, so that a crash in between loses none.

        Raises OSError, and what the engine raises.
        """
        kept = msgspec.structs.replace(job.kept)  # so that the job stays as it was if this is not saved
        size = self._engine.max_array()
        if job.is_stop_wanted:
            # Of the stopped job only `tasks` start: neither others, nor a submission that was lost before.
            kept.stopped_tasks = list(range(len(kept.labels)))
            kept.submissions = [each for each in kept.submissions if each.engine_id]
        parts = (
            (offset, [task for task in tasks if offset <= task < offset + size])
            for offset in sorted({task // size * size for task in tasks})
        )
        added = [Submission(secrets.token_hex(8), chosen, time.time(), offset) for offset, chosen in parts]
        kept.submissions = [*kept.submissions, *added]
        stopped_before = frozenset(kept.stopped_tasks)
        kept.stopped_at, kept.error = 0.0, ""
        kept.stopped_tasks = [task for task in kept.stopped_tasks if task not in set(tasks)]
        job.folder.set_stop(wanted=False)
        job.folder.set_output_mark(kept, wanted=True)
        job.folder.save(kept)
        job.kept, job.stopped_before = kept, stopped_before
        job.is_stop_unsent = job.is_stop_unsent and bool(kept.stopped_tasks)
        job.forget_views(tasks)

    def send_submissions(self, job: KnownJob) -> None:
        """Send the submissions that were saved.

        Raises what the engine raises; after ConnectionLost `settle` finds or repeats the submission.
        """
        for submission in list(job.kept.submissions):
            if not submission.engine_id:
                self._send(job, submission)

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
        except ConnectionLost:
            raise
        except Exception as error:
            kept.error = reason_for(error)
            kept.submissions.remove(submission)
            again = job.stopped_before.intersection(submission.tasks)
            kept.stopped_tasks = sorted(again.union(kept.stopped_tasks))
            job.folder.save(kept)
            raise
        job.folder.save(kept)

    def settle(self, job: KnownJob, engine_ids: dict[str, str]) -> bool:
        """Find submissions whose reply was lost, by their token; repeat those not listed after 60 s.

        Returns whether the engine refused one of them.

        Args:
            job: a job that is not over.
            engine_ids: the engine's id by token, from its current list.
        """
        is_refused = False
        for submission in list(job.kept.submissions):
            if submission.engine_id:
                continue
            found = engine_ids.get(submission.token, "") or _engine_id_in_records(job, submission.token)
            if found:
                submission.engine_id = found
                job.folder.save(job.kept)
                job.is_stop_unsent = job.is_stop_wanted or bool(job.kept.stopped_tasks)
            elif not (wanted := _wanted_tasks(job, submission)):
                job.kept.submissions.remove(submission)
                job.folder.save(job.kept)
            elif time.time() > submission.at + _RESUBMIT_AFTER_S:
                submission.at, submission.tasks = time.time(), wanted
                try:
                    self._send(job, submission)
                except Exception as error:  # noqa: BLE001  # the job has the reason
                    is_refused = is_refused or not isinstance(error, ConnectionLost)
                    _log.warning("job %s: %s", job.kept.id, reason_for(error))
        if job.is_stop_unsent:
            try:
                self.send_stop(job)
            except ConnectionLost:
                pass  # it is sent again with the next poll
        return is_refused

    def save_stop(self, job: KnownJob, tasks: Sequence[int] | None = None) -> None:
        """Save that a job, or these tasks of it, are to be stopped; `send_stop` sends it."""
        kept = job.kept
        if tasks is None:
            kept.stopped_at = time.time()
            job.folder.set_stop(wanted=True)
        else:
            kept.stopped_tasks = sorted({*kept.stopped_tasks, *tasks})
        job.is_stop_unsent = True
        job.folder.save(kept)

    def send_stop(self, job: KnownJob) -> None:
        """Send the stop that was saved to the engine. Raises ConnectionLost: `settle` sends it again."""
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


def reason_for(error: Exception) -> str:
    """Return why a request failed, as a message. An error that no adapter is meant to raise is logged."""
    if isinstance(error, (KqError, OSError)):
        return str(error)
    _log.error("an unexpected error", exc_info=error)
    return f"unexpected error: {type(error).__name__}: {error}"


def _wanted_tasks(job: KnownJob, submission: Submission) -> list[int]:
    """Return the tasks of a submission that the user has not stopped since."""
    stopped = set(job.kept.stopped_tasks)
    return [] if job.is_stop_wanted else [task for task in submission.tasks if task not in stopped]


def _engine_id_in_records(job: KnownJob, token: str) -> str:
    """Return the engine's id from the attempt records, in case the engine lists the job no more; or empty."""
    attempts = (each for tries in job.folder.attempts().values() for each in tries)
    return next((each.engine_id for each in attempts if each.token == token), "")
