"""The frames of a Disk Render: parsing, rendering order and file names. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

__all__ = [
    "MAX_FRAMES",
    "FrameError",
    "FrameRequest",
    "Order",
    "divided",
    "frame_pattern",
    "in_order",
    "numbered",
    "parse",
    "path_of",
    "remaining",
    "with_digits",
]

MAX_FRAMES = 100_000
"""Maximum number of frames in one render; more are assumed to be a typing error."""

_PART = re.compile(r"\s*(-?\d{1,7})\s*(?:-\s*(-?\d{1,7})\s*(?:x\s*(\d{1,7})\s*)?)?")
_FIELD = re.compile(r"\{frame(?::0(\d)d)?\}")
_MAX_DIGITS = 9
"""As many as a placeholder of the queue may have."""
_DIGITS = re.compile(r"#+|%0?(\d)?d")


class FrameError(ValueError):
    """Invalid frames or output path; the text is shown to the artist."""


class Order(StrEnum):
    """The order in which frames are rendered."""

    FORWARD = "First to last"
    HALVING = "Ends first, then halving"
    """A rough impression of the whole sequence early on."""


@dataclass(frozen=True)
class FrameRequest:
    """The frames of one Disk Render, as set in the dialog."""

    frames: tuple[int, ...]
    """Ascending."""
    pattern: str
    """The output with `{frame:04d}` for the frame."""
    order: Order
    skip_existing: bool
    make_folders: bool
    per_task: int = 1
    """Maximum number of frames per task."""
    priority: int = 0
    """Jobs with a higher priority start first."""


def parse(text: str, every: int = 1) -> list[int]:
    """Return the frames of a text such as `1-10, 20, 30-45x2`, ascending, each once. Raises FrameError.

    `every`: the step of ranges without one.
    """
    if not text.strip():
        raise FrameError("Type the frames to render, for example 1-10, 20, 30-45x2.")
    frames: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise FrameError(f"“{part.strip()}” is not a frame range: write 1-10, 20 or 30-45x2.")
        first = int(match[1])
        last = first if match[2] is None else int(match[2])
        step = every if match[3] is None else int(match[3])
        if step < 1:
            raise FrameError(f"“{part.strip()}” has a step of 0: use 1 or more.")
        if last < first:
            raise FrameError(f"“{part.strip()}” runs backwards: write {last}-{first}.")
        more = range(first, last + 1, step)
        if len(more) <= MAX_FRAMES:
            frames.update(more)
        if max(len(more), len(frames)) > MAX_FRAMES:
            raise FrameError(f"More than {MAX_FRAMES:,} frames: render them in several parts.")
    return sorted(frames)


def in_order(frames: Sequence[int], order: Order, per_task: int = 1) -> list[int]:
    """Return the ascending `frames` in rendering order; the frames of a task stay together."""
    tasks = divided(frames, per_task)
    if order is Order.HALVING:
        tasks = _halved(tasks)
    return [frame for task in tasks for frame in task]


def divided(frames: Sequence[int], per_task: int) -> list[list[int]]:
    """Split `frames` into tasks: runs with a constant step of at most `per_task` frames."""
    tasks: list[list[int]] = []
    for frame in frames:
        task = tasks[-1] if tasks else []
        is_next = len(task) < 2 or frame - task[-1] == task[1] - task[0]
        if task and len(task) < per_task and is_next:
            task.append(frame)
        else:
            tasks.append([frame])
    return tasks


def _halved(tasks: list[list[int]]) -> list[list[int]]:
    if len(tasks) < 3:
        return tasks
    chosen = [0, len(tasks) - 1]
    spans = [(0, len(tasks) - 1)]
    while spans:
        halves = []
        for low, high in spans:
            middle = (low + high) // 2
            if middle not in (low, high):
                chosen.append(middle)
                halves += [(low, middle), (middle, high)]
        spans = halves
    return [tasks[index] for index in chosen]


def frame_pattern(output: str) -> str:
    """Return `output` with `####` or `%04d` in its file name replaced by the placeholder `{frame:04d}`.

    Raises:
        FrameError: it is empty, has too many digits, or has no place for the frame: all frames would go to
            one file.
    """
    if not output.strip():
        raise FrameError(
            "The node has no Output: enter one in its parameters, for example out/beauty.####.exr."
        )
    folder, name = _split(output)

    def placeholder(match: re.Match[str]) -> str:
        width = _width(match)
        if width > _MAX_DIGITS:
            raise FrameError(f"Output “{name}” has {width} frame digits: write {_MAX_DIGITS} or fewer.")
        return f"{{frame:0{width}d}}" if width > 1 else "{frame}"

    pattern, count = _DIGITS.subn(placeholder, name)
    if not count:
        raise FrameError(
            f"Output “{name}” has no frame digits, so the frames would overwrite each other: "
            f"write it like beauty.####.exr."
        )
    return folder + pattern


def numbered(output: str, frame: int) -> str:
    """Return `output` with `####` or `%04d` in its file name replaced by the frame, padded with zeros."""
    folder, name = _split(output)
    return folder + _DIGITS.sub(lambda match: f"{frame:0{_width(match)}d}", name)


def _split(output: str) -> tuple[str, str]:
    folder, slash, name = output.replace("\\", "/").rpartition("/")
    return folder + slash, name


def _width(match: re.Match[str]) -> int:
    return len(match[0]) if match[0].startswith("#") else int(match[1] or 1)


def with_digits(pattern: str) -> str:
    """Return a pattern of `frame_pattern` with `####` for the frame, for a command with several frames."""
    return _FIELD.sub(lambda match: "#" * int(match[1] or 1), pattern)


def path_of(pattern: str, frame: int) -> Path:
    """Return the path of one frame of a pattern of `frame_pattern`."""
    return Path(_FIELD.sub(lambda match: f"{frame:0{match[1] or 1}d}", pattern))


def remaining(frames: Sequence[int], pattern: str, exists: Callable[[Path], bool]) -> list[int]:
    """Return the `frames` whose files do not exist yet. May wait for a file share.

    Of a PNG the EXR is checked: the PNG is written from the first sample on, the EXR at the frame's end.
    """
    paths = {frame: path_of(pattern, frame) for frame in frames}
    return [
        frame
        for frame, path in paths.items()
        if not (exists(path) and (path.suffix.lower() != ".png" or exists(path.with_suffix(".exr"))))
    ]
