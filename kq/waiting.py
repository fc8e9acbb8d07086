"""Why a job waits, as a sentence for people, when its record does not say. A leaf: pure."""

from __future__ import annotations

from kq.records import JobRecord, QueueRecord
from kq.states import JobState

__all__ = ["reason_of"]


def reason_of(record: JobRecord, queue: QueueRecord | None = None) -> str:
    """Why the job waits, or why it failed; empty when there is nothing to explain.

    Args:
        record: the job.
        queue: the queue as a whole, where it is known: it may be the queue that holds the job up.
    """
    if record.reason or record.state is not JobState.WAITING:
        return record.reason
    if queue is not None and queue.paused:
        return "the queue is paused"
    if queue is not None and queue.trouble:
        return queue.trouble
    return "waits for a free Agent"
