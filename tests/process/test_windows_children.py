"""Renders on Windows: jobs, handles, command lines. Twin of test_children and test_ending."""

from __future__ import annotations

import json
import os
import select
import sys
from pathlib import Path

import psutil
import pytest

from kq.errors import BadInput
from kq.own_files import open_to_append
from kq.process import (
    LIFELINE,
    Child,
    TreeEnd,
    end_strays,
    end_tree,
    has_children,
    has_strays,
    process_start_time,
    spawn_render,
    spawn_service,
)
from tests.process.running import python, run, wait
from tests.process.windows import FAMILY, SLEEP, words_of
from tests.support.waiting import not_on_wine, wait_until

if sys.platform != "win32":
    pytest.skip("jobs and consoles are Windows' own", allow_module_level=True)

# --- one process ---------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 3, 255, 0xC000_0005])
def test_the_exit_code_comes_back(code: int, tmp_path: Path) -> None:
    """As the program gave it: a crash is a number of 32 bits here."""
    program = f"import ctypes; ctypes.windll.kernel32.ExitProcess(ctypes.c_uint({code}))"
    assert run(python(program), tmp_path)[0].code == code


def test_both_streams_go_into_the_log_and_there_is_no_input(tmp_path: Path) -> None:
    """In the order written, by whoever of its processes writes."""
    program = (
        "import os, subprocess, sys; os.write(1, b'out\\n'); os.write(2, b'err\\n');"
        "subprocess.run([sys.executable, '-c', 'print(\"child\", flush=True)']);"
        "os.write(1, repr(os.read(0, 1)).encode())"
    )
    ended, text = run(python(program), tmp_path)
    assert ended.code == 0
    assert text.split() == ["out", "err", "child", "b''"]


ARGUMENTS = [
    "", "a b", 'say "x"', "C:\\a b\\", "C:\\ab\\", '\\"', "\\\\", 'a\\\\"b c\\\\', "%PATH%", "a&b|c>d^e",
    "tab\there", "日本 ümlaut", "*.py", "'", "--frame=1",
]  # fmt: skip


def test_arguments_arrive_as_they_were_given(tmp_path: Path) -> None:
    """Whatever blanks, quotes and backslashes they hold: no shell sees them."""
    program = "import json, sys; print(json.dumps(sys.argv[1:]))"
    assert json.loads(run(python(program, *ARGUMENTS), tmp_path)[1]) == ARGUMENTS


def test_the_environment_is_the_one_given(tmp_path: Path) -> None:
    """Texts of any script, empty ones and those of each drive's folder too; nothing of this process's own."""
    given = {"SystemRoot": os.environ["SYSTEMROOT"], "KQ_ONE": "日本 ü", "KQ_EMPTY": "", "KQ_A": "x=y;%z%"}
    os.environ["KQ_OWN"] = "not for renders"
    program = "import json, os; print(json.dumps({k: v for k, v in os.environ.items() if k[:3] == 'KQ_'}))"
    try:
        _, text = run(python(program), tmp_path, given)
    finally:
        del os.environ["KQ_OWN"]
    seen = json.loads(text)
    assert seen == {"KQ_ONE": "日本 ü", "KQ_EMPTY": "", "KQ_A": "x=y;%z%"}


def test_the_working_folder_is_the_one_given(tmp_path: Path) -> None:
    """A blank in it and letters of another script do no harm."""
    folder = tmp_path / "shot 日本"
    folder.mkdir()
    _, text = run(python("import os; print(ascii(os.getcwd()))"), folder)
    assert Path(eval(text)).samefile(folder)


UNUSABLE = {
    "not on PATH": (["no-such-program"], ".", ("PATH", "'no-such-program'")),
    "no such file": ([r"C:\nowhere\prog.exe"], ".", (r"'C:\nowhere\prog.exe'")),
    "no program": ([r".\nonsense.exe"], ".", ("nonsense.exe",)),
    "a folder": ([r".\folder"], ".", ("is a folder", r"'.\folder'")),
    "empty": ([], ".", ("empty",)),
    "NUL": ([sys.executable, "a\0b"], ".", ("NUL",)),
    "folder gone": ([sys.executable], "gone", ("the working folder does not exist", "gone'")),
    "folder is a file": ([sys.executable], "nonsense.exe", ("the working folder is not", "nonsense.exe'")),
    "too long": ([sys.executable, "x" * 40_000], ".", ("Windows allows 32,767",)),
    "a batch file": ([r".\batch.bat", "a&calc"], ".", ("batch",)),
}
"""What cannot be started: the command, its folder, and the key facts of the message."""


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_cannot_be_started_has_a_reason(case: str, tmp_path: Path, log: int) -> None:
    """It names the program or the folder, and what to do; nothing runs."""
    (tmp_path / "nonsense.exe").write_bytes(b"\x00\x01\x02")
    (tmp_path / "batch.bat").write_text("@echo ran\n")
    (tmp_path / "folder").mkdir()
    argv, cwd, facts = UNUSABLE[case]
    with pytest.raises(BadInput) as raised:
        spawn_render(argv, cwd=tmp_path / cwd, environment=os.environ, log=log)
    message = str(raised.value)
    assert all(fact in message for fact in facts), message
    assert ": " in message
    assert "\n" not in message
    assert not has_children()


def test_a_batch_file_runs_with_harmless_arguments(tmp_path: Path) -> None:
    """Katana and others are started by such files."""
    (tmp_path / "render.bat").write_text("@echo frame %1\n@exit 4\n")
    ended, text = run([r".\render.bat", "17"], tmp_path)
    assert (ended.code, text.split()) == (4, ["frame", "17"])


def test_nothing_stays_open_of_renders_that_ran_or_could_not_start(tmp_path: Path, log: int) -> None:
    """Neither handles nor descriptors, nor the threads that wait."""
    me = psutil.Process()

    def once() -> None:
        child = spawn_render(python(""), cwd=tmp_path, environment=os.environ, log=log)
        assert wait(child).code == 0
        with pytest.raises(BadInput):
            spawn_render(["no-such-program"], cwd=tmp_path, environment=os.environ, log=log)
        with pytest.raises(BadInput):
            spawn_service(["no-such-program"], environment=os.environ, stdin=LIFELINE)

    once()  # what is loaded by the first
    before = me.num_handles()
    for _ in range(10):
        once()
    wait_until(lambda: me.num_handles() < before + 10)


# --- what a render inherits ----------------------------------------------------------


def test_a_render_holds_nothing_of_its_agents(tmp_path: Path, log: int) -> None:
    """Not even what was made to be inherited: a lifeline held by a render would never end."""
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    service = spawn_service(
        python("import sys; sys.exit(len(sys.stdin.read()))"), environment=os.environ, stdin=LIFELINE
    )
    assert service.lifeline is not None
    os.set_inheritable(service.lifeline, True)
    open_file = (tmp_path / "open").open("w")
    os.set_inheritable(open_file.fileno(), True)
    render = spawn_render(python(SLEEP), cwd=tmp_path, environment=os.environ, log=log)
    os.close(write_end)
    assert os.read(read_end, 1) == b""
    os.close(read_end)
    service.close_lifeline()
    assert wait(service).code == 0
    open_file.close()
    (tmp_path / "open").unlink()
    assert render.poll() is None
    end_tree([render.id])
    render.close()


def test_the_log_can_be_removed_when_all_have_ended(tmp_path: Path) -> None:
    """And be read, and added to, while the render runs."""
    path = tmp_path / "render.log"
    fd = open_to_append(path)
    program = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}]);"
        f"print(1, flush=True); {SLEEP}"
    )
    render = spawn_render(python(program), cwd=tmp_path, environment=os.environ, log=fd)
    wait_until(lambda: words_of(path) == ["1"])
    os.write(fd, b"2\n")
    os.close(fd)
    assert words_of(path) == ["1", "2"]
    assert end_tree([render.id]).survivors == ()
    render.close()
    path.unlink()
    assert not path.exists()


# --- what came of a render -----------------------------------------------------------


def family(kind: str, folder: Path, log: int) -> tuple[Child, list[int]]:
    """A render of that kind, when all of it is there, and the pids of all that it is."""
    child = spawn_render(python(FAMILY, str(folder), kind), cwd=folder, environment=os.environ, log=log)
    wait_until(lambda: "ready" in words_of(folder / "pids"))
    pids = [int(word) for word in words_of(folder / "pids") if word.isdigit()]
    assert pids[0] == child.pid
    return child, pids


KINDS = ["plain", "detached", "group", "console", "no window", "orphan"]


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_a_render_started_ends_with_it(kind: str, tmp_path: Path, log: int) -> None:
    """However it was started: nothing leaves a job. What was ended is counted, once it was seen gone."""
    child, pids = family(kind, tmp_path, log)
    assert len(pids) == 2
    assert all(process_start_time(pid) is not None for pid in pids)
    report = end_tree([child.id])
    # A console of its own brings a host process along.
    assert report.processes >= 2
    assert report.survivors == ()
    assert [pid for pid in pids if process_start_time(pid) is not None] == []
    assert wait(child).code == -9
    assert not has_children()


@pytest.mark.parametrize("kind", ["detached", "orphan"])
def test_letting_go_of_a_render_ends_what_is_left_of_it(kind: str, tmp_path: Path, log: int) -> None:
    """Its root has ended: the rest of the job goes when its last handle does."""
    child, pids = family(kind, tmp_path, log)
    psutil.Process(child.pid).kill()
    assert select.select([child.wake_fd], [], [], 60)[0]
    assert child.poll() is not None
    assert process_start_time(pids[1]) is not None
    assert has_strays()
    child.close()
    wait_until(lambda: process_start_time(pids[1]) is None)


def test_what_is_left_of_an_ended_render_is_found_as_a_stray(tmp_path: Path, log: int) -> None:
    """And ended, without anybody having known of it."""
    child, pids = family("orphan", tmp_path, log)
    psutil.Process(child.pid).kill()
    assert select.select([child.wake_fd], [], [], 60)[0]
    assert end_strays().processes >= 1
    assert process_start_time(pids[1]) is None
    child.close()
    assert not has_strays()


def test_no_child_of_a_render_can_leave_its_job(tmp_path: Path, log: int) -> None:
    """Windows refuses to start one that is to break away."""
    child, pids = family("breakaway", tmp_path, log)
    assert pids == [child.pid]
    assert "refused" in words_of(tmp_path / "pids")
    end_tree([child.id])
    child.close()


def test_what_is_kept_stays(tmp_path: Path, log: int) -> None:
    """An Agent ends strays while another of its children goes on."""
    kept = spawn_service(python(SLEEP), environment=os.environ)
    child, pids = family("plain", tmp_path, log)
    report = end_strays(keep={kept.pid})
    assert report.processes >= len(pids)
    assert kept.poll() is None
    assert not has_strays(keep={kept.pid})
    assert has_strays()
    child.close()
    end_tree([kept.id])
    kept.close()


def test_a_tree_is_ended_in_steps_that_never_wait(log: int, tmp_path: Path) -> None:
    """The first one finds and ends; a later one sees that all are gone."""
    child, _ = family("plain", tmp_path, log)
    ending = TreeEnd([child.id])
    assert not ending.step()
    wait_until(ending.step)
    assert ending.report.processes >= 2
    child.close()


@not_on_wine("a job's accounts name no CPU time and no memory")
def test_use_and_peak_count_all_of_the_job(tmp_path: Path) -> None:
    """CPU time of all that ever ran in it, memory of the largest."""
    work = "import time\nx = bytearray(150 << 20)\nwhile time.process_time() < 0.5: pass"
    ended, _ = run(
        python(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}])"), tmp_path
    )
    assert ended.cpu_s is not None and ended.peak_memory is not None
    assert 0.4 <= ended.cpu_s < 60
    assert 150 << 20 <= ended.peak_memory < 600 << 20
