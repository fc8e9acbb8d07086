"""What do an idle server and two idle Agents cost?

CPU time and memory as counted by the kernel, over ten idle seconds.
"""

from __future__ import annotations

import time

import psutil

from benchmarks.measuring import connected_session, cpu_s

__all__ = ["run"]


def run(*, small: bool) -> list[dict[str, object]]:
    """A row a process, and one for the server and Agents together: percent of one core, megabytes."""
    watched_s = 1.0 if small else 10.0
    with connected_session() as (session, _folder):
        server = psutil.Process(session.ready["pid"] if session.ready else 0)
        agents = [psutil.Process(agent.pid) for agent in session.client.agents()]
        guardian = server.parent()
        processes = {"server": server, **{f"Agent {n}": agent for n, agent in enumerate(agents, 1)}}
        if guardian is not None:
            processes["guardian"] = guardian
        time.sleep(watched_s / 5)  # until the work of starting is over
        begin_s = time.perf_counter()
        before = {who: cpu_s(process) for who, process in processes.items()}
        time.sleep(watched_s)
        spent_s = {who: cpu_s(process) - before[who] for who, process in processes.items()}
        seconds = time.perf_counter() - begin_s
        rows: list[dict[str, object]] = []
        for who, process in processes.items():
            memory = process.memory_full_info()
            rows.append(
                {
                    "who": who,
                    "cpu_percent": round(spent_s[who] / seconds * 100, 2),
                    "resident_mb": round(memory.rss / 1e6, 1),
                    "its_own_mb": round(memory.uss / 1e6, 1),
                    "watched_s": round(seconds, 1),
                }
            )
    together_s = sum(spent for who, spent in spent_s.items() if who != "guardian")
    rows.append({"who": "server and Agents", "cpu_percent": round(together_s / seconds * 100, 2)})
    return rows
