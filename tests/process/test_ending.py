"""Ending trees of real processes that do not want to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from kq.process import (
    Child,
    ProcessId,
    TreeEnd,
    ask_to_stop,
    children_of,
    descendants,
    end_tree,
    find_marked,
    is_running,
    process_start_time,
    spawn_render,
    spawn_service,
)
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the children use fork")

if sys.platform != "win32":
    from kq.process import _posix, _posix_termination

MISBEHAVING = Path(__file__).resolve().parents[1] / "support" / "misbehaving.py"
KEEPER = Path(__file__).with_name("subreaper_program.py")


@pytest.fixture
def mark() -> Iterator[str]:
    """A value for KQ_TEST_MARK; whatever still carries it after the test is killed, so that nothing stays."""
    value = uuid.uuid4().hex
    yield value
    for process in find_marked("KQ_TEST_MARK", value):
        os.kill(process.pid, signal.SIGKILL)


def start(kind: str, tmp_path: Path, mark: str) -> Child:
    """Start one of misbehaving's kinds and wait until all that it makes at once is there."""
    pidfile = tmp_path / "pids"
    pidfile.touch()
    with (tmp_path / "log").open("wb") as log:
        child = spawn_render(
            [sys.executable, str(MISBEHAVING), kind, str(pidfile)],
            cwd=tmp_path,
            environment={**os.environ, "KQ_TEST_MARK": mark},
            log=log.fileno(),
        )
    wait_until(lambda: "ready" in pidfile.read_text().split())
    return child


def pids_noted(tmp_path: Path) -> list[int]:
    return [int(line) for line in (tmp_path / "pids").read_text().split() if line != "ready"]


@pytest.mark.parametrize("kind", ["obedient", "plain", "setsid", "ignore-term", "many", "forking", "stopped"])
def test_a_tree_is_ended_whole(kind: str, tmp_path: Path, mark: str) -> None:
    """Whatever hangs together as a tree is gone, and counted, when end_tree returns."""
    child = start(kind, tmp_path, mark)
    report = end_tree([child.id])
    assert report.survivors == ()
    assert find_marked("KQ_TEST_MARK", mark) == []
    ended = child.poll()
    assert ended is not None
    assert ended.code == -signal.SIGKILL
    noted = len(set(pids_noted(tmp_path)))
    # A forking one may have been stopped between a fork and the note of it.
    assert report.processes >= noted if kind == "forking" else report.processes == noted
    child.close()


@pytest.mark.parametrize(
    "kind",
    [
        "obedient",
        "plain",
        "setsid",
        "double-fork",
        "ignore-term",
        "many",
        "forking",
        "relay",
        "orphan",
        "stopped",
    ],
)
def test_nothing_gets_away_from_a_subreaper(kind: str, tmp_path: Path, mark: str) -> None:
    """What left the tree too is ended by end_strays, no zombie is left, and the child's own exit is kept."""
    run = subprocess.run(
        [sys.executable, str(KEEPER), kind, str(tmp_path / "pids")],
        env={**os.environ, "KQ_TEST_MARK": mark, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
    )
    answer = json.loads(run.stdout)
    assert answer["survivors"] == []
    assert answer["has_children"] is False
    # The first runner of a relay may be caught, or have handed on already.
    codes = {"orphan": [0], "relay": [0, -signal.SIGKILL]}
    assert answer["code"] in codes.get(kind, [-signal.SIGKILL])
    assert find_marked("KQ_TEST_MARK", mark) == []
    assert answer["processes"] >= 1


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone says so of it")
def test_one_whose_main_thread_has_ended_is_no_zombie(tmp_path: Path, mark: str) -> None:
    """It runs on with others, and is ended like any other; gone is what is wholly gone, and reaped."""
    child = start("headless", tmp_path, mark)
    assert child.poll() is None
    assert is_running(child.pid, child.start_time)
    assert end_tree([child.id]).processes == 1
    assert child.pid not in children_of(os.getpid())
    child.close()


def test_what_ends_while_it_is_looked_at_is_reaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed processes take their time: one may end after any look at it, and must not stay as a zombie."""
    child = spawn_service(["sleep", "600"], environment=os.environ)
    kill, is_running = _posix_termination._signal, _posix.is_running

    def kill_later(pid: int, number: signal.Signals) -> None:
        if number is not signal.SIGKILL:
            kill(pid, number)

    def end_now(pid: int, start_time: float) -> bool:
        if ending.report.survivors:
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: process_start_time(pid) is None)
        return is_running(pid, start_time)

    monkeypatch.setattr(_posix_termination, "_signal", kill_later)
    monkeypatch.setattr(_posix, "is_running", end_now)
    ending = TreeEnd([child.id])
    wait_until(ending.step)
    assert ending.report.processes == 1
    assert child.pid not in children_of(os.getpid())
    child.close()


def test_what_is_kept_goes_on(tmp_path: Path, mark: str) -> None:
    """A pid in `keep` and all below it are left alone."""
    child = start("plain", tmp_path, mark)
    (grandchild,) = descendants(child.pid)
    report = end_tree([child.id], keep={grandchild.pid})
    assert report.processes == 1
    assert is_running(*grandchild)
    assert end_tree([grandchild]).processes == 1
    child.close()


def test_a_tree_is_ended_in_steps_that_do_not_wait(tmp_path: Path, mark: str) -> None:
    """A loop can end 200 processes between its other work; the report fills as they go."""
    child = start("many", tmp_path, mark)
    ending = TreeEnd([child.id])
    assert ending.report.processes == 0
    wait_until(ending.step)
    assert ending.report.processes == 201
    assert ending.report.survivors == ()
    child.close()


def test_a_root_that_is_gone_is_passed_over(tmp_path: Path, mark: str) -> None:
    """A pid that now means another process is not touched: the start time tells."""
    child = start("obedient", tmp_path, mark)
    assert end_tree([ProcessId(child.pid, child.start_time - 1.0)]).processes == 0
    assert child.poll() is None
    end_tree([child.id])
    child.close()


def test_asking_lets_a_render_end_in_its_own_way(tmp_path: Path, mark: str) -> None:
    """SIGTERM reaches it, and its own exit code comes back."""
    child = start("obedient", tmp_path, mark)
    assert ask_to_stop(child)
    wait_until(lambda: child.poll() is not None)
    assert child.poll().code == 3  # type: ignore[union-attr]
    assert not ask_to_stop(child)
    child.close()


def test_asking_reaches_one_that_stands_still(tmp_path: Path, mark: str) -> None:
    """A render that somebody stopped with SIGSTOP is continued, so that it hears the request."""
    child = start("obedient", tmp_path, mark)
    os.kill(child.pid, signal.SIGSTOP)
    assert ask_to_stop(child)
    wait_until(lambda: child.poll() is not None)
    assert child.poll().code == 3  # type: ignore[union-attr]
    child.close()


def test_descendants_are_listed_with_their_start(tmp_path: Path, mark: str) -> None:
    """Children of threads other than the main one are found as well."""
    child = start("threads", tmp_path, mark)
    below = descendants(child.pid)
    assert sorted(process.pid for process in below) == sorted(set(pids_noted(tmp_path)) - {child.pid})
    assert all(is_running(*process) for process in below)
    end_tree([child.id])
    assert descendants(child.pid) == []
    child.close()
