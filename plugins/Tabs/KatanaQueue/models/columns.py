"""The columns of the jobs list: titles, widths, texts and sort keys. Pure; no Qt, no state."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from .....kq.api import (
    JobRecord,
    JobState,
    TaskRecord,
    TaskState,
    elapsed_s,
    job_state_text,
    percent_text,
    reason_of,
)

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
"""Sorts unfinished jobs after all others: a completion time in the year 2096."""
_WEEKDAY_MAX_AGE_S = 6 * 86400.0
"""The greatest age of a time that is shown with the name of its weekday."""
_LEAST_PROGRESS, _LEAST_ELAPSED_S = 0.02, 1.0
"""Below these no remaining time is estimated."""
_RUNNING = (JobState.RUNNING, TaskState.RUNNING)


class Column(IntEnum):
    """The columns, in their default order."""

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
    """Return a time for display, less precise the longer ago it is.

    `14:05:10` today, `Mon 14:05` within six days, `03 Jun` this year, `03 Jun 2025` before.

    Args:
        when_s: in seconds since the epoch; None: the text is empty.
        now_s: in seconds since the epoch.
    """
    return "" if when_s is None else _clock_text(when_s, int(now_s) // 60)


@lru_cache(maxsize=1024)  # the same times are drawn again and again
def _clock_text(when_s: float, now_minute: int) -> str:
    then = time.localtime(when_s)
    now = time.localtime(now_minute * 60)
    if then[:3] == now[:3]:
        return time.strftime("%H:%M:%S", then)
    if 0 <= now_minute * 60 - when_s < _WEEKDAY_MAX_AGE_S:
        return time.strftime("%a %H:%M", then)
    if then[0] == now[0]:
        return time.strftime("%d %b", then)
    return time.strftime("%d %b %Y", then)


def moment_text(when_s: float | None) -> str:
    """Return a time (in seconds since the epoch) with weekday, date and seconds; empty for None."""
    return "" if when_s is None else time.strftime("%A, %d %B %Y, %H:%M:%S", time.localtime(when_s))


def span_text(seconds: float | None) -> str:
    """Return a duration for display: `0:07`, `12:40`, `3:05:10`, `2 d 4 h`; empty for None."""
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
    """Return a number of bytes for display: `512 kB`, `1.4 GB`; empty for None."""
    if count is None:
        return ""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if value >= 9.95 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def remaining_s(record: JobRecord | TaskRecord, now_s: float) -> float | None:
    """Estimate the remaining seconds from the progress so far.

    Args:
        record: a job or a task.
        now_s: the time of the queue's clock, in seconds since the epoch.

    Returns:
        None if it does not run, renders live, or has run for too short: below 1 s, or 2 % of progress.
    """
    if record.state not in _RUNNING or record.progress is None or record.started is None:
        return None
    if isinstance(record, JobRecord) and record.is_live:
        return None
    elapsed = elapsed_s(record, now_s) or 0.0
    if record.progress < _LEAST_PROGRESS or elapsed < _LEAST_ELAPSED_S:
        return None
    return elapsed * (1.0 - record.progress) / record.progress


def _remaining_text(record: JobRecord, now_s: float) -> str:
    left = remaining_s(record, now_s)
    return "" if left is None else f"~ {span_text(left)}"


def progress_text(record: JobRecord) -> str:
    """Return the progress for display: `3 / 10` completed tasks, `42%` of a single task, `Live`."""
    if record.is_live:
        return "Live" if record.state is JobState.RUNNING else ""
    if record.tasks > 1:
        return f"{record.tasks_completed} / {record.tasks}"
    return "" if record.progress is None else percent_text(record.progress)


def _progress_value(record: JobRecord) -> float:
    return -1.0 if record.progress is None or record.is_live else record.progress


_STATE_ORDER = {
    JobState.RUNNING: 0.0,
    JobState.WAITING: 1.0,
    JobState.FAILED: 2.0,
    JobState.CANCELLED: 3.0,
    JobState.COMPLETED: 4.0,
}


_AFTER_ALL_REASONS = "\uffff"
"""Stands for the queue's reason in sort keys: the jobs that show it are together, after all others."""
QUEUE_TITLE = "Katana Queue"
"""The queue's name in the column *Farm* and in the filter."""


def _agent_text(record: JobRecord) -> str:
    if record.farm:
        return record.agent  # names the farm's machines, each of which may run several tasks
    return f"{record.tasks_running} Agents" if record.tasks_running > 1 else record.agent


def _state_value(record: JobRecord) -> float:
    return _STATE_ORDER[record.state] + (0.5 if record.stopping else 0.0)  # shown as another state


@lru_cache(maxsize=1024)  # many jobs have one of a few names
def _natural(text: str) -> str:
    """Return a sort key by which `a2` comes before `a10`."""
    return re.sub(r"\d+", lambda number: number[0].zfill(9), text.casefold())


@dataclass(frozen=True)
class ColumnInfo:
    """One column.

    Attributes:
        key: its name in saved settings.
        title: the text in the header.
        least, width: its least and its preferred width in pixels, at a usual font height (job_columns.py).
        text: returns the text of a cell for a record and the time in seconds.
        sort_value: returns the sort key of a record, of the same type for all records. It may not depend on
            the time: a job is sorted again only when its record changes.
        right: whether its text is right-aligned, as numbers are.
        hidden: whether it is hidden by default.
        hint: the tool tip of its title.
    """

    key: str
    title: str
    least: int
    width: int
    text: Callable[[JobRecord, float], str]
    sort_value: Callable[[JobRecord], SortValue]
    right: bool = False
    hidden: bool = False
    hint: str = ""


COLUMNS: tuple[ColumnInfo, ...] = (
    ColumnInfo("name", "Name", 172, 240, lambda r, _: r.name, lambda r: r.name.casefold()),
    ColumnInfo("state", "State", 104, 104, lambda r, _: job_state_text(r), _state_value),
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
        # That of running jobs grows: they are sorted by their start. Those that show none come first.
        lambda r: elapsed_s(r, _NO_END_S) or -1.0,
        right=True,
    ),
    ColumnInfo(
        "remaining",
        "Remaining",
        72,
        92,
        _remaining_text,
        lambda r: (
            _LAST if r.progress is None or r.is_live or r.state is not JobState.RUNNING else -r.progress
        ),
        right=True,
        hint="An estimate, from the progress so far; sorted by progress",
    ),
    ColumnInfo(
        "completed",
        "Completed",
        84,
        92,
        lambda r, now: clock_text(r.completed, now),
        lambda r: r.completed or _LAST,
    ),
    ColumnInfo("agent", "Agent", 74, 84, lambda r, _: _agent_text(r), lambda r: _natural(_agent_text(r))),
    ColumnInfo(
        "farm",
        "Farm",
        84,
        96,
        lambda r, _: r.farm or QUEUE_TITLE,
        lambda r: r.farm.casefold(),  # the queue's own come first
        hint="Where it renders: in the queue of this machine, or on a farm",
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
        lambda r, _: reason_of(r, ""),
        lambda r: reason_of(r, _AFTER_ALL_REASONS),
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
        hint="Your note about the job",
    ),
)


def job_text(record: JobRecord, why_waiting: str, column: int, now_s: float) -> str:
    """Return the text of a cell in a job's row.

    Args:
        record: the job.
        why_waiting: the reason to show for a waiting job that has no reason of its own.
        column: a Column.
        now_s: the time of the queue's clock, in seconds since the epoch.
    """
    if column == Column.REASON:
        return reason_of(record, why_waiting)
    return COLUMNS[column].text(record, now_s)
