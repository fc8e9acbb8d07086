"""The other machine's disk is full, or becomes so: it is said, nothing hangs, and all of it still ends."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kq.api import JobSpec
from kq.remote import RemoteLauncher
from tests.remote.machines import RemoteMachine, Reports, gone, why_no_ssh
from tests.support.live_queue import LiveQueue, until

pytestmark = pytest.mark.slow

DISK_MIB = 96


@pytest.fixture
def small(tmp_path: Path) -> Iterator[RemoteMachine]:
    """A machine whose home is on a disk of 96 MiB."""
    reason = why_no_ssh() or ("mounting needs root" if os.geteuid() != 0 else "")
    if reason:
        pytest.skip(reason)
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "none", str(disk)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        with RemoteMachine(tmp_path / "machine", home_name="../disk") as machine:
            yield machine
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill(machine: RemoteMachine, leave: int = 0) -> Path:
    """Fill its disk up to the last `leave` bytes; returns the file that does."""
    path = machine.home / "a film"
    with path.open("wb", buffering=0) as file:
        block = bytes(1 << 16)
        while (free := shutil.disk_usage(machine.home).free - leave) > 0:
            file.write(block[:free])
    return path


def submit(queue: LiveQueue, folder: Path, script: str) -> str:
    spec = JobSpec(name="remote", commands=(("sh", "-c", script),), cwd=str(folder), temp_dir=str(folder))
    job, done = queue.client.submit(spec)
    done.result(60)
    return job


def test_a_full_disk_is_told_before_anything_starts(
    queue: LiveQueue, small: RemoteMachine, launcher: RemoteLauncher, tmp_path: Path
) -> None:
    """By Check and by Start; nothing is left over there, and when there is room all goes well."""
    target = small.target(num_agents=1, data_root="/no/share")
    film = fill(small)
    for act in (launcher.check, launcher.start):
        reports = Reports()
        result = act(target, reports)
        assert not result.ok, reports.text()
        assert result.steps[-1].name == "Disk", reports.text()
        assert small.address in result.message and "full" in result.message
    assert not any(small.processes().values())
    assert [path.name for path in small.home.rglob("*") if path.is_file()] == [film.name]
    film.unlink()
    reports = Reports()
    assert launcher.start(target, reports).ok, reports.text()
    assert launcher.stop(target, reports).ok, reports.text()


def test_a_disk_that_fills_up_fails_the_task_and_not_the_agent(
    queue: LiveQueue, small: RemoteMachine, launcher: RemoteLauncher, tmp_path: Path
) -> None:
    """The reason is the task's. The Agent goes on, and is stopped while the disk is still full."""
    target = small.target(num_agents=1, data_root="/no/share")
    reports = Reports()
    assert launcher.start(target, reports).ok, reports.text()
    running = [pid for pids in small.processes().values() for pid in pids]
    local = [each.id for each in queue.client.agents() if each.local]
    queue.client.drain_agents(local).result(60)
    folder = tmp_path / "scene"
    folder.mkdir()
    (folder / "textures").write_bytes(os.urandom(DISK_MIB << 20))
    record = queue.await_job(submit(queue, folder, "true"))
    assert record.state == "Failed"
    assert "temporary folder" in record.reason and "No space left" in record.reason
    (folder / "textures").write_bytes(b"small")
    assert queue.await_job(submit(queue, folder, "cat textures")).state == "Completed"
    # Its own pictures fill it: the render fails, its last words arrive.
    record = queue.await_job(
        submit(
            queue, folder, f"head -c {2 * DISK_MIB}M /dev/zero > picture.exr || {{ rm picture.exr; exit 7; }}"
        )
    )
    assert record.state == "Failed" and record.exit_code == 7
    assert "No space left" in Path(record.log_file).read_text()
    queue.client.resume_agents(local).result(60)
    fill(small)
    stopped = launcher.stop(target, reports)
    assert stopped.ok, reports.text()
    until(lambda: gone(running), "all over there to end")
    assert not list(small.state.glob("sessions/*/"))
