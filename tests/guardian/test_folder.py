"""The folder of a session: held by one at a time, given back by the system when its holder dies."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kq.errors import SessionFailed
from kq.guardian.folder import QueueFolder, end_leftovers
from kq.guardian.session_id import is_session_alive, new_session_id
from kq.own_folders import keys_folder
from tests.support.commands import SLEEP
from tests.support.live_queue import ROOT, is_alive, until


def test_two_sessions_have_two_folders(tmp_path: Path) -> None:
    """The next one gets the first that is free; keys left there are gone."""
    first = QueueFolder.take(tmp_path, "host")
    second = QueueFolder.take(tmp_path, "host")
    assert first.path != second.path
    if sys.platform != "win32":  # there it is the user's own by where the data root is
        assert first.path.stat().st_mode & 0o777 == 0o700
    keys_folder(first.path).mkdir()
    (keys_folder(first.path) / "client.json").write_text("a key")
    first.release()
    third = QueueFolder.take(tmp_path, "host")
    assert third.path == first.path
    assert not keys_folder(third.path).exists()
    second.release()
    third.release()


def test_a_session_continues_in_the_folder_of_its_jobs(tmp_path: Path) -> None:
    """Though a folder before it has become free."""
    first = QueueFolder.take(tmp_path, "host")
    second = QueueFolder.take(tmp_path, "host")
    first.release()
    second.release()
    again = QueueFolder.take(tmp_path, "host", second.path)
    assert again.path == second.path
    again.release()


def test_a_machine_that_was_renamed_finds_its_folders(tmp_path: Path) -> None:
    """Each under its number, while none has the new name; other machines' folders are theirs."""

    def take(host: str, machine: str) -> QueueFolder:
        return QueueFolder.take(tmp_path, host, machine=machine)

    theirs, before, also = take("theirs", "m1"), take("before", "m2"), take("before", "m2")
    for each in (theirs, before, also):
        each.release()
    names = []
    for _ in range(2):
        held = [take("after", "m2") for _ in range(3)]
        names.append([each.path.name for each in held])
        for each in held:
            each.release()
    assert names == [["before-1", "before-2", "after-3"]] * 2
    without_id = take("third", "")
    assert without_id.path.name == "third-1"
    without_id.release()
    again = take("before", "m1")
    assert again.path.name == "before-1", "its name comes first"
    again.release()


def test_a_holder_that_dies_lets_go(tmp_path: Path) -> None:
    """By SIGKILL, too."""
    program = (
        "import sys, time; from pathlib import Path; from kq.guardian.folder import QueueFolder;"
        "folder = QueueFolder.take(Path(sys.argv[1]), 'host');"
        "print(folder.path, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        held = Path(holder.stdout.readline().strip())
        other = QueueFolder.take(tmp_path, "host")
        assert other.path != held
        other.release()
        holder.kill()
    mine = QueueFolder.take(tmp_path, "host")
    assert mine.path == held
    mine.release()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """One sentence with the folder and what to do."""
    (tmp_path / "queues").write_text("a file")
    with pytest.raises(SessionFailed, match=f"KQ_DATA_ROOT {re.escape(str(tmp_path))} "):
        QueueFolder.take(tmp_path, "host")


def test_a_sessions_name_shows_whether_it_lives() -> None:
    """By the very process that guards it; another machine's is not ours to judge."""
    session = new_session_id()
    where, pid, started, token = session.split(":")
    assert is_session_alive(session) is True
    assert is_session_alive(f"{where}:{pid}:{float(started) + 1:.2f}:{token}") is False
    assert is_session_alive(f"elsewhere:{pid}:{started}:{token}") is None
    host, at, mark = where.rpartition("@")
    if at:
        assert is_session_alive(f"renamed@{mark}:{pid}:{started}:{token}") is True
        # A clone, a container on this machine, or the boot before.
        assert is_session_alive(f"{host}@0123456789ab:{pid}:{started}:{token}") is None
    assert is_session_alive("nonsense") is None


def test_what_a_dead_session_left_is_ended_and_what_a_living_one_runs_is_not(tmp_path: Path) -> None:
    """Told apart by their marks alone: they are nobody's children here."""
    living = new_session_id()
    host, pid, started, token = living.split(":")
    dead = f"{host}:{pid}:{float(started) + 1:.2f}:{token}"
    sleepers = {
        session: subprocess.Popen([*SLEEP], env={**os.environ, "KQ_SESSION": session})
        for session in (living, dead, f"elsewhere:{pid}:1.00:{token}")
    }

    def is_ended() -> bool:
        end_leftovers()  # as does every session that begins on this machine meanwhile
        return sleepers[dead].poll() is not None

    try:
        until(is_ended, "it to be ended")  # a new process has its mark only after a moment
        del sleepers[dead]
        assert all(is_alive(each.pid) for each in sleepers.values())
    finally:
        for each in sleepers.values():
            each.kill()
            each.wait()
