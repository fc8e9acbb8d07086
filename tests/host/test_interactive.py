"""The desktop with a window, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from host.nodes.project import SUFFIX

_UNTIL_THE_LOOP = """
import gc
from PySide6.QtWidgets import QApplication
QApplication.exec = lambda *_: print("kept out:", gc.get_freeze_count(), gc.get_threshold()[0])
from host.app.interactive import run
run(None, None, None)
"""


def test_a_search_for_cycles_does_not_go_through_what_the_start_made(tmp_path: Path) -> None:
    """It would stand still for more than a frame each time."""
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "HOME": str(tmp_path),
        "KQ_DATA_ROOT": str(tmp_path / "data"),
    }
    ended = subprocess.run(
        [sys.executable, "-c", _UNTIL_THE_LOOP], env=environment, capture_output=True, text=True, check=True
    )
    kept, threshold = ended.stdout.split("kept out:")[1].split()
    assert int(kept) > 10_000
    assert int(threshold) >= 10_000


_SIGNALLED_WITH_CHANGES = """
import os, signal
from PySide6.QtCore import QTimer
from host.app import interactive
from host.nodes.scene import active_scene
from host.nodes.types import NODE_TYPES

def change():
    active_scene().graph.create(NODE_TYPES["Light"], "Unsaved")
    os.kill(os.getpid(), signal.SIGTERM)

interactive.settle = lambda: QTimer.singleShot(0, change)
raise SystemExit(interactive.run(None, None, None))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a process can handle")
def test_a_signal_closes_it_without_a_question_and_unsaved_changes_are_kept(tmp_path: Path) -> None:
    """At a shutdown a question stays unanswered, and would leave the desktop and its renders running."""
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "HOME": str(tmp_path),
        "KATANA_RESOURCES": "",
        "KQ_DATA_ROOT": str(tmp_path / "data"),
    }
    ended = subprocess.run(
        [sys.executable, "-c", _SIGNALLED_WITH_CHANGES],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 128 + signal.SIGTERM, ended.stderr
    [copy] = tmp_path.rglob(f"autosave/*{SUFFIX}")
    assert "Unsaved" in copy.read_text(encoding="utf-8")
