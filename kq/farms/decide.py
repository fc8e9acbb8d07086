"""The state of each task of a farm job: from the engine's rows, the job's records, and what the user wants.

Pure: no clock, file or process. Times are wall clock, in seconds since the epoch, as the records have them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from ..states import TaskState

__all__ = [
    "RECORD_DELAY_S",
    "SETTLE_S",
    "AttemptFile",
    "EngineRow",
    "EngineState",
    "Poll",
    "TaskView",
    "decide_task",
    "poll_delay_s",
]

SETTLE_S = 5.0
"""After a submission an engine may not list a task yet."""
RECORD_DELAY_S = 70.0
"""A file from another machine may take this long to be seen: NFS caches directories for 60 s by default."""

POLL_S = 5.0
_LONGEST_POLL_S = 60.0
_MAX_SHARE = 0.02
"""Of the time that an engine may be busy for one desktop. A slow answer shows that it has much to do: each
desktop then asks it more rarely."""


class EngineState(StrEnum):
    """What an engine says of a task."""

    PENDING = "pending"
    """Waits to be run."""
    RUNNING = "running"
    COMPLETING = "completing"
    """Its processes are being ended; its records may still come."""
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed-out"
    OUT_OF_MEMORY = "out-of-memory"
    NODE_LOST = "node-lost"

    @property
    def is_live(self) -> bool:
        """Whether the engine still has it."""
        return self in (EngineState.PENDING, EngineState.RUNNING, EngineState.COMPLETING)


_WHY_FAILED: Mapping[EngineState, str] = {
    EngineState.TIMED_OUT: "it ran longer than its time limit on the farm",
    EngineState.OUT_OF_MEMORY: "it used more memory than it had asked the farm for",
    EngineState.NODE_LOST: "its node was lost",
}


class EngineRow(NamedTuple):
    """One task as the engine lists it."""

    state: EngineState
    reason: str = ""
    """Why it waits or failed, in words for people."""
    node: str = ""


class AttemptFile(msgspec.Struct, frozen=True):
    """What the task runner records of an attempt, at its start and again at its end."""

    task: int
    attempt: int
    started: float
    host: str = ""
    node: str = ""
    pid: int = 0
    token: str = ""
    engine_id: str = ""
    ended: float | None = None
    outcome: str = ""
    """completed, failed or stopped; empty while it runs, and forever if its machine was lost."""
    exit_code: int | None = None
    reason: str = ""
    peak_memory: int | None = None
    cpu_s: float | None = None
    picture: str = ""
    """The picture that was asked for, where it was there at the end."""
    tail: str = ""
    """The end of its log: which picture it names, which error it ends with."""
    unseen: str = ""
    """The folder for pictures, where its machine has another one of that name, or none: nothing was run."""


class Poll(NamedTuple):
    """One poll of the engine."""

    at: float
    """When the engine answered last."""
    is_current: bool
    """False: it did not answer this time, and what is known dates from `at`."""


class TaskView(NamedTuple):
    """What is known of one task."""

    state: TaskState
    reason: str = ""
    attempt: int = 0
    """The attempt that the state is about; 0: none yet."""
    node: str = ""


def decide_task(
    row: EngineRow | None,
    attempts: Sequence[AttemptFile],
    *,
    token: str,
    submitted: float,
    poll: Poll | None,
    is_stop_wanted: bool,
    previous: TaskView | None = None,
) -> TaskView:
    """The state of one task.

    Args:
        row: what the engine lists of its latest submission; None: nothing.
        attempts: the task's records, in the order of their numbers.
        token: identifies the task's latest submission; records with another token are of earlier ones.
        submitted: when it was given to the engine last.
        poll: the last one; None: the engine has never answered.
        is_stop_wanted: whether the user stopped the job after that.
        previous: what was decided last, for the times at which nothing can be known.
    """
    done = next((each for each in attempts if each.outcome == "completed"), None)
    if done is not None:
        return TaskView(TaskState.COMPLETED, "", done.attempt, done.node or done.host)
    recent = [each for each in attempts if each.token == token]
    last = recent[-1] if recent else None
    number = attempts[-1].attempt if attempts else 0
    before = previous or TaskView(TaskState.WAITING, "given to the farm", number)
    if poll is None or not poll.is_current:
        return before
    if row is not None and row.state.is_live:
        if row.state is EngineState.PENDING:
            return TaskView(TaskState.WAITING, row.reason, number)
        return TaskView(
            TaskState.STOPPING if is_stop_wanted else TaskState.RUNNING, row.reason, number, row.node
        )
    if last is not None and last.outcome == "stopped":
        return _stopped(row, last, number, is_stop_wanted=is_stop_wanted)
    if last is not None and last.outcome:
        return TaskView(TaskState.FAILED, last.reason or f"exit code {last.exit_code}", number, last.node)
    if is_stop_wanted:
        return TaskView(TaskState.CANCELLED, "", number)
    if poll.at < submitted + SETTLE_S:
        return before
    if row is not None and row.state is EngineState.CANCELLED:
        return TaskView(TaskState.CANCELLED, "cancelled on the farm, not in Katana Queue", number)
    if row is not None and row.state in _WHY_FAILED:
        return TaskView(TaskState.FAILED, _WHY_FAILED[row.state], number, row.node)
    if row is not None and row.state is EngineState.FAILED and last is None:
        return TaskView(TaskState.FAILED, row.reason or "the farm could not start it", number, row.node)
    since = last.started if last is not None else submitted
    if poll.at < since + RECORD_DELAY_S:
        return before
    if last is not None:
        return TaskView(TaskState.FAILED, f"it ended on {last.node or last.host} and left no record", number)
    return TaskView(TaskState.FAILED, "the farm no longer lists it, and it was never started", number)


def _stopped(row: EngineRow | None, last: AttemptFile, number: int, *, is_stop_wanted: bool) -> TaskView:
    """The runner was asked to end: by the user, by a limit, or by an operator of the farm."""
    node = last.node or last.host
    if is_stop_wanted:
        return TaskView(TaskState.CANCELLED, "", number, node)
    if row is not None and row.state in _WHY_FAILED:
        return TaskView(TaskState.FAILED, _WHY_FAILED[row.state], number, node)
    return TaskView(TaskState.CANCELLED, "cancelled on the farm, not in Katana Queue", number, node)


def poll_delay_s(*, has_live_tasks: bool, failed_polls: int, answer_s: float = 0.0) -> float | None:
    """Seconds until the engine is asked again; None: not until something is submitted.

    Args:
        failed_polls: how often in a row it did not answer.
        answer_s: how long its last answer took.
    """
    if not has_live_tasks:
        return None
    delay_s = max(POLL_S * float(2 ** min(failed_polls, 10)), answer_s / _MAX_SHARE)
    return min(delay_s, _LONGEST_POLL_S)
