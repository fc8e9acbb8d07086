"""Jobs, tasks and attempts on disk, so that neither a crash nor the session's end forgets them. SQLite.

A job's row holds the states of all its tasks as they were when many changed at once, and counts those times
as its epoch; a task's row of that epoch overrides them. So stopping 100,000 tasks writes one row.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

import msgspec

from ..core.agents import Agent
from ..core.jobs import Job
from ..core.state import Overrides
from ..core.task_detail import TaskDetail
from ..errors import KqError
from ..records import AttemptRecord, JobSpec
from ..states import WaitReason
from .journal_schema import open_journal

__all__ = ["JobRow", "Journal", "RestoredAgent"]

_MAX_UNWRITTEN = 100_000
"""Attempts remembered while the disk is full; of more, the oldest are given up."""
_PAGE_BYTES = 4096
_log = logging.getLogger("kq.server")
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


_ROW_FIELDS = JobRow.__struct_fields__
_row_values = attrgetter(*_ROW_FIELDS)
_decode_row = msgspec.msgpack.Decoder(JobRow).decode


_Row = tuple[int, str, float, int, bytes, bytes, bytes | None]


class RestoredAgent(msgspec.Struct, frozen=True):
    """An Agent that the server before this one knew."""

    id: str
    role: str
    """Of the key that it uses: no other may speak for it."""
    host: str
    pid: int
    process_started: float
    local: bool


class Journal:
    """The journal of one queue folder. One thread uses it; what it is given is on disk after `commit`."""

    def __init__(self, path: Path, session: str) -> None:
        """Open or make the journal.

        Raises:
            NewerJournal: a later version of Katana Queue wrote it.
            OSError, sqlite3.Error: it cannot be opened.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._session = session
        self._last_written = _last_written(path)
        revived = _revive(path)
        self._db = open_journal(path, check_whole=revived)
        self._jobs: dict[str, Job] = {}
        self._whole: set[str] = set()
        """Jobs whose tasks changed many at once."""
        self._tasks: dict[tuple[str, int], Job] = {}
        self._attempts: list[tuple[Job, AttemptRecord]] = []
        self._overrides: Overrides | None = None
        self._written: set[str] = set()
        """Jobs that have a row."""

    # --- writing ------------------------------------------------------------------

    def note_job(self, job: Job, *, tasks_reset: bool = False) -> None:
        """Write the job's row at the next commit."""
        self._jobs[job.id] = job
        if tasks_reset:
            self._whole.add(job.id)

    def note_task(self, job: Job, task: int) -> None:
        """Write the task's row, and the job's, at the next commit."""
        self._jobs[job.id] = job
        self._tasks[job.id, task] = job

    def note_overrides(self, overrides: Overrides) -> None:
        """Write the settings of the queue that users changed, instead of those noted before."""
        self._overrides = overrides

    def note_attempt(self, job: Job, record: AttemptRecord) -> None:
        """Write an attempt that is over at the next commit."""
        self._attempts.append((job, record))
        if len(self._attempts) > _MAX_UNWRITTEN:
            del self._attempts[: _MAX_UNWRITTEN // 2]

    @property
    def is_dirty(self) -> bool:
        """Whether `commit` has something to write."""
        return bool(self._jobs or self._attempts or self._overrides is not None)

    def commit(self) -> None:
        """Write everything noted, in one transaction.

        Raises:
            sqlite3.Error: nothing was written; what was noted stays noted.
        """
        if not self.is_dirty:
            return
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            self._write_jobs()
            db.executemany(
                "INSERT INTO tasks VALUES (?, ?, ?, ?, ?) ON CONFLICT (job, task) DO UPDATE SET "
                "epoch = excluded.epoch, state = excluded.state, detail = excluded.detail",
                [
                    (job.order, task, job.epoch, job.states[task], _encode(job.detail(task)))
                    for (_, task), job in self._tasks.items()
                ],
            )
            db.executemany(
                "INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?)",
                [(job.order, each.task, each.attempt, _encode(each)) for job, each in self._attempts],
            )
            if self._overrides is not None:
                value = msgspec.json.encode((self._session, self._overrides)).decode()
                db.execute("INSERT OR REPLACE INTO meta VALUES ('overrides', ?)", (value,))
            db.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self._overrides = None
        self._written.update(self._jobs)
        self._jobs.clear()
        self._whole.clear()
        self._tasks.clear()
        self._attempts.clear()

    def _roll_back(self) -> None:
        # On a full disk SQLite may have done so by itself.
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _write_jobs(self) -> None:
        fresh, known, whole = [], [], []
        for job_id, job in self._jobs.items():
            fields = _encode(JobRow(*_row_values(job)))
            over = job.completed if job.is_over else None
            if job_id not in self._written:
                states = bytes(job.states) if job.epoch else None
                head = (job.order, job_id, self._session, job.submitted, over, job.epoch)
                fresh.append((*head, _encode(job.spec), fields, states))
                continue
            # One of an earlier session that was started again belongs to this one now.
            known.append((over, fields, None if job.from_history else self._session, job.order))
            if job_id in self._whole:
                whole.append((job.epoch, bytes(job.states), job.order))
        db = self._db
        if fresh:
            db.executemany(
                "INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (number) DO UPDATE SET "
                "session = excluded.session, over = excluded.over, epoch = excluded.epoch, "
                "fields = excluded.fields, states = excluded.states",
                fresh,
            )
        if known:
            db.executemany(
                "UPDATE jobs SET over = ?, fields = ?, session = coalesce(?, session) WHERE number = ?", known
            )
        if whole:
            db.executemany("UPDATE jobs SET epoch = ?, states = ? WHERE number = ?", whole)

    def note_agent(self, agent: Agent, role: str) -> None:
        """Remember an Agent and its key's role, at once: a server that follows this one must find it."""
        row = (agent.id, self._session, role, agent.host, agent.pid, agent.process_started, int(agent.local))
        self._db.execute("INSERT OR REPLACE INTO known_agents VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def forget_agent(self, agent_id: str) -> None:
        """The Agent is gone."""
        self._db.execute("DELETE FROM known_agents WHERE id = ?", (agent_id,))

    def note_next_agent(self, number: int) -> None:
        """Remember, at once, the number of the next local Agent: none is ever used twice."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('next agent', ?)", (str(number),))

    def next_agent(self) -> int:
        """What `note_next_agent` noted last."""
        row = self._db.execute("SELECT value FROM meta WHERE key = 'next agent'").fetchone()
        return int(row[0]) if row else 1

    def temp_dirs(self, job_ids: list[str]) -> list[str]:
        """The folders that jobs were submitted with."""
        found = []
        for job_id in job_ids:
            row = self._db.execute("SELECT spec FROM jobs WHERE id = ?", (job_id,)).fetchone()
            if row is not None:
                found.append(_decode_spec(row[0]).temp_dir)
        return found

    def other_temp_dirs(self, job_ids: list[str]) -> set[str]:
        """The folders that all jobs but these were submitted with."""
        self.commit()
        gone = set(job_ids)
        rows = self._db.execute("SELECT id, spec FROM jobs")
        return {_decode_spec(spec).temp_dir for job_id, spec in rows if job_id not in gone}

    def forget_jobs(self, job_ids: list[str]) -> None:
        """Delete jobs with all that belongs to them."""
        for job_id in job_ids:
            self._jobs.pop(job_id, None)
            self._whole.discard(job_id)
            self._written.discard(job_id)
        self._tasks = {key: job for key, job in self._tasks.items() if key[0] not in job_ids}
        self._attempts = [item for item in self._attempts if item[0].id not in job_ids]
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for job_id in job_ids:
                number = self._db.execute("SELECT number FROM jobs WHERE id = ?", (job_id,)).fetchone()
                if number is not None:
                    for table in ("tasks", "attempts"):
                        self._db.execute(f"DELETE FROM {table} WHERE job = ?", number)  # noqa: S608
                    self._db.execute("DELETE FROM jobs WHERE number = ?", number)
            self._db.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    # --- reading ------------------------------------------------------------------

    def last_number(self) -> int:
        """The highest number any job here has."""
        return int(self._db.execute("SELECT coalesce(max(number), 0) FROM jobs").fetchone()[0])

    def restore_jobs(self) -> Iterator[Job]:
        """The jobs of this session, for a server that follows one that died."""
        rows = self._db.execute(
            f"SELECT {_JOB_COLUMNS} FROM jobs WHERE session = ? ORDER BY number",  # noqa: S608
            (self._session,),
        ).fetchall()
        for row in rows:
            job = self._readable(row)
            if job is not None:
                yield job

    def restore_agents(self) -> list[RestoredAgent]:
        """The Agents that the server before this one knew."""
        rows = self._db.execute(
            "SELECT id, role, host, pid, started, local FROM known_agents WHERE session = ?", (self._session,)
        ).fetchall()
        return [RestoredAgent(row[0], row[1], row[2], row[3], row[4], bool(row[5])) for row in rows]

    def restore_overrides(self) -> Overrides | None:
        """The settings that users changed in the server before this one; None: none."""
        row = self._db.execute("SELECT value FROM meta WHERE key = 'overrides'").fetchone()
        if row is None:
            return None
        try:
            session, overrides = msgspec.json.decode(row[0], type=tuple[str, Overrides])
        except msgspec.DecodeError as error:
            _log.warning("the queue's changed settings cannot be read: %s", error)
            return None
        return overrides if session == self._session else None

    def forget_agents(self, *, local_too: bool) -> None:
        """At the start of a session: Agents of earlier ones are not this one's.

        Args:
            local_too: also this session's own on this machine, which a guardian that died took with it.
        """
        self._db.execute(
            "DELETE FROM known_agents WHERE session != ? OR (local AND ?)", (self._session, int(local_too))
        )

    def jobs_from_history(self, before: int, count: int) -> tuple[list[Job], int | None]:
        """Up to `count` jobs of earlier sessions whose number is below `before`, latest first.

        What their session did not bring to an end is Cancelled in them, with the reason.

        Returns:
            The jobs, and what to pass as `before` next; None when there are no more.
        """
        rows = self._db.execute(
            f"SELECT {_JOB_COLUMNS} FROM jobs WHERE session != ? AND number < ? "  # noqa: S608
            "ORDER BY number DESC LIMIT ?",
            (self._session, before, count),
        ).fetchall()
        jobs = []
        for row in rows:
            job = self._readable(row)
            if job is not None:
                job.from_history = True
                if job.end_with_session(self._last_written):
                    self.note_job(job, tasks_reset=True)
                jobs.append(job)
        return jobs, rows[-1][0] if rows else None

    def _readable(self, row: _Row) -> Job | None:
        """The job of a row, or None for one that another version of kq wrote, or damage did."""
        try:
            return self._job_of(row)
        except (msgspec.DecodeError, KqError, IndexError) as error:
            _log.warning("job %s in the journal cannot be read: %s", row[1], error)
            return None

    def _job_of(self, row: _Row) -> Job:
        number, job_id, submitted, epoch, spec, fields, states = row
        job = Job(job_id, _decode_spec(spec), number, submitted)
        stored = _decode_row(fields)
        for name in _ROW_FIELDS:
            setattr(job, name, getattr(stored, name))
        job.epoch = epoch
        codes = bytearray(states) if states is not None else bytearray(job.total)
        for task, task_epoch, state, detail in self._db.execute(
            "SELECT task, epoch, state, detail FROM tasks WHERE job = ?", (number,)
        ):
            job.details[task] = _decode_detail(detail)
            if task_epoch == epoch:
                codes[task] = state
        job.restore_states(bytes(codes))
        self._written.add(job_id)
        return job

    def attempts(self, job: Job, task: int | None, count: int = 1000) -> list[AttemptRecord]:
        """The committed attempts of a job, or of one of its tasks, oldest first; of very many the latest."""
        where, values = ("", [job.order]) if task is None else (" AND task = ?", [job.order, task])
        rows = self._db.execute(
            f"SELECT record FROM attempts WHERE job = ?{where} ORDER BY task DESC, attempt DESC LIMIT ?",  # noqa: S608
            [*values, count],
        ).fetchall()
        return [_decode_attempt(row[0]) for row in reversed(rows)]

    def expired_jobs(self, keep_jobs: int, keep_days: float, now: float | None = None) -> list[str]:
        """Jobs that are over and beyond what is kept, by number or by age.

        A clock that is set years ahead must not delete the history: a job is too old only when it also was
        there before the queue was used on as many days as jobs are kept for.

        Args:
            now: epoch seconds; default: now.
        """
        now = time.time() if now is None else now
        limit = now - keep_days * 86400
        aged = self._last_number_before(math.ceil(keep_days), now)
        rows = self._db.execute(
            "SELECT id FROM jobs WHERE over IS NOT NULL AND ((over < ? AND number <= ?) OR number <= ("
            "SELECT number FROM jobs WHERE over IS NOT NULL ORDER BY number DESC LIMIT 1 OFFSET ?))",
            (limit, aged, keep_jobs),
        ).fetchall()
        return [row[0] for row in rows]

    def _last_number_before(self, days: int, now: float) -> int:
        """The number of the last job before the latest `days` days of the queue's use; notes today."""
        if days < 1:
            return self.last_number()
        row = self._db.execute("SELECT value FROM meta WHERE key = 'days'").fetchone()
        try:
            known = msgspec.json.decode(row[0], type=list[tuple[int, int]]) if row else []
        except msgspec.DecodeError:
            known = []
        today = int(now // 86400)
        if not known or known[-1][0] != today:
            known = [*known, (today, self.last_number())][-days:]
            value = msgspec.json.encode(known).decode()
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('days', ?)", (value,))
        return known[0][1] if len(known) >= days else 0

    def close(self) -> None:
        """Close the file."""
        self._db.close()


_JOB_COLUMNS = "number, id, submitted, epoch, spec, fields, states"


def _revive(path: Path) -> bool:
    """Keep SQLite from deleting the log of a file that is empty. Returns whether there was one.

    A new journal's file is not waited for (see journal_schema.py): a power cut may leave it empty beside a
    log that holds all. With a page in it, whatever that says, SQLite takes its pages from the log.
    """
    try:
        is_lost = path.stat().st_size == 0 and path.with_name(f"{path.name}-wal").stat().st_size > 0
    except OSError:
        return False  # there is none of the two; anything else shows when it is opened
    if is_lost:
        os.truncate(path, _PAGE_BYTES)
    return is_lost


def _last_written(path: Path) -> float:
    """When the session before this one last wrote to its journal; its end did, where it was no crash.

    Epoch seconds, 0.0 where there was none.
    """
    moments = [0.0]
    for each in (path, path.with_name(f"{path.name}-wal")):
        try:
            moments.append(each.stat().st_mtime)
        except OSError:
            pass  # there need not be one; anything else shows when it is opened
    return max(moments)
