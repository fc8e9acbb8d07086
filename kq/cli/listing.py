"""Commands that list jobs and Agents: as a table for people, as JSON for scripts."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from ..plain_text import display_width, one_line, pad
from ..records import AgentRecord, JobRecord
from ..wording import agent_state_text, job_state_text, reason_of, why_jobs_wait
from .connecting import Connected

__all__ = ["job_json", "list_agents", "list_jobs", "print_table"]


def list_jobs(options: argparse.Namespace) -> int:
    """Print the jobs, in the order of submission."""
    with Connected(options, history=options.all) as client:
        known, waits = client.jobs(), why_jobs_wait(client.queue(), client.agents())
    # While the history is being loaded, its jobs are in the changes of every client.
    wanted = (record for record in known if options.all or not record.from_history)
    records = sorted(wanted, key=lambda record: record.order)
    if options.json:
        print(json.dumps([job_json(record) for record in records], indent=1))
        return 0
    rows = [
        (
            record.id,
            job_state_text(record),
            f"{record.tasks_completed}/{record.tasks}",
            "" if record.progress is None else f"{record.progress:.0%}",
            record.agent,
            record.name,
            reason_of(record, waits),
        )
        for record in records
    ]
    print_table(("ID", "STATE", "TASKS", "PROGRESS", "AGENT", "NAME", "REASON"), rows)
    return 0


def job_json(record: JobRecord) -> dict[str, Any]:
    """What scripts get of a job."""
    keys = (
        "id", "name", "state", "submitted", "started", "completed", "progress", "tasks", "agent", "attempts",
        "log_file", "exit_code", "reason", "priority", "tasks_waiting", "tasks_running", "tasks_completed",
        "tasks_failed", "tasks_cancelled", "warning", "picture", "peak_memory", "cpu_s", "from_history",
    )  # fmt: skip
    return {key: getattr(record, key) for key in keys}


def list_agents(options: argparse.Namespace) -> int:
    """Print the Agents."""
    with Connected(options, history=False) as client:
        records = client.agents()
    if options.json:
        print(json.dumps([_agent_json(record) for record in records], indent=1))
        return 0
    rows = [
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
    print_table(("ID", "HOST", "PID", "WHERE", "STATE", "JOB", "REASON"), rows)
    return 0


def _agent_json(record: AgentRecord) -> dict[str, Any]:
    # Every field, each time: on the wire those that say nothing are left out.
    return {key: getattr(record, key) for key in AgentRecord.__struct_fields__}


def print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table whose columns are as wide as their widest cell."""
    rows = [tuple(one_line(cell) for cell in row) for row in rows]
    widths = [max(display_width(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        line = "  ".join(pad(cell, width) for cell, width in zip(row, widths, strict=True))
        print(line.rstrip())
