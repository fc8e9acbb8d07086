"""The guards of tests/conftest.py, held against tests that leak on purpose. Nothing of kq is tested here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.leaks import LeakGuard
from tests.support.commands import SLEEP
from tests.support.live_queue import LiveQueue, kill, until

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]

LEAKY_TESTS = """
import socket, subprocess, sys, threading
from PySide6.QtCore import qWarning

SLEEP = "import time; time.sleep(60)"
ended = threading.Event()
kept = []

def test_thread():
    threading.Thread(target=ended.wait, args=(60,), name="forgotten", daemon=True).start()

def test_process():
    kept.append(subprocess.Popen([sys.executable, "-c", SLEEP, "child"]))

def test_orphan():
    start = "import subprocess as s, sys; s.Popen([sys.executable, *sys.argv[1:]], start_new_session=True)"
    subprocess.run([sys.executable, "-c", start, "-c", SLEEP, "grandchild"], check=True)

def test_socket():
    kept.append(socket.create_server(("127.0.0.1", 0)))

def test_qt_warning():
    qWarning("no test expected this")

def test_clean(data_root):
    with socket.create_server(("127.0.0.1", 0)):
        thread = threading.Thread(target=str)
        thread.start()
        subprocess.run([sys.executable, "-c", ""], check=True)
        thread.join()
    assert not list(data_root.iterdir())
"""


@pytest.fixture
def _imports_from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))


@pytest.mark.usefixtures("_imports_from_the_checkout")
def test_what_a_test_leaves_behind_fails_it_and_no_other(pytester: pytest.Pytester) -> None:
    """A thread, a child, a re-parented grandchild and a socket fail the test that left them, as an
    unexpected Qt warning does. A test that closes, joins and waits is blamed for nothing."""
    pytester.makepyfile(test_leaky=LEAKY_TESTS)
    result = pytester.runpytest_subprocess(
        *("-p", "tests.conftest", "-p", "no:cacheprovider", "-o", "leak_grace_s=0.3"),
        *("-c", str(ROOT / "pyproject.toml"), f"--rootdir={pytester.path}"),
    )
    result.assert_outcomes(passed=5, errors=4, failed=1)
    for test, left in {
        "test_thread": "thread 'forgotten'",
        "test_process": "process * child",
        "test_orphan": "process * grandchild",
        "test_socket": "socket socket:*",
    }.items():
        result.stdout.fnmatch_lines(
            [f"*ERROR at teardown of {test} *", "*The test left behind:*", f"*{left}*"]
        )
    result.stdout.fnmatch_lines(["*Failure: Qt messages with level WARNING or above emitted*"])


def test_an_agent_that_an_older_queue_starts_anew_is_no_leak(tmp_path: Path) -> None:
    """A queue of a whole file may replace an Agent in the midst of any test. A render that is left is one."""
    with LiveQueue(tmp_path, 1) as queue:
        [first] = queue.await_agents()
        guard = LeakGuard(tmp_path, grace_s=0.3)
        kill(first)
        until(lambda: any(each.id == "a2" and each.pid for each in queue.client.agents()), "another Agent")
        assert guard.leaks() == []
        job_id = queue.submit(*SLEEP)
        until(lambda: any("time.sleep(600)" in each for each in guard.leaks()), "its render to be found")
        queue.await_job(job_id)
