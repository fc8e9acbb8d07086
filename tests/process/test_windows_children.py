"""Processes on Windows: jobs, consoles, handles, command lines. Twin of test_children and test_ending."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kq.errors import BadInput, NotFound
from kq.files import open_to_append
from kq.process import (
    LIFELINE,
    NOWHERE,
    Child,
    Exit,
    ProcessId,
    TreeEnd,
    ask_to_stop,
    children_of,
    descendants,
    end_strays,
    end_tree,
    find_marked,
    has_children,
    has_strays,
    is_running,
    own_id,
    process_start_time,
    spawn_render,
    spawn_service,
    spawn_standby,
    tree_usage,
    watch,
)
from tests.process.waiting import not_on_wine, wait_until

if sys.platform != "win32":
    pytest.skip("jobs and consoles are Windows' own", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]
SLEEP = "import time; time.sleep(600)"


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def with_path(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def wait(child: Child) -> Exit:
    """Wait as an Agent does: until `wake_fd` is readable."""
    assert select.select([child.wake_fd], [], [], 60)[0]
    ended = child.poll()
    assert ended is not None
    child.close()
    return ended


def run(argv: list[str], folder: Path, environment: dict[str, str] | None = None) -> tuple[Exit, str]:
    """Run a render to its end; how it ended, and its log."""
    log_file = folder / "log"
    log = open_to_append(log_file)
    try:
        child = spawn_render(argv, cwd=folder, environment=environment or dict(os.environ), log=log)
    finally:
        os.close(log)
    return wait(child), log_file.read_text(encoding="utf-8")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[int]:
    fd = open_to_append(tmp_path / "log")
    yield fd
    os.close(fd)


def words_of(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


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
    "not on PATH": (["no-such-program"], ".", "the program 'no-such-program' is not found on PATH"),
    "no such file": ([r"C:\nowhere\prog.exe"], ".", r"the program 'C:\nowhere\prog.exe' does not exist"),
    "no program": ([r".\nonsense.exe"], ".", "is not in a form that this system runs"),
    "a folder": ([r".\folder"], ".", "folder' is a folder"),
    "empty": ([], ".", "the command is empty"),
    "NUL": ([sys.executable, "a\0b"], ".", "holds a NUL character"),
    "folder gone": ([sys.executable], "gone", "gone' does not exist"),
    "folder is a file": ([sys.executable], "nonsense.exe", "nonsense.exe' is not a folder"),
    "too long": ([sys.executable, "x" * 40_000], ".", "Windows allows 32,767"),
    "a batch file": ([r".\batch.bat", "a&calc"], ".", "is a batch file"),
}
"""What cannot be started: the command, its folder, and what the sentence says."""


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_cannot_be_started_is_told_in_a_sentence(case: str, tmp_path: Path, log: int) -> None:
    """It names the program or the folder, and what to do; nothing runs."""
    (tmp_path / "nonsense.exe").write_bytes(b"\x00\x01\x02")
    (tmp_path / "batch.bat").write_text("@echo ran\n")
    (tmp_path / "folder").mkdir()
    argv, cwd, expected = UNUSABLE[case]
    with pytest.raises(BadInput) as raised:
        spawn_render(argv, cwd=tmp_path / cwd, environment=os.environ, log=log)
    sentence = str(raised.value)
    assert expected in sentence
    assert ": " in sentence
    assert "\n" not in sentence
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

FAMILY = """
import os, subprocess, sys, time
folder, kind = sys.argv[1:]
def note(text):
    with open(os.path.join(folder, "pids"), "a") as file:
        file.write(text + chr(10))
child = "import time; time.sleep(600)"
start = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], creationflags=8)"
middle = f"import subprocess, sys; print({start}.pid)"
flags = {"plain": 0, "detached": 0x8, "group": 0x200, "console": 0x10, "no window": 0x8000000}
note(str(os.getpid()))
if kind == "breakaway":
    try:
        subprocess.Popen([sys.executable, "-c", child], creationflags=0x1000000)
    except PermissionError:
        note("refused")
elif kind == "orphan":
    note(subprocess.check_output([sys.executable, "-c", middle], text=True).strip())
else:
    note(str(subprocess.Popen([sys.executable, "-c", child], creationflags=flags[kind]).pid))
note("ready")
time.sleep(600)
"""


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


# --- asked to stop -------------------------------------------------------------------

AGENT = """
import json, os, select, sys
from kq.process import *
become_subreaper()
lower_priority(int(os.environ.get("NICE", "0")))
log = os.open(os.devnull, os.O_WRONLY)
child = spawn_render(sys.argv[1:], cwd=".", environment=os.environ, log=log)
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
other = spawn_render(sleep, cwd=".", environment=os.environ, log=log)
while not os.path.exists(os.environ["READY"]):
    select.select([child.wake_fd], [], [], 0.01)
asked = ask_to_stop(child)
ended = select.select([child.wake_fd], [], [], float(os.environ.get("PATIENCE", "20")))[0]
print(json.dumps([asked, child.poll().code if ended else None, other.poll()]), flush=True)
if os.environ.get("STAY"):
    sys.stdin.read()
end_strays()
"""


def agent(program: str, folder: Path, **more: str) -> tuple[Child, int]:
    """What stands for an Agent: a service, which asks a render to stop and prints what came of it."""
    read_end, write_end = os.pipe()
    environment = with_path(READY=str(folder / "ready"), **more)
    child = spawn_service(
        python(AGENT, *python(program, str(folder / "ready"))),
        environment=environment,
        stdin=LIFELINE,
        stdout=write_end,
        cwd=folder,
    )
    os.close(write_end)
    return child, read_end


def answer_of(child: Child, read_end: int) -> list[object]:
    with os.fdopen(read_end) as output:
        answer = json.loads(output.readline() or "[]")
    wait(child)
    assert isinstance(answer, list)
    return answer


OBEYS = """
import os, signal, sys, time
signal.signal(signal.SIGBREAK, lambda *_: os._exit(3))
open(sys.argv[1], "w").close()
while True: time.sleep(0.05)
"""


@not_on_wine("its consoles know no Ctrl-Break")
def test_a_render_is_asked_by_ctrl_break_and_no_other_one_hears_it(tmp_path: Path) -> None:
    """Each leads a group of its own; a renderer that listens ends as it likes."""
    assert answer_of(*agent(OBEYS, tmp_path)) == [True, 3, None]


@not_on_wine("its consoles know no Ctrl-Break")
def test_a_render_that_does_not_listen_goes_on(tmp_path: Path) -> None:
    """Then it is for the next rung."""
    deaf = OBEYS.replace("lambda *_: os._exit(3)", "signal.SIG_IGN")
    assert answer_of(*agent(deaf, tmp_path, PATIENCE="0.5")) == [True, None, None]


def test_one_that_has_ended_is_not_asked(tmp_path: Path, log: int) -> None:
    """Its number may be another's."""
    child = spawn_render(python(""), cwd=tmp_path, environment=os.environ, log=log)
    assert select.select([child.wake_fd], [], [], 60)[0]
    assert not ask_to_stop(child)
    child.close()


def test_a_subreapers_end_ends_all_that_came_of_it(tmp_path: Path) -> None:
    """Also when it is ended by force, in the midst of anything: its job's last handle goes with it."""
    service, read_end = agent(OBEYS.replace("os._exit(3)", "None"), tmp_path, PATIENCE="0.1", STAY="1")
    with os.fdopen(read_end) as output:
        assert json.loads(output.readline())[1:] == [None, None]
    below = descendants(service.pid)
    assert len(below) >= 2
    psutil.Process(service.pid).kill()
    wait(service)
    wait_until(lambda: not any(is_running(*each) for each in below))


def test_an_agent_yields_to_the_desktop(tmp_path: Path) -> None:
    """Below normal from 1 on, idle from 15 on."""
    for nice, priority in ((7, psutil.BELOW_NORMAL_PRIORITY_CLASS), (19, psutil.IDLE_PRIORITY_CLASS)):
        program = f"from kq.process import lower_priority; lower_priority({nice});" + (
            "import psutil; print(int(psutil.Process().nice()))"
        )
        said = subprocess.run(python(program), env=with_path(), capture_output=True, text=True, check=True)
        assert int(said.stdout) == priority


@not_on_wine("children do not inherit a low priority")
def test_renders_yield_to_the_desktop(tmp_path: Path) -> None:
    """The priority of their Agent is theirs."""
    told = tmp_path / "ready"
    program = OBEYS.replace(
        'open(sys.argv[1], "w").close()',
        "import psutil\nwith open(sys.argv[1] + '2', 'w') as f: f.write(str(int(psutil.Process().nice())))\n"
        "os.rename(sys.argv[1] + '2', sys.argv[1])",
    )
    answer_of(*agent(program, tmp_path, NICE="7"))
    assert int(told.read_text()) == psutil.BELOW_NORMAL_PRIORITY_CLASS


# --- services ------------------------------------------------------------------------


def test_the_lifelines_end_reaches_a_service() -> None:
    """When its starter lets go."""
    program = "import sys; sys.stdin.read(); sys.exit(5)"
    child = spawn_service(python(program), environment=os.environ, stdin=LIFELINE)
    assert child.poll() is None
    child.close_lifeline()
    assert wait(child).code == 5


SERVICE = """
import os, select, signal, sys
from kq.process import SignalWake
asked = []
if sys.argv[1] == "early": sys.stdin.readline()
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
wake = SignalWake()
wake.listen()
print("listens", flush=True)
while not asked:
    select.select([wake.wake_fd], [], [])
    wake.drain()
wake.close()
sys.exit(4)
"""


@pytest.mark.parametrize("when", ["early", "late"])
def test_a_service_can_be_asked_to_stop(when: str) -> None:
    """Though it has a console of its own; also before it listens. It ends as it likes, and for good."""
    read_end, write_end = os.pipe()
    child = spawn_service(python(SERVICE, when), environment=with_path(), stdin=LIFELINE, stdout=write_end)
    os.close(write_end)
    other = spawn_service(python(SLEEP), environment=os.environ)
    with os.fdopen(read_end) as output:
        if when == "late":
            assert output.readline() == "listens\n"
        assert ask_to_stop(child)
        if when == "early":
            child.close_lifeline()
        assert wait(child).code == 4
    assert not ask_to_stop(child)
    assert other.poll() is None
    end_tree([other.id])
    other.close()


def test_a_lifeline_ends_with_its_holder(tmp_path: Path) -> None:
    """A holder that is ended by force cannot say goodbye: the system closes the pipe for it."""
    target = tmp_path / "ended"
    service = f"import pathlib, sys; sys.stdin.read(); pathlib.Path({str(target)!r}).write_text('ended')"
    holder = (
        "import os, sys, time; from kq.process import *;"
        f"c = spawn_service([sys.executable, '-c', {service!r}], environment=os.environ, stdin=LIFELINE);"
        "print(c.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(python(holder), stdout=subprocess.PIPE, env=with_path()) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        started = process_start_time(pid)
        assert started is not None
        watched = watch(pid, started)
        assert watched.poll() is None
        process.kill()
    assert select.select([watched.wake_fd], [], [], 60)[0]
    assert watched.poll() == Exit(None)
    watched.close()
    assert target.read_text() == "ended"


def test_a_services_streams_go_where_they_were_sent(tmp_path: Path) -> None:
    """To descriptors, or nowhere."""
    read_end, write_end = os.pipe()
    child = spawn_service(
        python("import os; print('out', os.path.basename(os.getcwd()), flush=True); os.write(2, b'err')"),
        environment=os.environ,
        stdout=write_end,
        stderr=NOWHERE,
        cwd=tmp_path,
    )
    os.close(write_end)
    assert wait(child).code == 0
    assert os.read(read_end, 1000).decode().split() == ["out", tmp_path.name]
    os.close(read_end)


def test_what_is_ready_takes_its_word_and_is_ended_like_a_render(tmp_path: Path) -> None:
    """Its input is a pipe; its children are in its job."""
    read_end, write_end = os.pipe()
    program = (
        "import subprocess, sys; print('ready', flush=True); word = sys.stdin.readline().strip();"
        f"p = subprocess.Popen([sys.executable, '-c', {SLEEP!r}], creationflags=8);"
        f"print(word, p.pid, flush=True); {SLEEP}"
    )
    child = spawn_standby(python(program), cwd=tmp_path, environment=os.environ, stdout=write_end)
    os.close(write_end)
    with os.fdopen(read_end) as output:
        assert output.readline().strip() == "ready"
        assert child.lifeline is not None
        os.write(child.lifeline, b"begin\n")
        word, pid = output.readline().split()
    assert word == "begin"
    assert end_tree([child.id]).processes >= 2
    assert process_start_time(int(pid)) is None
    child.close()


# --- looking at processes ------------------------------------------------------------


def test_a_process_is_watched_to_its_end(tmp_path: Path) -> None:
    """A pid that means another process is not taken for it; one that ended is gone."""
    me = own_id()
    threads = threading.active_count()
    watch(*me).close()
    wait_until(lambda: threading.active_count() == threads)
    with pytest.raises(NotFound, match=f"process {me.pid} is gone"):
        watch(me.pid, me.start_time - 1.0)
    child = spawn_service(python(SLEEP), environment=os.environ)
    watched = watch(*child.id)
    assert is_running(*child.id)
    assert not is_running(child.pid, child.start_time + 1.0)
    assert watched.poll() is None
    psutil.Process(child.pid).kill()
    assert select.select([watched.wake_fd], [], [], 60)[0]
    assert watched.poll() == Exit(None)
    # The child's handle is still open, which keeps its number from being given away, and not it alive.
    assert process_start_time(child.pid) is None
    assert not is_running(*child.id)
    with pytest.raises(NotFound):
        watch(*child.id)
    watched.close()
    child.close()


def test_trees_marks_and_use_are_read(tmp_path: Path, log: int) -> None:
    """From the table of processes and from their environments."""
    mark = f"of {os.getpid()} 日本"
    environment = {**os.environ, "KQ_TEST_FAMILY": mark}
    code = FAMILY.replace('"-c", child]', '"-c", "x = bytearray(60 << 20);" + child]')
    child = spawn_render(python(code, str(tmp_path), "plain"), cwd=tmp_path, environment=environment, log=log)
    wait_until(lambda: "ready" in words_of(tmp_path / "pids"))
    root, last = (int(word) for word in words_of(tmp_path / "pids")[:2])
    assert root == child.pid
    assert last in children_of(root)
    assert {each.pid for each in descendants(root)} >= {last}
    assert last not in {each.pid for each in descendants(root, keep={last})}
    wait_until(lambda: tree_usage([root]).memory > 60 << 20)
    used = tree_usage([root])
    assert used.processes >= 2
    assert used.cpu_s > 0
    found = find_marked("KQ_TEST_FAMILY", mark)
    assert {root, last} <= {each.pid for each in found}
    assert all(ProcessId(each.pid, each.start_time) == each.id for each in found)
    assert find_marked("KQ_TEST_FAMILY", mark[:-1]) == []
    end_tree([child.id])
    child.close()
    assert find_marked("KQ_TEST_FAMILY", mark) == []


def test_ctrl_c_of_a_console_reaches_no_program_of_ours() -> None:
    """Each leads a group of its own, for which Windows turns Ctrl-C off."""
    program = (
        "import ctypes, os, signal, time\n"
        "ctypes.windll.kernel32.GenerateConsoleCtrlEvent(0, 0)\n"
        "time.sleep(0.5)\n"
        "os._exit(6)\n"
    )
    child = spawn_service(python(program), environment=os.environ)
    assert wait(child).code == 6
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
