"""What runs on another machine besides Agents, where a test of the scripts cannot bring it about."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kq import process
from kq.agent_config import AgentConfig
from kq.errors import NotFound
from kq.messages import PROTOCOL_VERSION
from kq.records import SessionRecord
from kq.remote_host import commands
from kq.remote_host.folder import HostFolder
from kq.remote_host.report import report


@pytest.fixture
def connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A session's key, and a place for what is started with it."""
    monkeypatch.setenv("KQ_REMOTE_DIR", str(tmp_path / "state"))
    record = SessionRecord(
        session="farm:1:2", protocol=PROTOCOL_VERSION, pid=1, host="127.0.0.1",
        request_port=1, update_port=2, broadcast_port=3,
        server_key="a", public_key="b", secret_key="c", data_root="/nowhere", queue_dir="/nowhere/queue",
    )  # fmt: skip
    path = tmp_path / "connection.json"
    path.write_bytes(msgspec.json.encode(AgentConfig(connection=record, local=False, host_label="farm-b")))
    return path


def test_agents_that_never_came_leave_nothing_behind(
    connection: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As when the supervisor hangs: it is ended, and the key removed."""
    started: list[process.Child] = []
    asked: dict[str, Any] = {}
    spawn_service = process.spawn_service

    def stands_still(_argv: list[str], **options: Any) -> process.Child:
        asked.update(options)
        started.append(spawn_service([sys.executable, "-c", "input()"], stdin=process.LIFELINE, **options))
        return started[0]

    monkeypatch.setattr(process, "spawn_service", stands_still)
    monkeypatch.setattr(commands, "_START_TIMEOUT_S", 0.2)

    assert commands.main(["start", "--connection", str(connection), "--agents", "1"]) == 2

    assert not HostFolder.of("farm:1:2").path.exists()
    assert "start within" in capsys.readouterr().err
    assert asked["leaves_job"], "on Windows all that an SSH session holds ends with it"
    assert started[0].poll() is not None
    started[0].close()


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (["--agents", "1", "--ports", "1", "2", "99999"], "99999"),
        (["--agents", "1", "--ports", "1", "2", "-3"], "-3"),
        (["--agents", "0"], "Agents: 0"),
        (["--agents", str(10**20)], str(10**20)),
    ],
)
def test_ports_and_numbers_out_of_range_are_refused(
    connection: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], fact: str
) -> None:
    """Nothing is started, and nothing stays."""
    assert commands.main(["start", "--connection", str(connection), *arguments]) == 2
    assert fact in capsys.readouterr().err
    assert not HostFolder.of("farm:1:2").path.exists()


def test_a_machine_with_another_name_finds_what_it_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As a laptop gets in another network: by the system that runs. Another machine's folders stay alone."""
    monkeypatch.setenv("KQ_REMOTE_DIR", str(tmp_path))
    monkeypatch.setattr(socket, "gethostname", lambda: "before")
    made = HostFolder.of("a session")
    made.make()
    monkeypatch.setattr(socket, "gethostname", lambda: "other-machine")
    HostFolder.of("another session").make()
    monkeypatch.setattr(process, "system_mark", lambda: "another system")
    assert [each.path for each in HostFolder.all_of_this_machine()] == [HostFolder.of("another session").path]
    assert HostFolder.of("a session").path != made.path
    monkeypatch.undo()
    monkeypatch.setenv("KQ_REMOTE_DIR", str(tmp_path))
    monkeypatch.setattr(socket, "gethostname", lambda: "after")
    assert HostFolder.of("a session").path == made.path
    assert made.path in [each.path for each in HostFolder.all_of_this_machine()]


def test_a_user_without_a_home_folder_cannot_have_agents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else their files would be in a folder beside the homes of other users. KQ_REMOTE_DIR helps."""
    monkeypatch.delenv("KQ_REMOTE_DIR", raising=False)
    monkeypatch.setenv("HOME" if sys.platform != "win32" else "USERPROFILE", str(tmp_path / "missing"))
    assert not report(b"{}")["base_writable"]
    (tmp_path / "missing").mkdir()
    assert report(b"{}")["base_writable"]
    (tmp_path / "missing").rmdir()
    monkeypatch.setenv("KQ_REMOTE_DIR", str(tmp_path / "agents"))
    assert report(b"{}")["base_writable"]
    assert not list(tmp_path.iterdir())


def test_a_session_that_cannot_be_ended_keeps_no_other_from_its_end(
    connection: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where a render hangs in the system: it is reported, once the others have ended."""
    first, second = sorted((HostFolder.of("a:1:2"), HostFolder.of("b:1:2")), key=lambda each: each.path)
    for each in (first, second):
        each.make()
    end = HostFolder.end

    def end_or_hang(self: HostFolder, grace_s: float) -> int:
        if self.path == first.path:
            raise NotFound("processes 7 survived")
        return end(self, grace_s)

    monkeypatch.setattr(HostFolder, "end", end_or_hang)
    assert commands.main(["stop", "--all"]) == 2
    assert first.path.exists() and not second.path.exists()
    assert "processes 7 survived" in capsys.readouterr().err
