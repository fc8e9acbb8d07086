"""Why a job waits is always said, in the words that help most."""

from __future__ import annotations

import msgspec

from kq.records import JobRecord, QueueRecord
from kq.states import JobState
from kq.waiting import reason_of

_WAITING = JobRecord(id="job0", name="beauty", state=JobState.WAITING, submitted=0.0, order=1)


def test_a_jobs_own_reason_comes_first() -> None:
    """What the core says of the job is more than what the queue as a whole may say."""
    record = msgspec.structs.replace(_WAITING, reason="waits for key (Running)")
    assert reason_of(record, QueueRecord(paused=True)) == "waits for key (Running)"


def test_the_queue_may_be_the_reason() -> None:
    """A paused queue, or Agents that cannot start, hold every job up."""
    assert reason_of(_WAITING, QueueRecord(paused=True)) == "the queue is paused"
    assert reason_of(_WAITING, QueueRecord(trouble="Agents cannot start")) == "Agents cannot start"
    assert reason_of(_WAITING) == "waits for a free Agent"


def test_a_job_that_does_not_wait_needs_no_reason() -> None:
    """Nothing is made up for what runs or is over."""
    record = msgspec.structs.replace(_WAITING, state=JobState.RUNNING)
    assert reason_of(record, QueueRecord(paused=True)) == ""
