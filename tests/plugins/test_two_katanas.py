"""Two Katanas of one user at the same time, in the same data root."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from katana_queue.kq.api import join_command_line

from tests.plugins.test_registration import PRELUDE, SESSION, environment_of

TWO = """
import threading
FarmAPI.FarmPluginManager.Initialize()
ended = threading.Event()
session.client.add_listener(lambda change: [ended.set() for job in change.jobs if job.state.is_terminal])
for line in sys.stdin:
    if line == "render\\n":
        ended.clear()
        request = FarmAPI.FarmPluginManager.JobRequest(sys.argv[1], "r", [1], [sys.argv[2]], {}, "")
        job = FarmAPI.FarmPluginManager._plugin("Katana Queue").submitJob(request)
        assert ended.wait(60)
        print([(each.node, str(each.state)) for each in session.client.jobs()], flush=True)
    else:
        break
ExecuteCallbacksForType(Callbacks.Type.onShutdown)
assert session.wait(60)
print("ended", flush=True)
"""


def test_two_katanas_of_one_user(data_root: Path) -> None:
    """Each has a queue of its own in the same data root; the end of one leaves the other's alone."""
    command = join_command_line((sys.executable, "-c", "pass"))
    both = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", PRELUDE + SESSION + TWO, name, command],
            cwd=data_root,
            env=environment_of(data_root),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("First", "Second")
    ]

    def ask(katana: subprocess.Popen[str], line: str) -> str:
        assert katana.stdin is not None and katana.stdout is not None
        katana.stdin.write(f"{line}\n")
        katana.stdin.flush()
        return katana.stdout.readline().strip()

    with both[0] as first, both[1] as second:
        for katana in both:
            assert katana.stdout is not None and katana.stdout.readline() == "started\n"
        assert ask(first, "render") == "[('First', 'Completed')]"
        assert ask(second, "render") == "[('Second', 'Completed')]"
        assert ask(first, "quit") == "ended"
        assert ask(second, "render") == "[('Second', 'Completed'), ('Second', 'Completed')]"
        assert ask(second, "quit") == "ended"
    assert [katana.returncode for katana in both] == [0, 0]
