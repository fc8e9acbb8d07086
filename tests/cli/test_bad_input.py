"""Invalid input gets one message and exit code 2, and changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from kq.cli import main
from tests.support.commands import NOTHING, SLEEP
from tests.support.live_queue import ROOT, LiveQueue, until

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such line")
NOWHERE = str(Path("/nowhere/at/all").absolute())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["no command"]),
        (["--", ""], ["command"]),
        (["--", "  "], ["command"]),
        (["--cwd", __file__, "--", *NOTHING], [__file__]),
        (["--cwd", NOWHERE, "--", *NOTHING], [NOWHERE]),
        (["--env", "NAME", "--", *NOTHING], ["NAME", "NAME=VALUE"]),
        (["--env", "=x", "--", *NOTHING], ["=x"]),
        (["--frames", "10-1", "--", *NOTHING], ["10-1", "backwards"]),
        (["--frames", "1-", "--", *NOTHING], ["'1-'", "not understood"]),
        (["--frames", "a", "--", *NOTHING], ["'a'", "not understood"]),
        (["--frames", " ", "--", *NOTHING], ["--frames", "empty"]),
        (["--frames", "1-10000000", "--", *NOTHING], ["10,000,000"]),
        (["--frames", "1-99999999999999", "--", *NOTHING], ["not understood"]),
        (["--frames", "1,1", "--", *NOTHING], ["twice"]),
        (["--frames", "1-10x0", "--", *NOTHING], ["step"]),
        (["--frames", "1-10", "--chunk", "0", "--", *NOTHING], ["chunk"]),
        (["--priority", "99999999", "--", *NOTHING], ["priority"]),
        (["--timeout", "-1", "--", *NOTHING], ["timeout"]),
        (["--timeout", "nan", "--", *NOTHING], ["timeout"]),
        (["--memory-limit", "-1", "--", *NOTHING], ["memory"]),
        (["--memory-limit", "99999999999999", "--", *NOTHING], ["memory", "1,073,741,824"]),
        (["--retries", "1000", "--", *NOTHING], ["retries"]),
        (["--max-parallel", "-2", "--", *NOTHING], ["-2"]),
        (["--after", "nosuchjob", "--", *NOTHING], ["nosuchjob"]),
        (["--name", "x" * 2000, "--", *NOTHING], ["name", "longer"]),
    ],
)
def test_an_invalid_submission_is_refused(
    queue: LiveQueue, capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]
) -> None:
    """Exit code 2, one line on stderr, and no job."""
    before = {job.id for job in queue.client.jobs()}
    # In this process, which saves a start: what the command is as a process is tested elsewhere.
    code = main(["submit", "--data-root", str(queue.data_root), *arguments])
    told = capsys.readouterr()
    assert (code, told.out) == (2, "")
    [line] = told.err.splitlines()
    assert line.startswith("kq: ")
    for word in words:
        assert word in line
    assert {job.id for job in queue.client.jobs()} == before


def test_an_empty_name_is_none(queue: LiveQueue) -> None:
    """The program's is taken."""
    done = queue.kq("submit", "--name", "", "--", *NOTHING)
    assert queue.await_job(done.stdout.strip()).name == Path(sys.executable).name


@pytest.mark.skipif(sys.platform == "win32", reason="no command line of Windows is as long")
def test_an_environment_that_is_too_large(queue: LiveQueue) -> None:
    """No process could be started with it: said before anything is queued."""
    many = [f"V{number}={'x' * 100_000}" for number in range(12)]
    done = queue.kq("submit", "--env", *many, "--", *NOTHING)
    assert done.returncode == 2
    assert "environment" in done.stderr


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", ["no-such-program", "not found"]),
        ("not executable", ["plain.txt"]),
        ("a folder", ["folder"]),
        pytest.param("no interpreter", ["script"], marks=posix),
    ],
)
def test_commands_that_cannot_start(queue: LiveQueue, tmp_path: Path, kind: str, words: list[str]) -> None:
    """The job Failed, with the sentence as its reason, in its log too; its Agent goes on."""
    plain, folder, script = tmp_path / "plain.txt", tmp_path / "folder", tmp_path / "script"
    plain.write_text("words")
    folder.mkdir()
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    command = {
        "missing": "no-such-program", "not executable": str(plain), "a folder": str(folder),
        "no interpreter": str(script),
    }[kind]  # fmt: skip
    agents = {agent.pid for agent in queue.client.agents()}
    record = queue.await_job(queue.submit(command))
    assert record.state == "Failed"
    assert record.exit_code is None
    for word in words:
        assert word in record.reason
    assert record.reason in Path(record.log_file).read_text()
    assert queue.await_job(queue.submit(*NOTHING)).state == "Completed"
    assert {agent.pid for agent in queue.client.agents()} == agents


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can become somebody else")
def test_a_program_where_the_user_may_not_look() -> None:
    """For an ordinary user in front of a closed folder: a sentence, and no lost Agent."""
    program = (
        "import os; from kq.process import spawn_render; from kq.errors import BadInput\n"
        "os.setgroups([]); os.setegid(65534); os.seteuid(65534)\n"
        "for argv, cwd in ((['/root/closed/program'], '/'), (['true'], '/root/closed')):\n"
        "    try: spawn_render(argv, cwd=cwd, environment=os.environ, log=1)\n"
        "    except BadInput as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2


def test_a_folder_that_is_removed_while_the_job_waits(queue: LiveQueue, tmp_path: Path) -> None:
    """The job Failed, and says which folder."""
    folder = tmp_path / "gone"
    folder.mkdir()
    first = queue.submit(*SLEEP)
    done = queue.kq("submit", "--after", first, "--cwd", str(folder), "--", *NOTHING)
    assert done.returncode == 0
    folder.rmdir()
    queue.client.stop_jobs([first]).result(60)
    queue.await_job(first)
    # What it waited for was cancelled, so it is let go by doing that job after all.
    queue.client.remove_jobs([first]).result(60)
    job_id = done.stdout.strip()
    queue.await_job(job_id)
    queue.client.start_jobs([job_id]).result(60)
    record = until(lambda: (r := queue.job(job_id)).state == "Failed" and r, "the failure")
    assert str(folder) in record.reason


@pytest.mark.parametrize("ending", ["ends well", "fails"])
def test_a_log_of_a_gigabyte_without_a_line(queue: LiveQueue, ending: str) -> None:
    """It is not read into memory, delays nobody, and its end still gives the reason."""
    program = (
        "import os, sys; os.ftruncate(1, 1 << 30); os.write(1, b'x' * 100000 + b' error: out of cheese');"
        f"sys.exit({int(ending == 'fails')})"
    )
    record = queue.await_job(queue.submit(sys.executable, "-c", program))
    assert record.state == ("Failed" if ending == "fails" else "Completed")
    assert Path(record.log_file).stat().st_size > 1 << 30
    agent = next(each for each in queue.client.agents() if each.id == record.agent)
    assert psutil.Process(agent.pid).memory_info().rss < 150 << 20
    queue.client.remove_jobs([record.id]).result(60)


@pytest.mark.slow
def test_a_gigabyte_written_without_a_line(queue: LiveQueue) -> None:
    """As a runaway renderer would write it: byte for byte, and fast."""
    program = "import os\nb = b'x' * (1 << 20)\nfor _ in range(1024): os.write(1, b)"
    record = queue.await_job(queue.submit(sys.executable, "-c", program), timeout_s=90)
    assert record.state == "Completed"
    assert Path(record.log_file).stat().st_size == 1 << 30
    agent = next(each for each in queue.client.agents() if each.id == record.agent)
    assert psutil.Process(agent.pid).memory_info().rss < 150 << 20
    queue.client.remove_jobs([record.id]).result(60)


def test_a_million_frames_are_one_job(queue: LiveQueue) -> None:
    """The most that is taken: submitted, shown and removed without ado."""
    first = queue.submit(*SLEEP)
    job_id = queue.submit(*NOTHING, frames="1-1000000", after=(first,))
    assert queue.job(job_id).tasks == 1_000_000
    queue.client.remove_jobs([job_id]).result(60)
    queue.client.stop_jobs([first]).result(60)
    queue.await_job(first)
