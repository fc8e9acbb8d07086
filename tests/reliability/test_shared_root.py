"""A data root that other users may write to: what one of them plants there harms no other.

Two real users: needs root, which may become others.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kq.client.discovery import live_sessions
from kq.client.session import Session
from kq.errors import SessionFailed
from kq.own_files import NotOwn, open_to_append
from kq.own_folders import own_data_root, sessions_folder
from kq.server import journal_repair
from kq.server.journal import Journal
from kq.settings import Settings
from tests.support.commands import SLEEP
from tests.support.live_queue import LiveQueue, is_alive, marked_with, until
from tests.support.strangers import STRANGER, as_stranger

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="only root can become two other users"
)


@pytest.fixture(params=[0o777, 0o1777, 0o2775], ids=["0777", "1777", "2775"])
def root(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A share that all may write to, outside the tests' own folder, which others cannot enter."""
    folder = Path(tempfile.mkdtemp(prefix="kq share "))
    os.chown(folder, STRANGER, os.getgid())
    folder.chmod(request.param)
    yield folder
    shutil.rmtree(folder)


def planted(path: Path) -> None:
    """Give what a test has made to the stranger."""
    os.chown(path, STRANGER, STRANGER, follow_symlinks=False)


def test_each_user_has_a_folder_of_their_own(root: Path) -> None:
    """Named after the user, for its owner alone; a private root is used as it is."""
    mine = own_data_root(root)
    assert mine.parent == root
    assert stat.S_IMODE(mine.stat().st_mode) & 0o777 == 0o700  # a folder of 2775 passes its group on
    assert own_data_root(root) == own_data_root(mine) == own_data_root(root, create=False) == mine


def test_a_folder_in_the_way_is_passed_over(root: Path) -> None:
    """The next free name is taken: a stranger who makes mine first does not lock me out, nor does a link."""
    expected = own_data_root(root)
    expected.rmdir()
    expected.mkdir(0o777)
    planted(expected)
    second = own_data_root(root)
    assert second.name == f"{expected.name}-2"
    second.rmdir()
    second.symlink_to("/etc")
    assert own_data_root(root).name == f"{expected.name}-3"


def test_when_all_names_are_taken_it_says_by_whom(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the folder and its owner."""
    monkeypatch.setattr("kq.own_folders._MAX_FOLDERS", 1)
    expected = own_data_root(root)
    planted(expected)
    with pytest.raises(SessionFailed, match=f"{expected.name} belongs to user-{STRANGER}"):
        own_data_root(root)


def test_a_session_says_no_root_before_it_knows_its_own(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shared one is not where its files will be: a farm opened there would list none of its jobs."""
    asked, go_on = threading.Event(), threading.Event()

    def slow_root(_root: Path) -> Path:
        asked.set()
        go_on.wait(60)
        raise SessionFailed("the share is gone")

    monkeypatch.setattr("kq.client.session.own_data_root", slow_root)
    session = Session(Settings.from_environment({"KQ_DATA_ROOT": str(root)}))
    assert asked.wait(60)
    before = session.settings
    go_on.set()
    assert session.wait(60)
    session.close()
    assert before is None and session.failure == "the share is gone"


def test_a_session_in_a_shared_root_takes_no_orders_from_what_is_planted(root: Path) -> None:
    """Neither a fake session, nor folders or links, nor a pipe as a log: renders run, keys stay."""
    fake = {"session": "vm:1:1.00:ffffffff", "protocol": 1, "pid": os.getpid(), "host": "127.0.0.1"}
    victim = root.parent / f"{root.name}.private"
    victim.write_text("mine\n")
    try:
        for name in (f"{os.uname().nodename}-1", "a-1"):
            folder = root / "queues" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "client.json").write_text(json.dumps(fake))
            logs = root / "logs" / name
            logs.mkdir(parents=True, exist_ok=True)
            (logs / "guardian.log").symlink_to(victim)
            os.mkfifo(logs / "server.log")
            for path in (folder, folder / "client.json", logs, logs / "guardian.log", logs / "server.log"):
                planted(path)
        with LiveQueue(root, 1) as queue:
            job = queue.submit(sys.executable, "-c", "print('rendered')", environment={"TOKEN": "secret"})
            record = queue.await_job(job)
            assert record.state == "Completed"
            assert Path(record.log_file).is_relative_to(own_data_root(root))
            keys = [path for path in root.rglob("*.json") if path.stat().st_uid == os.geteuid()]
            assert keys == []
            assert [each.session for each in live_sessions(root)] == [queue.session]
        assert victim.read_text() == "mine\n"
        private = own_data_root(root)

        def look() -> None:
            with pytest.raises(PermissionError):
                list(private.iterdir())

        as_stranger(look)
    finally:
        victim.unlink()


def test_two_users_use_one_root_at_once(root: Path) -> None:
    """Neither is locked out by the other's folder."""
    mine = own_data_root(root)

    def use() -> None:
        theirs = own_data_root(root)
        assert theirs != mine
        (theirs / "queues").mkdir()

    as_stranger(use)
    assert own_data_root(root) == mine


def test_a_session_whose_folder_is_moved_away_ends(root: Path) -> None:
    """It writes no more into a stranger's folder in its place. With the sticky bit, none can move it."""
    mine = own_data_root(root)

    def move() -> None:
        mine.rename(mine.with_name("moved"))
        mine.mkdir(0o777)

    with LiveQueue(root, 1) as queue:
        job = queue.submit(*SLEEP)
        queue.await_job(job, "Running")
        server, program = queue.server_pid, queue.process
        assert program is not None
        if root.stat().st_mode & stat.S_ISVTX:
            os.chown(root, os.getuid(), os.getgid())  # as a share is: its owner may move all
            with pytest.raises(AssertionError):
                as_stranger(move)
            assert queue.kq("stop", job).returncode == 0
            return
        as_stranger(move)
        until(lambda: not is_alive(server), "the server's end")
        until(lambda: program.poll() is not None, "the session's end")
        assert f"user-{STRANGER}" in queue.errors
        assert "chmod +t" in queue.errors
    assert not marked_with("KQ_JOB", job)


@pytest.mark.parametrize("kind", ["link", "pipe", "hard link", "device", "foreign"])
def test_a_log_is_an_ordinary_file_of_ones_own(tmp_path: Path, kind: str) -> None:
    """Anything else in its place is refused at once, and what it leads to is untouched."""
    victim, log = tmp_path / "victim", tmp_path / "server.log"
    victim.write_text("mine\n")
    if kind == "link":
        log.symlink_to(victim)
    elif kind == "pipe":
        os.mkfifo(log)
    elif kind == "hard link":
        log.hardlink_to(victim)
    elif kind == "device":
        os.mknod(log, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    else:
        log.touch()
        planted(log)
    with pytest.raises(OSError):  # ELOOP, ENXIO or EPERM, by what is in the way
        os.close(open_to_append(log))
    assert victim.read_text() == "mine\n"


def test_keys_are_kept_where_no_other_user_can_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG_RUNTIME_DIR counts only where it is this user's own; else the home is used."""
    shared = tmp_path / "runtime"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(shared))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = sessions_folder()
    assert not folder.is_relative_to(shared)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("kind", ["link", "pipe", "hard link", "moved"])
def test_a_journal_that_is_not_ones_own_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """SQLite opens by name: before and after it is checked what that is. The queue then keeps none."""
    folder, victim = tmp_path / "queues" / "vm-1", tmp_path / "victim"
    folder.mkdir(parents=True)
    victim.write_bytes(b"mine")
    path = folder / "journal.sqlite"
    if kind == "link":
        path.symlink_to(victim)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "hard link":
        path.hardlink_to(victim)
    else:
        real = journal_repair.open_journal

        def move_and_open(*arguments: Any, **keywords: Any) -> Any:
            db = real(*arguments, **keywords)
            folder.rename(tmp_path / "moved")
            folder.mkdir()
            return db

        monkeypatch.setattr(journal_repair, "open_journal", move_and_open)
    with pytest.raises(NotOwn):
        Journal(path, "session")
    assert victim.read_bytes() == b"mine"
