"""How the processes of local Agents are started. None is started here."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kq.server import agent_process


def test_the_log_of_no_running_agent_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are: a log that is removed while it is written has lost what comes."""

    def spawn(_argv: list[str], **_options: Any) -> Any:
        return SimpleNamespace(pid=1)

    monkeypatch.setattr(agent_process.process, "spawn_service", spawn)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    many = agent_process._MAX_LOGS + 10
    logs = tmp_path / "logs"
    agent_process.start_early(many, tmp_path / "queue", logs, {})
    assert len(list(logs.iterdir())) == many
    for number in range(many + 1, 3 * many):  # replacements, one at a time
        agent_process.start_agent(f"a{number}", tmp_path / "agent.json", logs, {}, running=1)
    assert len(list(logs.iterdir())) <= agent_process._MAX_LOGS + agent_process._LOGS_AN_AGENT
