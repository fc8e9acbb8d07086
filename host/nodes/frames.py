"""Which numbers are frames: those that the timeline shows."""

from __future__ import annotations

MAX_FRAME = 1_000_000


def frame_number(value: float | str) -> float:
    """Return `value` as a frame; raises ValueError where it is no number or beyond the timeline's limits."""
    try:
        number = float(value)
    except (ValueError, OverflowError):
        number = float("nan")
    if not abs(number) <= MAX_FRAME:
        raise ValueError(f"{value!r} is not a frame number from {-MAX_FRAME:,} to {MAX_FRAME:,}")
    return number


def frame_text(frame: float) -> str:
    """Return a frame for a command line or a label: `7`, `10001.25`, `1000000`."""
    return f"{frame:.10g}"
