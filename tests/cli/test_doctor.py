"""`kq doctor`: what is well, what is wrong and what to do, in an exit code too; and never a key."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from kq import __version__
from kq.doctor import Finding, Report, Verdict, as_text, examine
from kq.doctor.installation import check_environment
from kq.doctor.sessions import check_leftovers
from kq.guardian.session_id import new_session_id
from kq.messages import PROTOCOL_VERSION
from kq.settings import Settings
from kq.wire.probe import PortAnswer
from tests.support.commands import NOTHING
from tests.support.live_queue import KQ, ROOT, LiveQueue, clean_environment, frozen, key_files
from tests.support.ports import free_port
from tests.support.small_disk import small_disk
from tests.support.strangers import STRANGER, as_stranger


@pytest.mark.parametrize(
    ("count", "end"), [(0, "No problems found."), (1, "1 problem found."), (2, "2 problems found.")]
)
def test_the_text_ends_with_a_summary(count: int, end: str) -> None:
    """It says how much is to be done."""
    report = Report(findings=[Finding(Verdict.WRONG, "data root", "it is full", "make room")] * count)
    assert as_text(report).splitlines()[-1] == end


def doctor(root: Path, **settings: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the report, of a process of its own.

    Without the processes that other tests' sessions leave at this moment.
    """
    done = subprocess.run(
        [*KQ, "doctor", "--json"],
        cwd=ROOT,
        env=clean_environment(root, settings), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert (done.returncode, report["well"]) == ((1, False) if wrong_in(report) else (0, True))
    report["findings"] = [
        each for each in report["findings"] if each["topic"] != "processes" or each["verdict"] != "wrong"
    ]
    report["well"] = not wrong_in(report)
    return int(not report["well"]), report


def wrong_in(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Topic and text of what is wrong; each has advice."""
    found = [each for each in report["findings"] if each["verdict"] == "wrong"]
    assert all(each["advice"] for each in found)
    return [(each["topic"], each["text"]) for each in found]


def test_a_folder_where_nothing_ran_yet_is_well(tmp_path: Path) -> None:
    """Versions and settings are told, with where they come from; nothing is made there."""
    root = tmp_path / "not there yet"
    code, report = doctor(root, KQ_NUM_AGENTS="3")
    assert (code, report["well"], wrong_in(report)) == (0, True, [])
    assert not root.exists()
    assert report["versions"]["kq"].startswith(__version__)
    assert report["versions"]["protocol"] == str(PROTOCOL_VERSION)
    for name in ("Python", "pyzmq", "libzmq", "msgspec", "psutil", "paramiko"):
        assert report["versions"][name], name
    told = {each["name"]: (each["value"], each["source"]) for each in report["settings"]}
    assert told["KQ_NUM_AGENTS"] == ("3", "environment")
    assert told["KQ_LOG"] == ("info", "default")
    assert told["KQ_DATA_ROOT"] == (str(root), "environment")
    assert len(told) == len(Settings.__struct_fields__)


def test_every_bad_setting_is_named_and_typing_errors_are_guessed(tmp_path: Path) -> None:
    """All at once, not one a run; a variable that is no setting has its value kept to itself."""
    code, report = doctor(
        tmp_path, KQ_LOG="loud", KQ_NUM_AGENTS="none", KQ_GRACE_S="soon", KQ_NUM_AGENT="secret", KQ_JOB="j"
    )
    assert code == 1
    told = [text.split()[0] for topic, text in wrong_in(report) if topic == "settings"]
    assert sorted(told) == ["KQ_GRACE_S", "KQ_LOG", "KQ_NUM_AGENTS"]
    [guess] = [each for each in report["findings"] if each["text"].startswith("KQ_NUM_AGENT is")]
    assert guess["verdict"] == "note" and "KQ_NUM_AGENTS" in guess["advice"]
    assert "secret" not in json.dumps(report)


def test_what_kq_sets_itself_is_no_typing_error() -> None:
    """Every variable that stands in the sources is a setting, or known as one that kq's own programs set."""
    found: dict[str, str] = {}
    for room in ("kq", "host", "plugins"):
        for path in (ROOT / room).rglob("*"):
            if path.suffix == ".py":
                names = re.findall(r'"(KQ_[A-Z_]+[A-Z])"', path.read_text(encoding="utf-8"))
                found |= dict.fromkeys(names, "1")
    assert {"KQ_SESSION", "KQ_DATA_ROOT"} <= set(found)
    assert [finding.text for finding in check_environment(found)] == []
    assert len(list(check_environment({"KQ_SESION": "1"}))) == 1


def test_a_data_root_that_cannot_be_used(tmp_path: Path) -> None:
    """A file, or below one."""
    (tmp_path / "file").touch()
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        code, report = doctor(root)
        assert code == 1
        [(topic, text)] = wrong_in(report)
        assert topic == "data root" and str(root) in text


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """Named with its variable; the free one beside it is not."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, report = doctor(tmp_path, KQ_UPDATE_PORT=str(port), KQ_REQUEST_PORT=str(free_port()))
    assert code == 1
    [(topic, text)] = wrong_in(report)
    assert topic == "ports" and f"KQ_UPDATE_PORT is {port}" in text


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can mount a small disk")
@pytest.mark.parametrize("kind", ["full", "read-only"])
def test_a_disk_that_takes_nothing(tmp_path: Path, kind: str) -> None:
    """Little room, or none to write to."""
    with small_disk(tmp_path, "size=2m" if kind == "full" else "ro") as mount:
        code, report = doctor(mount)
    assert code == 1
    [(topic, text)] = wrong_in(report)
    assert topic == "data root" and str(mount) in text
    assert (os.strerror(errno.EROFS) in text) is (kind == "read-only")


def test_sessions_dead_and_alive(tmp_path: Path) -> None:
    """A live one answers; one that stands still does not; of one that was killed the rests are told."""
    with LiveQueue(tmp_path, 1) as queue:
        queue.await_job(queue.submit("sh", "-c", "exit 3"))
        code, report = doctor(tmp_path)
        assert (code, wrong_in(report)) == (0, [])
        texts = " ".join(each["text"] for each in report["findings"])
        assert f"{queue.session} runs" in texts
        assert "1 of 1 " in texts
        keys = _keys_of(tmp_path)
        assert len(keys) == 6
        plain = queue.kq("doctor")
        assert f"{queue.session} runs" in plain.stdout
        assert not [key for key in keys if key in plain.stdout + json.dumps(report)]
        with frozen(queue.server_pid):
            code, report = doctor(tmp_path)
        assert code == 1
        [(_, text)] = wrong_in(report)
        assert queue.session in text and PortAnswer.ANOTHER_PROGRAM in text
        client_file = key_files(tmp_path, "client.json")[0]
        kept = tmp_path / "kept.json"
        shutil.copy(client_file, kept)
    client_file.parent.mkdir(mode=0o700)
    shutil.copy(kept, client_file)
    kept.unlink()
    code, report = doctor(tmp_path)
    assert (code, wrong_in(report)) == (0, [])
    found = [(each["verdict"], each["text"]) for each in report["findings"]]
    assert [text for verdict, text in found if verdict == Verdict.NOTE and queue.session in text]
    assert [text for verdict, text in found if verdict == Verdict.OK and " 1 jobs" in text]


@pytest.mark.skipif(sys.platform == "win32", reason="a file's mode says nothing there")
def test_keys_that_others_may_read(tmp_path: Path) -> None:
    """Whoever reads them commands the queue."""
    with LiveQueue(tmp_path, 1) as queue:
        path = key_files(tmp_path, "client.json")[0]
        path.chmod(0o644)
        code, report = doctor(tmp_path)
        assert code == 1
        [(_, text)] = wrong_in(report)
        assert str(path) in text
        assert queue.ready
        assert stat.S_IMODE(path.stat().st_mode) == 0o644  # it mends nothing


def test_a_damaged_journal(tmp_path: Path) -> None:
    """Found in a copy: the file itself is not touched."""
    with LiveQueue(tmp_path, 1) as queue:
        queue.await_job(queue.submit(*NOTHING))
    [journal] = tmp_path.glob("queues/*/journal.sqlite")
    content = bytearray(journal.read_bytes())
    content[4096:12288] = b"\xff" * 8192
    journal.write_bytes(content)
    code, report = doctor(tmp_path)
    assert code == 1
    [(_, text)] = wrong_in(report)
    assert str(journal) in text
    assert journal.read_bytes() == content


def test_processes_of_a_session_that_is_over(tmp_path: Path) -> None:
    """Their pids are told."""
    session = f"{new_session_id().partition(':')[0]}:{2**22 - 7}:1.00:abcd"
    for _ in range(10):
        with subprocess.Popen(
            [sys.executable, "-c", "print(flush=True); input()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**clean_environment(tmp_path, {}), "KQ_SESSION": session},
        ) as left:
            assert left.stdout is not None
            left.stdout.readline()
            # In this process, which takes less time than the command.
            found = [each for each in check_leftovers() if each.text.endswith(f": {left.pid}")]
            is_still_there = left.poll() is None
            left.communicate(b"\n")
        if is_still_there:
            break
        # A session that somebody began on this machine meanwhile has ended it, as it should.
    [finding] = found
    assert (finding.topic, finding.verdict) == ("processes", Verdict.WRONG)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can become another user")
def test_folders_that_it_may_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's are noted; where none of one's own are to be read, that is what is wrong."""
    with tempfile.TemporaryDirectory(prefix="kq doctor ") as name:
        root = Path(name)
        examine({}, name)  # imports all that it needs: the other user may not read this Python
        root.chmod(0o755)
        for folder in ("run", "own", "own/queues", "own/queues/MINE-1", "own/queues/THEIRS-1", "theirs"):
            (root / folder).mkdir(0o700)
            if "heirs" not in folder.lower():
                os.chown(root / folder, STRANGER, STRANGER)
        (root / "theirs" / "queues").mkdir()
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(root / "run"))
        monkeypatch.delenv("KQ_DATA_ROOT", raising=False)

        def examine_all() -> None:
            found = examine({}, str(root / "own")).findings
            [note] = [each for each in found if each.verdict is Verdict.NOTE]
            assert note.topic == "THEIRS-1" and os.strerror(errno.EACCES) in note.text
            [wrong] = examine({}, str(root / "theirs")).wrong
            assert str(root / "theirs") in wrong.text and os.strerror(errno.EACCES) in wrong.text

        as_stranger(examine_all)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can become another user")
def test_a_user_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is examined all the same."""
    examine({}, str(tmp_path))  # imports all that it needs: the other user may not read this Python
    for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "KQ_DATA_ROOT"):
        monkeypatch.delenv(name, raising=False)

    def examine_all() -> None:
        report = examine({})
        [wrong] = report.wrong
        assert "KQ_DATA_ROOT" in wrong.text and "home" in wrong.text
        assert report.versions["Python"]

    as_stranger(examine_all)


def _keys_of(data_root: Path) -> list[str]:
    state = json.loads(key_files(data_root, "server.json")[0].read_text())
    return [key for pair in state["keys"].values() for key in pair]
