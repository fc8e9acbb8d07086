"""Does a task cost the same among 1,000 as among 100,000? One job of each size is run to its end.

CPU time is the server's alone: only that could grow, and other load on the machine hardly affects it.
"""

from __future__ import annotations

import time

import psutil

from benchmarks.measuring import connected_session, cpu_s, until
from kq.api import JobSpec, JobState, Session

__all__ = ["run"]


def run(*, small: bool) -> list[dict[str, object]]:
    """Rows of tasks a second, the server's CPU milliseconds a task and its megabytes, a stretch each."""
    sizes = (20, 100) if small else (1_000, 100_000)
    stretch = sizes[0]
    rows: list[dict[str, object]] = []
    with connected_session() as (session, _folder):
        server = psutil.Process(session.ready["pid"] if session.ready else 0)
        _run_job(session, server, stretch, stretch)  # warm-up
        for size in sizes:
            stretches = _run_job(session, server, size, stretch)
            for name, row in (("first", stretches[0]), ("last", stretches[-1])):
                if size != stretch or name == "first":
                    what = f"{name} {stretch:,} of {size:,} tasks" if size != stretch else f"{size:,} tasks"
                    rows.append({"what": what, "who": "kq", **row})
    base = float(str(rows[0]["server_cpu_ms_a_task"]))
    for row in rows:
        row["ratio"] = round(float(str(row["server_cpu_ms_a_task"])) / base, 2)
    return rows


def _run_job(session: Session, server: psutil.Process, size: int, stretch: int) -> list[dict[str, object]]:
    """Run a job of `size` tasks; a row for each `stretch` of them."""
    rows: list[dict[str, object]] = []
    at, at_s, at_cpu_s = 0, time.perf_counter(), cpu_s(server)
    job_id, _taken = session.client.submit(
        JobSpec(name="true", commands=(("/bin/true",),), frames=f"1-{size}", cwd="/")
    )

    def is_over() -> bool:
        nonlocal at, at_s, at_cpu_s
        job = session.client.job(job_id)
        if job is None:
            return False
        if job.tasks_completed - at >= stretch or (job.state.is_terminal and job.tasks_completed > at):
            now_s, now_cpu_s, done = time.perf_counter(), cpu_s(server), job.tasks_completed - at
            rows.append(
                {
                    "tasks_a_second": round(done / (now_s - at_s)),
                    "server_cpu_ms_a_task": round((now_cpu_s - at_cpu_s) * 1000 / done, 3),
                    "server_mb": round(server.memory_info().rss / 1e6, 1),
                }
            )
            at, at_s, at_cpu_s = job.tasks_completed, now_s, now_cpu_s
        if job.state.is_terminal and job.state is not JobState.COMPLETED:
            raise RuntimeError(f"the job ended {job.state.value}: {job.reason}")
        return job.state.is_terminal

    until(is_over, every_s=0.01, longest_s=3600.0)
    return rows
