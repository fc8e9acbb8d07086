"""`kq submit`: how it ends with --wait, the environment and frames of its tasks. With real processes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from kq.cli import main
from kq.frame_ranges import parse_frames
from kq.placeholders import _NAMES
from tests.support.commands import NOTHING, python
from tests.support.live_queue import LiveQueue, until

posix = pytest.mark.skipif(sys.platform == "win32", reason="a shell, and signals")
_PRINT = "import os, sys\nprint(*(os.environ.get(name, '-') for name in sys.argv[1:]), sep='|')"


@posix
@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 128 + 9), ("kill -TERM $$", 128 + 15)],
)
def test_wait_ends_as_the_command_did(queue: LiveQueue, script: str, code: int) -> None:
    assert queue.kq("submit", "--wait", "--", "sh", "-c", script).returncode == code


@posix
def test_of_several_tasks_the_highest_exit_code_counts(queue: LiveQueue) -> None:
    done = queue.kq("submit", "--wait", "--frames", "1-4", "--", "sh", "-c", "exit $((7 * ({frame} % 3)))")
    assert done.returncode == 14


def test_a_command_that_cannot_start_ends_with_1(queue: LiveQueue) -> None:
    assert queue.kq("submit", "--wait", "--", "/nowhere/at/all").returncode == 1


@pytest.mark.parametrize(("export", "expected"), [("all", "1|2"), ("none", "-|-"), ("TWO", "-|2")])
def test_the_job_gets_the_submitters_environment_as_export_says(
    queue: LiveQueue, export: str, expected: str
) -> None:
    command = python(_PRINT, "ONE", "TWO")
    variables = {"ONE": "1", "TWO": "2"}
    done = queue.kq("submit", "--wait", "--export", export, "--", *command, environment=variables)
    assert done.stdout.splitlines()[-1] == expected


def test_all_is_exported_unless_asked_otherwise(queue: LiveQueue) -> None:
    """What --set-env says counts more; kq's own marks are those of the job."""
    done = queue.kq(
        "submit", "--wait", "--set-env", "TWO=two", "--", *python(_PRINT, "ONE", "TWO", "KQ_TASK"),
        environment={"ONE": "1", "TWO": "2", "KQ_TASK": "77"},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "1|two|0"


@posix
@pytest.mark.parametrize("export", ["all", "none"])
def test_pwd_is_the_jobs_folder(queue: LiveQueue, tmp_path: Path, export: str) -> None:
    done = queue.kq("submit", "--wait", "--export", export, "--", "sh", "-c", "echo $PWD", cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == str(tmp_path)


@posix
def test_a_variable_that_is_not_utf8_is_left_out_with_a_warning(queue: LiveQueue) -> None:
    done = queue.kq("submit", "--wait", "--", *NOTHING, environment={"ODD": os.fsdecode(b"caf\xe9")})
    assert done.returncode == 0
    assert "ODD" in done.stderr


def test_a_name_that_is_not_set_is_refused(queue: LiveQueue) -> None:
    done = queue.kq("submit", "--export", "SURELY_NOT_SET", "--", *NOTHING)
    assert (done.returncode, done.stdout) == (2, "")
    assert "SURELY_NOT_SET" in done.stderr


@posix
def test_the_recorded_environment_is_for_its_owner_alone(queue: LiveQueue) -> None:
    """`kq show` needs the queue's key, and no one else can read the journal."""
    done = queue.kq("submit", "--set-env", "SECRET=x1y2", "--", *NOTHING)
    job_id = done.stdout.strip()
    queue.await_job(job_id)
    assert json.loads(queue.kq("show", job_id).stdout)["environment"]["SECRET"] == "x1y2"
    assert "x1y2" not in queue.kq("jobs", "--json").stdout
    for path in Path(queue.data_root).rglob("journal.sqlite*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_frames_may_begin_below_zero(queue: LiveQueue, capfd: pytest.CaptureFixture[str]) -> None:
    code = main(["submit", "--data-root", str(queue.data_root), "--frames", "-3-2", "--", *NOTHING])
    job_id = capfd.readouterr().out.strip()
    assert code == 0
    assert queue.await_job(job_id).tasks == 6
    tasks = queue.client.tasks(job_id).result(60)
    assert [task.label for task in tasks][:1] == ["frame -3"]


def test_frames_of_a_command_after_the_dashes_are_left_alone(queue: LiveQueue) -> None:
    done = queue.kq("submit", "--wait", "--", *python("import sys; print(sys.argv[1:])", "--frames", "-3-2"))
    assert done.stdout.splitlines()[-1] == "['--frames', '-3-2']"


def test_neighbouring_frames_share_a_chunk_however_they_are_written(queue: LiveQueue) -> None:
    job_id = queue.submit(*NOTHING, frames="1,2,3,4,99", chunk=3)
    queue.await_job(job_id)
    tasks = queue.client.tasks(job_id).result(60)
    assert [task.label for task in tasks] == ["frames 1-3", "frame 4", "frame 99"]


def test_the_help_names_every_placeholder_and_steps_in_ranges(capsys: pytest.CaptureFixture[str]) -> None:
    """What `--frames` takes can be learnt in the terminal."""
    with pytest.raises(SystemExit):
        main(["submit", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert len(_NAMES) == 4 and all(f"{{{name}}}" in text for name in _NAMES)
    assert "{frame:04d}" in text
    for example in ("1-10x2", "1-10,20-40x2"):
        assert example in text
        assert any(each.step == 2 for each in parse_frames(example))
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert "30-45x2" in readme and all(f"{{{name}}}" in readme for name in _NAMES)


def test_a_chunk_of_a_stepped_range_gets_its_step(queue: LiveQueue) -> None:
    done = queue.kq(
        "submit", "--wait", "--frames", "1-9x2", "--chunk", "3", "--max-parallel", "1", "--",
        *python("import sys; print(*sys.argv[1:])", "{start}", "{end}", "{step}"),
    )  # fmt: skip
    # The second may have begun, and be copied first, before the command sees the first.
    assert sorted(done.stdout.splitlines()[1:]) == ["1 5 2", "7 9 2"]


@pytest.mark.parametrize("text", ["{fram}", "{Frame}", "{frames}", "{ frame }", "{frame:d4}"])
def test_a_near_miss_of_a_placeholder_is_refused(queue: LiveQueue, text: str) -> None:
    """All tasks would write one file. The message names it."""
    done = queue.kq("submit", "--frames", "1-2", "--", *python("", text))
    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr


def test_frames_are_filled_with_as_many_digits_as_asked(queue: LiveQueue) -> None:
    done = queue.kq(
        "submit", "--wait", "--frames", "1-2", "--max-parallel", "1", "--",
        *python("import sys; print(sys.argv[1])", "out.{frame:04d}.exr"),
    )  # fmt: skip
    # The log of the task that started last is copied first.
    assert sorted(done.stdout.splitlines()[1:]) == ["out.0001.exr", "out.0002.exr"]


def test_frames_that_exist_are_skipped_and_missing_ones_started(queue: LiveQueue, tmp_path: Path) -> None:
    """Of five frames one is there already; afterwards a deleted one, and no other, is rendered again."""
    (tmp_path / "a.0002.txt").write_text("kept")
    write = "import sys; open(sys.argv[1], 'w').write('rendered')"
    submit = (
        "submit", "--wait", "--frames", "1-5", "--picture", "a.####.txt", "--skip-existing",
        "--order", "ends-first", "--", *python(write, "a.{frame:04d}.txt"),
    )  # fmt: skip
    done = queue.kq(*submit, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    job_id = done.stdout.splitlines()[0]
    tasks = queue.client.tasks(job_id).result(60)
    assert [task.label for task in tasks] == ["frame 1", "frame 5", "frame 3", "frame 4"]
    assert (tmp_path / "a.0002.txt").read_text() == "kept"
    assert queue.kq(*submit, cwd=tmp_path).returncode == 2  # nothing to render
    (tmp_path / "a.0003.txt").unlink()
    started = queue.kq("start", "--missing", job_id)
    assert started.returncode == 0, started.stderr

    def attempts() -> list[int]:
        over = [task for task in queue.client.tasks(job_id).result(60) if task.state.is_terminal]
        return [task.attempts for task in over]

    until(lambda: attempts() == [1, 1, 2, 1], "the missing frame alone to be rendered again")
    assert (tmp_path / "a.0003.txt").exists()
    assert "nothing" in queue.kq("start", "--missing", job_id).stdout


@pytest.mark.parametrize("options", [["--skip-existing"], ["--skip-existing", "--picture", "a.exr"]])
def test_skipping_needs_a_picture_for_each_frame(queue: LiveQueue, options: list[str]) -> None:
    done = queue.kq("submit", "--frames", "1-3", *options, "--", *NOTHING)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--picture" in done.stderr
