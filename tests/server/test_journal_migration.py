"""Journals of other versions, and files that are no whole journals: nothing is lost, and the queue works."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

import pytest

from kq.core import Core, CoreSettings
from kq.core.state import QueueSettings
from kq.server.change_feed import ChangeFeed
from kq.server.journal import Journal
from kq.server.journal_schema import SCHEMA_VERSION, NewerJournal, _uri
from kq.server.journal_writer import JournalWriter
from kq.states import JobState, Outcome, StopMethod, WaitReason
from tests.support.live_queue import LiveQueue

_DATA = Path(__file__).with_name("data")
_SESSIONS = {1: "vm:22365:345260.00:4c342f5f", 2: "vm@0534667c4c58:6067:1279094.00:87fcb7e8"}
"""By version: the session that wrote its file."""


def copy_of(version: int, folder: Path) -> Path:
    path = folder / "journal.sqlite"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_DATA / f"journal-{version}.sqlite", path)
    return path


def make_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (str(SCHEMA_VERSION + 1),))
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        db.execute("ALTER TABLE jobs ADD COLUMN invented TEXT")
        db.commit()


def open_with_writer(path: Path) -> tuple[Journal, str]:
    """The journal that a server would use, and the problem that it would show."""
    change_feed = ChangeFeed(Core(CoreSettings(agents_wanted=0)))
    writer = JournalWriter(path, "now", change_feed)
    return writer.journal, change_feed.queue_record().problem


def test_there_is_a_file_of_each_released_version() -> None:
    versions = {int(path.stem.partition("-")[2]) for path in _DATA.glob("journal-*.sqlite")}
    assert versions == set(range(1, SCHEMA_VERSION))


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_a_journal_of_an_older_version_keeps_its_jobs_and_attempts(tmp_path: Path, version: int) -> None:
    journal = Journal(copy_of(version, tmp_path), "now")
    jobs, _ = journal.jobs_from_history(1 << 62, 100)
    found = {job.spec.name: job for job in jobs}
    assert {name: job.state for name, job in found.items()} == {
        "sky": JobState.COMPLETED,
        "key light": JobState.FAILED,
        "frames": JobState.COMPLETED,
        "stopped": JobState.CANCELLED,
        "stubborn": JobState.CANCELLED,
        "cut off": JobState.CANCELLED,
        "waits": JobState.CANCELLED,
        "waits for nothing": JobState.CANCELLED,
    }
    assert [each.outcome for each in journal.attempts(found["key light"], None)] == [Outcome.FAILED] * 2
    assert len(journal.attempts(found["frames"], None)) == 3
    assert found["frames"].priority == 5
    journal.close()


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_fields_with_other_names_keep_their_values(tmp_path: Path, version: int) -> None:
    """How an attempt was ended, why a job waits, and what users asked of the queue."""
    journal = Journal(copy_of(version, tmp_path), _SESSIONS[version])
    jobs = {job.spec.name: job for job in journal.restore_jobs()}
    methods = {name: [each.stop_method for each in journal.attempts(job, None)] for name, job in jobs.items()}
    assert methods["sky"] == [StopMethod.NONE]
    assert methods["stopped"] == [StopMethod.ASKED]
    assert methods["stubborn"] == [StopMethod.KILLED]
    assert jobs["waits"].wait_reason is WaitReason.DEPENDENCIES
    assert jobs["waits for nothing"].wait_reason is WaitReason.NONE
    assert journal.restore_queue_settings() == QueueSettings(paused=True, agents_wanted=3, drained=("a2",))
    assert [each.id for each in journal.restore_agents()] == ["a1", "a2", "a3"]
    assert journal.next_agent() == 4
    journal.close()
    journal = Journal(tmp_path / "journal.sqlite", _SESSIONS[version])
    assert len(list(journal.restore_jobs())) == len(jobs)
    journal.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = copy_of(1, tmp_path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TRIGGER full BEFORE UPDATE ON attempts BEGIN SELECT raise(ABORT, 'full'); END")
        db.commit()
    with pytest.raises(sqlite3.Error, match="full"):
        Journal(path, "now")
    with closing(sqlite3.connect(path)) as db:
        rows = dict(db.execute("SELECT key, value FROM meta"))
        db.execute("DROP TRIGGER full")
        db.commit()
    assert rows["schema"] == "1"
    assert "standing" in rows
    journal = Journal(path, "now")
    assert len(journal.jobs_from_history(1 << 62, 100)[0]) == 8
    journal.close()


@pytest.mark.parametrize("has_log", [False, True])
def test_a_newer_journal_is_refused_and_not_touched(tmp_path: Path, has_log: bool) -> None:
    """Not even its log is merged. The queue works without, and the message names both versions."""
    path = tmp_path / "journal.sqlite"
    journal = Journal(path, "before")
    journal.note_queue_settings(QueueSettings(paused=True, agents_wanted=1, drained=()))
    journal.commit()
    if has_log:
        journal._db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (str(SCHEMA_VERSION + 1),))
        journal._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        left = tmp_path / "left"
        left.mkdir()
        for name in ("journal.sqlite", "journal.sqlite-wal"):
            shutil.copyfile(tmp_path / name, left / name)
        journal.close()
        path = left / "journal.sqlite"
    else:
        journal.close()
        make_newer(path)
    before = {each.name: each.read_bytes() for each in path.parent.iterdir() if each.is_file()}
    with pytest.raises(NewerJournal) as caught:
        Journal(path, "now")
    assert caught.value.found == SCHEMA_VERSION + 1
    journal, problem = open_with_writer(path)
    journal.close()
    assert f"version {SCHEMA_VERSION + 1}" in problem
    assert f"knows {SCHEMA_VERSION}" in problem
    assert {each.name: each.read_bytes() for each in path.parent.iterdir() if each.is_file()} == before


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION + 1))
@pytest.mark.parametrize("wrong", range(7))
def test_one_wrong_bit_in_the_version_costs_nothing(tmp_path: Path, version: int, wrong: int) -> None:
    """It may say newer, older, or be no number. The damaged file is kept, all jobs are there, also later."""
    path = copy_of(min(version, SCHEMA_VERSION - 1), tmp_path)
    if version == SCHEMA_VERSION:
        Journal(path, "before").close()
    with closing(sqlite3.connect(path)) as db:
        damaged = bytes((str(version).encode()[0] ^ 1 << wrong,)).decode("latin-1")
        db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (damaged,))
        db.commit()
        counts = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("jobs", "attempts")]
    before = path.read_bytes()
    journal, problem = open_with_writer(path)
    for _ in range(2):
        jobs, _ = journal.jobs_from_history(1 << 62, 100)
        attempts = [journal.attempts(job, None) for job in jobs]
        assert [len(jobs), sum(map(len, attempts))] == counts
        assert not journal.damage.unreadable, problem
        journal.close()
        journal, problem_later = open_with_writer(path)
        assert not problem_later
    journal.close()
    if (version, damaged) not in ((1, "2"), (2, "1")):  # migrated as if it were: the same comes of it
        assert "damaged" in problem
        [aside] = tmp_path.glob("*.unusable-*[0-9]")
        assert aside.read_bytes() == before


def test_one_wrong_bit_in_the_header_costs_nothing(tmp_path: Path) -> None:
    path = copy_of(SCHEMA_VERSION - 1, tmp_path)
    Journal(path, "before").close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 64}")
    journal, problem = open_with_writer(path)
    assert "damaged" in problem
    assert len(journal.jobs_from_history(1 << 62, 100)[0]) == 8
    journal.close()


@pytest.mark.parametrize("size", [100, 4096, 12_000, 20_000])
def test_a_truncated_journal_is_kept_and_the_queue_begins_anew(tmp_path: Path, size: int) -> None:
    """However little is left of it, it is set aside for repair."""
    path = copy_of(1, tmp_path)
    os.truncate(path, size)
    before = path.read_bytes()
    journal, problem = open_with_writer(path)
    journal.note_queue_settings(QueueSettings(paused=False, agents_wanted=1, drained=()))
    journal.commit()
    journal.close()
    [aside] = tmp_path.glob("*.unusable-*[0-9]")
    assert aside.read_bytes() == before
    assert str(aside) in problem
    assert path.is_file()  # a new one, and not one in memory


def test_bytes_that_are_no_journal_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"not a database, but long enough to have a header" * 100)
    journal, problem = open_with_writer(path)
    journal.close()
    [aside] = tmp_path.glob("*.unusable-*[0-9]")
    assert aside.read_bytes().startswith(b"not a database")
    assert str(aside) in problem


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_journal_of_another_user_is_left_alone(tmp_path: Path, mode: int) -> None:
    """One that may be read, and one that may not. Jobs are kept in memory, and the problem is shown."""
    folder = tmp_path / "theirs"
    path = copy_of(1, folder)
    path.chmod(mode)
    for each in (*tmp_path.parents, tmp_path, folder):
        if each.is_relative_to("/tmp") and each != Path("/tmp"):  # where pytest keeps its folders
            each.chmod(each.stat().st_mode | 0o055)
    before = path.read_bytes()
    child = os.fork()
    if child == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            journal, problem = open_with_writer(path)
            journal.close()
            os._exit(0 if "not saved" in problem and str(path) in problem else 3)
        finally:
            os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert path.read_bytes() == before
    assert [each.name for each in folder.iterdir()] == ["journal.sqlite"]


@pytest.mark.slow
def test_a_queue_shows_the_history_of_an_older_version(tmp_path: Path) -> None:
    """A whole queue on a folder that an older version left: its jobs are in the list."""
    with LiveQueue(tmp_path, 1) as queue:
        queue.await_agents()
    [journal] = tmp_path.glob("queues/*/journal.sqlite")
    shutil.copyfile(_DATA / "journal-1.sqlite", journal)
    with LiveQueue(tmp_path, 1) as queue:
        listed = queue.kq("jobs", "--all")
        assert "stubborn" in listed.stdout


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        (PurePosixPath("/home/a b/100%.sqlite"), "file:///home/a%20b/100%25.sqlite"),
        (PureWindowsPath(r"C:\Users\a\j.sqlite"), "file:///C:/Users/a/j.sqlite"),
        (PureWindowsPath(r"\\server\share\j.sqlite"), "file:////server/share/j.sqlite"),
    ],
)
def test_a_journals_uri_names_no_host(path: PurePath, uri: str) -> None:
    """SQLite refuses one, and then a newer journal on a Windows share would be opened for writing."""
    assert _uri(path) == uri
