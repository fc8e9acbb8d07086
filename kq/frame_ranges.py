"""Frame ranges such as `1-10, 20, 30-40x2`, and their division into chunks. A leaf: pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from kq.errors import BadInput

__all__ = ["MAX_FRAMES", "FrameChunks", "format_frames", "parse_frames"]

MAX_FRAMES = 1_000_000
"""More frames than this in one job are taken for a typing mistake."""

_PART = re.compile(r"(-?\d{1,9})(?:-(-?\d{1,9})(?:x(\d{1,9}))?)?")


def parse_frames(text: str) -> list[range]:
    """The frames that `text` names, as ranges in the order written.

    Accepts single frames, `first-last` and `first-last` with a step (`1-10x2`), parted by commas; blanks are
    ignored; negative frames are allowed.

    Raises:
        BadInput: with the part that is wrong, and why.
    """
    ranges: list[range] = []
    for part in text.split(","):
        compact = "".join(part.split())
        match = _PART.fullmatch(compact)
        if match is None:
            shown = compact if len(compact) <= 40 else compact[:37] + "..."
            raise BadInput(
                f"frame range {shown!r} is not understood: write frames as 1-10, 20 or 1-100x5, parted by commas"
            )
        first = int(match[1])
        last = first if match[2] is None else int(match[2])
        step = 1 if match[3] is None else int(match[3])
        if last < first:
            raise BadInput(f"frame range {compact!r} runs backwards: write {last}-{first}")
        if step < 1:
            raise BadInput(f"frame range {compact!r} has a step of 0: use 1 or more")
        ranges.append(range(first, last + 1, step))
    total = sum(map(len, ranges))
    if total > MAX_FRAMES:
        raise BadInput(
            f"{total:,} frames in one job are more than {MAX_FRAMES:,}: divide them among several jobs"
        )
    seen: set[int] = set()
    for each in ranges:
        if len(ranges) > 1 and not seen.isdisjoint(each):
            twice = next(frame for frame in each if frame in seen)
            raise BadInput(f"frame {twice} is named twice in {text.strip()!r}: name each frame once")
        if len(ranges) > 1:
            seen.update(each)
    return ranges


def format_frames(frames: Iterable[int]) -> str:
    """`frames` as text that `parse_frames` reads: neighbours joined as `first-last`."""
    parts: list[str] = []
    for run in _runs(frames):
        parts.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
    return ",".join(parts)


def _runs(frames: Iterable[int]) -> Iterator[list[int]]:
    run: list[int] = []
    for frame in frames:
        if run and frame != run[-1] + 1:
            yield run
            run = []
        run.append(frame)
    if run:
        yield run


class FrameChunks(Sequence[range]):
    """The tasks of a frame range: chunks of at most `size` frames, none of which spans a gap.

    Computed on demand, so that a job of a million frames costs as little memory as one of ten.
    """

    def __init__(self, ranges: Sequence[range], size: int) -> None:
        if size < 1:
            raise BadInput(f"a chunk of {size} frames makes no sense: use 1 or more")
        # A chunk of a stepped range would be told to a renderer as start and end, and the step be lost.
        self._ranges = list(ranges)
        self._sizes = [1 if r.step > 1 else size for r in ranges]
        self._ends = list(
            accumulate(-(-len(r) // size) for r, size in zip(self._ranges, self._sizes, strict=True))
        )

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: int) -> range:  # type: ignore[override]  # slices are not needed
        if not 0 <= index < len(self):
            raise IndexError(index)
        which = bisect_right(self._ends, index)
        before = self._ends[which - 1] if which else 0
        start = (index - before) * self._sizes[which]
        return self._ranges[which][start : start + self._sizes[which]]
