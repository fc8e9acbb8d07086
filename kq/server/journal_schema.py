"""The schema of the journal's file: its tables, its version, and the migrations from older versions.

A file of a newer version is refused unchanged. The content of rows is in kq/server/journal_rows.py.
"""

from __future__ import annotations

import logging
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

import msgspec

from ..plain_text import quoted
from ..states import WaitReason
from .row_checksums import DamagedRow, with_checksum, without_checksum

__all__ = ["SCHEMA_VERSION", "TABLES", "NewerJournal", "migrate_rows", "open_journal", "open_read_only"]

SCHEMA_VERSION = 3
_FIRST_WITH_CHECKSUMS = 3
"""Rows have checksums since this version. Later ones also have their number in the file's header."""
TABLES = {
    "jobs": "number",
    "tasks": "job, task",
    "attempts": "job, task, attempt",
    "known_agents": "id",
    "meta": "key",
}
"""By table: the columns of its unique key."""
_PRAGMAS = """
-- One process uses it. With a permanent lock it needs no shared memory, which network shares lack.
PRAGMA locking_mode = EXCLUSIVE;
-- OFF only while a new, empty file is switched to WAL: it saves four syncs to disk.
PRAGMA synchronous = OFF;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA journal_size_limit = 67108864;
PRAGMA wal_autocheckpoint = 4000;
"""
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, session TEXT NOT NULL, submitted REAL NOT NULL,
    over REAL, epoch INTEGER NOT NULL, spec BLOB NOT NULL, fields BLOB NOT NULL, states BLOB);
CREATE TABLE IF NOT EXISTS tasks (
    job INTEGER NOT NULL, task INTEGER NOT NULL, epoch INTEGER NOT NULL, state INTEGER NOT NULL,
    detail BLOB NOT NULL, PRIMARY KEY (job, task)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attempts (
    job INTEGER NOT NULL, task INTEGER NOT NULL, attempt INTEGER NOT NULL, record BLOB NOT NULL,
    PRIMARY KEY (job, task, attempt)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS known_agents (
    id TEXT PRIMARY KEY, session TEXT NOT NULL, role TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
    started REAL NOT NULL, local INTEGER NOT NULL) WITHOUT ROWID;
-- Rows that could not be read, as they were found.
CREATE TABLE IF NOT EXISTS unreadable (found REAL NOT NULL, origin TEXT NOT NULL, columns BLOB NOT NULL);
"""
_LAYOUT = (
    "SELECT m.name, c.name, c.type, c.pk FROM sqlite_master m, pragma_table_info(m.name) c ORDER BY 1, 2"
)
_log = logging.getLogger("kq.server")


class NewerJournal(Exception):
    """A later version of Katana Queue wrote the file. The file was not changed."""

    def __init__(self, found: int) -> None:
        super().__init__(
            f"its layout is version {found}, and this Katana Queue knows {SCHEMA_VERSION}: "
            f"install the newer Katana Queue again to see its jobs"
        )
        self.found = found


def open_journal(
    path: Path, before_writing: Callable[[sqlite3.Connection], None], *, check_whole: bool = False
) -> sqlite3.Connection:
    """Open or create the file, and migrate it to this version.

    Args:
        before_writing: called before the file or its log is changed. Tables may be missing.
        check_whole: whether to check all pages, since the file may have changed after it was closed.

    Raises:
        NewerJournal: it is of a later version. It was not changed.
        sqlite3.Error: it cannot be opened, is damaged, or could not be migrated. It was not changed.
    """
    is_checked = _check_read_only(path, check_whole=check_whole) or not check_whole
    db = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    try:
        _keep_private(path)
        db.executescript(_PRAGMAS)
        db.text_factory = _text
        if not is_checked:
            _check_pages(db)
        is_new = db.execute("SELECT 1 FROM sqlite_master").fetchone() is None
        if not is_new and db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone() is None:
            raise sqlite3.DatabaseError("it is not a journal")
        version = None if is_new else _version_of(db)
        _raise_if_newer(version)
        before_writing(db)
        db.executescript(_TABLES)
        if version is None:
            db.execute("INSERT OR REPLACE INTO meta VALUES ('schema', ?)", (str(SCHEMA_VERSION),))
        else:
            _migrate(db, version)
        if _version_in_header(db) != SCHEMA_VERSION:
            _set_version_in_header(db)
        if check_whole and not is_new:
            _check_layout(db)
    except BaseException:
        db.close()
        raise
    return db


def _text(stored: bytes) -> str:
    # Invalid UTF-8 is damage, which the row's checksum detects; an exception here would end the whole query.
    return stored.decode("utf-8", "replace")


def _check_layout(db: sqlite3.Connection) -> None:
    """Raise sqlite3.DatabaseError if tables have other names or columns than this version's."""
    with closing(sqlite3.connect(":memory:")) as model:
        model.executescript(_TABLES)
        expected = model.execute(_LAYOUT).fetchall()
    if db.execute(_LAYOUT).fetchall() != expected:
        raise sqlite3.DatabaseError("its tables are not those of a journal")


def _check_pages(db: sqlite3.Connection) -> None:
    found = db.execute("PRAGMA quick_check(1)").fetchone()
    if found != ("ok",):
        _log.error("the journal is damaged: %s", " ".join(str(found[0]).split())[:200])
        raise sqlite3.DatabaseError("some of its pages cannot be read")


def _check_read_only(path: Path, *, check_whole: bool) -> bool:
    """Check the file read-only first: even closing it after opening it to write merges its log into it.

    Returns whether it could be read that way.

    Raises:
        NewerJournal: it is of a later version.
        sqlite3.DatabaseError: it is damaged.
    """
    if not path.is_file() or not path.stat().st_size:
        return False
    try:
        with open_read_only(path) as db:
            _raise_if_newer(_version_of(db))
            if check_whole:
                _check_pages(db)
        return True
    except sqlite3.OperationalError:
        return False  # no table yet, or not readable this way: opening it to write shows which


@contextmanager
def open_read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a journal read-only: neither it nor its log is changed. Raises sqlite3.Error."""
    log, shared_memory = (path.with_name(path.name + ending) for ending in ("-wal", "-shm"))
    # With no log left by a crash, `immutable` is safe, and takes no locks.
    mode = "mode=ro" if log.exists() else "immutable=1"
    had_shared_memory = shared_memory.exists()
    db = sqlite3.connect(f"{_uri(path.absolute())}?{mode}", uri=True, timeout=0.0, isolation_level=None)
    db.text_factory = _text
    try:
        yield db
    finally:
        db.close()
        if not had_shared_memory:
            shared_memory.unlink(missing_ok=True)


def _uri(path: PurePath) -> str:
    """Return an absolute path as SQLite's URI. Not `as_uri`: SQLite refuses the host of `//server/share`."""
    text = path.as_posix()
    return "file://" + quote(text if text.startswith("/") else f"/{text}", safe="/:")


def _keep_private(path: Path) -> None:
    """Make the file private to its owner: it has jobs' environments. SQLite gives its log the same mode."""
    if sys.platform != "win32" and path.is_file():
        try:
            path.chmod(0o600)
        except OSError:
            pass  # another user's, or a file system without modes: opening it shows what is wrong


def _raise_if_newer(version: int | None) -> None:
    if version is not None and version > SCHEMA_VERSION:
        raise NewerJournal(version)


def _version_of(db: sqlite3.Connection) -> int | None:
    """The schema version stored in the file; None for a new file.

    One wrong byte must not make it a newer or an older version: a version is stored twice, in a row and in
    the file's header. Files of older versions have 0 there.

    Raises:
        sqlite3.DatabaseError: the file is damaged: what it says of its version is contradictory.
    """
    row = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    if row is None:
        return None
    if not str(row[0]).isdecimal():
        raise sqlite3.DatabaseError(f"its version is not a number: {quoted(str(row[0])[:20])}")
    version, in_header = int(row[0]), _version_in_header(db)
    if version < 1:
        raise sqlite3.DatabaseError(f"its layout is version {version}, which was never released")
    if version != in_header and (in_header or version > _FIRST_WITH_CHECKSUMS):
        raise sqlite3.DatabaseError(f"its version is {version} in a row and {in_header} in its header")
    if not in_header and _has_checksums(db) not in (None, version >= _FIRST_WITH_CHECKSUMS):
        raise sqlite3.DatabaseError(f"its version is {version}, and its rows are of another one")
    return version


def _version_in_header(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _set_version_in_header(db: sqlite3.Connection) -> None:
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _has_checksums(db: sqlite3.Connection) -> bool | None:
    """Whether any job's row has a valid checksum; None if there are no jobs."""
    found = None
    for spec, *columns in db.execute("SELECT spec, number, id, submitted FROM jobs"):
        try:
            without_checksum(spec, *columns)
        except DamagedRow:
            found = False
            continue
        return True
    return found


def migrate_rows(db: sqlite3.Connection) -> None:
    """Migrate rows that were copied from a damaged file of this or any older version. Raises sqlite3.Error.

    Its version may be what is damaged. Rows without any checksum are migrated from the first version on: each
    migration changes only what it finds as it was then.
    """
    _migrate(db, 1 if _has_checksums(db) is False else SCHEMA_VERSION)


def _migrate(db: sqlite3.Connection, version: int) -> None:
    """Apply all migrations from `version` on in one transaction. Raises sqlite3.Error."""
    if version == SCHEMA_VERSION:
        return
    _log.info("migrating the journal from layout version %d to %d", version, SCHEMA_VERSION)
    db.execute("BEGIN IMMEDIATE")
    try:
        for step in range(version, SCHEMA_VERSION):
            _MIGRATIONS[step](db)
        db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (str(SCHEMA_VERSION),))
        _set_version_in_header(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


# --- Migrations ---


def _from_1(db: sqlite3.Connection) -> None:
    """Migrate to version 2: fields renamed, and a new field with why a job waits."""
    db.execute("UPDATE meta SET key = 'overrides' WHERE key = 'standing'")
    _rewrite(db, "attempts", "record", ("job", "task", "attempt"), _attempt_from_1)
    _rewrite(db, "jobs", "fields", ("number",), _job_from_1)


def _attempt_from_1(record: dict[str, Any]) -> bool:
    if "stop_rung" not in record:
        return False
    record["stop_method"] = record.pop("stop_rung")
    return True


def _job_from_1(fields: dict[str, Any]) -> bool:
    # Version 1 had it only as text.
    if not str(fields.get("reason", "")).startswith("waits for "):
        return False
    fields["wait_reason"] = WaitReason.DEPENDENCIES.value
    return True


def _from_2(db: sqlite3.Connection) -> None:
    """Migrate to version 3: rows have checksums."""
    jobs = db.execute(
        "SELECT number, id, submitted, spec, session, over, fields, epoch, states FROM jobs"
    ).fetchall()
    for number, job_id, submitted, spec, session, over, fields, epoch, states in jobs:
        if not all(isinstance(each, bytes) for each in (spec, fields, states or b"")):
            continue  # damaged: it gets no checksum, and is set aside when it is read
        db.execute(
            "UPDATE jobs SET spec = ?, fields = ?, states = ? WHERE number = ?",
            (
                with_checksum(spec, number, job_id, submitted),
                with_checksum(fields, number, session, over),
                None if states is None else with_checksum(states, number, epoch),
                number,
            ),
        )
    for columns, content, table in (
        ("job, task, epoch, state", "detail", "tasks"),
        ("job, task, attempt", "record", "attempts"),
    ):
        rows = db.execute(f"SELECT {columns}, {content} FROM {table}").fetchall()  # noqa: S608
        where = " AND ".join(f"{key.strip()} = ?" for key in TABLES[table].split(","))
        keys = TABLES[table].count(",") + 1
        db.executemany(
            f"UPDATE {table} SET {content} = ? WHERE {where}",  # noqa: S608
            [(with_checksum(row[-1], *row[:-1]), *row[:keys]) for row in rows if isinstance(row[-1], bytes)],
        )


_MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _from_1, 2: _from_2}
"""By version: the migration to the next."""


def _rewrite(
    db: sqlite3.Connection,
    table: str,
    column: str,
    keys: tuple[str, ...],
    change: Callable[[dict[str, Any]], bool],
) -> None:
    """Apply `change` to the msgpack map in `column` of each row. It returns whether it changed the map."""
    decode, encode = msgspec.msgpack.Decoder(dict[str, Any]).decode, msgspec.msgpack.Encoder().encode
    where = " AND ".join(f"{key} = ?" for key in keys)
    update = f"UPDATE {table} SET {column} = ? WHERE {where}"  # noqa: S608  # names from this module alone
    rows = db.execute(f"SELECT {column}, {', '.join(keys)} FROM {table}").fetchall()  # noqa: S608
    for blob, *key in rows:
        try:
            content = decode(blob)
        except (msgspec.DecodeError, TypeError):
            continue  # damaged: it is set aside and counted when it is read
        if change(content):
            db.execute(update, (encode(content), *key))
