"""What the command makes of the streams, the folder and the signals that it is started with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import NOTHING, saying
from tests.support.live_queue import KQ, ROOT, LiveQueue, clean_environment

posix = pytest.mark.skipif(sys.platform == "win32", reason="told to the shell")


def shell(queue: LiveQueue, line: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which `kq` is the command."""
    return subprocess.run(
        ["sh", "-c", f'kq() {{ "{sys.executable}" -m kq "$@"; }}; {line}'],
        env=queue.environment, cwd=cwd, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
@pytest.mark.parametrize(
    "command", ["jobs", "jobs --json", "agents", "doctor", "submit --wait -- echo hi", "log ID"]
)
def test_a_full_disk_takes_no_output(queue: LiveQueue, command: str) -> None:
    """One sentence, and an exit code that a script sees."""
    job_id = queue.submit(*saying("hi"))
    queue.await_job(job_id)
    done = shell(queue, f"kq {command.replace('ID', job_id)} >/dev/full")
    assert done.returncode == 2
    assert done.stderr.startswith("kq: ") and "No space left on device" in done.stderr


@posix
@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed(queue: LiveQueue, closed: str) -> None:
    """Nobody listens, which is no error; no socket is taken for standard output."""
    for command in ("jobs", "submit --wait -- echo hi"):
        done = shell(queue, f"kq {command} {closed}")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@posix
@pytest.mark.parametrize(
    ("command", "word"), [("submit -- true", "give --cwd"), ("jobs --data-root .", "absolute path")]
)
def test_a_folder_that_is_gone(queue: LiveQueue, tmp_path: Path, command: str, word: str) -> None:
    """Somebody deleted the folder that the terminal stands in."""
    (tmp_path / "gone").mkdir()
    done = shell(queue, f"PYTHONPATH='{ROOT}'; cd gone; rmdir ../gone; kq {command}", tmp_path)
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if line.startswith("kq: ")]
    assert word in line
    assert "Traceback" not in done.stderr


@posix
def test_ctrl_c_leaves_the_job_that_was_waited_for(queue: LiveQueue) -> None:
    """The job goes on, and the command says so and how to end it."""
    waiting = subprocess.Popen(
        [*KQ, "submit", "--wait", "--", "sh", "-c", "echo began; exec sleep 600"],
        env=queue.environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert waiting.stdout is not None
    job_id = waiting.stdout.readline().strip()
    assert waiting.stdout.readline() == "began\n"
    waiting.send_signal(signal.SIGINT)
    _, told = waiting.communicate(timeout=60)
    assert waiting.returncode == 130
    assert told.startswith(f"kq: job {job_id} ") and f"`kq stop {job_id}`" in told
    assert queue.job(job_id).state == "Running"
    queue.client.stop_jobs([job_id]).result(60)
    queue.await_job(job_id)


def test_a_data_root_of_any_name(tmp_path: Path) -> None:
    """Spaces, quotation marks, a dollar, a line's end: a job runs, and a report keeps its lines."""
    name = "a \"root\" 'q' $HOME;x\nnew ümlaut" if sys.platform != "win32" else "a 'root' $HOME;x ümlaut"
    with LiveQueue(tmp_path / name, 1) as queue:
        done = queue.kq("submit", "--wait", "--", *saying("hi"))
        assert (done.returncode, done.stdout.splitlines()[1:]) == (0, ["hi"])
        done = queue.kq("doctor")
        [line] = [line for line in done.stdout.splitlines() if "KQ_DATA_ROOT" in line]
        assert "ümlaut" in line


def test_numbers_that_are_none(tmp_path: Path) -> None:
    """Said of the option, in words."""
    for arguments, word in (
        (["serve", "--agents", "abc"], "--agents: 'abc' is not a whole number"),
        (["serve", "--agents", "5000"], "--agents 5000: "),
        (["submit", "--timeout", "soon", "--", *NOTHING], "--timeout: 'soon' is not a number of seconds"),
    ):
        done = subprocess.run(
            [*KQ, *arguments], env=clean_environment(tmp_path, {}), cwd=ROOT,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert word in done.stderr.splitlines()[-1]
    assert os.listdir(tmp_path) == []  # noqa: PTH208
