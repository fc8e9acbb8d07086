"""How a render begins where something that it needs is missing: an attempt by itself, without its Agent."""

from __future__ import annotations

import gc
import os
import select
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kq import process
from kq.agent import attempt as attempt_module
from kq.agent import attempt_machine
from kq.agent import standby as standby_module
from kq.agent.attempt import Attempt
from kq.agent.limits import UsageLimits
from kq.agent.standby import ReadyProcess, Standby
from kq.messages import AssignOrder, AttemptEnding
from kq.states import Outcome, StopMethod
from tests.support.live_queue import is_alive, until
from tests.support.small_disk import small_disk

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither limit nor such users")


def attempt_of(tmp_path: Path, cwd: str, *command: str, timeout_s: float = 0.0) -> Attempt:
    order = AssignOrder(
        number=1, attempt="job00001/0/1", commands=(command or ("echo", "it", "ran"),), environment={},
        cwd=cwd, log_file=str(tmp_path / "log"), timeout_s=timeout_s,
    )  # fmt: skip
    return Attempt(order, dict(os.environ), "a1", min_free_bytes=32 << 20)


def finish(attempt: Attempt) -> AttemptEnding:
    """What an Agent's loop does until it is over."""
    while attempt.ending is None:
        waits = [attempt.wake_fd] if attempt.wake_fd is not None else []
        select.select(waits, [], [], attempt.next_step_s(time.monotonic()))
        attempt.step(time.monotonic())
    return attempt.ending


@contextmanager
def room_for_a_log() -> Iterator[None]:
    """Two more can be opened meanwhile, and no more: for the log and its folder, and not for a process."""
    import resource

    gc.collect()  # what earlier tests left open and is closed now, is not closed meanwhile
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    filled: list[int] = []  # the limit is one of the highest number, so no lower one may be free
    highest = max(int(entry.name) for entry in Path("/dev/fd").iterdir())
    while not filled or filled[-1] <= highest:
        filled.append(os.dup(0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (filled[-1] + 3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in filled:
            os.close(fd)


def test_one_that_the_machine_has_no_room_for_waits_for_it(tmp_path: Path) -> None:
    """Else it would fail, and all that wait after it, for what is over in a moment."""
    attempt = attempt_of(tmp_path, str(tmp_path))
    before = time.monotonic()
    with room_for_a_log():
        attempt.start()
        assert attempt.ending is None
        assert attempt.next_step_s(before) > 0
    assert finish(attempt).outcome == "completed"
    first, last = (tmp_path / "log").read_text().splitlines()
    assert first.startswith("[kq] ") and f"{attempt_machine.ROOM_TIMEOUT_S:g} s" in first
    assert last == "it ran"


def test_one_that_waits_for_room_can_be_stopped(tmp_path: Path) -> None:
    """Nothing of it runs yet, and nothing will."""
    attempt = attempt_of(tmp_path, str(tmp_path))
    with room_for_a_log():
        attempt.start()
        attempt.request_stop(5.0)
        assert finish(attempt).outcome == "stopped"


def test_one_that_waits_for_room_keeps_its_time_limit(tmp_path: Path) -> None:
    """The limit counts from the start of the attempt, whether its command could be started or not."""
    attempt = attempt_of(tmp_path, str(tmp_path), timeout_s=0.2)
    with room_for_a_log():
        attempt.start()
        assert finish(attempt).outcome is Outcome.TIMED_OUT


def test_a_command_that_has_ended_does_not_wake_the_loop_while_its_processes_are_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its descriptor stays readable: the loop would spin as long as a process survives SIGKILL."""

    class SlowTreeEnd(process.TreeEnd):
        """Stands for processes that do not end at once, as those in an uninterruptible wait."""

        steps = 0

        def step(self) -> bool:
            SlowTreeEnd.steps += 1
            return SlowTreeEnd.steps > 3 and super().step()

    monkeypatch.setattr(process, "TreeEnd", SlowTreeEnd)
    attempt = attempt_of(tmp_path, str(tmp_path), "sleep", "60")
    attempt.start()
    assert attempt.wake_fd is not None
    attempt.request_stop(0.0)
    assert SlowTreeEnd.steps == 1
    assert attempt.wake_fd is None
    assert finish(attempt).stop_method is StopMethod.KILLED


def test_a_log_that_cannot_be_opened_is_not_read_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it contains was written by an earlier render. (Root may open any file, so the error is made.)"""

    def refuse(_path: str, *, create_folder: bool) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(attempt_module, "open_to_append", refuse)
    (tmp_path / "log").write_text("ALF_PROGRESS 90%\nerror: no licence\n")
    gate = tmp_path / "gate"
    attempt = attempt_of(
        tmp_path, str(tmp_path), "sh", "-c", f"until test -e {gate}; do sleep 0.05; done; exit 3"
    )
    attempt.start()
    later = time.monotonic() + 0.5
    attempt.step(later)
    assert attempt.next_step_s(later) > 0, "the Agent's loop would spin"
    gate.touch()
    ending = finish(attempt)
    assert (ending.progress, ending.outcome) == (None, Outcome.FAILED)
    assert "licence" not in ending.reason
    assert "Permission denied" in ending.warning


def test_a_log_that_only_a_standby_process_can_open_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An Agent refuses a log that is a link. A standby process would follow it, and its output would be in a
    log that is never read, with the warning that there is none: it is ended, and the render started anew."""
    loaded: list[ReadyProcess] = []

    class Recorded(ReadyProcess):
        def __init__(self, argv: tuple[str, ...], environment: dict[str, str], before: str = "") -> None:
            super().__init__(argv, environment, before)
            loaded.append(self)

    monkeypatch.setattr(standby_module, "ReadyProcess", Recorded)
    program = (sys.executable, str(Path(__file__).with_name("ready.py")))
    log, target, output = tmp_path / "log", tmp_path / "target", tmp_path / "output"
    target.touch()
    log.symlink_to(target)
    order = AssignOrder(
        number=1, attempt="job00001/0/1", commands=((*program, "sh", f"echo written; touch {output}"),),
        environment={}, cwd=str(tmp_path), log_file=str(log),
        standby=(*program, "--standby", str(tmp_path / "standbys")),
    )  # fmt: skip
    environment = {**os.environ, "KQ_JOB": "job00001", "KQ_TASK": "0", "KQ_ATTEMPT": "1"}
    standby = Standby(300.0, 1 << 30, pytest.fail)
    standby.prepare_next(order, environment, str(tmp_path))
    standby.step(time.monotonic() + 1.0)
    until(lambda: loaded[0].is_ready, "the standby process to be ready")
    attempt = Attempt(order, environment, "a1", standby)
    attempt.start()
    ending = finish(attempt)
    until(lambda: not is_alive(loaded[0].child.pid), "the standby process to end")
    assert ending.outcome is Outcome.COMPLETED
    assert output.exists()
    assert target.read_text() == ""
    assert str(log) in ending.warning


def test_without_a_log_a_render_is_not_silent(tmp_path: Path) -> None:
    """Its output is not seen, so a limit on the time without output cannot be applied."""
    order = AssignOrder(
        number=1, attempt="job00001/0/1", commands=(("true",),), environment={}, cwd=str(tmp_path),
        log_file=str(tmp_path / "log"), silence_s=5.0,
    )  # fmt: skip
    limits = UsageLimits(order, 0.0)
    limits.record_sample(10.0, 1, 0.0)
    assert limits.exceeded(10.0) is not None
    limits.ignore_silence()
    assert limits.exceeded(10.0) is None


def test_one_that_finds_no_room_fails_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has to look at that machine."""
    monkeypatch.setattr(attempt_machine, "ROOM_TIMEOUT_S", 0.0)
    attempt = attempt_of(tmp_path, str(tmp_path))
    with room_for_a_log():
        attempt.start()
        ending = finish(attempt)
    assert ending.outcome == "failed"
    assert ending.reason and f"[kq] error: {ending.reason}" in (tmp_path / "log").read_text()


def test_of_a_user_without_a_home_it_fails_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container, whose users are numbers; and its Agent lives."""
    import pwd

    def nobody(_user: int) -> pwd.struct_passwd:
        raise KeyError("uid not found")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.delenv("HOME")
    attempt = attempt_of(tmp_path, "")
    attempt.start()
    assert attempt.ending is not None
    assert attempt.ending.outcome == "failed"
    assert attempt.ending.reason


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_log_that_fills_the_disk_ends_its_render_before_it_is_full(tmp_path: Path) -> None:
    with small_disk(tmp_path, "size=64m") as mount:
        (mount / "filler").write_bytes(bytes(50 << 20))
        attempt = attempt_of(
            mount, str(mount), "sh", "-c", "for _ in $(seq 190); do seq 10000; done; sleep 60"
        )
        attempt.start()
        ending = finish(attempt)
        assert ending.outcome is Outcome.FAILED
        assert "KQ_MIN_FREE_BYTES" in ending.reason
        assert shutil.disk_usage(mount).free > 0


@pytest.mark.parametrize(
    ("log", "free", "is_stopped"), [(11, 10, True), (9, 10, False), (11, 100, False), (1, 0, False)]
)
def test_only_a_log_that_is_larger_than_what_is_left_ends_its_render(
    tmp_path: Path, log: int, free: int, is_stopped: bool
) -> None:
    """What others fill the disk with ends no render whose own log is small. Sizes are in MiB."""
    order = AssignOrder(
        number=1, attempt="job00001/0/1", commands=(("true",),), environment={}, cwd=str(tmp_path),
        log_file=str(tmp_path / "log"),
    )  # fmt: skip
    limits = UsageLimits(order, 0.0, min_free_bytes=50 << 20)
    limits.record_log_size(log << 20, free << 20)
    assert (limits.exceeded(1.0) is not None) == is_stopped
    limits.record_log_size(log << 20, None)
    assert limits.exceeded(1.0) is None
