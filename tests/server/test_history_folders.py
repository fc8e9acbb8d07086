"""Jobs of earlier sessions: scenes go with the last job that has them; what cannot be read is said."""

from __future__ import annotations

import logging
import sqlite3
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from kq.core import Core, CoreSettings, Instant
from kq.core import events as ev
from kq.records import JobSpec
from kq.server.change_feed import ChangeFeed
from kq.server.history import History
from kq.server.journal import Journal
from kq.server.journal_writer import JournalWriter
from kq.settings import Settings
from tests.support.small_disk import fill, small_disk


def _queue(data_root: Path) -> tuple[Core, Journal, History]:
    core = Core(CoreSettings(agents_wanted=0))
    writer = JournalWriter(data_root / "journal.sqlite", "session", ChangeFeed(core))
    return core, writer.journal, History(core, writer, Settings(data_root=data_root))


def _submit(core: Core, journal: Journal, job_id: str, folder: Path) -> None:
    spec = JobSpec(name=job_id, commands=(("true",),), temp_dir=str(folder))
    core.handle(ev.JobSubmitted(job_id, spec), Instant(0.0, 0.0))
    journal.note_job(core.job(job_id))
    journal.commit()


def _remove(core: Core, history: History, job_id: str) -> None:
    core.handle(ev.JobsRemoved((job_id,)), Instant(1.0, 1.0))
    history.forget(job_id)
    list(history.load_more())


def _wait_until_gone(folder: Path) -> None:
    until = time.monotonic() + 60
    while folder.exists():
        assert time.monotonic() < until, f"{folder} is still there"
        time.sleep(0.01)


def test_a_shared_scene_is_deleted_with_the_last_job_that_has_it(tmp_path: Path) -> None:
    """Submitted again, a job uses the first one's folder: that outlives the first."""
    core, journal, history = _queue(tmp_path)
    shared, own = tmp_path / "renders" / "shared", tmp_path / "renders" / "own"
    for folder in (shared, own):
        folder.mkdir(parents=True)
    _submit(core, journal, "first", shared)
    _submit(core, journal, "again", shared)
    _submit(core, journal, "other", own)
    _remove(core, history, "first")
    _remove(core, history, "other")
    _wait_until_gone(own)
    assert shared.exists()
    _remove(core, history, "again")
    _wait_until_gone(shared)
    journal.close()


def test_a_folder_that_was_not_made_for_renders_is_left_alone(tmp_path: Path) -> None:
    """A job may name any folder as its own: only those below `renders` are the queue's to delete."""
    core, journal, history = _queue(tmp_path)
    foreign, render = tmp_path / "scenes" / "mine", tmp_path / "renders" / "made"
    for folder in (foreign, render):
        folder.mkdir(parents=True)
    _submit(core, journal, "theirs", foreign)
    _submit(core, journal, "ours", render)
    _remove(core, history, "theirs")
    _remove(core, history, "ours")
    _wait_until_gone(render)
    assert foreign.exists()
    journal.close()


def test_what_is_removed_from_the_history_is_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By id, and with the limits that it was beyond."""
    core, journal, _ = _queue(tmp_path)
    for job_id in ("first", "second"):
        _submit(core, journal, job_id, tmp_path)
        core.handle(ev.JobsStopped((job_id,)), Instant(2.0, 2.0))
        journal.note_job(core.job(job_id), tasks_reset=True)
    journal.commit()
    journal.close()
    core = Core(CoreSettings(agents_wanted=0))
    writer = JournalWriter(tmp_path / "journal.sqlite", "next", ChangeFeed(core))
    history = History(core, writer, Settings(data_root=tmp_path, history_jobs=1))
    with caplog.at_level(logging.INFO, "kq.server"):
        history.begin()
    [line] = [each.getMessage() for each in caplog.records if "history" in each.getMessage()]
    assert "first" in line and "second" not in line
    writer.close()


@pytest.mark.skipif(sys.platform == "win32", reason="no small disk is mounted there")
def test_a_job_is_removed_from_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its logs at once, which may be what fills it; its rows later; nothing counts as missing."""
    now = [1000.0]
    monkeypatch.setattr("kq.server.history.time", SimpleNamespace(monotonic=lambda: now[0]))
    with small_disk(tmp_path) as disk:
        core, journal, history = _queue(disk)
        for number in range(20):
            _submit(core, journal, f"job{number}", tmp_path)
        logs = disk / "logs" / "jobs" / "job1"
        logs.mkdir(parents=True)
        filler = disk / "filler"
        fill(filler)
        _remove(core, history, "job1")
        _wait_until_gone(logs)
        assert not history.is_loading and not history._journal_writer._problems
        assert journal._db.execute("SELECT id FROM jobs WHERE id = 'job1'").fetchone()
        filler.unlink()
        now[0] += 60.0
        assert history.is_loading
        assert not list(history.load_more())
        assert not journal._db.execute("SELECT id FROM jobs WHERE id = 'job1'").fetchone()
        assert not history.is_loading
        journal.close()


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_READONLY])
def test_a_job_is_removed_beyond_a_quota_or_while_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """As on a full disk. SQLite has the same error for a quota as for a broken disk."""
    now = [1000.0]
    monkeypatch.setattr("kq.server.history.time", SimpleNamespace(monotonic=lambda: now[0]))
    core, journal, history = _queue(tmp_path)
    _submit(core, journal, "job1", tmp_path)
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    with monkeypatch.context() as refused:
        refused.setattr(journal, "forget_jobs", Mock(side_effect=error))
        _remove(core, history, "job1")
    assert not history.is_loading and not history._journal_writer._problems
    now[0] += 60.0
    assert history.is_loading
    assert not list(history.load_more())
    assert not journal._db.execute("SELECT id FROM jobs").fetchone()
    journal.close()


def test_a_damaged_history_is_reported(tmp_path: Path) -> None:
    """A damaged page shows only when it is read; the queue's record then says that jobs are missing."""
    core = Core(CoreSettings(agents_wanted=0))
    change_feed = ChangeFeed(core)
    writer = JournalWriter(tmp_path / "journal.sqlite", "session", change_feed)
    journal, history = writer.journal, History(core, writer, Settings(data_root=tmp_path))
    journal._db.execute("DROP TABLE attempts")
    journal._db.execute("DROP TABLE jobs")
    history.begin()
    assert list(history.load_more()) == []
    assert "no such table" in change_feed.queue_record().problem
    assert not history.is_loading
    journal.close()
