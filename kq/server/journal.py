"""Stores jobs, tasks and attempts in an SQLite file, beyond crashes of the server and the session's end.

A job's row has the states of all its tasks as of the last bulk change, and counts those as its epoch.
A task's row with the same epoch overrides its state there. So stopping 100,000 tasks writes one row.
"""

from __future__ import annotations

import contextlib
import logging
import math
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from ..core.agents import Agent
from ..core.jobs import Job
from ..core.state import QueueSettings
from ..records import AttemptRecord
from .journal_repair import MAX_NUMBER, last_written, open_or_repair
from .journal_rows import (
    JOB_COLUMNS,
    RestoredAgent,
    Row,
    attempt_row,
    changed_row,
    is_as_written,
    job_row,
    read_agent,
    read_attempt,
    read_job,
    read_temp_dir,
    states_of,
    task_row,
)
from .journal_schema import TABLES
from .last_commit import LastCommit
from .row_checksums import DamagedRow

__all__ = ["Journal"]

_MAX_UNWRITTEN = 100_000
"""Attempts kept in memory while the disk is full; beyond that, the oldest half is dropped."""
_MIN_KEPT = 100
"""The number of latest jobs that are kept at any age: a clock may be wrong."""
_log = logging.getLogger("kq.server")
_encode = msgspec.msgpack.Encoder().encode


class Journal:
    """The journal of one queue folder. Not thread-safe. What was noted is on disk after `commit`."""

    def __init__(self, path: Path, session: str) -> None:
        """Open or create the journal. `damage` describes what was found damaged.

        Raises:
            NewerJournal: a later version of Katana Queue wrote it.
            OSError, sqlite3.Error: it cannot be opened.
        """
        self._session = session
        self._last_written = last_written(path)
        self._db, self._last, self._last_file, self.damage = open_or_repair(path)
        self._is_last_noted = True
        self._jobs: dict[str, Job] = {}
        self._bulk_changed: set[str] = set()
        """Ids of noted jobs with a bulk change of their tasks."""
        self._tasks: dict[tuple[str, int], Job] = {}
        self._attempts: list[tuple[Job, AttemptRecord]] = []
        self._queue_settings: QueueSettings | None = None
        self._sessions: dict[str, str] = {}
        """By id of a job that has a row: the session in it."""

    # --- Writing ---

    def note_job(self, job: Job, *, tasks_reset: bool = False) -> None:
        """Write the job's row at the next commit. `tasks_reset`: with the states of all its tasks."""
        self._jobs[job.id] = job
        if tasks_reset:
            self._bulk_changed.add(job.id)

    def note_task(self, job: Job, task: int) -> None:
        """Write the task's row, and the job's, at the next commit."""
        self._jobs[job.id] = job
        self._tasks[job.id, task] = job

    def note_queue_settings(self, settings: QueueSettings) -> None:
        """At the next commit write the settings of the queue that users changed in place of earlier ones."""
        self._queue_settings = settings

    def note_attempt(self, job: Job, record: AttemptRecord) -> None:
        """At the next commit, write the record of an ended attempt."""
        self._attempts.append((job, record))
        if len(self._attempts) > _MAX_UNWRITTEN:
            del self._attempts[: _MAX_UNWRITTEN // 2]

    @property
    def is_dirty(self) -> bool:
        """Whether `commit` has something to write."""
        return bool(self._jobs or self._attempts or self._queue_settings is not None)

    def commit(self) -> None:
        """Write everything noted, in one transaction.

        Raises:
            sqlite3.Error: nothing was written; what was noted stays noted.
        """
        if not self.is_dirty:
            return
        db, commits = self._db, self._last.commits + 1
        db.execute("BEGIN IMMEDIATE")
        try:
            fresh = self._write_jobs()
            db.executemany(
                "INSERT INTO tasks VALUES (?, ?, ?, ?, ?) ON CONFLICT (job, task) DO UPDATE SET "
                "epoch = excluded.epoch, state = excluded.state, detail = excluded.detail",
                [task_row(job, task) for (_, task), job in self._tasks.items()],
            )
            db.executemany(
                "INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?)",
                [attempt_row(job, each) for job, each in self._attempts],
            )
            if self._queue_settings is not None:
                value = msgspec.json.encode((self._session, self._queue_settings)).decode()
                db.execute("INSERT OR REPLACE INTO meta VALUES ('overrides', ?)", (value,))
            db.execute("INSERT OR REPLACE INTO meta VALUES ('commits', ?)", (str(commits),))
            db.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        number = max((job.order for job in fresh), default=0)
        self._note_last(commits, self._last.jobs + len(fresh), max(self._last.last_number, number))
        self._queue_settings = None
        for job in self._jobs.values():
            self._sessions[job.id] = self._session_of(job)
        self._jobs.clear()
        self._bulk_changed.clear()
        self._tasks.clear()
        self._attempts.clear()

    def note_commit(self) -> None:
        """Record the last commit in a file beside the journal, so that a later loss of it is detected.

        Separate from `commit`, so that Agents need not wait for it. After a kill between the two, the record
        is of an earlier commit, and fewer losses are detected.
        """
        if self._is_last_noted:
            return
        self._is_last_noted = True
        self._last_file.write(self._last)

    def _note_last(self, commits: int, jobs: int, number: int) -> None:
        self._last = LastCommit(commits, jobs, number)
        self._is_last_noted = False

    def _session_of(self, job: Job) -> str:
        # A job of an earlier session that was started again belongs to this session.
        return self._sessions.get(job.id, self._session) if job.from_history else self._session

    def _roll_back(self) -> None:
        # On a full disk SQLite may have rolled back by itself.
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _write_jobs(self) -> list[Job]:
        """Write the rows of the noted jobs. Returns the jobs that had none before."""
        fresh, known, whole = [], [], []
        for job_id, job in self._jobs.items():
            if job_id not in self._sessions:
                fresh.append(job)
                continue
            known.append(changed_row(job, self._session_of(job)))
            if job_id in self._bulk_changed:
                whole.append((job.epoch, states_of(job), job.order))
        db = self._db
        if fresh:
            rows = [job_row(job, self._session) for job in fresh]
            db.executemany("INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        if known:
            db.executemany("UPDATE jobs SET over = ?, fields = ?, session = ? WHERE number = ?", known)
        if whole:
            db.executemany("UPDATE jobs SET epoch = ?, states = ? WHERE number = ?", whole)
        return fresh

    def note_agent(self, agent: Agent, role: str) -> None:
        """Store an Agent and its key's role at once, for the next server. Raises sqlite3.Error."""
        row = (agent.id, self._session, role, agent.host, agent.pid, agent.process_started, int(agent.local))
        self._db.execute("INSERT OR REPLACE INTO known_agents VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def forget_agent(self, agent_id: str) -> None:
        """Delete the Agent's row at once. Raises sqlite3.Error."""
        self._db.execute("DELETE FROM known_agents WHERE id = ?", (agent_id,))

    def note_next_agent(self, number: int) -> None:
        """Store the number of the next local Agent at once: none is used twice. Raises sqlite3.Error."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('next agent', ?)", (str(number),))

    def next_agent(self) -> int:
        """The number that `note_next_agent` stored last; 1 if there is none."""
        row = self._db.execute("SELECT value FROM meta WHERE key = 'next agent'").fetchone()
        if row is None:
            return 1
        if not str(row[0]).isdecimal():
            self.damage.note_row("meta")
            return 1
        return min(int(row[0]), MAX_NUMBER)

    def temp_dirs(self, job_ids: list[str]) -> list[str]:
        """The temporary folders that these jobs were submitted with."""
        query = "SELECT id, submitted, number, spec FROM jobs WHERE id = ?"
        rows = [self._db.execute(query, (job_id,)).fetchone() for job_id in job_ids]
        return [folder for row in rows if row is not None and (folder := _temp_dir(row))]

    def other_temp_dirs(self, job_ids: list[str]) -> set[str]:
        """The temporary folders that all other jobs were submitted with."""
        self.commit()
        gone = set(job_ids)
        rows = self._db.execute("SELECT id, submitted, number, spec FROM jobs")
        return {_temp_dir(row) for row in rows if row[0] not in gone}

    def forget_jobs(self, job_ids: list[str]) -> None:
        """Delete jobs with their tasks and attempts at once. Raises sqlite3.Error."""
        for job_id in job_ids:
            self._jobs.pop(job_id, None)
            self._bulk_changed.discard(job_id)
            self._sessions.pop(job_id, None)
        self._tasks = {key: job for key, job in self._tasks.items() if key[0] not in job_ids}
        self._attempts = [item for item in self._attempts if item[0].id not in job_ids]
        deleted = 0
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for job_id in job_ids:
                number = self._db.execute("SELECT number FROM jobs WHERE id = ?", (job_id,)).fetchone()
                if number is not None:
                    for table in ("tasks", "attempts"):
                        self._db.execute(f"DELETE FROM {table} WHERE job = ?", number)  # noqa: S608
                    self._db.execute("DELETE FROM jobs WHERE number = ?", number)
                    deleted += 1
            self._db.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self._note_last(self._last.commits, self._last.jobs - deleted, self._last.last_number)

    # --- Reading ---

    def last_number(self) -> int:
        """The highest number that a job of this journal ever had."""
        return self._last.last_number

    def restore_jobs(self) -> Iterator[Job]:
        """Yield the jobs of this session, for a server that replaces a crashed one."""
        rows = self._db.execute(
            f"SELECT {JOB_COLUMNS} FROM jobs WHERE session = ? ORDER BY number",  # noqa: S608
            (self._session,),
        ).fetchall()
        for row in rows:
            job = self._readable(row)
            if job is not None:
                yield job

    def restore_agents(self) -> list[RestoredAgent]:
        """The Agents of this session, as an earlier server stored them."""
        rows = self._db.execute(
            "SELECT id, role, host, pid, started, local FROM known_agents WHERE session = ?", (self._session,)
        ).fetchall()
        found = []
        for row in rows:
            try:
                found.append(read_agent(row))
            except Exception as error:  # noqa: BLE001  # whatever is wrong with one row, the others are read
                self._set_aside("known_agents", row, error)
        return found

    def restore_queue_settings(self) -> QueueSettings | None:
        """The settings that users changed earlier in this session, or None."""
        row = self._db.execute("SELECT value FROM meta WHERE key = 'overrides'").fetchone()
        if row is None:
            return None
        try:
            session, queue_settings = msgspec.json.decode(row[0], type=tuple[str, QueueSettings])
        except (msgspec.DecodeError, TypeError) as error:
            self._set_aside("meta", ("overrides", row[0]), error)
            return None
        return queue_settings if session == self._session else None

    def forget_agents(self, *, local_too: bool) -> None:
        """Delete the Agents of earlier sessions.

        Args:
            local_too: also this session's local Agents, where they ended with an earlier guardian.
        """
        self._db.execute(
            "DELETE FROM known_agents WHERE session != ? OR (local AND ?)", (self._session, int(local_too))
        )

    def jobs_from_history(self, before: int, count: int) -> tuple[list[Job], int | None]:
        """Up to `count` jobs of earlier sessions whose number is below `before`, latest first.

        Tasks that their session left unfinished are Cancelled, with the reason.

        Returns:
            The jobs, and what to pass as `before` next; None when there are no more.
        """
        rows = self._db.execute(
            f"SELECT {JOB_COLUMNS} FROM jobs WHERE session != ? AND number < ? "  # noqa: S608
            "ORDER BY number DESC LIMIT ?",
            (self._session, before, count),
        ).fetchall()
        return self._history_of(rows), rows[-1][0] if rows else None

    def dependencies_from_history(self, jobs: Iterable[Job]) -> list[Job]:
        """Return the jobs of earlier sessions for which `jobs` of this session may wait."""
        wanted = dict.fromkeys(before for job in jobs if not job.is_over for before in job.spec.after)
        query = f"SELECT {JOB_COLUMNS} FROM jobs WHERE session != ? AND id = ?"  # noqa: S608
        return self._history_of(
            row for each in wanted for row in self._db.execute(query, (self._session, each))
        )

    def _history_of(self, rows: Iterable[Row]) -> list[Job]:
        """The readable jobs of these rows. Tasks that their session left unfinished are Cancelled."""
        jobs = []
        for row in rows:
            job = self._readable(row)
            if job is not None:
                job.from_history = True
                if job.end_with_session(self._last_written):
                    self.note_job(job, tasks_reset=True)
                jobs.append(job)
        return jobs

    def _readable(self, row: Row) -> Job | None:
        """The job of a row, or None: a damaged row is set aside."""
        tasks = self._db.execute(
            "SELECT job, task, epoch, state, detail FROM tasks WHERE job = ?", row[:1]
        ).fetchall()
        try:
            found = read_job(row, tasks)
        except Exception as error:  # noqa: BLE001  # whatever is wrong with one row, the others are read
            self._set_aside("jobs", row, error)
            return None
        for each in found.damaged_tasks:
            self._set_aside("tasks", each, DamagedRow("its checksum is wrong"))
        if found.lacks_tasks:
            self.damage.note_row("missing tasks")
        self._sessions[found.job.id] = row[2]
        return found.job

    def attempts(self, job: Job, task: int | None, count: int = 1000) -> list[AttemptRecord]:
        """The last `count` committed attempts of a job, or of one task, by task and attempt number."""
        where, values = ("", [job.order]) if task is None else (" AND task = ?", [job.order, task])
        rows = self._db.execute(
            f"SELECT job, task, attempt, record FROM attempts WHERE job = ?{where} "  # noqa: S608
            "ORDER BY task DESC, attempt DESC LIMIT ?",
            [*values, count],
        ).fetchall()
        found = []
        for row in reversed(rows):
            try:
                found.append(read_attempt(row))
            except Exception as error:  # noqa: BLE001  # whatever is wrong with one row, the others are read
                self._set_aside("attempts", row, error)
        return found

    def _set_aside(self, table: str, row: Row, error: Exception) -> None:
        """Move a row that cannot be read to the table `unreadable`: it is counted once, and kept."""
        self.damage.note_row(table)
        _log.warning("a row of %s in the journal cannot be read, and is set aside: %s", table, error)
        keys = TABLES[table].split(", ")
        where = " AND ".join(f"{key} = ?" for key in keys)
        with contextlib.suppress(sqlite3.Error):  # on a full disk it stays where it is
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.execute(
                    "INSERT INTO unreadable VALUES (?, ?, ?)", (time.time(), table, _encode(row))
                )
                gone = self._db.execute(f"DELETE FROM {table} WHERE {where}", row[: len(keys)]).rowcount  # noqa: S608
                self._db.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
            if table == "jobs":
                self._note_last(self._last.commits, self._last.jobs - gone, self._last.last_number)

    def expired_jobs(self, keep_jobs: int, keep_days: float, now: float | None = None) -> list[str]:
        """Ids of the ended jobs beyond the latest `keep_jobs`, or older than `keep_days` days.

        A clock set years ahead must not delete the history: a job is too old only if it also is from before
        the last `keep_days` days on which the queue was used. The latest _MIN_KEPT jobs are kept at any age.

        Args:
            now: epoch seconds; default: the current time.
        """
        now = time.time() if now is None else now
        limit = now - keep_days * 86400
        aged = self._last_number_before(math.ceil(keep_days), now)
        beyond = (
            "number <= (SELECT number FROM jobs WHERE over IS NOT NULL ORDER BY number DESC LIMIT 1 OFFSET ?)"
        )
        rows = self._db.execute(
            f"SELECT {JOB_COLUMNS} FROM jobs WHERE over IS NOT NULL AND "  # noqa: S608
            f"((over < ? AND number <= ? AND {beyond}) OR {beyond})",
            (limit, aged, _MIN_KEPT if keep_days else 0, keep_jobs),
        ).fetchall()
        # A damaged row may have any age: it is set aside when it is read, and never deleted.
        return [row[1] for row in rows if is_as_written(row)]

    def _last_number_before(self, days: int, now: float) -> int:
        """The last job number before the last `days` days on which the queue was used. Counts today."""
        if days < 1:
            return self.last_number()
        row = self._db.execute("SELECT value FROM meta WHERE key = 'days'").fetchone()
        try:
            known = msgspec.json.decode(row[0], type=list[tuple[int, int]]) if row else []
        except (msgspec.DecodeError, TypeError):
            known = []
        today = int(now // 86400)
        # Days after today were counted while the clock was ahead: they are dropped.
        past = [each for each in known if each[0] <= today]
        if not past or past[-1][0] != today:
            past.append((today, self.last_number()))
        if past != known:
            known = past[-days:]
            value = msgspec.json.encode(known).decode()
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('days', ?)", (value,))
        return known[0][1] if len(known) >= days else 0

    def close(self, *, is_whole: bool = True) -> None:
        """Close the file.

        Args:
            is_whole: no damage was found, so that the next opening needs no full check.
        """
        self._db.close()
        self.note_commit()
        self._last_file.close(self._last if is_whole else None)


def _temp_dir(row: Row) -> str:
    """The temporary folder in the columns id, submitted, number, spec; empty if they are damaged."""
    job_id, submitted, number, spec = row
    try:
        return read_temp_dir(number, job_id, submitted, spec)
    except Exception:  # noqa: BLE001  # it is set aside, and counted, when the job is read
        return ""
