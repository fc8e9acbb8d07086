"""How many decisions a second does the core make, how much memory does it hold, and how do both grow?

Simulated Agents respond at once: no process, socket, clock or file is involved.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import psutil

from kq.core import Core, CoreSettings, Instant
from kq.core import events as ev
from kq.core import instructions as do
from kq.messages import AttemptEnding
from kq.records import JobSpec, attempt_id

__all__ = ["run"]

COMMANDS = (("render", "--quiet", "scene.usd"),)
CASE_TIMEOUT_S = 600


def run(*, small: bool) -> list[dict[str, object]]:
    """One row a case, each measured in a process of its own, so that memory is the case's alone.

    Args:
        small: the smallest sizes only, as a smoke test.

    Returns:
        Rows with `shape`, `agents`, `tasks`, and what each step cost: microseconds a task or a heartbeat,
        decisions a second (a task submitted, given and ended counts as one), bytes a task.
    """
    return [measure_apart(shape, agents, tasks) for shape, agents, tasks in cases(small=small)]


def cases(*, small: bool) -> list[tuple[str, int, int]]:
    """Return each case: shape of the work, number of Agents, number of tasks."""
    if small:
        return [(shape, 100, 1_000) for shape in SHAPES]
    growth = [(shape, 10_000, tasks) for shape in SHAPES for tasks in (1_000, 10_000, 100_000, 1_000_000)]
    return growth + [("one job", agents, 100_000) for agents in (2, 100, 1_000)]


SHAPES = {"one job": 0, "jobs of 10": 10, "jobs of 1": 1}
"""How the tasks are divided among jobs; 0: all in one."""


def measure(shape: str, agents: int, tasks: int) -> dict[str, object]:
    """Submit `tasks`, let `agents` work through them, send a round of heartbeats in the middle."""
    core = Core(CoreSettings(agents_wanted=0))
    specs = _specs(SHAPES[shape], tasks)
    process = psutil.Process()
    gc.collect()
    before = process.memory_info().rss

    started = time.perf_counter()
    for number, spec in enumerate(specs):
        core.handle(ev.JobSubmitted(f"job{number:07}", spec), _now(number))
    submit_s = time.perf_counter() - started
    waiting_rss = process.memory_info().rss

    work: deque[tuple[str, str]] = deque()
    started = time.perf_counter()
    for number in range(agents):
        joined = ev.AgentRegistered(f"r{number}", "host", 100, 1.0, local=False)
        _take(core.handle(joined, _now(number)), work)
    join_s = time.perf_counter() - started
    given = len(work)

    beating_s, ended, decide_s = 0.0, 0, 0.0
    while work:
        if ended >= tasks // 2 and not beating_s:
            beating_s = _heartbeats(core, work)
        events = [_ending(*work.popleft()) for _ in range(min(1000, len(work)))]
        started = time.perf_counter()
        for event in events:
            _take(core.handle(event, _now(ended)), work)
            ended += 1
        decide_s += time.perf_counter() - started
    if ended != tasks or any(not core.job(job_id).is_complete for job_id in core.job_ids()):
        raise AssertionError(f"{ended} of {tasks} tasks ended")
    gc.collect()
    done_rss = process.memory_info().rss
    # The first tasks were assigned while the Agents registered: count their share of the decisions.
    per_task_s = submit_s / tasks + decide_s / tasks
    return {
        "shape": shape,
        "agents": agents,
        "tasks": tasks,
        "decisions_per_s": round(1.0 / per_task_s),
        "submit_us_per_task": round(submit_s / tasks * 1e6, 2),
        "join_us_per_agent": round(join_s / agents * 1e6, 2),
        "end_and_next_us_per_task": round(decide_s / tasks * 1e6, 2),
        "heartbeat_us": round(beating_s / max(1, given) * 1e6, 2),
        "waiting_bytes_per_task": round((waiting_rss - before) / tasks),
        "done_bytes_per_task": round((done_rss - before) / tasks),
        "rss_mb": round(done_rss / 2**20),
    }


def _specs(tasks_in_job: int, tasks: int) -> list[JobSpec]:
    size = tasks_in_job or tasks
    return [
        JobSpec(name=f"shot {number}", commands=COMMANDS, frames=f"1-{size}" if size > 1 else "")
        for number in range(tasks // size)
    ]


def _now(count: int) -> Instant:
    return Instant(1000.0 + count * 1e-6, 1.7e9)


def _take(instructions: Sequence[do.Instruction], work: deque[tuple[str, str]]) -> None:
    for each in instructions:
        if type(each) is do.Assign:
            work.append((each.agent, attempt_id(each.job_id, each.task, each.attempt)))


def _ending(agent: str, attempt: str) -> ev.AttemptEnded:
    return ev.AttemptEnded(
        AttemptEnding(
            agent=agent, attempt=attempt, outcome="completed", exit_code=0, peak_memory=2**30, cpu_s=12.5
        )
    )


def _heartbeats(core: Core, work: deque[tuple[str, str]]) -> float:
    events = [
        ev.AgentHeartbeat(agent, 1, 10**6, attempt=attempt, cpu_percent=99.0, memory=2**30)
        for agent, attempt in work
    ]
    now = _now(0)
    started = time.perf_counter()
    for event in events:
        core.handle(event, now)
    return time.perf_counter() - started


def measure_apart(shape: str, agents: int, tasks: int) -> dict[str, object]:
    """`measure` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.core_simulation", shape, str(agents), str(tasks)],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CASE_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the case {shape}, {agents} Agents, {tasks} tasks failed: {done.stderr[-2000:]}")
    row: dict[str, object] = json.loads(done.stdout)
    return row


def main(arguments: Sequence[str]) -> None:
    """Without arguments all cases, as a table; with `--small` the smallest; with a case, its row as JSON."""
    if len(arguments) == 3:
        print(json.dumps(measure(arguments[0], int(arguments[1]), int(arguments[2]))))
        return
    rows = run(small="--small" in arguments)
    print(" | ".join(rows[0]))
    for row in rows:
        print(" | ".join(str(value) for value in row.values()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
