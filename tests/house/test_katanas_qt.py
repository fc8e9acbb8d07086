"""The plug-ins' tests once more, with the PySide6 of Katana 8 and 9: ./test puts it into .venv/katana."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KATANAS_QT = ROOT / ".venv" / "katana"

QUICK = ("tests/tab/test_tab.py", "tests/tab/test_log_panel.py", "tests/plugins")
"""What draws and deletes most: enough to see by day that the plug-ins load and work."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        not (KATANAS_QT / ".ready").is_file(),
        reason="Katana's PySide6 is not in .venv/katana: ./test installs it, with Python 3.11",
    ),
]


@pytest.mark.parametrize(
    "paths",
    [
        pytest.param(QUICK, id="quick"),
        pytest.param(("tests/tab", "tests/plugins"), id="all", marks=pytest.mark.nightly),
    ],
)
def test_the_plug_ins_pass_with_katanas_qt(paths: tuple[str, ...], tmp_path: Path) -> None:
    """As with the newer PySide6 of `.venv`, which draws and deletes some things differently."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "KQ_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *paths, "-m", "not slow", "-p", "no:cacheprovider",
         "--hypothesis-profile=quick", f"--basetemp={tmp_path / 'inner'}"],
        cwd=ROOT,
        env=environment | {"PYTHONPATH": str(KATANAS_QT)},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"\n{done.stdout}{done.stderr}"
    assert "PySide6 6.5.3" in done.stdout  # pytest-qt's header
