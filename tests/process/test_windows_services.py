"""Services on Windows: asked to stop, outlived, watched; consoles and streams. Twin of test_children."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from kq.errors import NotFound
from kq.process import (
    LIFELINE,
    NOWHERE,
    Child,
    Exit,
    ProcessId,
    ask_to_stop,
    children_of,
    descendants,
    end_tree,
    find_marked,
    is_running,
    own_id,
    process_start_time,
    spawn_render,
    spawn_service,
    spawn_standby,
    tree_usage,
    watch,
)
from tests.process.running import python, wait, with_path
from tests.process.windows import FAMILY, SLEEP, words_of
from tests.support.waiting import not_on_wine, wait_until

if sys.platform != "win32":
    pytest.skip("jobs and consoles are Windows' own", allow_module_level=True)

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
    """Then it is killed next."""
    deaf = OBEYS.replace("lambda *_: os._exit(3)", "signal.SIG_IGN")
    assert answer_of(*agent(deaf, tmp_path, TIMEOUT="0.5")) == [True, None, None]


def test_one_that_has_ended_is_not_asked(tmp_path: Path, log: int) -> None:
    """Its number may be another's."""
    child = spawn_render(python(""), cwd=tmp_path, environment=os.environ, log=log)
    assert select.select([child.wake_fd], [], [], 60)[0]
    assert not ask_to_stop(child)
    child.close()


def test_a_subreapers_end_ends_all_that_came_of_it(tmp_path: Path) -> None:
    """Also when it is ended by force, in the midst of anything: its job's last handle goes with it."""
    service, read_end = agent(OBEYS.replace("os._exit(3)", "None"), tmp_path, TIMEOUT="0.1", STAY="1")
    with os.fdopen(read_end) as output:
        assert json.loads(output.readline())[1:] == [None, None]
    below = descendants(service.pid)
    assert len(below) >= 2
    psutil.Process(service.pid).kill()
    wait(service)
    wait_until(lambda: not any(is_running(*each) for each in below))


SERVER = """
import json, os, sys
from kq.process import *
become_subreaper(outlived=True)
child = spawn_service([sys.executable, "-c", "import time; time.sleep(600)"], environment=os.environ)
print(json.dumps(child.id), flush=True)
sys.stdin.read()
"""


def test_services_go_on_without_a_subreaper_that_is_outlived() -> None:
    """Agents, when their server is ended by force."""
    read_end, write_end = os.pipe()
    server = spawn_service(python(SERVER), environment=with_path(), stdin=LIFELINE, stdout=write_end)
    os.close(write_end)
    with os.fdopen(read_end) as output:
        service = watch(*json.loads(output.readline()))
    psutil.Process(server.pid).kill()
    wait(server)
    assert not select.select([service.wake_fd], [], [], 1.0)[0]
    assert end_tree([service.id]).survivors == ()
    service.close()


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


IN_ENVIRONMENT = """
import json, os, sys
from kq.process import *
read_end, write_end = os.pipe()
program = "import os, sys; print(os.getpid(), sys.prefix, os.environ.get('__PYVENV_LAUNCHER__'), sep=chr(10))"
child = spawn_service([sys.executable, "-c", program], environment=os.environ, stdout=write_end)
os.close(write_end)
with os.fdopen(read_end) as output:
    print(json.dumps([sys.executable, child.pid, *output.read().split(chr(10))]))
"""


def test_a_service_is_the_process_that_is_known_also_in_a_virtual_environment(tmp_path: Path) -> None:
    """Its python.exe would start the interpreter as another one, which no event of ours would reach."""
    scripts = tmp_path / "Scripts"
    scripts.mkdir()
    base = Path(sys._base_executable)
    (tmp_path / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = true\n")
    launcher = scripts / "python.exe"
    launcher.write_bytes(b"whatever starts this has gone the wrong way")
    environment = with_path(__PYVENV_LAUNCHER__=str(launcher))
    said = subprocess.run(
        [str(base), "-c", IN_ENVIRONMENT], env=environment, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    executable, pid, own_pid, prefix, variable, _ = json.loads(said.stdout)
    assert executable == str(launcher)
    assert (pid, Path(prefix), variable) == (int(own_pid), tmp_path, "None")


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
    with pytest.raises(NotFound, match=rf"\b{me.pid}\b"):
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
