"""How soon does a submitted process start: with idle Agents, and with 100,000 tasks waiting?

The first step is a line that `/bin/sh` writes to a named pipe; the bare limit is Popen of the same.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import psutil

from benchmarks.measuring import Doorbell, connected_session, figures, until
from benchmarks.peers import installed_peers, missing_peers
from kq.api import AgentState, JobSpec, Session

__all__ = ["run"]


def run(*, small: bool) -> list[dict[str, object]]:
    """Rows of figures: milliseconds from submit to first step, tasks submitted a second, megabytes."""
    return _idle(5 if small else 200) + _waiting(1_000 if small else 100_000, 5 if small else 100)


def _idle(count: int) -> list[dict[str, object]]:
    what = "submit to first step, idle, ms"
    taken: dict[str, list[float]] = {}
    with connected_session() as (session, folder), installed_peers() as peers:
        bell = Doorbell(folder)
        try:
            for _ in range(count):
                begin_s = time.perf_counter()
                child = subprocess.Popen(bell.ring)
                taken.setdefault("bare Popen", []).append((bell.wait()[0] - begin_s) * 1000)
                child.wait()
                taken.setdefault("kq", []).append(_first_step_ms(session, bell))
                for name, submit in peers.items():
                    begin_s = time.perf_counter()
                    ended = submit(bell.ring)
                    taken.setdefault(name, []).append((bell.wait()[0] - begin_s) * 1000)
                    ended()
        finally:
            bell.close()
    bare = taken["bare Popen"]
    rows = [figures(what, who, values, bare) for who, values in taken.items()]
    return rows + [{"what": what, "who": name, "median": "not installed"} for name in missing_peers()]


def _waiting(tasks: int, count: int) -> list[dict[str, object]]:
    """Two queues, each with one Agent busy and one idle: nothing waits in one, `tasks` in the other.

    The busy Agent runs a task of the job with the waiting ones, which is limited to one task at a time.
    """
    rows: list[dict[str, object]] = []
    with connected_session() as (empty, folder), connected_session() as (full, full_folder):
        empty_bell, full_bell = Doorbell(folder), Doorbell(full_folder)
        try:
            _occupy(empty, empty_bell, folder, 1)
            server = psutil.Process(full.ready["pid"] if full.ready else 0)
            before = server.memory_info().rss
            for size in sorted({tasks // 100 or 1, tasks}):
                spent_s = _occupy(full, full_bell, full_folder, size)
                rate = {"who": "kq", "median": round(size / spent_s), "samples": 1}
                rows.append({"what": f"one job of {size:,} tasks submitted, tasks/s", **rate})
                if size != tasks:
                    job = full.client.jobs()[0].id
                    full.client.stop_jobs([job]).result(60)
                    _settle(full, busy=0)
            empty_ms, full_ms = [], []
            for _ in range(count):
                empty_ms.append(_first_step_ms(empty, empty_bell, busy=1))
                full_ms.append(_first_step_ms(full, full_bell, busy=1))
            after = server.memory_info().rss
        finally:
            empty_bell.close()
            full_bell.close()
    rows.append(figures("submit to first step, nothing waiting, ms", "kq", empty_ms))
    rows.append(figures(f"submit to first step, {tasks:,} tasks waiting, ms", "kq", full_ms, empty_ms))
    for what, size in (("before", before), (f"with {tasks:,} tasks waiting", after)):
        rows.append({"what": f"server resident {what}, MB", "who": "kq", "median": round(size / 1e6, 1)})
    return rows


def _occupy(session: Session, bell: Doorbell, folder: Path, tasks: int) -> float:
    """Submit a job that keeps one Agent busy; returns the seconds until the queue had taken it."""
    begin_s = time.perf_counter()
    _job_id, taken = session.client.submit(
        JobSpec(
            name="waiting",
            commands=(("/bin/sh", "-c", f"echo >'{bell.path}'; exec sleep 100000"),),
            frames=f"1-{tasks}",
            max_parallel=1,
            priority=-1,
            cwd=str(folder),
        )
    )
    taken.result(60)
    spent_s = time.perf_counter() - begin_s
    bell.wait()
    _settle(session, busy=1)
    return spent_s


def _settle(session: Session, busy: int) -> None:
    """Wait until only `busy` Agents hold a task."""
    until(lambda: sum(agent.state is not AgentState.IDLE for agent in session.client.agents()) == busy)


def _first_step_ms(session: Session, bell: Doorbell, busy: int = 0) -> float:
    begin_s = time.perf_counter()
    job_id, _taken = session.client.submit(JobSpec(name="ring", commands=(bell.ring,), cwd="/"))
    taken_ms = (bell.wait()[0] - begin_s) * 1000

    def is_over() -> bool:
        job = session.client.job(job_id)
        return job is not None and job.state.is_terminal

    until(is_over)
    _settle(session, busy)
    return taken_ms
