"""A preview whose desktop has died is not run again by its old command line, but by Katana in its scene."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kq.client.discovery import live_sessions
from tests.support.live_queue import until

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def test_the_next_desktop_renders_it_again_in_its_scene_only(tmp_path: Path) -> None:
    """By hand: `kq start` and another scene refuse and say what to do; its scene makes a new, equal job."""

    def desktop(which: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tests.host.orphaned_preview_desktop", which, tmp_path / "shot.kqproject"],
            cwd=ROOT,
            env={
                **os.environ,
                "QT_QPA_PLATFORM": "offscreen",
                "KATANA_RESOURCES": os.pathsep.join(str(ROOT / name) for name in ("plugins", "resources")),
                "KATANA_USER_RESOURCE_DIRECTORY": str(tmp_path / which),
                "KQ_DATA_ROOT": str(tmp_path / "data"),
                "KQ_NUM_AGENTS": "1",
                "KQ_STANDBY_S": "0",
            },
            capture_output=True,
            text=True,
            timeout=360,
            check=False,
        )

    died = desktop("first")
    assert died.returncode == -signal.SIGKILL, died.stdout + died.stderr
    until(lambda: not live_sessions(tmp_path / "data"), "the dead desktop's queue to end")
    done = desktop("second")
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["before"] == ["Cancelled", True, True]
    assert not seen["is offered"]
    code, error = seen["kq start"]
    assert code == 2 and "shot.kqproject" in error
    text, jobs = seen["elsewhere"]
    assert jobs == 1 and "shot.kqproject" in text
    assert "Katana" in seen["shown"] and seen["unharmed"]
    assert seen["new"] == ["Render, frame 5, shot=sh010", "5"]
    assert seen["host is its own"]
    assert seen["scene now"] == [1.0, "sh020"]
