"""Commands that list jobs and Agents: as a table for people, as JSON for scripts."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from ..clock import elapsed_s
from ..plain_text import display_width, one_line, pad, quoted
from ..records import AgentRecord, JobRecord
from ..states import JobState
from ..wording import agent_state_text, job_state_text, percent_text, reason_of, why_jobs_wait
from .connecting import Connected

__all__ = ["SORT_KEYS", "job_json", "list_agents", "list_jobs", "parse_since", "parse_state", "print_table"]


_JOB_HEAD = (
    "ID", "STATE", "SUBMITTED", "ELAPSED", "TASKS", "PROGRESS", "AGENT", "NAME", "NOTE", "REASON",
)  # fmt: skip


def list_jobs(options: argparse.Namespace) -> int:
    """Print the jobs, in the order of submission."""
    since, with_history = options.since, options.all or options.since is not None
    with Connected(options, history=with_history) as client:
        known, waits = client.jobs(), why_jobs_wait(client.queue(), client.agents())
        now_s = client.now_s()
    # While the history is being loaded, its jobs are in the changes of every client.
    wanted = (
        record
        for record in known
        if (with_history or not record.from_history)
        and (not options.state or record.state in options.state)
        and (since is None or record.submitted >= since)
    )
    in_order = sorted(wanted, key=lambda record: record.order)
    records = sorted(in_order, key=lambda record: SORT_KEYS[options.sort](record, now_s))
    if options.json:
        print(json.dumps([job_json(record, now_s) for record in records], indent=1))
        return 0
    rows = [
        (
            record.id,
            job_state_text(record),
            _moment(record.submitted),
            _duration(elapsed_s(record, now_s)),
            f"{record.tasks_completed}/{record.tasks}",
            "" if record.progress is None else percent_text(record.progress),
            record.agent,
            record.name,
            record.note,
            reason_of(record, waits),
        )
        for record in records
    ]
    print_table(_JOB_HEAD, rows, left_out=() if any(record.note for record in records) else ("NOTE",))
    return 0


def parse_state(text: str) -> JobState:
    """The state that `--state` names, in upper or lower case."""
    try:
        return JobState(text.title())
    except ValueError:
        known = ", ".join(JobState)
        raise argparse.ArgumentTypeError(f"{quoted(text)} is no state of a job: write {known}") from None


def parse_since(text: str) -> float:
    """The moment that `--since` names, in epoch seconds: so long ago (30m, 2h, 7d), or a local time."""
    match = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if match is not None:
        return time.time() - int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(
            f"{quoted(text)} is not a time: write 30m, 2h, 7d, 2026-11-29 or 2026-11-29T08:00"
        ) from None


def _moment(epoch_s: float | None) -> str:
    """A local time: of today without the date."""
    if epoch_s is None:
        return ""
    moment = time.localtime(epoch_s)
    is_today = moment[:3] == time.localtime()[:3]
    return time.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M", moment)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _size(size: int | None) -> str:
    return "" if size is None else f"{size / 2**20:,.0f} MiB"


SORT_KEYS: dict[str, Callable[[JobRecord, float], Any]] = {
    "order": lambda record, _: record.order,
    "name": lambda record, _: record.name.casefold(),
    "state": lambda record, _: list(JobState).index(record.state),
    "submitted": lambda record, _: record.submitted,
    "started": lambda record, _: (record.started is None, record.started or 0.0),
    "completed": lambda record, _: (record.completed is None, record.completed or 0.0),
    "elapsed": lambda record, now_s: -(elapsed_s(record, now_s) or 0.0),
    "priority": lambda record, _: -record.priority,
}
"""What `kq jobs --sort` takes, by a record and the time. Elapsed and priority: the largest first."""


def job_json(record: JobRecord, now_s: float) -> dict[str, Any]:
    """What scripts get of a job."""
    keys = (
        "id", "name", "state", "submitted", "started", "completed", "progress", "tasks", "agent", "attempts",
        "log_file", "exit_code", "reason", "priority", "tasks_waiting", "tasks_running", "tasks_completed",
        "tasks_failed", "tasks_cancelled", "warning", "warnings", "note", "picture", "peak_memory", "cpu_s",
        "from_history", "is_interrupted", "needs_desktop",
    )  # fmt: skip
    return {**{key: getattr(record, key) for key in keys}, "elapsed": elapsed_s(record, now_s)}


def list_agents(options: argparse.Namespace) -> int:
    """Print the Agents."""
    with Connected(options, history=False) as client:
        records = client.agents()
    if options.json:
        print(json.dumps([_agent_json(record) for record in records], indent=1))
        return 0
    rows: list[tuple[str, ...]] = [
        (
            each.id,
            each.host,
            str(each.pid),
            "local" if each.local else "remote",
            agent_state_text(each),
            each.job,
            each.reason,
        )
        for each in records
    ]
    head: tuple[str, ...] = ("ID", "HOST", "PID", "WHERE", "STATE", "JOB", "REASON")
    if options.verbose:
        head = (*head[:5], "SINCE", "CPU", "MEMORY", *head[5:])
        rows = [
            (
                *row[:5],
                _moment(each.since),
                "" if each.cpu_percent is None else f"{each.cpu_percent:.0f}%",
                _size(each.memory),
                *row[5:],
            )
            for row, each in zip(rows, records, strict=True)
        ]
    print_table(head, rows)
    return 0


def _agent_json(record: AgentRecord) -> dict[str, Any]:
    # Every field, each time: on the wire those that say nothing are left out.
    return {key: getattr(record, key) for key in AgentRecord.__struct_fields__}


def print_table(
    head: tuple[str, ...], rows: Sequence[tuple[str, ...]], left_out: Collection[str] = ()
) -> None:
    """Print a table whose columns are as wide as their widest cell, without those in `left_out`."""
    kept = [column for column, title in enumerate(head) if title not in left_out]
    head = tuple(head[column] for column in kept)
    rows = [tuple(one_line(row[column]) for column in kept) for row in rows]
    widths = [max(display_width(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        line = "  ".join(pad(cell, width) for cell, width in zip(row, widths, strict=True))
        print(line.rstrip())
