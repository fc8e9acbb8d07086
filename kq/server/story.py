"""A job's story as one list: entries derived from the journal's attempts, then those that the core kept."""

from __future__ import annotations

from ..core.jobs import Job
from ..records import AttemptRecord, StoryEntry
from ..states import Outcome, TaskState

__all__ = ["story_of"]


def story_of(job: Job, attempts: list[AttemptRecord]) -> tuple[tuple[StoryEntry, ...], int]:
    """The story of a job, oldest entry first, and how many entries it lacks.

    Args:
        attempts: the job's attempts in the journal, for the time before this server loaded the job. Of many
            those of the first tasks are missing: the journal returns a limited number.
    """
    submitted = StoryEntry(job.submitted, TaskState.WAITING, None, job.total, reason="submitted")
    derived = [step for each in attempts for step in _steps_of(each) if step.time < job.story_since]
    derived.sort(key=lambda step: step.time)
    unread = max(job.story_restored - len(derived), 0)
    return (submitted, *derived, *job.story), job.story_omitted + unread


def _steps_of(record: AttemptRecord) -> tuple[StoryEntry, StoryEntry]:
    # The task's next state is not recorded: a failed attempt may have been retried.
    state = TaskState.COMPLETED if record.outcome is Outcome.COMPLETED else TaskState.WAITING
    return (
        StoryEntry(record.started, TaskState.RUNNING, record.task, agent=record.agent),
        StoryEntry(record.ended, state, record.task, reason=record.reason, outcome=record.outcome),
    )
