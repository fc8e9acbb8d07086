"""A preview that names no picture file and prints nothing: its pixels and progress go to the desktop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("stream_only_desktop.py")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def test_tab_catalog_and_monitor_show_a_render_that_prints_nothing(tmp_path: Path) -> None:
    """A real renderer whose output is thrown away: the picture grows in all three, the tab has progress."""
    done = subprocess.run(
        [sys.executable, PROGRAM],
        cwd=ROOT,
        env={
            **os.environ,
            "QT_QPA_PLATFORM": "offscreen",
            "PYTHONPATH": str(ROOT),
            "KATANA_RESOURCES": os.pathsep.join(str(ROOT / name) for name in ("plugins", "resources")),
            "KATANA_USER_RESOURCE_DIRECTORY": str(tmp_path / "user"),
            "KQ_DATA_ROOT": str(tmp_path / "data"),
            "KQ_NUM_AGENTS": "1",
            "KQ_STANDBY_S": "0",
        },
        capture_output=True,
        text=True,
        timeout=360,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    during, after = seen["during"], seen["after"]
    assert seen["log"] == "", "the render was to print nothing"
    assert during["state"] == "Running", "it ended before its first picture was seen"
    for moment in (during, after):
        assert moment["file"] == ""
        assert moment["tab picture"] and moment["tab canvas"]
        assert moment["catalog picture"] and moment["monitor picture"]
        assert "Render" in moment["monitor header"]
    assert during["printed"] is None and 0 < during["tab progress"] < 1
    assert 0 < during["catalog progress"][0] < during["catalog progress"][1]
    assert after["tab progress"] == 1
    # Of a job's menu in the tab, through the methods that Katana's own Catalog has.
    assert seen["actions"]["Show in Monitor"] == {"in the Monitor": True, "selected": False}
    assert seen["actions"]["Show in Catalog"] == {"in the Monitor": True, "selected": True}
