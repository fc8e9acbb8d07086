"""Frame ranges such as `1-10, 20, 30-40x2`, and their division into chunks. A leaf: pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise

from .errors import BadInput
from .plain_text import quoted

__all__ = [
    "MAX_FRAMES",
    "FrameChunks",
    "format_frames",
    "frames_label",
    "join_ranges",
    "parse_frames",
    "stepped_ranges",
]

MAX_FRAMES = 1_000_000
"""Most frames in one job: more are considered a typing error."""

_PART = re.compile(r"(-?[0-9]{1,9})(?:\s*-\s*(-?[0-9]{1,9})(?:\s*x\s*([0-9]{1,9}))?)?")


def parse_frames(text: str) -> list[range]:
    """Parse frame ranges; returns them in the order written.

    Accepts single frames, `first-last` and `first-last` with a step (`1-10x2`), separated by commas; negative
    frames are allowed. Blanks around numbers are ignored, but are not separators: `1-10 20` is an error.

    Raises:
        BadInput: the message has the invalid part, and why.
    """
    ranges: list[range] = []
    for part in text.split(","):
        written = part.strip()
        shown = written if len(written) <= 40 else written[:37] + "..."
        match = _PART.fullmatch(written)
        if match is None:
            raise BadInput(
                f"frame range {quoted(shown)} is not understood: write frames as 1-10, 20 or 1-100x5, "
                "separated by commas"
            )
        first = int(match[1])
        last = first if match[2] is None else int(match[2])
        step = 1 if match[3] is None else int(match[3])
        if last < first:
            raise BadInput(f"frame range {quoted(shown)} runs backwards: write {last}-{first}")
        if step < 1:
            raise BadInput(f"frame range {quoted(shown)} has a step of 0: use 1 or more")
        ranges.append(range(first, last + 1, step))
    total = sum(map(len, ranges))
    if total > MAX_FRAMES:
        raise BadInput(
            f"{total:,} frames in one job are more than {MAX_FRAMES:,}: divide them among several jobs"
        )
    if _may_overlap(ranges):
        _refuse_doubles(ranges)
    return ranges


def _may_overlap(ranges: Sequence[range]) -> bool:
    """Whether ranges may have common frames; only then is each frame compared."""
    by_start = sorted(ranges, key=lambda each: each[0])
    return any(after[0] <= before[-1] for before, after in pairwise(by_start))


def _refuse_doubles(ranges: Sequence[range]) -> None:
    seen: set[int] = set()
    for each in ranges:
        if not seen.isdisjoint(each):
            twice = next(frame for frame in each if frame in seen)
            raise BadInput(f"frame {twice} is named twice: name each frame once")
        seen.update(each)


def format_frames(frames: Iterable[int]) -> str:
    """Format `frames` for `parse_frames`, with consecutive frames as `first-last`."""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in _runs(frames))


def frames_label(frames: range) -> str:
    """Return a task's frames for users: `frame 7`, `frames 1-10` or `frames 1-9x2`."""
    if len(frames) == 1:
        return f"frame {frames[0]}"
    return f"frames {frames[0]}-{frames[-1]}" + (f"x{frames.step}" if frames.step > 1 else "")


def _runs(frames: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield first and last of each run of consecutive frames."""
    first = last = None
    for frame in frames:
        if first is None or last is None:
            first = frame
        elif frame != last + 1:
            yield first, last
            first = frame
        last = frame
    if first is not None and last is not None:
        yield first, last


def join_ranges(ranges: Sequence[range]) -> list[range]:
    """Join consecutive ranges of step 1: `1,2,3-5` becomes `1-5`."""
    joined: list[range] = []
    for each in ranges:
        before = joined[-1] if joined else None
        if before is not None and before.step == each.step == 1 and each[0] == before[-1] + 1:
            joined[-1] = range(before[0], each[-1] + 1)
        else:
            joined.append(each)
    return joined


def stepped_ranges(frames: Iterable[int]) -> list[range]:
    """Return `frames` as ranges with a constant step, in the order given."""
    runs: list[list[int]] = []
    for frame in frames:
        run = runs[-1] if runs else []
        is_next = run and frame > run[-1] and (len(run) < 2 or frame - run[-1] == run[1] - run[0])
        if is_next:
            run.append(frame)
        else:
            runs.append([frame])
    return [range(run[0], run[-1] + 1, run[1] - run[0] if len(run) > 1 else 1) for run in runs]


class FrameChunks(Sequence[range]):
    """The tasks of a frame range: chunks of at most `size` frames, none of which spans a gap.

    Computed on demand, so that a job of a million frames costs as little memory as one of ten.
    """

    def __init__(self, ranges: Sequence[range], size: int, *, keep_steps: bool = True) -> None:
        """
        Args:
            size: frames in one chunk.
            keep_steps: whether a chunk may have several frames of a range with a step. A command that uses
                only start and end would also render the frames between them.
        """
        if size < 1:
            raise BadInput(f"Invalid chunk size: {size}. Use 1 or more")
        self._ranges = join_ranges(ranges)
        self._sizes = [size if keep_steps or r.step == 1 else 1 for r in self._ranges]
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
