"""The desktop with a window, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
