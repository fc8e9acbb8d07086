"""The columns of the jobs list: title, width, text and order of each. Pure; no Qt, no state."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from .....kq.api import JobRecord, TaskRecord, elapsed_s, job_state_text, reason_of, warning_text

__all__ = [
    "COLUMNS",
    "QUEUE_TITLE",
    "Column",
    "ColumnInfo",
    "bytes_text",
    "clock_text",
    "job_text",
    "moment_text",
    "progress_text",
    "remaining_s",
    "span_text",
]

SortValue = float | str
_LAST = float("inf")
_NO_END_S = 4e9
"""In place of the time at which a job ended that has not: later than any (the year 2096)."""
_WEEKDAYS_TELL_S = 6 * 86400.0
"""So long ago, the name of a weekday still identifies the day."""


class Column(IntEnum):
    """The columns, in their first order."""

    NAME = 0
    STATE = 1
    PROGRESS = 2
    PICTURE = 3
    SUBMITTED = 4
    ELAPSED = 5
    REMAINING = 6
    COMPLETED = 7
    AGENT = 8
    FARM = 9
    MEMORY = 10
    REASON = 11
    LOG_FILE = 12
    PRIORITY = 13
    NOTE = 14


def clock_text(when_s: float | None, now_s: float) -> str:
    """A time as people write it: the nearer, the shorter."""
    return "" if when_s is None else _clock_text(when_s, int(now_s) // 60)


@lru_cache(maxsize=1024)  # the same few are drawn again and again
def _clock_text(when_s: float, now_minute: int) -> str:
    then = time.localtime(when_s)
    now = time.localtime(now_minute * 60)
    if then[:3] == now[:3]:
        return time.strftime("%H:%M:%S", then)
    if 0 <= now_minute * 60 - when_s < _WEEKDAYS_TELL_S:
        return time.strftime("%a %H:%M", then)
    if then[0] == now[0]:
        return time.strftime("%d %b", then)
    return time.strftime("%d %b %Y", then)


def moment_text(when_s: float | None) -> str:
    """A moment in full, where there is room."""
    return "" if when_s is None else time.strftime("%A, %d %B %Y, %H:%M:%S", time.localtime(when_s))


def span_text(seconds: float | None) -> str:
    """A length of time: `0:07`, `12:40`, `3:05:10`, `2 d 4 h`."""
    if seconds is None:
        return ""
    whole = max(0, int(seconds))
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days} d {hour} h"
    if hours:
        return f"{hours}:{minute:02}:{second:02}"
    return f"{minute}:{second:02}"


def bytes_text(count: float | None) -> str:
    """A size in bytes: `512 kB`, `1.4 GB`."""
    if count is None:
        return ""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def remaining_s(record: JobRecord | TaskRecord, now_s: float) -> float | None:
    """How long it will still take, by its progress so far; None when that is unknown."""
    if record.state != "Running" or record.progress is None or record.started is None:
        return None
    elapsed = elapsed_s(record, now_s) or 0.0
    if record.progress < 0.02 or elapsed < 1.0:
        return None
    return elapsed * (1.0 - record.progress) / record.progress


def _remaining_text(record: JobRecord, now_s: float) -> str:
    left = remaining_s(record, now_s)
    return "" if left is None else f"~ {span_text(left)}"


def progress_text(record: JobRecord) -> str:
    """Tasks done of all, or the part that is done."""
    if record.tasks > 1:
        return f"{record.tasks_completed} / {record.tasks}"
    return "" if record.progress is None else f"{int(record.progress * 100)}%"


def _progress_value(record: JobRecord) -> float:
    return -1.0 if record.progress is None else record.progress


_STATE_ORDER = {"Running": 0.0, "Waiting": 1.0, "Failed": 2.0, "Cancelled": 3.0, "Completed": 4.0}


QUEUE_TITLE = "Katana Queue"
"""The queue, where its jobs are among those of farms."""


def _agent_text(record: JobRecord) -> str:
    if record.farm:
        return record.agent  # the farm's machines, of which each may run several tasks
    return f"{record.tasks_running} Agents" if record.tasks_running > 1 else record.agent


@dataclass(frozen=True)
class ColumnInfo:
    """One column. `text(record, now_s)` is what it shows; `sort_value` its order, of one type per column.

    `width` and `least` are pixels in a font of usual size: with room, and without.
    """

    key: str
    title: str
    least: int
    width: int
    text: Callable[[JobRecord, float], str]
    sort_value: Callable[[JobRecord], SortValue]
    right: bool = False
    """Whether its text is right-aligned, as numbers are."""
    hidden: bool = False
    hint: str = ""


COLUMNS: tuple[ColumnInfo, ...] = (
    ColumnInfo("name", "Name", 172, 240, lambda r, _: r.name, lambda r: r.name.casefold()),
    ColumnInfo("state", "State", 104, 104, lambda r, _: job_state_text(r), lambda r: _STATE_ORDER[r.state]),
    ColumnInfo("progress", "Progress", 112, 160, lambda r, _: progress_text(r), _progress_value),
    ColumnInfo("picture", "Picture", 58, 64, lambda r, _: "", lambda r: r.picture, hint="The latest picture"),
    ColumnInfo(
        "submitted", "Submitted", 84, 96, lambda r, now: clock_text(r.submitted, now), lambda r: r.submitted
    ),
    ColumnInfo(
        "elapsed",
        "Elapsed",
        68,
        72,
        lambda r, now: span_text(elapsed_s(r, now)),
        # A running job's elapsed time grows by itself: its start orders it without being sorted again.
        lambda r: r.ran_s - 1.0 if r.started is None else r.ran_s + (r.completed or _NO_END_S) - r.started,
        right=True,
    ),
    ColumnInfo(
        "remaining",
        "Remaining",
        72,
        92,
        _remaining_text,
        lambda r: _LAST if r.progress is None or r.state != "Running" else -r.progress,
        right=True,
        hint="An estimate, from the progress so far",
    ),
    ColumnInfo(
        "completed",
        "Completed",
        84,
        92,
        lambda r, now: clock_text(r.completed, now),
        lambda r: r.completed or _LAST,
    ),
    ColumnInfo("agent", "Agent", 74, 84, lambda r, _: _agent_text(r), lambda r: r.agent),
    ColumnInfo(
        "farm",
        "Farm",
        84,
        96,
        lambda r, _: r.farm or QUEUE_TITLE,
        lambda r: r.farm.casefold(),
        hint="Who renders it: the queue of this machine, or a farm",
    ),
    ColumnInfo(
        "memory",
        "Peak Memory",
        80,
        112,
        lambda r, _: bytes_text(r.peak_memory),
        lambda r: float(r.peak_memory or 0),
        right=True,
        hint="The most memory that the processes of one attempt used together",
    ),
    ColumnInfo(
        "reason",
        "Reason",
        226,
        320,
        lambda r, _: r.reason or warning_text(r),
        lambda r: r.reason or warning_text(r),
    ),
    ColumnInfo("log_file", "Log File", 180, 220, lambda r, _: r.log_file, lambda r: r.log_file),
    ColumnInfo(
        "priority",
        "Priority",
        64,
        64,
        lambda r, _: str(r.priority),
        lambda r: float(r.priority),
        right=True,
        hidden=True,
    ),
    ColumnInfo(
        "note",
        "Note",
        120,
        200,
        lambda r, _: r.note,
        lambda r: r.note.casefold(),
        hidden=True,
        hint="What you wrote about the job",
    ),
)


def job_text(record: JobRecord, why_waiting: str, column: int, now_s: float) -> str:
    """The text of a cell of a job; `why_waiting` is for one that waits for nothing of its own."""
    if column == _REASON:
        return reason_of(record, why_waiting)
    return COLUMNS[column].text(record, now_s)


_REASON = int(Column.REASON)
