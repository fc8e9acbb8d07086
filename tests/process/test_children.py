"""Starting real processes, and how they end."""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kq.errors import BadInput, NotFound
from kq.process import (
    LIFELINE,
    NOWHERE,
    Exit,
    end_tree,
    find_marked,
    has_children,
    is_running,
    own_id,
    process_start_time,
    reap_adopted,
    spawn_render,
    spawn_service,
    tree_usage,
    watch,
)
from kq.process._failures import explain_failure
from tests.process.running import python, run, wait, with_path
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the commands are POSIX ones")


_COUNT = """
import gc, os, sys
import pytest
from kq.errors import BadInput
from kq.process import LIFELINE, spawn_render, spawn_service
from tests.process.running import wait

def count():
    gc.collect()
    return len(os.listdir("/dev/fd"))

def once():
    {code}

once()  # the first opens what all share
before = count()
for _ in range(100):
    once()
print(count() - before)
"""


def _descriptors_left(code: str) -> int:
    """How many more are open after a hundred runs of `code` in a process where no other test left any."""
    program = _COUNT.format(code=code.replace("\n", "\n    "))
    done = subprocess.run(
        [sys.executable, "-c", program], env=with_path(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such score")
def test_an_oom_score_is_raised_above_the_inherited_one(tmp_path: Path) -> None:
    """Desktop environments raise that of applications: as an absolute one it could be the desktop's own."""
    found = tmp_path / "found"
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from kq.process import raise_oom_score\n"
        "path, scores = Path('/proc/self/oom_score_adj'), []\n"
        "for by in 150, 200, 1000:\n"
        "    raise_oom_score(by); scores.append(path.read_text().strip())\n"
        "Path(sys.argv[2]).write_text(' '.join(scores))"
    )
    root = str(Path(__file__).resolve().parents[2])
    subprocess.run([sys.executable, "-c", program, root, str(found)], check=True)
    own = int(Path("/proc/self/oom_score_adj").read_text())
    assert [int(score) for score in found.read_text().split()] == [
        min(own + 150, 1000),
        min(own + 350, 1000),
        1000,
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such score")
def test_renders_that_do_not_yield_cpu_time_still_end_before_the_desktop(tmp_path: Path) -> None:
    """When memory runs out: that is another matter than CPU time, and costs a render nothing."""
    program = (
        "from pathlib import Path; from kq.process import lower_priority; import os\n"
        "lower_priority(0); print(os.nice(0), Path('/proc/self/oom_score_adj').read_text())"
    )
    _, log = run(python(program), tmp_path, with_path())
    own = int(Path("/proc/self/oom_score_adj").read_text())
    assert [int(word) for word in log.split()] == [os.nice(0), min(own + 300, 1000)]


def test_exits_are_known_where_the_starter_ignores_those_of_its_children(tmp_path: Path) -> None:
    """A program inherits that SIGCHLD is ignored, and the system then reaps its children itself."""
    starter = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])"
    )
    program = (
        "import os; from kq.process import become_subreaper, spawn_render\n"
        "from tests.process.running import wait\n"
        "become_subreaper()\n"
        "print(wait(spawn_render(['sh', '-c', 'exit 3'], cwd='/', environment=os.environ, log=1)).code)"
    )
    assert run(python(starter, program), tmp_path, with_path())[1] == "3\n"


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_the_exit_code_comes_back(code: int, tmp_path: Path) -> None:
    """As the program gave it."""
    assert run(["sh", "-c", f"exit {code}"], tmp_path)[0].code == code


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGSEGV"])
def test_a_signal_comes_back_negative(name: str, tmp_path: Path) -> None:
    """So that a crash is told from an exit code."""
    number = signal.Signals[name]
    assert run(["sh", "-c", f"kill -{int(number)} $$"], tmp_path)[0].code == -number


def test_peak_memory_and_cpu_time_are_measured(tmp_path: Path) -> None:
    """Of the process itself: what the parent held when it started it does not count."""
    import resource  # POSIX only

    # More than this process ever held, which after many other tests can be much.
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + (100 << 20)
    big = run(python(f"b = bytearray({size}); b[::4096] = b'1' * len(b[::4096])"), tmp_path)[0]
    assert big.peak_memory is not None
    assert size <= big.peak_memory < 2 * size
    busy = run(python("import time\nwhile time.process_time() < 0.3: pass"), tmp_path)[0]
    assert busy.cpu_s is not None
    assert 0.25 <= busy.cpu_s < 30


def test_a_small_process_is_not_given_its_parents_memory(tmp_path: Path) -> None:
    """Linux counts what the parent held at the exec for the child: that is not told as the child's peak."""
    held = bytearray(100 << 20)
    held[::4096] = b"1" * len(held[::4096])
    assert run(["true"], tmp_path)[0].peak_memory is None
    del held


def test_both_streams_go_into_the_log(tmp_path: Path) -> None:
    """In the order written, with nothing in between; there is no input."""
    ended, log = run(["sh", "-c", "echo out; echo err >&2; read x || echo no input"], tmp_path)
    assert ended.code == 0
    assert log == "out\nerr\nno input\n"


def test_a_render_leads_a_session_and_group_of_its_own(tmp_path: Path) -> None:
    """So that no terminal reaches it, and its group can be asked to stop."""
    _, log = run(python("import os; print(os.getpid(), os.getpgid(0), os.getsid(0))"), tmp_path)
    pid, group, session = map(int, log.split())
    assert pid == group == session != os.getpid()


def test_no_other_file_is_open_in_a_render(tmp_path: Path) -> None:
    """Not even one that was made to be inherited: a lifeline held by a render would never end."""
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    _, log = run(python("import os; print(*sorted(map(int, os.listdir('/dev/fd')))[:4])"), tmp_path)
    os.close(read_end)
    os.close(write_end)
    # The fourth is the listing's own.
    assert log.split() == ["0", "1", "2", "3"]


def test_the_environment_is_the_one_given(tmp_path: Path) -> None:
    """All of it, and no more."""
    assert run(["/usr/bin/env"], tmp_path, {"PATH": "/bin", "ONE": "ü"})[1] == "PATH=/bin\nONE=ü\n"


def test_a_hundred_renders_leave_no_descriptor_behind() -> None:
    """Neither of those that ran nor of those that could not be started."""
    code = """\
child = spawn_render(["true"], cwd="/", environment=os.environ, log=sys.stderr.fileno())
assert wait(child).code == 0
with pytest.raises(BadInput):
    spawn_render(["/nowhere"], cwd="/", environment=os.environ, log=sys.stderr.fileno())"""
    assert _descriptors_left(code) == 0


UNUSABLE = {
    "not on PATH": (["no-such-program"], ".", "the program 'no-such-program' is not found on PATH"),
    "no such file": (["/nowhere/prog"], ".", "'/nowhere/prog'"),
    "no such file below": (["./prog"], ".", "the program does not exist: check the path './prog'"),
    "no interpreter": (["./script"], ".", "interpreter"),
    "not executable": (["./plain.txt"], ".", "executed"),
    "no program": (["./nonsense"], ".", "cannot execute"),
    "a folder": (["/usr/bin"], ".", "is a folder"),
    "empty": ([], ".", "empty"),
    "blank": ([" "], ".", "empty"),
    "NUL": (["echo", "a\0b"], ".", "NUL"),
    "folder gone": (["true"], "gone", "working folder"),
    "folder is a file": (["true"], "plain.txt", "not a folder"),
    "too long": (["echo"] + ["x" * 100_000] * 100, ".", "environment"),
}
"""What cannot be started: the command, its folder, and the key fact of the message."""


def test_a_folder_of_path_that_may_not_be_seen_hides_nothing(tmp_path: Path) -> None:
    """The system says then of a program that is nowhere that it may not be executed."""
    (tmp_path / "plain").write_text("text")
    denied = PermissionError(errno.EACCES, "Permission denied")
    searched = ["/root/bin", "/bin", str(tmp_path)]
    told = str(explain_failure(denied, ["no-such-program"], None, searched))
    assert "'no-such-program'" in told and "PATH" in told
    for argv, folders in ((["plain"], searched), (["no-such-program"], None)):
        assert "PATH" not in str(explain_failure(denied, argv, None, folders))


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_cannot_be_started_has_a_reason(case: str, tmp_path: Path) -> None:
    """It names the program or the folder, and what to do; nothing runs, and no zombie stays."""
    (tmp_path / "script").write_text("#!/no/such/interpreter\n")
    (tmp_path / "script").chmod(0o755)
    (tmp_path / "plain.txt").write_text("text")
    (tmp_path / "nonsense").write_bytes(b"\x00\x01\x02")
    (tmp_path / "nonsense").chmod(0o755)
    argv, cwd, expected = UNUSABLE[case]
    with (tmp_path / "log").open("wb") as log, pytest.raises(BadInput) as raised:
        spawn_render(argv, cwd=tmp_path / cwd, environment=os.environ, log=log.fileno())
    message = str(raised.value)
    assert expected in message
    assert ": " in message
    assert "\n" not in message
    assert not has_children()


def test_it_is_not_polled_as_ended_while_it_runs(tmp_path: Path) -> None:
    """And says so as often as it is asked, afterwards too."""
    child = spawn_service(["sleep", "600"], environment=os.environ)
    assert child.poll() is None
    assert select.select([child.wake_fd], [], [], 0) == ([], [], [])
    assert is_running(*child.id)
    os.kill(child.pid, signal.SIGTERM)
    assert select.select([child.wake_fd], [], [], 60)[0]
    # Ended and not yet reaped counts as gone.
    assert not is_running(*child.id)
    assert child.poll() == child.poll()
    child.close()


def test_reaping_adopted_children_keeps_the_exit_of_known_ones() -> None:
    """A process reaps what others left to it; a Child's exit code is still there when it is asked for."""
    child = spawn_service(["sh", "-c", "exit 7"], environment=os.environ)
    stranger = os.posix_spawn("/bin/true", ["true"], os.environ)
    other = subprocess.Popen(["sh", "-c", "exit 9"])

    def dead(pid: int) -> bool:
        return process_start_time(pid) is None

    wait_until(lambda: dead(child.pid) and dead(stranger) and dead(other.pid))
    assert reap_adopted(keep={other.pid}) == 1
    with pytest.raises(ChildProcessError):
        os.waitpid(stranger, os.WNOHANG)
    assert other.wait() == 9
    assert child.poll() == Exit(7, None, child.poll().cpu_s)  # type: ignore[union-attr]
    child.close()
    assert not has_children()


def test_reaping_by_other_code_is_survived() -> None:
    """Then it is known to have ended, and not how."""
    child = spawn_service(["true"], environment=os.environ)
    os.waitpid(child.pid, 0)
    assert child.poll() == Exit(None)
    child.close()


def test_the_lifelines_end_reaches_a_service_and_what_it_started() -> None:
    """The starter holds the only write end: when it lets go, or dies, all that share the read end know."""
    service = "import subprocess, sys; sys.exit(subprocess.run(['cat']).returncode or 5)"
    child = spawn_service([sys.executable, "-c", service], environment=os.environ, stdin=LIFELINE)
    assert child.lifeline is not None
    assert child.poll() is None
    child.close_lifeline()
    assert wait(child).code == 5


def test_a_lifeline_ends_with_its_holder(tmp_path: Path) -> None:
    """A holder that is killed cannot say goodbye: the system closes the pipe for it."""
    holder = (
        "import os, sys, time; from kq.process import *;"
        "c = spawn_service(['sh', '-c', 'cat; sleep 0.1; echo ended > ' + sys.argv[1]], "
        "environment=os.environ, stdin=LIFELINE); print(c.pid, flush=True); time.sleep(600)"
    )
    target = tmp_path / "ended"
    environment = with_path()
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(target)], stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        started = process_start_time(pid)
        assert started is not None
        watched = watch(pid, started)
        process.kill()
    assert select.select([watched.wake_fd], [], [], 60)[0]
    assert watched.poll() == Exit(None)
    watched.close()
    assert target.read_text() == "ended\n"


def test_a_service_that_cannot_be_started_leaves_no_pipe_behind() -> None:
    """Neither end of the lifeline stays open."""
    code = """\
with pytest.raises(BadInput):
    spawn_service(["/nowhere"], environment=os.environ, stdin=LIFELINE)"""
    assert _descriptors_left(code) == 0


def test_a_services_streams_go_where_they_were_sent(tmp_path: Path) -> None:
    """To descriptors, or nowhere."""
    read_end, write_end = os.pipe()
    child = spawn_service(
        ["sh", "-c", "echo out; echo err >&2; pwd"],
        environment=os.environ,
        stdout=write_end,
        stderr=NOWHERE,
        cwd=tmp_path,
    )
    os.close(write_end)
    wait(child)
    assert os.read(read_end, 1000).decode().split() == ["out", str(tmp_path)]
    os.close(read_end)


def test_a_pid_that_means_another_process_is_not_watched() -> None:
    """The start time tells two processes with one pid apart."""
    me = own_id()
    watch(*me).close()
    with pytest.raises(NotFound, match=rf"\b{me.pid}\b"):
        watch(me.pid, me.start_time - 1.0)


def test_marked_processes_are_found() -> None:
    """By a variable in the environment that they were started with, by value or by name alone."""
    mark = f"m{os.getpid()}"
    child = spawn_service(["sleep", "600"], environment={**os.environ, "KQ_TEST_MARK": mark})
    (found,) = find_marked("KQ_TEST_MARK", mark)
    assert found.id == child.id
    assert found.value == mark
    assert child.pid in [process.pid for process in find_marked("KQ_TEST_MARK")]
    assert find_marked("TEST_MARK", mark) == []
    assert find_marked("KQ_TEST_MARK", mark[:-1]) == []
    os.kill(child.pid, signal.SIGKILL)
    wait(child)
    assert find_marked("KQ_TEST_MARK", mark) == []


def test_a_process_is_found_by_its_mark_from_its_start_on() -> None:
    """Also in the moment when the system has not yet laid out its environment, which shows one time in 50."""
    mark = f"at once {os.getpid()}"
    for _ in range(200):
        child = spawn_service(["cat"], environment={**os.environ, "KQ_TEST_MARK": mark}, stdin=LIFELINE)
        assert [process.pid for process in find_marked("KQ_TEST_MARK", mark)] == [child.pid]
        child.close_lifeline()
        wait(child)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems show the environment from the start on")
def test_a_process_that_waits_in_its_exec_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all cores are busy an exec may last for a hundred looks. That it does is a fake."""
    from kq.process import _table_linux

    mark, looks, environment = f"waits {os.getpid()}", [0], _table_linux._environment
    child = spawn_service(["cat"], environment={**os.environ, "KQ_TEST_MARK": mark}, stdin=LIFELINE)

    def in_exec(pid: int) -> bytes | None:
        if pid != child.pid:
            return environment(pid)
        looks[0] += 1
        return environment(pid) if looks[0] > 100 else None

    monkeypatch.setattr(_table_linux, "_environment", in_exec)
    assert [process.pid for process in find_marked("KQ_TEST_MARK", mark)] == [child.pid]
    child.close_lifeline()
    wait(child)


def test_a_trees_use_of_the_machine_is_summed() -> None:
    """CPU time and memory of all processes below a root."""
    code = (
        "import os, subprocess, time\n"
        "b = bytearray(60 << 20); b[::4096] = b'1' * len(b[::4096])\n"
        "while time.process_time() < 0.2: pass\n"
        "p = subprocess.Popen(['sleep', '600'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)\n"
        "os.write(1, b'ready'); time.sleep(600)"
    )
    read_end, write_end = os.pipe()
    child = spawn_service(python(code), environment=os.environ, stdout=write_end)
    os.close(write_end)
    assert os.read(read_end, 5) == b"ready"
    os.close(read_end)
    used = tree_usage([child.pid])
    assert used.processes == 2
    assert used.memory > 60 << 20
    assert used.cpu_s >= 0.15
    assert end_tree([child.id]).processes == 2
    assert tree_usage([child.pid]).processes == 0
    child.close()


def test_the_room_is_quick_to_import() -> None:
    """The desktop imports it: what is slow to load is loaded when it is first needed."""
    code = "import sys, kq.process; print(*sorted({'asyncio', 'psutil', 'ctypes', 'zmq'} & set(sys.modules)))"
    done = subprocess.run(
        python(code),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.split() == []
