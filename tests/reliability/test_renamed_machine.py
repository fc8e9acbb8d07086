"""The machine gets another host name between a crash and the next start: in UTS namespaces of this one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kq.client.discovery import live_sessions
from tests.support.commands import NOTHING, SLEEP
from tests.support.live_queue import KQ, LiveQueue, frozen, is_alive, kill, marked_with, until

MACHINE, ANOTHER = "0123456789abcdef" * 2, "fedcba9876543210" * 2
_NAMED = 'hostname "$1" && mount --bind "$2" /etc/machine-id && shift 2 && exec "$@"'


def named(tmp_path: Path, host: str, machine: str) -> list[str]:
    """What begins a command that sees the machine with this host name and machine id."""
    id_file = tmp_path / f"id-{machine}"
    id_file.write_text(f"{machine}\n")
    return ["unshare", "--uts", "--mount", "sh", "-c", _NAMED, "sh", host, str(id_file)]


def why_not(tmp_path: Path) -> str:
    """Why a machine cannot be renamed here; empty when it can."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return "namespaces are Linux's (package util-linux)"
    tried = subprocess.run(
        [*named(tmp_path, "kq-try", MACHINE), "true"], capture_output=True, text=True, check=False
    )
    return (
        f"this user or container makes no such namespace: {tried.stderr.strip()}" if tried.returncode else ""
    )


def test_a_crash_and_another_name(tmp_path: Path) -> None:
    """What was left is ended and listed; a machine of another id has a history of its own."""
    if reason := why_not(tmp_path):
        pytest.skip(reason)
    data_root = tmp_path / "data"
    data_root.mkdir()

    def queue_on(host: str, machine: str) -> LiveQueue:
        return LiveQueue(data_root, 1, [*named(tmp_path, host, machine), *KQ, "serve", "--lifeline"])

    with queue_on("before", MACHINE) as queue:
        done = queue.submit(*NOTHING)
        queue.await_job(done)
        cut = queue.submit(*SLEEP)
        queue.await_job(cut, "Running")
        assert queue.session.startswith("before")
        [render] = until(lambda: marked_with("KQ_JOB", cut), "the render")
        parts = [queue.serve_pid, queue.guardian_pid, queue.server_pid, *queue.agent_pids()]
        queue.disconnect()
        with frozen(*parts):
            for pid in parts:
                kill(pid)
    assert is_alive(render)
    for _ in range(2):
        with queue_on("after", MACHINE) as queue:
            assert not is_alive(render)
            until(lambda queue=queue: queue.client.job(cut) and queue.client.job(done), "the history")
            assert [queue.job(each).state for each in (done, cut)] == ["Completed", "Cancelled"]
            [record] = live_sessions(data_root)
            assert Path(record.queue_dir).name == "before-1"
    with queue_on("elsewhere", ANOTHER) as queue:
        queue.await_job(queue.submit(*NOTHING))
        [record] = live_sessions(data_root)
        assert Path(record.queue_dir).name == "elsewhere-1" and queue.client.job(cut) is None
