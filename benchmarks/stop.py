"""How soon has a cooperating render ended, with its child, after a stop request?

The bare limit is killpg and wait for the same two processes. Linux only: uses pidfds.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable

import psutil

from benchmarks.measuring import LONGEST_S, Doorbell, connected_session, figures, until
from kq.api import JobSpec, Session

__all__ = ["run"]

_QUIET_S = 0.2
"""People stop one render and look what becomes of it; they do not stop thirty a second."""


def run(*, small: bool) -> list[dict[str, object]]:
    """Rows of milliseconds: until the processes have ended, and until the client is notified."""
    gone_ms: list[float] = []
    told_ms: list[float] = []
    bare_ms: list[float] = []
    woken_ms: list[float] = []
    with connected_session() as (session, folder), _Sleeper() as sleeper:
        bell = Doorbell(folder)
        render = ("/bin/sh", "-c", f"sleep 100000 & echo $$ $! >'{bell.path}'; wait")
        try:
            for _ in range(3 if small else 100):
                woken_ms.append(sleeper.answer_ms())
                bare_ms.append(_bare_ms(render, bell))
                gone, told = _kq_ms(session, render, bell)
                gone_ms.append(gone)
                told_ms.append(told)
        finally:
            bell.close()
    return [
        figures("a sleeping process wakes and answers, ms", "this machine", woken_ms),
        figures("stop to tree gone, ms", "killpg and wait", bare_ms, bare_ms),
        figures("stop to tree gone, ms", "kq", gone_ms, bare_ms),
        figures("stop to job seen Cancelled, ms", "kq", told_ms, bare_ms),
    ]


class _Sleeper:
    """Tells how busy the machine is: to end, a process has to be given a core like any other that wakes."""

    def __enter__(self) -> _Sleeper:
        self._cat = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.answer_ms()
        return self

    def answer_ms(self) -> float:
        assert self._cat.stdin is not None
        assert self._cat.stdout is not None
        begin_s = time.perf_counter()
        self._cat.stdin.write(b"?")
        self._cat.stdout.read(1)
        return (time.perf_counter() - begin_s) * 1000

    def __exit__(self, *_: object) -> None:
        self._cat.communicate()


def _bare_ms(render: tuple[str, ...], bell: Doorbell) -> float:
    child = subprocess.Popen(render, start_new_session=True)

    def ask() -> None:
        os.killpg(child.pid, signal.SIGTERM)

    pids = _settled(bell)
    time.sleep(_QUIET_S)
    spent_ms = _gone_ms(pids, ask)
    child.wait()
    return spent_ms


def _kq_ms(session: Session, render: tuple[str, ...], bell: Doorbell) -> tuple[float, float]:
    client = session.client
    job_id, _taken = client.submit(JobSpec(name="render", commands=(render,), cwd="/"))
    pids = _settled(bell)
    time.sleep(_QUIET_S)
    begin_s = time.perf_counter()
    gone = _gone_ms(pids, lambda: client.stop_jobs([job_id]))

    def is_over() -> bool:
        job = client.job(job_id)
        return job is not None and job.state.is_terminal

    until(is_over, every_s=0.0005)
    return gone, (time.perf_counter() - begin_s) * 1000


def _settled(bell: Doorbell) -> list[int]:
    """The shell and its child, once both rest.

    The shell rings before its child has become `sleep`, and what has only begun ends in half the time.
    Without this the bare limit is of half-started processes, and kq's, asked a round trip later, of whole
    ones.
    """
    shell, sleep = (psutil.Process(int(pid)) for pid in bell.wait()[1].split())

    def rest() -> bool:
        resting = all(each.status() == psutil.STATUS_SLEEPING for each in (shell, sleep))
        return resting and sleep.name() == "sleep"

    until(rest)
    return [shell.pid, sleep.pid]


def _gone_ms(pids: list[int], ask: Callable[[], object]) -> float:
    """Milliseconds from `ask` until all these processes have ended."""
    fds = [os.pidfd_open(pid) for pid in pids]
    try:
        begin_s = time.perf_counter()
        ask()
        for fd in fds:
            if not select.select([fd], [], [], LONGEST_S)[0]:
                raise TimeoutError("a process outlived its stop")
        return (time.perf_counter() - begin_s) * 1000
    finally:
        for fd in fds:
            os.close(fd)
