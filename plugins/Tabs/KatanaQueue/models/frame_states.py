"""The states of jobs' tasks in the order of their frames, for the frame bars in the list. Pure; no Qt.

A *place* is a task's index in the order of frames; its own index is in the order of submission. A *piece* is
a part of a bar: a frame, or a task where there are too many frames.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from .....kq.api import JobRecord, JobSpec, TaskState, picture_file
from .task_rows import MAX_SHOWN

__all__ = ["ChosenFrame", "FrameOrder", "FrameStates", "Pixel", "frame_order", "has_frame_bar", "pixels"]

MAX_JOBS = 500
"""Most jobs whose frames are kept; those used longest ago are dropped."""
_GAP_FROM_PX = 4
"""The least width of a frame, in pixels, at which a gap of one pixel separates frames."""
_STATES = tuple(TaskState)
_CODE = {state: code for code, state in enumerate(_STATES)}
_COMPLETED = _CODE[TaskState.COMPLETED]
_RUNNING, _WAITING = _CODE[TaskState.RUNNING], _CODE[TaskState.WAITING]
_BY_PRECEDENCE = tuple(
    _CODE[state] for state in (TaskState.FAILED, TaskState.STOPPING, TaskState.RUNNING, TaskState.CANCELLED)
)
"""The state to show where several frames share a pixel, most important first: failed frames always show."""

_Mark = tuple[float | None, ...]


class Pixel(NamedTuple):
    """One pixel of a bar. `share` is the part of its frames in `state`, 0 to 1; the others are waiting."""

    state: TaskState
    share: float


@dataclass
class _JobFrames:
    """The frames of one job, as far as they are known."""

    states: bytes = b""
    """By task index."""
    mark: _Mark | None = None
    """`_mark` of the job when its states were requested."""
    tasks: tuple[int, ...] = ()
    chunks: tuple[range, ...] = ()
    spec: JobSpec | None = None
    written: Sequence[int] = ()
    """How many frames of each task are written, by task index; empty where tasks have one."""
    shown: bytes = field(default=b"", repr=False)
    """The states: by place, or of each frame where tasks have several."""

    def frames(self) -> Iterator[tuple[int, int]]:
        """Yield the place of the task of each frame, and the frame's index in the task."""
        for place, chunk in enumerate(self.chunks):
            for within in range(len(chunk)):
                yield place, within

    def frame_state(self, place: int, within: int) -> int:
        """Return the state of a frame, an index in TaskState. The frames of a task are rendered in order."""
        task = self.tasks[place]
        state, written = self.states[task], self.written[task] if self.written else 0
        if within < written:
            return _COMPLETED
        return _WAITING if state == _RUNNING and within > written and self.written else state


class FrameOrder(NamedTuple):
    """The tasks of a job in the order of their frames."""

    chunks: tuple[range, ...]
    """For each place, the frames of its task."""
    tasks: tuple[int, ...]
    """For each place, the index of its task."""
    spec: JobSpec


class ChosenFrame(NamedTuple):
    """A frame at a position of a frame bar."""

    task: int
    frame: int
    picture: str
    """The file of this frame, which may not exist yet; empty: show the task's picture."""
    state: TaskState | None
    """The state of its task; None: not known yet."""

    def shown_picture(self, latest: str) -> str:
        """Return the file to show. A renderer that writes a PNG beside each EXR prints the PNG's name.

        Args:
            latest: the latest picture of its task; may be empty.
        """
        own, other = Path(self.picture), Path(latest)
        has_png = own.suffix.lower() == ".exr" and other.suffix.lower() == ".png"
        return str(own.with_suffix(other.suffix)) if has_png and own.parent == other.parent else self.picture


def frame_order(spec: JobSpec) -> FrameOrder:
    """Return the order of a job's frames. Any thread, but not Qt's: 10,000 frames take 0.1 s."""
    chunks = spec.chunks()
    if chunks is None or len(chunks) > MAX_SHOWN:
        return FrameOrder((), (), spec)
    ranges = list(chunks)
    tasks = sorted(range(len(ranges)), key=lambda task: ranges[task][0])
    return FrameOrder(tuple(ranges[task] for task in tasks), tuple(tasks), spec)


class FrameStates:
    """The states of the frames of several jobs. Qt's thread."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, _JobFrames] = OrderedDict()

    def clear(self) -> None:
        """Drop all jobs."""
        self._jobs.clear()

    def needs_order(self, job_id: str) -> bool:
        """Whether the order of a job's frames is unknown: never set, or dropped for other jobs."""
        return not self._known(job_id).tasks

    def needs_states(self, job: JobRecord) -> bool:
        """Whether the states of the job's tasks must be fetched.

        Not if none has changed since the last time. If all tasks are in the same state, it is set here.
        """
        known = self._known(job.id)
        if known.mark == _mark(known, job):
            return False
        state = _common_state(job)
        # While the order is unknown, tasks may have several frames, of which some were written.
        may_have_frames = not known.tasks or _has_frames(known)
        if state is None or (may_have_frames and state not in (_COMPLETED, _WAITING)):
            return True
        self.set_states(job, bytes([state]) * job.tasks)
        return False

    def set_order(self, job_id: str, order: FrameOrder) -> None:
        """Set the order of a job's frames."""
        known = self._known(job_id)
        known.chunks, known.tasks, known.spec = order
        _arrange(known)

    def set_states(self, job: JobRecord, states: bytes, written: Sequence[int] = ()) -> None:
        """Set the states of a job's tasks: one byte each, an index in TaskState.

        Args:
            job: the record at the time when the states were requested.
            states: in the order of the tasks.
            written: how many frames of each task are written; empty if not known.
        """
        known = self._known(job.id)
        known.states, known.written, known.mark = states, written, _mark(known, job)
        _arrange(known)

    def shown(self, job: JobRecord) -> bytes:
        """Return the states, one byte a piece of the bar, an index in TaskState; empty while unknown."""
        known = self._jobs.get(job.id)
        return known.shown if known is not None and len(known.tasks) == job.tasks else b""

    def frame_at(self, job_id: str, fraction: float) -> ChosenFrame | None:
        """Return the frame at `fraction` of the bar's width; None while the order is unknown.

        All frames are equally wide; in a job of too many, all tasks, and its frames share a task's piece.
        """
        known = self._known(job_id)
        count = len(known.tasks)
        if not count or known.spec is None:
            return None
        if _has_frames(known):
            piece = _place(fraction, sum(map(len, known.chunks)))
            place, within = next(islice(known.frames(), piece, None))
        else:
            piece = place = _place(fraction, count)
            within = _place(fraction * count - place, len(known.chunks[place]))
        chunk = known.chunks[place]
        frame = chunk[within]
        file = picture_file(known.spec, chunk, frame) if len(chunk) > 1 else None
        return ChosenFrame(
            known.tasks[place],
            frame,
            str(file) if file is not None and file.is_absolute() else "",
            _STATES[known.shown[piece]] if known.shown else None,
        )

    def tip(self, job_id: str, fraction: float) -> str:
        """Return the tool tip at `fraction` of the bar's width, like `frame 7: Failed`; empty if unknown."""
        chosen = self.frame_at(job_id, fraction)
        return "" if chosen is None or chosen.state is None else f"frame {chosen.frame}: {chosen.state}"

    def _known(self, job_id: str) -> _JobFrames:
        known = self._jobs.setdefault(job_id, _JobFrames())
        self._jobs.move_to_end(job_id)
        if len(self._jobs) > MAX_JOBS:
            self._jobs.popitem(last=False)
        return known


def has_frame_bar(job: JobRecord) -> bool:
    """Whether a job's row has a frame bar: one with several tasks, but not more than the list shows."""
    return 1 < job.tasks <= MAX_SHOWN


def _mark(known: _JobFrames, job: JobRecord) -> _Mark:
    """Return the fields of a job that change whenever the state of one of its tasks, or of one of their
    frames, does.
    """
    return (
        job.attempts,
        job.tasks_waiting,
        job.tasks_running,
        job.tasks_completed,
        job.tasks_failed,
        job.tasks_cancelled,
        job.stopping,
        job.progress if _has_frames(known) else None,
    )


def pixels(shown: bytes, width: int) -> list[Pixel | None]:
    """Return the pixels of a frame bar; None is a gap between two frames.

    Args:
        shown: the states by place, as of `FrameStates.shown`.
        width: of the bar, in pixels.
    """
    count = len(shown)
    line: list[Pixel | None] = []
    has_gaps = count * _GAP_FROM_PX <= width
    for x in range(width):
        first, after = x * count // width, (x + 1) * count // width
        if has_gaps and after > first and x + 1 < width:
            line.append(None)
            continue
        part = shown[first : max(after, first + 1)]
        first_code = next((code for code in _BY_PRECEDENCE if code in part), None)
        if first_code is not None:
            line.append(Pixel(_STATES[first_code], 1.0))
        else:
            line.append(Pixel(TaskState.COMPLETED, part.count(_COMPLETED) / len(part)))
    return line


def _common_state(job: JobRecord) -> int | None:
    """Return the index in TaskState of the state that all tasks are in; None when they differ."""
    counts = {
        TaskState.WAITING: job.tasks_waiting,
        TaskState.COMPLETED: job.tasks_completed,
        TaskState.FAILED: job.tasks_failed,
        TaskState.CANCELLED: job.tasks_cancelled,
    }
    return next((_CODE[state] for state, count in counts.items() if count == job.tasks), None)


def _has_frames(known: _JobFrames) -> bool:
    """Whether the bar has a piece for each frame, and not for each task."""
    return len(known.chunks) < sum(map(len, known.chunks)) <= MAX_SHOWN


def _arrange(known: _JobFrames) -> None:
    if not len(known.tasks) == len(known.states) > 1:
        return
    if _has_frames(known):
        known.shown = bytes(known.frame_state(place, within) for place, within in known.frames())
    else:
        known.shown = bytes(itemgetter(*known.tasks)(known.states))


def _place(fraction: float, count: int) -> int:
    return min(max(int(fraction * count), 0), count - 1)
