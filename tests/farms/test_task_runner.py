"""The task runner that is copied into each job, as a process of its own, without an engine."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kq.farms.job_folder import RUNNER, FarmJob, JobFolder
from kq.openjd import template
from kq.placeholders import fill, fill_picture
from kq.records import JobSpec, new_job_id


def folder_of(tmp_path: Path, *code: str, frames: str = "") -> JobFolder:
    """The folder of a job whose commands run these pieces of Python."""
    job = FarmJob(new_job_id(), "a job", time.time(), [""])
    commands = tuple((sys.executable, "-c", each, "{frame}") for each in code)
    spec = JobSpec(name="a job", commands=commands, frames=frames, environment={"GREETING": "grüß dich"})
    return JobFolder.create(tmp_path / "farm ü", job, spec)


def run(folder: JobFolder, task: int = 0) -> int:
    """Run one task to its end."""
    command = [sys.executable, "-I", str(folder.path / RUNNER.name), str(task)]
    return subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, timeout=60, check=False).returncode


def test_a_task_leaves_a_log_and_a_record(tmp_path: Path) -> None:
    """With the job's environment and the task's frame; commands run in order."""
    folder = folder_of(
        tmp_path,
        "import os, sys; print(os.environ['GREETING'], sys.argv[1], os.environ['KQ_TASK'], flush=True)",
        "print('second')",
        frames="5-7",
    )
    assert run(folder, 1) == 0
    [record] = folder.attempts()[1]
    assert (record.outcome, record.exit_code, record.attempt) == ("completed", 0, 1)
    assert record.ended is not None and record.ended >= record.started
    assert folder.log_file(1, 1).read_text(encoding="utf-8").split() == ["grüß", "dich", "6", "1", "second"]
    assert not list(folder.path.glob("records/*.json.*")), "a draft was left"


def test_what_is_complete_is_not_run_again(tmp_path: Path) -> None:
    """An engine that starts a task twice changes nothing."""
    folder = folder_of(tmp_path, "print('once')")
    assert run(folder) == run(folder) == 0
    assert len(folder.attempts()[0]) == 1


def test_a_failed_command_ends_the_task(tmp_path: Path) -> None:
    """Its exit code is the task's; each try has a log and a record of its own."""
    folder = folder_of(tmp_path, "import sys; sys.exit(3)", "print('never')")
    assert run(folder) == run(folder) == 3
    assert [(each.outcome, each.exit_code) for each in folder.attempts()[0]] == [("failed", 3), ("failed", 3)]
    assert [folder.log_file(0, number).read_text() for number in (1, 2)] == ["", ""]


@pytest.mark.parametrize(
    ("where", "is_there"), [("os.replace", "True"), ("signal.signal", "arguments[1] == signal.SIG_IGN")]
)
def test_a_stop_after_the_last_command_loses_no_record(tmp_path: Path, where: str, is_there: str) -> None:
    """As at the engine's time limit: writing the record to a share may take a while."""
    folder = folder_of(tmp_path, "print('rendered')")
    code = (
        "import os, runpy, signal, sys\n"
        "sys.argv = sys.argv[1:]\n"
        f"call, wanted = {where}, [signal.SIGTERM]\n"
        "def stop_and_call(*arguments):\n"
        f"    if wanted and {is_there}: os.kill(os.getpid(), wanted.pop())\n"
        "    call(*arguments)\n"
        f"{where} = stop_and_call\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    command = [sys.executable, "-c", code, str(folder.path / RUNNER.name), "0"]
    assert subprocess.run(command, stdin=subprocess.DEVNULL, timeout=60, check=False).returncode == 0
    assert [each.outcome for each in folder.attempts()[0]] == ["completed"]


def test_a_program_that_is_missing_is_named(tmp_path: Path) -> None:
    """In the log and in the record."""
    job = FarmJob(new_job_id(), "a job", time.time(), [""])
    folder = JobFolder.create(tmp_path, job, JobSpec(name="a job", commands=(("/no/such program",),)))
    assert run(folder) == 127
    [record] = folder.attempts()[0]
    assert "/no/such program" in record.reason
    assert "error: /no/such program" in folder.log_file(0, 1).read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="engines that ask by a signal run on other systems")
@pytest.mark.parametrize("stubborn", [False, True])
def test_a_stop_is_recorded(tmp_path: Path, stubborn: bool) -> None:
    """Also of a render that does not listen."""
    ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " if stubborn else ""
    folder = folder_of(tmp_path, ignore + "import time; print('begun', flush=True); time.sleep(600)")
    command = [sys.executable, "-I", str(folder.path / RUNNER.name), "0"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True) as runner:
        log = folder.log_file(0, 1)
        while not (log.exists() and log.read_text()):
            assert runner.poll() is None
            time.sleep(0.02)
        os.kill(runner.pid, signal.SIGTERM)
        assert runner.wait(60) == 143
    [record] = folder.attempts()[0]
    assert record.outcome == "stopped"


_RUNNER = runpy.run_path(str(RUNNER))
_BUNDLE_RUNNER = runpy.run_path(str(template.RUNNER))
_PIECES = st.sampled_from(
    [
        "{frame}",
        "{frame:04d}",
        "{start}",
        "{end:3d}",
        "{step}",
        "{other}",
        "{",
        "}",
        "####",
        "%04d",
        "%d",
        "/",
        "\\",
        "ü",
    ]
)


@given(
    st.lists(_PIECES).map("".join),
    st.none() | st.builds(range, st.integers(-20, 20), st.integers(21, 60), st.integers(1, 9)),
)
@example("{step}", range(12, 21, 9))  # one frame
def test_placeholders_are_filled_as_kq_does(text: str, frames: range | None) -> None:
    """By the runner of a farm and that of a bundle, which import nothing of ours."""
    in_file = [] if frames is None else [frames[0], frames[-1], frames.step]
    assert _RUNNER["filled"](text, in_file) == fill(text, frames)
    assert _BUNDLE_RUNNER["filled"](text, {}, list(frames or [])) == fill(text, frames)
    assert _RUNNER["filled_picture"](text, in_file) == fill_picture(text, frames)


def test_the_file_that_each_task_reads_holds_the_commands_once(tmp_path: Path) -> None:
    """Or ten thousand tasks would read ten thousand times as much, each."""
    sizes = [
        (folder_of(tmp_path / frames, "x" * 1000, frames=frames).path / "job.json").stat().st_size
        for frames in ("1-100", "1-1000")
    ]
    assert sizes[1] - sizes[0] < 900 * 20


def test_a_stopped_job_starts_nothing(tmp_path: Path) -> None:
    """What waited at the engine when the user stopped the job may come up a moment later."""
    folder = folder_of(tmp_path, "print('never')")
    folder.set_stop(wanted=True)
    assert run(folder) == 75
    assert folder.attempts() == {}
    folder.set_stop(wanted=False)
    assert run(folder) == 0


def test_two_machines_never_share_an_attempt(tmp_path: Path) -> None:
    """Runners that start at once take numbers of their own."""
    folder = folder_of(tmp_path, "import time; time.sleep(0.3); raise SystemExit(1)")
    command = [sys.executable, "-I", str(folder.path / RUNNER.name), "0"]
    runners = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for _ in range(4)]
    assert [runner.wait(60) for runner in runners] == [1] * 4
    assert [each.attempt for each in folder.attempts()[0]] == [1, 2, 3, 4]


def test_a_damaged_folder_is_an_error_and_no_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The engine's own log says what is wrong."""
    folder = folder_of(tmp_path, "print(1)")
    assert run(folder, 7) == 75
    (folder.path / "job.json").write_text("{")
    assert run(folder) == 75
    assert "Traceback" not in capfd.readouterr().err


def test_a_record_that_is_not_whole_is_read_later(tmp_path: Path) -> None:
    """A share may show a file before its content."""
    folder = folder_of(tmp_path, "print(1)")
    path = folder.path / "records" / "0.1.start.json"
    path.write_text('{"task": 0, "att')
    assert folder.attempts() == {}
    path.write_text(json.dumps({"task": 0, "attempt": 1, "started": 1.0}))
    assert [each.attempt for each in folder.attempts()[0]] == [1]
