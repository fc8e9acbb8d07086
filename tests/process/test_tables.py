"""The two ways of reading the system's table of processes, and the ways of learning of an end."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from kq import process
from kq.process import LIFELINE, Child, end_tree, spawn_service
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="both ways are to be had on Linux only")

if sys.platform == "linux":
    from kq.process import _posix_exit_watch, _table_linux, _table_psutil

    TABLES: list[ModuleType] = [_table_linux, _table_psutil]
else:
    TABLES = []


@pytest.fixture
def family() -> Iterator[tuple[Child, int, int]]:
    """A shell, its child, and its grandchild, marked with KQ_TEST_FAMILY."""
    read_end, write_end = os.pipe()
    code = "sh -c 'sleep 600 & echo $$ $!; wait' & wait"
    environment = {**os.environ, "KQ_TEST_FAMILY": f"of {os.getpid()}"}
    child = spawn_service(["sh", "-c", code], environment=environment, stdout=write_end)
    os.close(write_end)
    with os.fdopen(read_end) as output:
        middle, last = map(int, output.readline().split())
    # Once it is sleep, it has stopped being a copy of the shell.
    wait_until(lambda: b"sleep" in _table_linux._read(f"/proc/{last}/cmdline"))
    yield child, middle, last
    end_tree([child.id])
    child.close()


@pytest.mark.parametrize("table", TABLES)
def test_trees_are_walked(table: ModuleType, family: tuple[Child, int, int]) -> None:
    """From the root down, past nothing but what is kept."""
    child, middle, last = family
    assert table.children_of(child.pid) == [middle]
    assert table.walk([child.pid], ()) == {
        pid: table.process_start_time(pid) for pid in (child.pid, middle, last)
    }
    assert set(table.walk([child.pid], {last})) == {child.pid, middle}
    assert set(table.walk([child.pid], {middle})) == {child.pid}
    visited: list[int] = []
    table.walk([child.pid], (), visited.append)
    assert visited == [child.pid, middle, last]


@pytest.mark.parametrize("table", TABLES)
def test_marks_and_use_are_read(table: ModuleType, family: tuple[Child, int, int]) -> None:
    """Of every process of the tree."""
    child, middle, last = family
    found = table.find_marked("KQ_TEST_FAMILY", f"of {os.getpid()}")
    assert {process.pid for process in found} == {child.pid, middle, last}
    assert all(table.process_start_time(process.pid) == process.start_time for process in found)
    assert table.find_marked("KQ_TEST_FAMILY", "of nobody") == []
    used = table.tree_usage([child.pid])
    assert used.processes == 3
    assert used.memory > 100_000
    assert used.cpu_s >= 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a fork cannot be told from a program")
def test_a_child_that_is_being_started_is_not_taken_for_its_parent() -> None:
    """Until its exec it shows its parent's environment: a render would be taken for a second Agent."""
    mark = f"of {os.getpid()}"
    program = "import os, sys\nif os.fork() == 0:\n    print('forked', flush=True)\ninput()\n"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "KQ_TEST_FORK": mark},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None and parent.stdin is not None
        assert parent.stdout.readline() == b"forked\n"
        assert len(process.find_marked("KQ_TEST_FORK", mark)) == 2
        assert [each.pid for each in process.find_marked("KQ_TEST_FORK", mark, forks=False)] == [parent.pid]
        parent.stdin.write(b"\n\n")
        parent.stdin.close()


_MANY = 1100
_PARENT_OF_MANY = f"""
import os, signal, sys
for _ in range({_MANY}):
    if os.fork() == 0:
        signal.pause()
print("ready", flush=True)
signal.pause()
"""


def test_more_children_than_the_kernel_names_at_once() -> None:
    """It gives their numbers by the page, and each page may be short of full."""
    read_end, write_end = os.pipe()
    child = spawn_service(
        [sys.executable, "-S", "-c", _PARENT_OF_MANY], environment=os.environ, stdout=write_end
    )
    os.close(write_end)
    with os.fdopen(read_end) as output:
        assert output.readline() == "ready\n"
    children = _table_linux.children_of(child.pid)
    assert len(children) == _MANY
    assert len(_table_linux._read(f"/proc/{child.pid}/task/{child.pid}/children")) > os.sysconf(
        "SC_PAGE_SIZE"
    )
    assert set(_table_linux.walk([child.pid], ())) == {child.pid, *children}
    end_tree([child.id])
    child.close()


@pytest.mark.parametrize("table", TABLES)
def test_a_zombie_counts_as_gone(table: ModuleType) -> None:
    """It has ended, though nobody has reaped it."""
    child = spawn_service(["true"], environment=os.environ)
    assert select.select([child.wake_fd], [], [], 60)[0]
    assert table.process_start_time(child.pid) is None
    assert table.walk([child.pid], ()) == {}
    assert list(table.walk([child.pid], (), ended=True)) == [child.pid]
    assert table.tree_usage([child.pid]).processes == 0
    child.poll()
    assert table.process_start_time(child.pid) is None
    assert table.children_of(child.pid) == []
    child.close()


def test_one_pass_over_all_finds_what_the_kernels_lists_name(
    family: tuple[Child, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels may be built without those lists."""
    child, middle, last = family
    monkeypatch.setattr(_table_linux, "_HAS_CHILDREN_FILES", False)
    assert _table_linux.children_of(child.pid) == [middle]
    assert set(_table_linux.walk([child.pid], ())) == {child.pid, middle, last}


def test_a_programs_name_does_not_confuse(tmp_path: Path) -> None:
    """Brackets and blanks in it are not taken for the fields behind it."""
    program = tmp_path / "a) Z (b"
    program.symlink_to("/bin/cat")
    child = spawn_service([str(program)], environment=os.environ, stdin=LIFELINE)
    assert _table_linux.process_start_time(child.pid) == child.start_time > 0
    assert child.pid in _table_linux.children_of(os.getpid())
    child.close_lifeline()
    assert select.select([child.wake_fd], [], [], 60)[0]
    child.poll()
    child.close()


@pytest.mark.parametrize("is_child", [True, False])
def test_without_pidfds_a_thread_waits(is_child: bool) -> None:
    """What it gives becomes readable at the end, and the exit is still there to be asked for."""
    child = spawn_service(["sleep", "600"], environment=os.environ)
    near_end = _posix_exit_watch.socket_closed_at_exit(child.pid, is_child)
    assert select.select([near_end], [], [], 0) == ([], [], [])
    os.kill(child.pid, signal.SIGTERM)
    assert select.select([near_end], [], [], 60)[0]
    near_end.close()
    wait_until(lambda: child.poll() is not None)
    assert child.poll().code == -signal.SIGTERM  # type: ignore[union-attr]
    child.close()


def test_an_empty_environment_is_told_from_one_in_the_making() -> None:
    """The one is nobody's for good, and nobody waits for it; the other may be anybody's a moment later."""
    child = spawn_service(["sleep", "600"], environment={})
    wait_until(lambda: b"sleep" in _table_linux._read(f"/proc/{child.pid}/cmdline"))
    assert _table_linux._environment(child.pid) == b""
    assert not _table_linux._is_in_exec(child.pid)
    end_tree([child.id])
    child.close()


def test_threads_of_the_kernel_and_what_has_ended_are_in_no_exec() -> None:
    """Neither has memory; a zombie, too, would otherwise be waited for."""
    child = spawn_service(["true"], environment=os.environ)
    wait_until(lambda: _table_linux._stat(child.pid)[0] == b"Z")
    assert not _table_linux._is_in_exec(child.pid)
    wait_until(lambda: child.poll() is not None)
    assert not _table_linux._is_in_exec(child.pid)
    child.close()
