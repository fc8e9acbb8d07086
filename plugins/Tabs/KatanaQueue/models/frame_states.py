"""The state of every frame of jobs, as the bar in their rows shows it, and the task of each. Pure; no Qt.

A *place* counts tasks in the order of their frames: queued they may be in another.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

from .....kq.api import JobRecord, JobSpec, TaskState
from .task_rows import MAX_SHOWN

__all__ = ["FrameOrder", "FrameStates", "Pixel", "frame_order", "has_frame_bar", "pixels"]

MAX_JOBS = 500
"""So many jobs' frames are kept, of those that were in sight last."""
_GAP_FROM_PX = 4
"""Frames that are so wide are parted by a pixel."""
_STATES = tuple(TaskState)
_CODE = {state: code for code, state in enumerate(_STATES)}
_COMPLETED = _CODE[TaskState.COMPLETED]
_LOUDEST = tuple(
    _CODE[state] for state in (TaskState.FAILED, TaskState.STOPPING, TaskState.RUNNING, TaskState.CANCELLED)
)
"""What shows where several frames share a pixel; a failed frame among thousands is never out of sight."""

_Mark = tuple[int, ...]


class Pixel(NamedTuple):
    """One pixel of a bar. `share`: how much of it is in `state`, 0 to 1; the rest waits."""

    state: TaskState
    share: float


@dataclass
class _JobFrames:
    states: bytes = b""
    """By task."""
    mark: _Mark | None = None
    """Of the job, when its states were asked for."""
    tasks: tuple[int, ...] = ()
    firsts: tuple[int, ...] = ()
    shown: bytes = field(default=b"", repr=False)
    """The states by place."""


class FrameOrder(NamedTuple):
    """The tasks of a job in the order of their frames."""

    firsts: tuple[int, ...]
    """By place: the first frame of its task."""
    tasks: tuple[int, ...]
    """By place."""


def frame_order(spec: JobSpec) -> FrameOrder:
    """The order of the frames that were submitted. Any thread: of 10,000 it takes a tenth of a second."""
    chunks = spec.chunks()
    if chunks is None or len(chunks) > MAX_SHOWN:
        return FrameOrder((), ())
    by_frame = sorted((chunk[0], task) for task, chunk in enumerate(chunks))
    return FrameOrder(tuple(first for first, _ in by_frame), tuple(task for _, task in by_frame))


class FrameStates:
    """Qt's thread."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, _JobFrames] = OrderedDict()

    def clear(self) -> None:
        """Forget all: another queue is shown."""
        self._jobs.clear()

    def needs_order(self, job_id: str) -> bool:
        """Whether `set_order` was not called for a job, or so long ago that it is forgotten."""
        return not self._known(job_id).tasks

    def needs_states(self, job: JobRecord) -> bool:
        """Whether the states of its tasks must be asked for: not while all are in one, or none changed."""
        known = self._known(job.id)
        if known.mark == mark_of(job):
            return False
        state = _common_state(job)
        if state is None:
            return True
        self.set_states(job, bytes([state]) * job.tasks)
        return False

    def set_order(self, job_id: str, order: FrameOrder) -> None:
        """Take the order of a job's frames."""
        known = self._known(job_id)
        known.firsts, known.tasks = order
        _arrange(known)

    def set_states(self, job: JobRecord, states: bytes) -> None:
        """Take the states of a job's tasks; `job` is as it was when they were asked for."""
        known = self._known(job.id)
        known.states, known.mark = states, mark_of(job)
        _arrange(known)

    def shown(self, job: JobRecord) -> bytes:
        """For each place the number of its state among the members of TaskState; empty while not known."""
        known = self._jobs.get(job.id)
        return known.shown if known is not None and len(known.shown) == job.tasks else b""

    def task_at(self, job_id: str, fraction: float) -> int | None:
        """The task at `fraction` of the bar's width; None while the order is not known."""
        tasks = self._known(job_id).tasks
        return tasks[_place(fraction, len(tasks))] if tasks else None

    def tip(self, job_id: str, fraction: float) -> str:
        """What is at `fraction` of the bar's width, for example `frame 7: Failed`; empty while not known."""
        known = self._known(job_id)
        if not known.shown or not known.firsts:
            return ""
        place = _place(fraction, len(known.firsts))
        return f"frame {known.firsts[place]}: {_STATES[known.shown[place]]}"

    def _known(self, job_id: str) -> _JobFrames:
        known = self._jobs.setdefault(job_id, _JobFrames())
        self._jobs.move_to_end(job_id)
        if len(self._jobs) > MAX_JOBS:
            self._jobs.popitem(last=False)
        return known


def has_frame_bar(job: JobRecord) -> bool:
    """Whether the row of a job shows its frames: not of one with more tasks than the list shows."""
    return 1 < job.tasks <= MAX_SHOWN


def mark_of(job: JobRecord) -> _Mark:
    """What of a job is another when the states of its tasks may be."""
    return (
        job.attempts,
        job.tasks_waiting,
        job.tasks_running,
        job.tasks_completed,
        job.tasks_failed,
        job.tasks_cancelled,
        job.stopping,
    )


def pixels(shown: bytes, width: int) -> list[Pixel | None]:
    """A bar `width` pixels wide of frames in the states `shown`; None is a gap between two frames."""
    count = len(shown)
    line: list[Pixel | None] = []
    has_gaps = count * _GAP_FROM_PX <= width
    for x in range(width):
        first, after = x * count // width, (x + 1) * count // width
        if has_gaps and after > first and x + 1 < width:
            line.append(None)
            continue
        part = shown[first : max(after, first + 1)]
        loudest = next((code for code in _LOUDEST if code in part), None)
        if loudest is not None:
            line.append(Pixel(_STATES[loudest], 1.0))
        else:
            line.append(Pixel(TaskState.COMPLETED, part.count(_COMPLETED) / len(part)))
    return line


def _common_state(job: JobRecord) -> int | None:
    """The state that all tasks are in; None where they differ."""
    counts = {
        TaskState.WAITING: job.tasks_waiting,
        TaskState.COMPLETED: job.tasks_completed,
        TaskState.FAILED: job.tasks_failed,
        TaskState.CANCELLED: job.tasks_cancelled,
    }
    return next((_CODE[state] for state, count in counts.items() if count == job.tasks), None)


def _arrange(known: _JobFrames) -> None:
    if len(known.tasks) == len(known.states) > 1:
        known.shown = bytes(itemgetter(*known.tasks)(known.states))


def _place(fraction: float, count: int) -> int:
    return min(max(int(fraction * count), 0), count - 1)
