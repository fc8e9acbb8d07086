"""The state of a farm job's task, derived from the engine's rows, the task runner's records and user stops.

The engine runs the farm's jobs: Slurm or OpenCue. Pure. Times are wall clock, in seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from ..states import Outcome, TaskState

__all__ = [
    "RECORD_DELAY_S",
    "SETTLE_S",
    "AttemptFile",
    "EngineState",
    "EngineStatus",
    "Poll",
    "TaskView",
    "decide_task",
    "poll_delay_s",
]

SETTLE_S = 5.0
"""How long after a submission an engine may not list the task yet."""
RECORD_DELAY_S = 70.0
"""A file from another machine may take this long to be seen: NFS caches directories for 60 s by default."""

_POLL_INTERVAL_S = 5.0
_MAX_POLL_INTERVAL_S = 60.0
_MAX_BUSY_SHARE = 0.02
"""Share of its time that an engine may spend on answers to one desktop: a slow one is polled more rarely."""


class EngineState(StrEnum):
    """The state of a task as the engine reports it."""

    PENDING = "pending"
    """It waits for a node."""
    RUNNING = "running"
    COMPLETING = "completing"
    """The engine is ending its processes; the record of its end may not be written yet."""
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed-out"
    OUT_OF_MEMORY = "out-of-memory"
    NODE_LOST = "node-lost"

    @property
    def is_live(self) -> bool:
        """Whether the engine still holds it: it is not over there."""
        return self in (EngineState.PENDING, EngineState.RUNNING, EngineState.COMPLETING)


_WHY_FAILED: Mapping[EngineState, str] = {
    EngineState.TIMED_OUT: "it ran longer than its time limit on the farm",
    EngineState.OUT_OF_MEMORY: "it used more memory than it had asked the farm for",
    EngineState.NODE_LOST: "its node was lost",
}


class EngineStatus(NamedTuple):
    """One task as the engine lists it."""

    state: EngineState
    reason: str = ""
    """Why it waits or failed, worded for the user; empty when the engine gives no reason."""
    node: str = ""
    """The machine that it runs or ran on; empty when the engine does not name it."""


class AttemptFile(msgspec.Struct, frozen=True):
    """The record of one attempt, which the task runner writes at its start and, complete, at its end."""

    task: int
    attempt: int
    started: float
    host: str = ""
    """The host name of the machine."""
    node: str = ""
    """The engine's name for that machine; empty where it has none."""
    pid: int = 0
    token: str = ""
    """Identifies the submission that the attempt belongs to."""
    engine_id: str = ""
    """The engine's id of the submission: a Slurm job array, an OpenCue job."""
    ended: float | None = None
    outcome: Outcome | None = None
    """COMPLETED, FAILED or STOPPED; None while it runs, and for good if its machine was lost."""
    exit_code: int | None = None
    reason: str = ""
    peak_memory: int | None = None
    """In bytes."""
    cpu_s: float | None = None
    picture: str = ""
    """Path of the job's picture, if that file existed at the end."""
    tail: str = ""
    """The last lines of its log, from which the picture's path and the error are read."""
    unseen: str = ""
    """The picture folder, if its machine does not have the desktop's: the attempt then ran nothing."""


class Poll(NamedTuple):
    """The result of polling the engine."""

    at: float
    """When the engine last answered."""
    is_current: bool
    """Whether it answered the last poll; if not, its rows date from `at`."""


class TaskView(NamedTuple):
    """The derived state of one task."""

    state: TaskState
    reason: str = ""
    attempt: int = 0
    """The number of the attempt that the state belongs to; 0: none yet."""
    node: str = ""
    """The machine of that attempt; empty when it is not known."""
    over_since: float = 0.0
    """Since when its record is waited for: when the engine was first seen to have ended it, or its start or
    submission if no poll had listed it before; else 0."""


def decide_task(
    row: EngineStatus | None,
    attempts: Sequence[AttemptFile],
    *,
    token: str,
    submitted: float,
    poll: Poll | None,
    is_stop_wanted: bool,
    is_confirmed: bool = True,
    previous: TaskView | None = None,
) -> TaskView:
    """Return the state of one task.

    Args:
        row: the engine's row for the latest submission; None when it lists none.
        attempts: the task's records, in the order of their numbers.
        token: identifies the task's latest submission; records with another token are of earlier ones.
        submitted: when that submission was made.
        poll: the latest poll; None when the engine has never answered.
        is_stop_wanted: whether the user stopped the task after that submission.
        is_confirmed: whether the engine is known to have that submission: its reply was not lost.
        previous: the last result. It is returned unchanged while engine and records may be out of date.
    """
    completed = next((each for each in attempts if each.outcome is Outcome.COMPLETED), None)
    if completed is not None:
        return TaskView(TaskState.COMPLETED, "", completed.attempt, completed.node or completed.host)
    of_submission = [each for each in attempts if each.token == token]
    last = of_submission[-1] if of_submission else None
    number = attempts[-1].attempt if attempts else 0
    since = last.started if last is not None else submitted
    unchanged = previous or TaskView(TaskState.WAITING, "submitted to the farm", number)
    if poll is None or not poll.is_current:
        # Without a previous view this one is no observation: a task that was lost long ago fails at once.
        return previous or unchanged._replace(over_since=since)
    if row is not None and row.state.is_live:
        if row.state is EngineState.PENDING:
            return TaskView(TaskState.WAITING, row.reason, number)
        return TaskView(
            TaskState.STOPPING if is_stop_wanted else TaskState.RUNNING, row.reason, number, row.node
        )
    if last is not None and last.outcome is Outcome.STOPPED:
        return _stopped(row, last, number, is_stop_wanted=is_stop_wanted)
    if last is not None and last.outcome is not None:
        return TaskView(TaskState.FAILED, last.reason or f"exit code {last.exit_code}", number, last.node)
    if is_stop_wanted:
        return TaskView(TaskState.CANCELLED, "", number)
    if row is None and last is None and not is_confirmed:
        return TaskView(TaskState.WAITING, "the farm has not confirmed it yet", number)
    if poll.at < submitted + SETTLE_S:
        return unchanged
    if row is not None and row.state is EngineState.CANCELLED:
        return TaskView(TaskState.CANCELLED, "cancelled on the farm, not in Katana Queue", number)
    if row is not None and row.state in _WHY_FAILED:
        return TaskView(TaskState.FAILED, _WHY_FAILED[row.state], number, row.node)
    has_failed = row is not None and row.state is EngineState.FAILED and last is None
    if has_failed and row is not None and row.reason:
        return TaskView(TaskState.FAILED, row.reason, number, row.node)
    # The engine has ended it without a reason: the record of its start or end may be on its way.
    if previous is not None and not previous.state.is_terminal:
        since = previous.over_since or poll.at  # it may have waited and run for hours
    if poll.at < since + RECORD_DELAY_S:
        return unchanged._replace(over_since=since)
    if last is not None:
        return TaskView(TaskState.FAILED, f"it ended on {last.node or last.host} and left no record", number)
    if has_failed:
        return TaskView(TaskState.FAILED, "the farm could not start it", number, row.node if row else "")
    return TaskView(TaskState.FAILED, "the farm no longer lists it, and it was never started", number)


def _stopped(row: EngineStatus | None, last: AttemptFile, number: int, *, is_stop_wanted: bool) -> TaskView:
    """Return the state of a task whose runner was stopped: by the user, a limit or a farm operator."""
    node = last.node or last.host
    if is_stop_wanted:
        return TaskView(TaskState.CANCELLED, "", number, node)
    if row is not None and row.state in _WHY_FAILED:
        return TaskView(TaskState.FAILED, _WHY_FAILED[row.state], number, node)
    return TaskView(TaskState.CANCELLED, "cancelled on the farm, not in Katana Queue", number, node)


def poll_delay_s(*, has_live_tasks: bool, failed_polls: int, answer_s: float = 0.0) -> float | None:
    """Return the seconds until the next poll; None: no poll until a task is submitted.

    Args:
        has_live_tasks: whether any task is not over.
        failed_polls: how many polls in a row had no answer.
        answer_s: how long the last answer took, in seconds.
    """
    if not has_live_tasks:
        return None
    delay_s = max(_POLL_INTERVAL_S * float(2 ** min(failed_polls, 10)), answer_s / _MAX_BUSY_SHARE)
    return min(delay_s, _MAX_POLL_INTERVAL_S)
