"""Opens a journal, also a damaged one: the damage is counted, and the damaged files are kept.

Damage within rows is found later, by kq/server/journal.py.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time
from pathlib import Path
from typing import NamedTuple

from ..own_files import NotOwn, OwnFolder
from .journal_damage import JournalDamage
from .journal_rows import Row
from .journal_schema import TABLES, migrate_rows, open_journal, open_read_only
from .last_commit import IN_MEMORY, LastCommit, LastCommitFile

__all__ = ["MAX_NUMBER", "Opened", "last_written", "open_or_repair"]

MAX_NUMBER = 1 << 52
"""Upper limit of job numbers; a higher one is damage."""
_PAGE_BYTES = 4096
_ENDINGS = ("-wal", "-shm", "")
"""Suffixes of the files of a journal. The log is first: SQLite deletes a log without its journal."""


class Opened(NamedTuple):
    """An open journal, its last commit, and the damage that was found."""

    db: sqlite3.Connection
    last: LastCommit
    last_file: LastCommitFile
    damage: JournalDamage


def open_or_repair(path: Path) -> Opened:
    """Open or create the journal. The readable rows of a damaged one are copied into a new one.

    SQLite opens its files by name, so it is checked before and after what they are.

    Raises:
        NewerJournal: a later version of Katana Queue wrote it. It was not changed.
        NotOwn: its folder, or a file of it, is another user's, or may lead to one.
        OSError, sqlite3.Error: it cannot be opened.
    """
    if path == IN_MEMORY:
        return _open_or_repair(path)
    with OwnFolder(path.parent, create=True) as folder:
        _check_files(folder, path)
        opened = _open_or_repair(path)
        try:
            _check_files(folder, path)
        except NotOwn:
            opened.db.close()
            raise
    return opened


def _check_files(folder: OwnFolder, path: Path) -> None:
    for ending in _ENDINGS:
        folder.check(path.name + ending)
    if not folder.is_in_place:
        raise NotOwn("Was moved, and something else is in its place", path.parent)


def _open_or_repair(path: Path) -> Opened:
    last_file, damage = LastCommitFile(path), JournalDamage()
    expected = last_file.read()
    _keep_log_of_empty_file(path)
    is_as_closed = expected is not None and expected.is_of_file(path)

    def compare(db: sqlite3.Connection) -> None:
        if expected is not None:
            _note_losses(db, path, expected, damage)

    try:
        db = open_journal(path, compare, check_whole=not is_as_closed)
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:
            raise  # no damage: it is in use, read-only, its disk is full, or it cannot be migrated
        db = _rebuild(path, expected, error, damage)
    try:
        last = _commit_found(db)
        if expected is not None:
            last = _continue_counts(db, last, expected)
    except BaseException:
        db.close()
        raise
    last_file.write(last)
    return Opened(db, last, last_file, damage)


def _note_losses(db: sqlite3.Connection, path: Path, expected: LastCommit, damage: JournalDamage) -> None:
    """Count the commits and jobs missing from the journal; if there are any, keep a copy of its files.

    The next write overwrites the end of the log, where SQLite may not see what is still there.
    """
    try:
        found = _commit_found(db)
    except sqlite3.OperationalError:
        found = LastCommit(0, 0, 0)  # its tables are missing
    damage.lost_commits = max(expected.commits - found.commits, 0)
    damage.lost_jobs = max(expected.jobs - found.jobs, 0)
    if damage.lost_commits or damage.lost_jobs:
        damage.kept = _keep_copy(path)


def _continue_counts(db: sqlite3.Connection, found: LastCommit, expected: LastCommit) -> LastCommit:
    """Continue the counts from the last recorded commit, also if the journal has lost it."""
    commits = max(expected.commits, found.commits)
    if commits != found.commits:
        with contextlib.suppress(sqlite3.OperationalError):  # on a full disk: the next commit writes it
            db.execute("INSERT OR REPLACE INTO meta VALUES ('commits', ?)", (str(commits),))
    return LastCommit(commits, found.jobs, max(expected.last_number, found.last_number))


def _commit_found(db: sqlite3.Connection) -> LastCommit:
    """The last commit as the journal's own rows show it. Raises sqlite3.Error."""
    row = db.execute("SELECT value FROM meta WHERE key = 'commits'").fetchone()
    is_number = row is not None and str(row[0]).isdecimal()
    jobs = db.execute("SELECT count(*) FROM jobs").fetchone()[0]
    # The number of a job that was set aside must not be used again: rows of its tasks may be left.
    last = db.execute(
        "SELECT max(coalesce((SELECT max(number) FROM jobs WHERE number < ?1), 0), "
        "coalesce((SELECT max(job) FROM tasks WHERE job < ?1), 0), "
        "coalesce((SELECT max(job) FROM attempts WHERE job < ?1), 0))",
        (MAX_NUMBER,),
    ).fetchone()[0]
    return LastCommit(int(row[0]) if is_number else 0, jobs, last)


def _keep_log_of_empty_file(path: Path) -> None:
    """Keep SQLite from deleting the log beside an empty file.

    A new journal's file is not synced to disk (see journal_schema.py): a power cut may leave it empty, beside
    a log that has everything. If the file has one page, of any content, SQLite reads all pages from the log.
    """
    try:
        is_lost = path.stat().st_size == 0 and path.with_name(f"{path.name}-wal").stat().st_size > 0
    except OSError:
        return  # one of the two is missing; other errors show when it is opened
    if is_lost:
        os.truncate(path, _PAGE_BYTES)


# --- Files that are kept ---


def _unused_path_aside(path: Path) -> Path:
    moment = int(time.time())
    while (aside := path.with_name(f"{path.name}.unusable-{moment}")).exists():
        moment += 1
    return aside


def _keep_copy(path: Path) -> Path | None:
    """Copy the journal's files as they are. Returns the copy's path; None if it could not be written."""
    aside = _unused_path_aside(path)
    try:
        for ending in ("-wal", ""):
            if (part := path.with_name(path.name + ending)).exists():
                shutil.copyfile(part, aside.with_name(aside.name + ending))
                aside.with_name(aside.name + ending).chmod(0o600)
    except OSError:
        return None
    return aside


# --- Copying what can be read ---


def _compare_nothing(_: sqlite3.Connection) -> None:
    """`before_writing` of a new file, which cannot have lost anything."""


def _rebuild(
    path: Path, expected: LastCommit | None, error: sqlite3.Error, damage: JournalDamage
) -> sqlite3.Connection:
    """Rename the damaged journal, and create a new one with the rows that can be read of it."""
    damage.cause, damage.lost_commits = str(error), 0
    aside = _unused_path_aside(path)
    for ending in _ENDINGS:
        if (part := path.with_name(path.name + ending)).exists():
            part.replace(aside.with_name(aside.name + ending))
    damage.kept = aside
    db = open_journal(path, _compare_nothing)
    try:
        damage.saved_jobs = _copy_rows(aside, db, expected.last_number if expected is not None else 0)
    except (OSError, sqlite3.Error) as failure:
        # No partial copy is used: nothing would show which part is missing. The kept file has all of it.
        damage.cause = f"{error}; {failure}"
        db.close()
        path.unlink()
        db = open_journal(path, _compare_nothing)
    damage.lost_jobs = None if expected is None else max(expected.jobs - damage.saved_jobs, 0)
    return db


def _copy_rows(aside: Path, db: sqlite3.Connection, last_number: int) -> int:
    """Copy the readable rows of the damaged journal `aside` into the new one. Returns the number of jobs.

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
            if table == "meta" and row[0] == "schema":
                continue  # the new file has its own
            marks = ", ".join("?" * len(row))
            try:
                db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", row)  # noqa: S608
            except (sqlite3.IntegrityError, sqlite3.InterfaceError, OverflowError):
                continue  # damaged: a value that no journal has
            jobs += table == "jobs"
    db.execute("COMMIT")
    migrate_rows(db)
    return jobs


def _readable_rows(aside: Path, table: str, last_number: int) -> list[Row]:
    """The rows of a table that SQLite can still read: from both ends, then by the number of their job."""
    keys = TABLES[table].split(", ")
    found: dict[Row, Row] = {}
    is_whole = False
    try:
        with open_read_only(aside) as db:
            for order in ("ASC", "DESC"):
                if not is_whole:
                    by = ", ".join(f"{key} {order}" for key in keys)
                    is_whole = _add_rows(db, f"SELECT * FROM {table} ORDER BY {by}", (), len(keys), found)  # noqa: S608
            if not is_whole and keys[0] in ("number", "job"):
                for number in range(1, min(last_number, MAX_NUMBER) + 1):
                    _add_rows(db, f"SELECT * FROM {table} WHERE {keys[0]} = ?", (number,), len(keys), found)  # noqa: S608
    except (OSError, sqlite3.Error):
        pass  # nothing more can be read
    return [row for row in found.values() if _has_valid_number(table, row)]


def _add_rows(db: sqlite3.Connection, query: str, values: Row, keys: int, found: dict[Row, Row]) -> bool:
    """Add the rows of a query to `found` up to the first damaged page. Returns whether there was none."""
    try:
        for row in db.execute(query, values):
            found.setdefault(row[:keys], row)
    except (sqlite3.Error, MemoryError, OverflowError):
        return False
    return True


def _has_valid_number(table: str, row: Row) -> bool:
    if table in ("jobs", "tasks", "attempts"):
        return isinstance(row[0], int) and 0 < row[0] < MAX_NUMBER
    return True


def last_written(path: Path) -> float:
    """When the journal's files were last written, at an earlier session's end or before its crash.

    Epoch seconds; 0.0 if there are none.
    """
    moments = [0.0]
    for each in (path, path.with_name(f"{path.name}-wal")):
        try:
            moments.append(each.stat().st_mtime)
        except OSError:
            pass  # missing, or another error, which shows when it is opened
    return max(moments)
