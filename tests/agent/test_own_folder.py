"""Where a render runs that names no folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kq.agent.attempt import Attempt
from kq.messages import AssignOrder


@pytest.mark.skipif(sys.platform == "win32", reason="users without a home are numbers of a container's")
def test_of_a_user_without_a_home_it_is_failed_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its Agent lives."""
    import pwd

    def nobody(_user: int) -> pwd.struct_passwd:
        raise KeyError("uid not found")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.delenv("HOME")
    order = AssignOrder(
        number=1,
        attempt="job00001/0/1",
        commands=(("true",),),
        cwd="",
        environment={},
        log_file=str(tmp_path / "log"),
    )
    attempt = Attempt(order, dict(os.environ), "a1")
    attempt.start()
    assert attempt.ending is not None
    assert attempt.ending.outcome == "failed"
    assert "the working folder" in attempt.ending.reason
