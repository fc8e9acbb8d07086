"""Which frames of a job to render: in which order, without which, and which tasks again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from pathlib import Path, PureWindowsPath

import msgspec

from .errors import BadInput
from .frame_ranges import parse_frames, stepped_ranges
from .placeholders import fill_picture
from .plain_text import quoted
from .records import JobSpec
from .states import TaskState

__all__ = ["RenderOrder", "file_exists", "frames_written", "picture_file", "select_frames", "tasks_to_render"]

_STATES = tuple(TaskState)
_ROUNDED_FRAMES = 0.05
"""What renderers that print whole percents lose: 5 of 6 frames are 83%."""
MAX_RANGES = 100_000
"""Most ranges that frames may be divided into, so that the queue reads them in a fraction of a second."""


class RenderOrder(StrEnum):
    """The order in which a job's frames are rendered."""

    FIRST_TO_LAST = "first-to-last"
    ENDS_FIRST = "ends-first"
    """First and last task, then the middle of each gap: a rough impression of all of it early on."""


def picture_file(spec: JobSpec, chunk: range | None, frame: int | None = None) -> Path | None:
    """Return the picture file of a frame, or of a task without frames; None if the job names no picture.

    Args:
        spec: what was submitted.
        chunk: the frames of the task; None: it has none.
        frame: one of `chunk`; default: its first. A name with `{start}` or `{end}` is the same for all.
    """
    if not spec.picture:
        return None
    part = chunk
    if chunk is not None and not any(word in spec.picture for word in ("{start", "{end", "{step")):
        frame = chunk[0] if frame is None else frame
        part = range(frame, frame + 1)
    return Path(spec.cwd or spec.temp_dir or ".") / fill_picture(spec.picture, part)


def frames_written(spec: JobSpec, chunk: range, picture: str, progress: float) -> int:
    """Return how many frames of a task are written, as far as its output says: they are rendered in order.

    The latest picture names its frame. The progress says whether that one is complete, or still refined;
    alone it says nothing, as it may be of each frame, or of all of them.

    Args:
        spec: what was submitted.
        chunk: the frames of the task.
        picture: the latest picture that its output named; may be empty.
        progress: as its output said last, 0 to 1.
    """
    stem = PureWindowsPath(picture).stem  # either kind of slash; and a PNG beside an EXR has its name
    names = [file.stem for frame in chunk if (file := picture_file(spec, chunk, frame))]
    if names.count(stem) != 1:
        return 0
    place = names.index(stem)
    complete = int(progress * len(chunk) + _ROUNDED_FRAMES)
    return min(max(complete, place), place + 1)


def tasks_to_render(spec: JobSpec, states: bytes, exists: Callable[[Path], bool] | None = None) -> list[int]:
    """Return the indexes of tasks that failed, were stopped, or completed without a file for each frame.

    Unfinished tasks are left out. If the job names no picture, completed tasks are left out, too.

    Args:
        spec: what was submitted.
        states: one byte for each task, the index of its state in TaskState.
        exists: whether a file exists; default: `file_exists`.
    """
    exists = exists or file_exists
    chunks = spec.chunks()
    if len(states) != (1 if chunks is None else len(chunks)):
        return []
    tasks = []
    for task, code in enumerate(states):
        state = _STATES[code]
        if not state.is_terminal:
            continue
        if state is not TaskState.COMPLETED or not _is_there(
            spec, None if chunks is None else chunks[task], exists
        ):
            tasks.append(task)
    return tasks


def _is_there(spec: JobSpec, chunk: range | None, exists: Callable[[Path], bool]) -> bool:
    frames: Iterable[int | None] = [None] if chunk is None else chunk
    files = (picture_file(spec, chunk, frame) for frame in frames)
    return all(file is None or exists(file) for file in files)


def select_frames(
    spec: JobSpec,
    order: RenderOrder | None,
    *,
    skip_existing: bool,
    exists: Callable[[Path], bool] | None = None,
) -> JobSpec:
    """Return `spec` with its frames in `order`, and without those whose picture exists.

    Args:
        spec: a job as it would be submitted.
        order: None: as written.
        skip_existing: whether frames with a picture are left out. May wait for a file share.
        exists: whether a file exists; default: `file_exists`.

    Raises:
        BadInput: there are no frames, the picture is not a file for each frame, or all frames exist.
    """
    if order is None and not skip_existing:
        return spec
    if not spec.frames.strip():
        raise BadInput(f"{'--skip-existing' if skip_existing else '--order'} needs --frames")
    frames = [frame for part in parse_frames(spec.frames) for frame in part]
    if skip_existing:
        frames = _without_picture(spec, exists or file_exists)
    if order is not None:
        frames.sort()
    chosen = msgspec.structs.replace(spec, frames=_written(stepped_ranges(frames)))
    chunks = chosen.chunks()
    if order is RenderOrder.ENDS_FIRST and chunks is not None:
        chosen = msgspec.structs.replace(chosen, frames=_written(_ends_first(list(chunks))))
    return chosen


def _without_picture(spec: JobSpec, exists: Callable[[Path], bool]) -> list[int]:
    if not spec.picture:
        raise BadInput("--skip-existing needs --picture: the path of a frame's file, as in out.####.exr")
    chunks = spec.chunks()
    assert chunks is not None, "the caller has frames"
    if len(chunks) > 1 and picture_file(spec, chunks[0]) == picture_file(spec, chunks[1]):
        raise BadInput(
            f"--picture {quoted(spec.picture)} has no frame digits, so it is one file for all frames: "
            "write it like out.####.exr"
        )
    frames = []
    for chunk in chunks:
        for frame in chunk:
            file = picture_file(spec, chunk, frame)
            if file is None or not exists(file):
                frames.append(frame)
    if not frames:
        raise BadInput("nothing to render: the pictures of all frames exist already")
    return frames


def _ends_first(chunks: list[range]) -> list[range]:
    if len(chunks) < 3:
        return chunks
    last = len(chunks) - 1
    chosen, spans = [0, last], [(0, last)]
    while spans:
        halves = []
        for low, high in spans:
            middle = (low + high) // 2
            if middle not in (low, high):
                chosen.append(middle)
                halves += [(low, middle), (middle, high)]
        spans = halves
    return [chunks[index] for index in chosen]


def _written(ranges: Sequence[range]) -> str:
    if len(ranges) > MAX_RANGES:
        raise BadInput(
            f"the frames form {len(ranges):,} ranges, more than {MAX_RANGES:,}: use a larger --chunk, or "
            "divide them among several jobs"
        )
    parts = []
    for each in ranges:
        step = f"x{each.step}" if each.step > 1 else ""
        parts.append(str(each[0]) if len(each) == 1 else f"{each[0]}-{each[-1]}{step}")
    return ",".join(parts)


def file_exists(path: Path) -> bool:
    """Whether a file exists; False also where its folder cannot be read."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
