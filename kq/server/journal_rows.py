"""Converts jobs, tasks, attempts and Agents to rows of the journal and back, with checksums. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import msgspec

from ..core.jobs import Job
from ..core.task_detail import TaskDetail
from ..records import AttemptRecord, JobSpec
from ..states import WaitReason
from .row_checksums import DamagedRow, with_checksum, without_checksum

__all__ = [
    "JOB_COLUMNS",
    "JobRow",
    "ReadJob",
    "RestoredAgent",
    "Row",
    "attempt_row",
    "changed_row",
    "is_as_written",
    "job_row",
    "read_agent",
    "read_attempt",
    "read_job",
    "read_temp_dir",
    "states_of",
    "task_row",
]

Row = tuple[Any, ...]
"""A row as SQLite returns it: a damaged one may have values of any type."""
JOB_COLUMNS = "number, id, session, submitted, over, epoch, spec, fields, states"
_LOST_TASK = "its outcome is unknown: its row in the journal was damaged"
_encode = msgspec.msgpack.Encoder().encode
_decode_spec = msgspec.msgpack.Decoder(JobSpec).decode
_decode_detail = msgspec.msgpack.Decoder(TaskDetail).decode
_decode_attempt = msgspec.msgpack.Decoder(AttemptRecord).decode


class JobRow(msgspec.Struct, omit_defaults=True):
    """The column `fields` of a job's row, with attributes of Job under the same names."""

    priority: int = 0
    started: float | None = None
    completed: float | None = None
    ran_s: float = 0.0
    attempts: int = 0
    latest: int | None = None
    peak_memory: int | None = None
    cpu_s: float | None = None
    wait_reason: WaitReason = WaitReason.NONE
    reason: str = ""
    warning: str = ""
    warnings: int = 0
    note: str = ""
    picture: str = ""
    exit_code: int | None = None
    counts: list[int] = []
    """The number of tasks in each state, to detect missing rows of tasks."""


_JOB_FIELDS = tuple(name for name in JobRow.__struct_fields__ if name != "counts")
_row_values = attrgetter(*JobRow.__struct_fields__)
_decode_row = msgspec.msgpack.Decoder(JobRow).decode


class RestoredAgent(msgspec.Struct, frozen=True):
    """An Agent that an earlier server stored."""

    id: str
    role: str
    """The role of its key. Messages with another key are not accepted for it."""
    host: str
    pid: int
    process_started: float
    local: bool


class ReadJob(msgspec.Struct):
    """A job as far as its rows could be read."""

    job: Job
    damaged_tasks: list[Row]
    """Rows of tasks that cannot be read; their tasks are Cancelled."""
    lacks_tasks: bool
    """Whether rows of tasks are missing."""


# --- Writing ---


def job_row(job: Job, session: str) -> Row:
    """All columns of a job's row, in the order of JOB_COLUMNS."""
    over = _over(job)
    spec = with_checksum(_encode(job.spec), job.order, job.id, float(job.submitted))
    states = states_of(job) if job.epoch else None
    fields = _fields(job, session)
    return (job.order, job.id, session, float(job.submitted), over, job.epoch, spec, fields, states)


def _over(job: Job) -> float | None:
    return float(job.completed) if job.is_over and job.completed is not None else None


def _fields(job: Job, session: str) -> bytes:
    return with_checksum(_encode(JobRow(*_row_values(job))), job.order, session, _over(job))


def changed_row(job: Job, session: str) -> Row:
    """The columns that change in a job's row: `over`, `fields`, `session`; then its number."""
    return (_over(job), _fields(job, session), session, job.order)


def states_of(job: Job) -> bytes:
    """The column `states` of a job's row, with a checksum for its epoch."""
    return with_checksum(bytes(job.states), job.order, job.epoch)


def task_row(job: Job, task: int) -> Row:
    """All columns of a task's row."""
    columns = (job.order, task, job.epoch, job.states[task])
    return (*columns, with_checksum(_encode(job.detail(task)), *columns))


def attempt_row(job: Job, record: AttemptRecord) -> Row:
    """All columns of the row of an attempt that ended."""
    columns = (job.order, record.task, record.attempt)
    return (*columns, with_checksum(_encode(record), *columns))


# --- Reading. Anything may be raised for a damaged row. ---


def read_job(row: Row, task_rows: Iterable[Row]) -> ReadJob:
    """The job of a row of JOB_COLUMNS and of the rows of its tasks. Damaged rows of tasks are skipped."""
    number, job_id, session, submitted, over, epoch, spec, fields, states = row
    job = Job(job_id, _decode_spec(without_checksum(spec, number, job_id, submitted)), number, submitted)
    stored = _decode_row(without_checksum(fields, number, session, over))
    for name in _JOB_FIELDS:
        setattr(job, name, getattr(stored, name))
    if states is None and epoch:
        raise DamagedRow("its tasks' states are missing")
    codes = bytearray(job.total) if states is None else bytearray(without_checksum(states, number, epoch))
    if len(codes) != job.total:
        raise DamagedRow("it has another number of tasks")
    job.epoch = epoch
    damaged = []
    for each in task_rows:
        _, task, task_epoch, state, detail = each
        try:
            job.details[task] = _decode_detail(without_checksum(detail, number, task, task_epoch, state))
            if task_epoch == epoch:
                codes[task] = state
        except Exception:  # noqa: BLE001  # whatever is wrong with one row, the others must be read
            damaged.append(each)
    job.restore_states(bytes(codes))
    lacks_tasks = bool(stored.counts) and not damaged and stored.counts != job.counts
    lost = {each[1] for each in damaged if each[1] in range(job.total)} - job.details.keys()
    lost.update(task for task in job.running_indices() if task not in job.details)
    for task in lost:
        job.lose_task(task, _LOST_TASK)
    return ReadJob(job, damaged, lacks_tasks)


def is_as_written(row: Row) -> bool:
    """Whether the checksums of a row of JOB_COLUMNS are right, except that of `states`."""
    number, job_id, session, submitted, over, _, spec, fields, _ = row
    try:
        without_checksum(spec, number, job_id, submitted)
        without_checksum(fields, number, session, over)
    except DamagedRow:
        return False
    return True


def read_temp_dir(number: object, job_id: object, submitted: object, spec: object) -> str:
    """The temporary folder that a job was submitted with, from columns of its row."""
    return _decode_spec(without_checksum(spec, number, job_id, submitted)).temp_dir


def read_attempt(row: Row) -> AttemptRecord:
    """The attempt of a row with all columns."""
    *columns, record = row
    return _decode_attempt(without_checksum(record, *columns))


def read_agent(row: Row) -> RestoredAgent:
    """The Agent of a row with the columns id, role, host, pid, started, local."""
    names = RestoredAgent.__struct_fields__
    values = dict(zip(names, (*row[:-1], bool(row[-1])), strict=True))
    return msgspec.convert(values, RestoredAgent)
