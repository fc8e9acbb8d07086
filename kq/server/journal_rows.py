"""The rows of the journal's tables, and what they stand for. Each has checksums; no file is opened here."""

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
"""As SQLite returns it: a damaged one may hold values of any type."""
JOB_COLUMNS = "number, id, session, submitted, over, epoch, spec, fields, states"
_LOST_TASK = "what became of it is not known: its row in the journal was damaged"
_encode = msgspec.msgpack.Encoder().encode
_decode_spec = msgspec.msgpack.Decoder(JobSpec).decode
_decode_detail = msgspec.msgpack.Decoder(TaskDetail).decode
_decode_attempt = msgspec.msgpack.Decoder(AttemptRecord).decode


class JobRow(msgspec.Struct, omit_defaults=True):
    """What a job's row holds besides its spec and its tasks' states."""

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
    """How many tasks are in each state: the rows of the tasks must give the same."""


_JOB_FIELDS = tuple(name for name in JobRow.__struct_fields__ if name != "counts")
_row_values = attrgetter(*JobRow.__struct_fields__)
_decode_row = msgspec.msgpack.Decoder(JobRow).decode


class RestoredAgent(msgspec.Struct, frozen=True):
    """An Agent that the server before this one knew."""

    id: str
    role: str
    """Of the key that it uses: no other may speak for it."""
    host: str
    pid: int
    process_started: float
    local: bool


class ReadJob(msgspec.Struct):
    """What was read of a job."""

    job: Job
    damaged_tasks: list[Row]
    """Rows of tasks that cannot be read; their tasks are Cancelled."""
    lacks_tasks: bool
    """Whether rows of tasks are missing."""


# --- Writing ---


def job_row(job: Job, session: str) -> Row:
    """The whole row of a job."""
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
    """`over`, `fields` and `session`, then the number, of a job that has a row."""
    return (_over(job), _fields(job, session), session, job.order)


def states_of(job: Job) -> bytes:
    """The column `states`, for the job's epoch."""
    return with_checksum(bytes(job.states), job.order, job.epoch)


def task_row(job: Job, task: int) -> Row:
    """The whole row of a task."""
    columns = (job.order, task, job.epoch, job.states[task])
    return (*columns, with_checksum(_encode(job.detail(task)), *columns))


def attempt_row(job: Job, record: AttemptRecord) -> Row:
    """The whole row of an attempt that is over."""
    columns = (job.order, record.task, record.attempt)
    return (*columns, with_checksum(_encode(record), *columns))


# --- Reading. Anything may be raised for a damaged row. ---


def read_job(row: Row, task_rows: Iterable[Row]) -> ReadJob:
    """The job of the columns JOB_COLUMNS, and of all columns of its tasks."""
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
        except Exception:  # noqa: BLE001  # whatever is wrong with one row, the others are read
            damaged.append(each)
    job.restore_states(bytes(codes))
    lacks_tasks = bool(stored.counts) and not damaged and stored.counts != job.counts
    lost = {each[1] for each in damaged if each[1] in range(job.total)} - job.details.keys()
    lost.update(task for task in job.running_indices() if task not in job.details)
    for task in lost:
        job.lose_task(task, _LOST_TASK)
    return ReadJob(job, damaged, lacks_tasks)


def is_as_written(row: Row) -> bool:
    """Whether the columns JOB_COLUMNS are those of one job, `states` aside."""
    number, job_id, session, submitted, over, _, spec, fields, _ = row
    try:
        without_checksum(spec, number, job_id, submitted)
        without_checksum(fields, number, session, over)
    except DamagedRow:
        return False
    return True


def read_temp_dir(number: object, job_id: object, submitted: object, spec: object) -> str:
    """The folder that a job was submitted with."""
    return _decode_spec(without_checksum(spec, number, job_id, submitted)).temp_dir


def read_attempt(row: Row) -> AttemptRecord:
    """The attempt of all columns of its row."""
    *columns, record = row
    return _decode_attempt(without_checksum(record, *columns))


def read_agent(row: Row) -> RestoredAgent:
    """The Agent of the columns id, role, host, pid, started and local."""
    names = RestoredAgent.__struct_fields__
    values = dict(zip(names, (*row[:-1], bool(row[-1])), strict=True))
    return msgspec.convert(values, RestoredAgent)
