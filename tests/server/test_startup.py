"""What ends a server for good, and what the guardian starts another one for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.live_queue import ROOT, clean_environment

FAILS = """
import sys
from kq import errors
from kq.server import program, startup

def fail(*_given):
    raise getattr(errors, sys.argv[1])("why")

program.Server = fail
startup.main(["--queue-dir", sys.argv[2], "--session", "s"])
"""


@pytest.mark.parametrize(("error", "code"), [("MalformedMessage", 1), ("SessionFailed", 2)])
def test_a_bug_does_not_end_the_session(tmp_path: Path, error: str, code: int) -> None:
    """With exit code 2 the guardian ends all renders."""
    done = subprocess.run(
        [sys.executable, "-c", FAILS, error, str(tmp_path)],
        env=clean_environment(tmp_path, {"KQ_NUM_AGENTS": "0"}),
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert ("failed" in done.stdout) == (code == 2)
