"""Kills one part of a queue, or several, while a render misbehaves, and counts what is left of the render.

Nothing is expected here: tests and the table judge what is counted.
"""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import NamedTuple

from kq.process import find_marked, process_start_time
from tests.support.live_queue import LiveQueue, is_alive, kill, until

__all__ = ["KINDS", "TABLE_WAIT_S", "VICTIMS", "Outcome", "kill_and_count"]

VICTIMS = (
    "desktop",
    "guardian",
    "kq server",
    "agent",
    "render process",
    "server with all agents",
    "all of them at once",
)
KINDS = {
    "plain child": "plain",
    "`setsid` child": "setsid",
    "double fork": "double-fork",
    "ignores SIGTERM": "ignore-term",
    "200 children": "many",
    "keeps forking": "forking",
}
TABLE_WAIT_S = 3.0
_HERE = Path(__file__).parent


class Outcome(NamedTuple):
    """What came of one killing."""

    processes: int
    """How many processes the render had when it happened."""
    survivors: int
    """How many of them, or of what they started, ran after the wait, or when the next session had begun.

    Of the server alone: after the job, which had gone on, was stopped.
    """
    gone_after_s: float | None
    """When the last of them was gone; None: not within that time."""


class _Render:
    """The processes of one misbehaving render, by the pids that they note and by their marks."""

    def __init__(self, job_id: str, folder: Path) -> None:
        self._job_id = job_id
        self._pids_file = folder / "pids"
        self._started: dict[int, float] = {}

    def is_ready(self) -> bool:
        return self._pids_file.exists() and "ready" in self._pids_file.read_text().split()

    @property
    def leader(self) -> int:
        return int(self._pids_file.read_text().split()[0])

    def running(self) -> set[int]:
        """What runs of it, whoever its parent is now."""
        if self._pids_file.exists():
            for word in self._pids_file.read_text().split():
                if word.isdigit() and int(word) not in self._started:
                    started = process_start_time(int(word))
                    if started is not None:
                        self._started[int(word)] = started
        noted = {pid for pid, started in self._started.items() if process_start_time(pid) == started}
        first = {each.id for each in find_marked("KQ_ATTEMPT", "1")}
        return noted | {each.pid for each in find_marked("KQ_JOB", self._job_id) if each.id in first}


def kill_and_count(
    folder: Path, victim: str, kind: str, *, wait_s: float, whole_wait: bool = False, **settings: object
) -> Outcome:
    """Start a queue and a render of `kind` (a value of KINDS), kill `victim`, count.

    Args:
        folder: an empty folder.
        wait_s: how long to wait until nothing is left, in seconds.
        whole_wait: count after the whole wait, even when nothing was left before.
        settings: KQ_ variables.
    """
    data_root = folder / "data"
    data_root.mkdir()
    agents = 2 if victim == "server with all agents" else 1
    program = [sys.executable, str(_HERE / "desktop.py")]
    queue = LiveQueue(data_root, agents, program, **settings)
    try:
        queue.start()
        job_id = queue.submit(sys.executable, str(_HERE / "render.py"), kind, str(folder))
        render = _Render(job_id, folder)
        until(render.is_ready, "the render")
        parts = _parts(queue, render)
        before = len(render.running())
        ends_session = victim in ("desktop", "all of them at once")
        queue.disconnect()
        for pid in parts[victim]:
            # What dies by itself when another goes was killed as well.
            with contextlib.suppress(ProcessLookupError):
                kill(pid)
        killed_at = time.monotonic()
        if victim == "all of them at once":
            with LiveQueue(data_root, 1):
                return Outcome(before, len(_left(queue, render)), time.monotonic() - killed_at)
        if victim == "kq server":
            # Its Agents live on and the server that follows takes their renders up again: none is an orphan.
            # So the job is stopped then, and counting begins.
            _stop_what_went_on(queue, job_id)
            killed_at = time.monotonic()
        gone_after = None
        while (now := time.monotonic() - killed_at) < wait_s:
            left = _left(queue, render) if ends_session else render.running()
            if left:
                gone_after = None
            elif gone_after is None:
                gone_after = now
                if not whole_wait:
                    break
            time.sleep(0.02)
        left = _left(queue, render) if ends_session else render.running()
        return Outcome(before, len(left), gone_after)
    finally:
        queue.close()


def _stop_what_went_on(queue: LiveQueue, job_id: str) -> None:
    agent = queue.await_job(job_id, "Running").agent
    until(
        lambda: [each for each in queue.client.agents() if each.id == agent and each.job == job_id], "it back"
    )
    assert queue.job(job_id).attempts == 1, "it was started again although it still ran"
    queue.client.stop_jobs([job_id]).result(60)


def _parts(queue: LiveQueue, render: _Render) -> dict[str, list[int]]:
    agents, server = queue.agent_pids(), queue.server_pid
    everything = [queue.serve_pid, queue.guardian_pid, server, *agents, render.leader]
    parts = ([queue.serve_pid], [queue.guardian_pid], [server], agents, [render.leader], [server, *agents])
    return dict(zip(VICTIMS, (*parts, everything), strict=True))


def _left(queue: LiveQueue, render: _Render) -> set[int]:
    """What is left of the render and of the session's own processes."""
    own = {each.pid for each in find_marked("KQ_SESSION", queue.session)}
    return own | render.running() | {pid for pid in [queue.guardian_pid] if is_alive(pid)}
