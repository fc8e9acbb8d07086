"""What a render writes into its log does not steer the terminal that shows it."""

from __future__ import annotations

import io
import itertools
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.cli.log_output import TerminalOutput
from tests.support.live_queue import KQ, LiveQueue

HOSTILE = b"\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m\t\xc2\x9b1m \xe2\x80\xaegnp.exe \x1bP \xff\r\n"
SHOWN = "\\x1b]0;title\\x07\\x1b[2J\x1b[31mred\x1b[0m\t\\x9b1m \\u202egnp.exe \\x1bP �\r\n"


@given(st.lists(st.integers(1, len(HOSTILE)), max_size=8))
def test_colours_stay_and_all_else_is_escaped(cuts: list[int]) -> None:
    """However the bytes are cut into parts."""
    out = io.BytesIO()
    terminal = TerminalOutput(out)
    edges = [0, *sorted(cuts), len(HOSTILE)]
    for start, end in itertools.pairwise(edges):
        terminal.write(HOSTILE[start:end])
    assert out.getvalue().decode() == SHOWN


@pytest.mark.skipif(sys.platform == "win32", reason="it has no pseudoterminals of this kind")
def test_kq_log_and_submit_on_a_terminal(tmp_path: object) -> None:
    """On a terminal the log and the reason are escaped; into a pipe the log comes as it is."""
    import pty
    import subprocess
    from pathlib import Path

    script = f"import sys; sys.stdout.buffer.write({HOSTILE!r}); sys.exit('error: \\x9b2J')"
    with LiveQueue(Path(str(tmp_path)), 1) as queue:
        job_id = queue.submit(sys.executable, "-c", script)
        queue.await_job(job_id, "Failed")
        piped = subprocess.run([*KQ, "log", job_id], env=queue.environment, capture_output=True, check=True)
        assert HOSTILE in piped.stdout
        for command in (["log", job_id], ["submit", "--wait", "--", sys.executable, "-c", script]):
            reader, writer = pty.openpty()
            child = subprocess.Popen(
                [*KQ, *command], env=queue.environment, stdout=writer, stderr=writer, cwd=tmp_path
            )
            os.close(writer)
            seen = b""
            while True:
                try:
                    part = os.read(reader, 4096)
                except OSError:  # Linux: the other end is closed
                    break
                if not part:
                    break
                seen += part
            child.wait()
            os.close(reader)
            assert b"\\x1b[2J" in seen
            assert b"\x1b[2J" not in seen and b"\x1b]" not in seen and b"\xc2\x9b" not in seen
