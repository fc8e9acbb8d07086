"""What runs on another machine besides Agents, where a test of the scripts cannot bring it about."""

from __future__ import annotations

from pathlib import Path

import pytest

from kq.agent import on_host
from kq.agent.host_folder import HostFolder


def test_agents_that_never_came_leave_no_key_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where Windows was to start the supervisor, and did not."""
    monkeypatch.setenv("KQ_REMOTE_DIR", str(tmp_path))
    monkeypatch.setattr(on_host, "_START_PATIENCE_S", 0.1)
    folder = HostFolder.of("farm:1:2")
    folder.make()
    folder.connection.write_text("a key")

    assert on_host.main(["remote-await", "--folder", str(folder.path), "--agents", "1"]) == 2

    assert not folder.path.exists()
    assert "did not start within" in capsys.readouterr().err


def test_a_folder_that_is_no_sessions_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However wrong the word may be that remote-await is given."""
    monkeypatch.setenv("KQ_REMOTE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(on_host, "_START_PATIENCE_S", 0.1)
    (tmp_path / "home").mkdir()

    assert on_host.main(["remote-await", "--folder", str(tmp_path / "home"), "--agents", "1"]) == 2

    assert (tmp_path / "home").is_dir()
