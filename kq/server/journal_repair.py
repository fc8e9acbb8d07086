"""Opens a journal, whatever became of its file: damage is counted, and kept before it is written over.

Which rows can be read is known by kq/server/journal.py.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time
from pathlib import Path
from typing import NamedTuple

from .journal_damage import JournalDamage
from .journal_rows import Row
from .journal_schema import TABLES, migrate_rows, open_journal, open_to_look
from .last_commit import LastCommit, LastCommitFile

__all__ = ["MAX_NUMBER", "Opened", "open_or_repair"]

MAX_NUMBER = 1 << 52
"""Of jobs; one beyond is a damaged one."""
_PAGE_BYTES = 4096
_ENDINGS = ("-wal", "-shm", "")
"""Of the files of a journal. The log first: SQLite deletes one that is beside no journal."""


class Opened(NamedTuple):
    """A journal that can be used."""

    db: sqlite3.Connection
    last: LastCommit
    last_file: LastCommitFile
    damage: JournalDamage


def open_or_repair(path: Path) -> Opened:
    """Open or make the journal. What can be read of a damaged one is copied into a new one.

    Raises:
        NewerJournal: a later version of Katana Queue wrote it. It is as it was.
        OSError, sqlite3.Error: it cannot be opened.
    """
    last_file, damage = LastCommitFile(path), JournalDamage()
    expected = last_file.read()
    _revive(path)
    is_as_closed = expected is not None and expected.is_of_file(path)

    def compare(db: sqlite3.Connection) -> None:
        if expected is not None:
            _note_losses(db, path, expected, damage)

    try:
        db = open_journal(path, compare, check_whole=not is_as_closed)
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:
            raise  # no damage: it is in use, must not be written, its disk is full, or it cannot be migrated
        db = _rebuild(path, expected, error, damage)
    try:
        last = _found(db)
        if expected is not None:
            last = _go_on_after(db, last, expected)
    except BaseException:
        db.close()
        raise
    last_file.write(last)
    return Opened(db, last, last_file, damage)


def _note_losses(db: sqlite3.Connection, path: Path, expected: LastCommit, damage: JournalDamage) -> None:
    """Count what is in the journal no more, and keep a copy of its files where that is so.

    The next write goes over the end of the log, which may hold what SQLite does not see.
    """
    try:
        found = _found(db)
    except sqlite3.OperationalError:
        found = LastCommit(0, 0, 0)  # its tables are missing
    damage.lost_commits = max(expected.commits - found.commits, 0)
    damage.lost_jobs = max(expected.jobs - found.jobs, 0)
    if damage.lost_commits or damage.lost_jobs:
        damage.kept = _keep_copy(path)


def _go_on_after(db: sqlite3.Connection, found: LastCommit, expected: LastCommit) -> LastCommit:
    """Count on from what was written last, whether or not it is there still."""
    commits = max(expected.commits, found.commits)
    if commits != found.commits:
        with contextlib.suppress(sqlite3.OperationalError):  # on a full disk: the next commit does it
            db.execute("INSERT OR REPLACE INTO meta VALUES ('commits', ?)", (str(commits),))
    return LastCommit(commits, found.jobs, max(expected.last_number, found.last_number))


def _found(db: sqlite3.Connection) -> LastCommit:
    row = db.execute("SELECT value FROM meta WHERE key = 'commits'").fetchone()
    is_number = row is not None and str(row[0]).isdecimal()
    jobs = db.execute("SELECT count(*) FROM jobs").fetchone()[0]
    # The number of a job that was set aside is not used again: its tasks' rows are still there.
    last = db.execute(
        "SELECT max(coalesce((SELECT max(number) FROM jobs WHERE number < ?1), 0), "
        "coalesce((SELECT max(job) FROM tasks WHERE job < ?1), 0), "
        "coalesce((SELECT max(job) FROM attempts WHERE job < ?1), 0))",
        (MAX_NUMBER,),
    ).fetchone()[0]
    return LastCommit(int(row[0]) if is_number else 0, jobs, last)


def _revive(path: Path) -> None:
    """Keep SQLite from deleting the log of a file that is empty.

    A new journal's file is not waited for (see journal_schema.py): a power cut may leave it empty beside a
    log that holds all. With a page in it, whatever that holds, SQLite takes its pages from the log.
    """
    try:
        is_lost = path.stat().st_size == 0 and path.with_name(f"{path.name}-wal").stat().st_size > 0
    except OSError:
        return  # there is none of the two; anything else shows when it is opened
    if is_lost:
        os.truncate(path, _PAGE_BYTES)


# --- Files that are kept ---


def _name_aside(path: Path) -> Path:
    moment = int(time.time())
    while (aside := path.with_name(f"{path.name}.unusable-{moment}")).exists():
        moment += 1
    return aside


def _keep_copy(path: Path) -> Path | None:
    """Copy the journal's files as they are. Returns the copy; None: there is no room for one."""
    aside = _name_aside(path)
    try:
        for ending in ("-wal", ""):
            if (part := path.with_name(path.name + ending)).exists():
                shutil.copyfile(part, aside.with_name(aside.name + ending))
                aside.with_name(aside.name + ending).chmod(0o600)
    except OSError:
        return None
    return aside


# --- Copying what can be read ---


def _ignore(_: sqlite3.Connection) -> None:
    """A new file has lost nothing."""


def _rebuild(
    path: Path, expected: LastCommit | None, error: sqlite3.Error, damage: JournalDamage
) -> sqlite3.Connection:
    """Move a damaged journal aside, and begin a new one with what can be read of it."""
    damage.cause, damage.lost_commits = str(error), 0
    aside = _name_aside(path)
    for ending in _ENDINGS:
        if (part := path.with_name(path.name + ending)).exists():
            part.replace(aside.with_name(aside.name + ending))
    damage.kept = aside
    db = open_journal(path, _ignore)
    try:
        damage.saved_jobs = _copy_rows(aside, db, expected.last_number if expected is not None else 0)
    except (OSError, sqlite3.Error) as failure:
        # Of a copy in halves nothing would be known: the file that was kept has all of it.
        damage.cause = f"{error}; {failure}"
        db.close()
        path.unlink()
        db = open_journal(path, _ignore)
    damage.lost_jobs = None if expected is None else max(expected.jobs - damage.saved_jobs, 0)
    return db


def _copy_rows(aside: Path, db: sqlite3.Connection, last_number: int) -> int:
    """Copy what can be read of a damaged journal into a new one. Returns how many jobs those are.

    Raises:
        OSError, sqlite3.Error: the new one cannot be written.
    """
    jobs = 0
    db.execute("BEGIN IMMEDIATE")
    for table in TABLES:
        rows = _readable_rows(aside, table, last_number)
        if table == "jobs":
            last_number = max([last_number, *(row[0] for row in rows)])
        for row in rows:
            marks = ", ".join("?" * len(row))
            try:
                db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", row)  # noqa: S608
            except (sqlite3.IntegrityError, sqlite3.InterfaceError, OverflowError):
                continue  # a value that no journal has
            jobs += table == "jobs"
    db.execute("COMMIT")
    migrate_rows(db)
    return jobs


def _readable_rows(aside: Path, table: str, last_number: int) -> list[Row]:
    """The rows of a table that SQLite can still find: from both ends, and else by the number of their job."""
    keys = TABLES[table].split(", ")
    found: dict[Row, Row] = {}
    is_whole = False
    try:
        with open_to_look(aside) as db:
            for order in ("ASC", "DESC"):
                if not is_whole:
                    by = ", ".join(f"{key} {order}" for key in keys)
                    is_whole = _collect(db, f"SELECT * FROM {table} ORDER BY {by}", (), len(keys), found)  # noqa: S608
            if not is_whole and keys[0] in ("number", "job"):
                for number in range(1, min(last_number, MAX_NUMBER) + 1):
                    _collect(db, f"SELECT * FROM {table} WHERE {keys[0]} = ?", (number,), len(keys), found)  # noqa: S608
    except (OSError, sqlite3.Error):
        pass  # nothing of it can be read
    return [row for row in found.values() if _is_sane(table, row)]


def _collect(db: sqlite3.Connection, query: str, values: Row, keys: int, found: dict[Row, Row]) -> bool:
    """Add the rows of a query up to the first damaged page. Returns whether there was none."""
    try:
        for row in db.execute(query, values):
            found.setdefault(row[:keys], row)
    except (sqlite3.Error, MemoryError, OverflowError):
        return False
    return True


def _is_sane(table: str, row: Row) -> bool:
    if table in ("jobs", "tasks", "attempts"):
        return isinstance(row[0], int) and 0 < row[0] < MAX_NUMBER
    return True
