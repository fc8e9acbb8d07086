"""How many `true` commands a second do two Agents run, as single-task jobs and as one large job?

The bare limit is two processes that each start `true` with posix_spawn and wait, over and over.
"""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.measuring import connected_session, figures, until
from benchmarks.peers import Submit, installed_peers, missing_peers
from kq.api import JobSpec, JobState, Session

__all__ = ["run"]

TRUE = ("/bin/true",)
ROUNDS = 3
_LOOP = """
import os, sys
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[1])):
    os.waitpid(os.posix_spawn("/bin/true", ["/bin/true"], os.environ), 0)
"""


def run(*, small: bool) -> list[dict[str, object]]:
    """Rows of `true` a second; p95 is of the rounds, so here it is the best of them."""
    count, rounds = (20, 1) if small else (5_000, ROUNDS)
    taken: dict[str, list[float]] = {}
    with connected_session() as (session, _folder), installed_peers() as peers:
        for _ in range(rounds):
            taken.setdefault("two bare spawn loops", []).append(count / _bare_s(count))
            taken.setdefault("kq, one submit each", []).append(count / _submit_s(session, [""] * count))
            taken.setdefault("kq, one job of tasks", []).append(count / _submit_s(session, [f"1-{count}"]))
            for name, submit in peers.items():
                taken.setdefault(name, []).append(count / _peer_s(submit, count))
    bare = taken["two bare spawn loops"]
    what = f"{count:,} `true` on two Agents, a second"
    rows = [figures(what, who, values, bare) for who, values in taken.items()]
    return rows + [{"what": what, "who": name, "median": "not installed"} for name in missing_peers()]


def _bare_s(count: int) -> float:
    command = [sys.executable, "-S", "-c", _LOOP, str(count // 2)]
    loops = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    for loop in loops:
        assert loop.stdout is not None
        loop.stdout.readline()
    # Both interpreters have started: only spawning is timed.
    begin_s = time.perf_counter()
    for loop in loops:
        assert loop.stdin is not None
        loop.stdin.write(b"\n")
        loop.stdin.flush()
    for loop in loops:
        if loop.wait():
            raise RuntimeError("a bare spawn loop failed")
    spent_s = time.perf_counter() - begin_s
    for loop in loops:
        loop.communicate()
    return spent_s


def _submit_s(session: Session, frames: list[str]) -> float:
    """Seconds from the first submit until the client knows that every job completed."""
    client = session.client
    begin_s = time.perf_counter()
    waiting = [
        client.submit(JobSpec(name="true", commands=(TRUE,), frames=each, cwd="/"))[0] for each in frames
    ]

    def all_over() -> bool:
        while waiting:
            job = client.job(waiting[-1])
            if job is None or not job.state.is_terminal:
                return False
            if job.state is not JobState.COMPLETED:
                raise RuntimeError(f"a job ended {job.state.value}: {job.reason}")
            waiting.pop()
        return True

    until(all_over, every_s=0.01)
    return time.perf_counter() - begin_s


def _peer_s(submit: Submit, count: int) -> float:
    begin_s = time.perf_counter()
    for ended in [submit(TRUE) for _ in range(count)]:
        ended()
    return time.perf_counter() - begin_s
