"""Processes that are kept ready: used once, supervised as any render, and never in the way of one."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kq import process
from kq.agent.standby import Standby
from kq.api import AttemptRecord, JobSpec
from kq.messages import AssignOrder
from tests.support.live_queue import LiveQueue, is_alive, kill, marked_with, until
from tests.support.sleeping import all_threads_sleep, waits_for_input

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its renders are told to the shell")

PROGRAM = str(Path(__file__).parent / "ready.py")


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveQueue]:
    """A queue with one Agent, so that the next render comes to where one is kept ready."""
    root = tmp_path_factory.mktemp("data root")
    with LiveQueue(root, 1, KQ_HEARTBEAT_S=0.2, KQ_GRACE_S=1.0) as live:
        live.await_agents()
        yield live


@pytest.fixture
def ready(queue: LiveQueue, tmp_path: Path) -> Iterator[Ready]:
    """Jobs for which processes are kept ready; nothing is afterwards."""
    ready = Ready(queue, tmp_path)
    yield ready
    ready.clear()


class Ready:
    """Jobs with a standby of their own, which notes its processes in a file."""

    def __init__(self, queue: LiveQueue, folder: Path) -> None:
        self.queue = queue
        self._notes = folder / "standbys"

    def misbehave(self, kind: str) -> None:
        """What is kept ready from now on does this; see ready.py."""
        self._notes.with_suffix(".kind").write_text(kind)

    def clear(self) -> None:
        """Have nothing kept ready any more: a job of another kind sees to that."""
        self.run(standby=())

    def submit(self, *arguments: str, **fields: object) -> str:
        """A job that may be taken by the standby; returns its id."""
        command = (sys.executable, PROGRAM, *arguments)
        standby = (sys.executable, PROGRAM, "--standby", str(self._notes))
        values = {"name": "test", "commands": (command,), "cwd": "/tmp", "standby": standby} | fields
        job_id, done = self.queue.client.submit(JobSpec(**values))  # type: ignore[arg-type]
        done.result(60)
        return job_id

    def run(self, script: str = "true", **fields: object) -> tuple[str, int, list[str]]:
        """Run a shell script to its end; its state, exit code, and what it wrote."""
        record = self.queue.await_job(self.submit("sh", script, **fields))
        assert record.exit_code is not None
        return record.state, record.exit_code, Path(record.log_file).read_text().splitlines()

    def pids(self) -> list[int]:
        """All that were ever started."""
        return [int(word) for word in self._notes.read_text().split()] if self._notes.exists() else []

    def await_waiting(self, count: int = 1) -> int:
        """Wait until so many were started, and the last of them waits for its render; its pid."""
        until(lambda: len(self.pids()) >= count, "something to be loaded")
        pid = self.pids()[-1]
        until(lambda: "pipe" in Path(f"/proc/{pid}/wchan").read_text() or waits_for_input(pid), "it to wait")
        # It has printed that it is ready: once the Agent's threads all sleep, they have read that.
        until(
            lambda: all(map(all_threads_sleep, self.queue.agent_pids())), "the Agent to read that it is ready"
        )
        return pid


def last_attempt(queue: LiveQueue, job_id: str) -> AttemptRecord:
    """What is recorded of the job's latest attempt."""
    return queue.client.attempts(job_id).result(60)[-1]


def test_the_next_render_is_one_that_waited(queue: LiveQueue, ready: Ready) -> None:
    """The first starts anew, the next in the process that was kept ready, with the marks, folder and log of
    its own job, no input, no other file open; its exit code is the job's."""
    assert ready.run()[2][0].startswith("anew ")
    waiting = ready.await_waiting()
    assert os.getsid(waiting) == waiting
    assert str(waiting) not in map(str, queue.agent_pids())
    script = (
        'pwd; echo "$KQ_TASK $KQ_ATTEMPT"; read x || echo no input; ls /proc/$$/fd | tr "\\n" " "; exit 7'
    )
    state, code, lines = ready.run(script)
    assert (state, code) == ("Failed", 7)
    assert lines[:4] == [f"ready {waiting}", "/tmp", "0 1", "no input"]
    # 3 is the folder that is being listed.
    assert {Path(each).name for each in lines[4].split()} <= {"0", "1", "2", "3"}
    assert not is_alive(waiting)


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="this kernel has no groups of sessions")
def test_the_session_of_one_yields_while_it_loads(queue: LiveQueue, ready: Ready) -> None:
    """It imports a renderer and reads textures while the artist works."""
    ready.misbehave("loads for ever")
    ready.run()
    until(lambda: bool(ready.pids()), "something to be loaded")
    nice = os.getpriority(os.PRIO_PROCESS, queue.agent_pids()[0])
    assert nice > 0
    group = Path(f"/proc/{ready.pids()[-1]}/autogroup")
    until(lambda: group.read_text().endswith(f"nice {nice}\n"), "its session to yield")


def test_yielding_is_tried_again_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux lets it be set ten times a second on the whole machine: several Agents may want it at once."""
    refusals = [True, True, False]
    children = []

    def lower(child: process.Child) -> None:
        children.append(child)
        child.has_yielding_session = not refusals.pop(0)

    monkeypatch.setattr(process, "lower_session", lower)
    standby = Standby(300.0, 1 << 30, pytest.fail)
    argv = (sys.executable, "-c", "input()")
    order = AssignOrder(
        number=1, attempt="job00001/0/1", commands=(argv,), environment={}, cwd="/",
        log_file=str(tmp_path / "log"), standby=argv,
    )  # fmt: skip
    standby.prepare_next(order, {}, "/")
    now = time.monotonic() + 0.3
    for _ in range(2):
        standby.step(now)
        assert 0 < standby.next_step_s(now) <= 0.2
    standby.step(now)
    assert standby.next_step_s(now) > 60
    # Not `discard`: the queue of this module is a child of this process, too.
    process.end_tree([children[0].id])
    children[0].poll()
    children[0].close()


def test_each_takes_one_render(ready: Ready) -> None:
    """Then it ends, and another one is loaded."""
    ready.run()
    used = []
    for count in (1, 2, 3):
        ready.await_waiting(count)
        used.append(ready.run()[2][0])
    assert used == [f"ready {pid}" for pid in ready.pids()[:3]]
    assert len(set(used)) == 3


def test_none_is_loaded_between_tasks_that_follow_each_other(tmp_path: Path) -> None:
    """An Agent that is idle for less than a quarter of a second loads nothing that it would have to end."""
    before = psutil.Process().children()
    standby = Standby(300.0, 1 << 30, pytest.fail)
    order = AssignOrder(
        number=1, attempt="job00001/0/1", commands=((sys.executable, "-c", "pass"),), environment={}, cwd="/",
        log_file=str(tmp_path / "log"), standby=(sys.executable, "--version"),
    )  # fmt: skip
    for _ in range(20):
        ended = time.monotonic()
        standby.prepare_next(order, {}, "/")
        assert standby.next_step_s(ended) >= 0.25
        standby.step(ended + 0.24)
        assert standby.give_job(order, {}, "/") is None
        assert standby.next_step_s(ended) > 60, "nothing is loaded beside the render"
    assert psutil.Process().children() == before


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("dies when asked", "ended before it accepted the render (ended by signal 11 (SIGSEGV))"),
        ("does not answer", " 2 s"),
    ],
)
def test_one_that_fails_is_no_failure_of_the_render(ready: Ready, kind: str, words: str) -> None:
    """The render is started anew, once, when what failed is gone, and its log says why."""
    ready.misbehave(kind)
    ready.run()
    failed = ready.await_waiting()
    state, code, lines = ready.run(f"test -e /proc/{failed} && echo still there; exit 0")
    assert (state, code) == ("Completed", 0)
    assert lines[0].startswith("[kq] ") and words in lines[0]
    assert [line.split()[0] for line in lines[1:]] == ["anew"]


def test_one_that_died_while_it_waited_is_not_missed(ready: Ready) -> None:
    """As if there had been none; at most the log says so, where it died in the moment it was given a job."""
    ready.run()
    kill(ready.await_waiting())
    state, _, lines = ready.run()
    assert (state, lines[-1].split()[0]) == ("Completed", "anew")


def test_after_one_that_died_while_it_waited_another_is_loaded(queue: LiveQueue, ready: Ready) -> None:
    """Something else ended it, as a machine short of memory does: the command itself can be loaded."""
    ready.run()
    waiting = ready.await_waiting()
    until(lambda: queue.client.agents()[0].memory is not None, "the Agent to know of it")
    kill(waiting)
    until(lambda: queue.client.agents()[0].memory is None, "the Agent to notice")
    ready.run()
    waiting = ready.await_waiting(2)
    assert ready.run()[2][0] == f"ready {waiting}"


@pytest.mark.parametrize(
    "fields",
    [
        {"environment": {"PXR_PLUGINPATH_NAME": "/other"}},
        {"standby": ()},
        {"commands": (("true",), ("true",))},
    ],
    ids=["environment", "no standby", "several commands"],
)
def test_one_that_does_not_fit_is_gone_before_the_render(ready: Ready, fields: dict[str, object]) -> None:
    """Loaded with other variables, or for other renders, it is neither used nor left beside a render."""
    ready.run()
    waiting = ready.await_waiting()
    gone = f'test -e /proc/{waiting} && echo "still there" || echo gone'
    if "commands" in fields:
        fields = {"commands": (("sh", "-c", gone), ("true",))}
    state, _, lines = ready.run(gone, **fields)
    assert (state, lines[-1]) == ("Completed", "gone")
    assert f"ready {waiting}" not in lines


def test_one_that_cannot_load_is_not_tried_for_ever(queue: LiveQueue, ready: Ready) -> None:
    """It is told once, in the Agent's own log, and the renders start as without it."""
    ready.misbehave("does not load")
    log = next((queue.data_root / "logs").glob("*/agent-*.log"))
    ready.run()
    until(lambda: "no licence" in log.read_text(), "the warning")
    assert [ready.run()[0] for _ in range(2)] == ["Completed", "Completed"]
    assert len(ready.pids()) == 1


@pytest.mark.parametrize(
    ("kind", "method", "code", "count"),
    [("obedient", "asked", 3, 1), ("ignore-term", "killed", -9, 2), ("double-fork", "asked", -15, 2)],
)
def test_it_is_stopped_as_any_render(
    queue: LiveQueue, ready: Ready, tmp_path: Path, kind: str, method: str, code: int, count: int
) -> None:
    """Asked, then killed after the grace, with all that it started; its exit code is recorded."""
    ready.run()
    waiting = ready.await_waiting()
    pids = tmp_path / "pids"
    job_id = ready.submit(kind, str(pids))
    until(lambda: pids.exists() and "ready" in pids.read_text(), "the render")
    noted = [int(word) for word in pids.read_text().split() if word.isdigit()]
    assert noted[0] == waiting
    queue.client.stop_jobs([job_id]).result(60)
    assert queue.await_job(job_id).state == "Cancelled"
    assert not any(map(is_alive, noted))
    record = last_attempt(queue, job_id)
    assert (record.stop_method, record.exit_code, record.processes_gone) == (method, code, count)


def test_what_it_leaves_behind_is_ended(queue: LiveQueue, ready: Ready, tmp_path: Path) -> None:
    """The render ended well, a child of it in another session did not."""
    ready.run()
    ready.await_waiting()
    pids = tmp_path / "pids"
    job_id = ready.submit("orphan", str(pids))
    assert queue.await_job(job_id).state == "Completed"
    noted = [int(word) for word in pids.read_text().split() if word.isdigit()]
    assert len(noted) == 2
    assert not any(map(is_alive, noted))


def test_its_limits_hold(queue: LiveQueue, ready: Ready) -> None:
    """Of time, from when the job was given to it, and of memory, with all that it starts."""
    ready.run()
    waiting = ready.await_waiting()
    job_id = ready.submit("sh", "exec sleep 600", timeout_s=3.0)
    record = queue.await_job(job_id)
    assert "3 s" in record.reason and last_attempt(queue, record.id).outcome == "timed-out"
    assert f"ready {waiting}" in Path(record.log_file).read_text()
    waiting = ready.await_waiting(2)
    eat = f"exec '{sys.executable}' -c 'x = bytearray(300 << 20); import time; time.sleep(600)'"
    record = queue.await_job(ready.submit("sh", eat, memory_limit=200 << 20))
    assert "200 MiB" in record.reason
    assert f"ready {waiting}" in Path(record.log_file).read_text()
    assert last_attempt(queue, record.id).outcome == "out-of-memory"


def test_it_is_told_which_render_came_before(ready: Ready) -> None:
    """Its arguments, its folder, and how much memory may be held; nothing of it comes to other renders."""
    script = 'echo "$KQ_STANDBY_BEFORE"'
    assert ready.run(script)[2][1:] == [""]
    ready.await_waiting()
    told = json.loads(ready.run(script)[2][1])
    assert told == {"argv": ["sh", script], "cwd": "/tmp", "memory": 2**30}


def test_one_that_grew_too_large_when_told_is_loaded_again_untold(tmp_path: Path) -> None:
    """A scene that does not fit into the memory that is allowed costs what was made of it, and no more."""
    with LiveQueue(tmp_path / "data", 1, KQ_HEARTBEAT_S=0.2, KQ_STANDBY_MEMORY=100 << 20) as queue:
        ready = Ready(queue, tmp_path)
        ready.misbehave("large when told")
        ready.run()
        untold = ready.await_waiting(2)
        assert not is_alive(ready.pids()[0])
        assert ready.run()[2][0] == f"ready {untold}"
        # Nor is the next one told, so that it need not be loaded twice.
        untold = ready.await_waiting(3)
        assert ready.run()[2][0] == f"ready {untold}"


def test_its_memory_is_the_agents(queue: LiveQueue, ready: Ready) -> None:
    """What it holds while it waits is shown."""
    ready.misbehave("large")
    ready.run()
    ready.await_waiting()
    until(lambda: (queue.client.agents()[0].memory or 0) > 200 << 20, "its memory to be told")


@pytest.mark.parametrize(
    ("settings", "kind", "loaded"),
    [
        ({"KQ_STANDBY_S": 1.5}, "", 1),
        ({"KQ_STANDBY_MEMORY": 100 << 20}, "large", 2),  # the second is not told of the render before
        ({"KQ_STANDBY_S": 0}, "", 0),
    ],
    ids=["too long unused", "too large", "switched off"],
)
def test_it_is_not_kept_for_ever(tmp_path: Path, settings: dict[str, object], kind: str, loaded: int) -> None:
    """Nor where it takes too much, nor where nobody wants it."""
    with LiveQueue(tmp_path / "data", 1, KQ_HEARTBEAT_S=0.2, **settings) as queue:
        ready = Ready(queue, tmp_path)
        ready.misbehave(kind)
        ready.run()
        until(lambda: len(ready.pids()) == loaded, "something to be loaded")
        until(lambda: not any(map(is_alive, ready.pids())), "it to go")
        state, _, lines = ready.run()
        assert (state, lines[0].split()[0]) == ("Completed", "anew")
        assert len(ready.pids()) >= loaded
        assert loaded or not ready.pids()


@pytest.mark.parametrize("victim", ["session", "desktop", "guardian", "server", "agent"])
def test_none_stays_behind(tmp_path: Path, victim: str) -> None:
    """When the session ends, and whatever is killed while it waits: it is gone, no later than the session."""
    with LiveQueue(tmp_path / "data", 1, KQ_HEARTBEAT_S=0.2) as queue:
        ready = Ready(queue, tmp_path)
        ready.run()
        waiting = ready.await_waiting()
        assert waiting in marked_with("KQ_SESSION", queue.session)
        pids = {
            "desktop": [queue.serve_pid],
            "guardian": [queue.guardian_pid],
            "server": [queue.server_pid],
            "agent": queue.agent_pids(),
        }
        queue.disconnect()
        for pid in pids.get(victim, []):
            kill(pid)
        if victim in ("session", "server"):
            # The server that follows takes the Agent up again, and what it keeps ready is its own.
            queue.close()
            assert not is_alive(waiting)
        else:
            until(lambda: not is_alive(waiting), "it to go")
    assert not marked_with("KQ_SESSION", queue.session)
