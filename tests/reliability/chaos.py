"""Many short jobs while Agents, renders and the server are killed and stopped at random, and the outcome.

Each task locks a file of its own while it runs, and notes its start and its end in one log that is only
appended to. So a second run beside the first is refused the lock, and says so.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

from kq.api import ConnectionStatus, JobSpec, QueueChange
from kq.process import children_of, find_marked
from tests.support.live_queue import LiveQueue, is_alive, kill

__all__ = ["ChaosReport", "check_journal", "run_chaos"]

_SCRIPT = """\
exec 9>"$1/locks/$2"
flock -n 9 || { echo "$2 TWICE $KQ_ATTEMPT" >>"$1/runs"; exit 99; }
echo "$2 start $KQ_ATTEMPT" >>"$1/runs"
sleep "$3"
echo "$2 end $KQ_ATTEMPT" >>"$1/runs"
"""
_AT_ONCE = 500
"""So many jobs wait or run at a time: the later ones are submitted while things are killed as well."""
_SERVER_EVERY_S = 9.0
"""A server that dies more often than 5 times in 30 seconds is not started again."""
_LEASE_S = 2.0


class ChaosReport(NamedTuple):
    """The figures of one run."""

    jobs: int
    accepted: int
    completed: int
    failed: int
    requeued: int
    """Attempts beyond the first of each job."""
    run_twice_at_once: int
    rerun_after_end: int
    """Runs of a task that had ended before, unheard: its Agent was killed before it could say so."""
    done_twice: int
    """Runs that began after the job had been reported Completed."""
    lost: int
    left_over: int
    journal: str
    """SQLite's own verdict on the journal at the end."""
    killed: dict[str, int]
    seconds: float


class _Havoc:
    """Kills and stops at random, on a thread, until asked to end."""

    def __init__(self, queue: LiveQueue, rng: random.Random) -> None:
        self._queue = queue
        self._rng = rng
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._server_at = time.monotonic() + 2.0
        self.done: Counter[str] = Counter()
        self._thread.start()

    def close(self) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        choices: list[tuple[str, Callable[[], bool], int]] = [
            ("renders killed", self._kill_render, 5),
            ("renders stopped for a while", self._stop_render, 2),
            ("Agents killed", self._kill_agent, 3),
            ("Agents stopped for a while", self._stop_agent, 2),
            ("Agents stopped beyond their lease", self._stop_agent_long, 1),
            ("servers killed", self._kill_server, 1),
            ("servers stopped for a while", self._stop_server, 1),
        ]
        while not self._end.wait(self._rng.uniform(0.02, 0.3)):
            name, act, _ = self._rng.choices(choices, [weight for _, _, weight in choices])[0]
            with contextlib.suppress(ProcessLookupError):
                if act():
                    self.done[name] += 1

    def _agent(self) -> int | None:
        session = {each.pid for each in find_marked("KQ_SESSION", self._queue.session)}
        agents = [each.pid for each in find_marked("KQ_ROLE", "agent") if each.pid in session]
        return self._rng.choice(agents) if agents else None

    def _render(self) -> int | None:
        agent = self._agent()
        renders = children_of(agent) if agent else []
        return self._rng.choice(renders) if renders else None

    def _server(self) -> int | None:
        session = {each.pid for each in find_marked("KQ_SESSION", self._queue.session)}
        servers = [each.pid for each in find_marked("KQ_ROLE", "server") if each.pid in session]
        return servers[0] if servers else None

    def _kill(self, pid: int | None) -> bool:
        if pid is None:
            return False
        kill(pid)
        return True

    def _stop(self, pid: int | None, seconds: float) -> bool:
        if pid is None:
            return False
        os.kill(pid, signal.SIGSTOP)
        self._end.wait(seconds)
        os.kill(pid, signal.SIGCONT)
        return True

    def _kill_render(self) -> bool:
        return self._kill(self._render())

    def _stop_render(self) -> bool:
        return self._stop(self._render(), self._rng.uniform(0.05, 0.3))

    def _kill_agent(self) -> bool:
        return self._kill(self._agent())

    def _stop_agent(self) -> bool:
        return self._stop(self._agent(), self._rng.uniform(0.1, 1.0))

    def _stop_agent_long(self) -> bool:
        return self._stop(self._agent(), _LEASE_S * 1.3)

    def _kill_server(self) -> bool:
        if time.monotonic() < self._server_at:
            return False
        self._server_at = time.monotonic() + _SERVER_EVERY_S
        return self._kill(self._server())

    def _stop_server(self) -> bool:
        return self._stop(self._server(), self._rng.uniform(0.2, 1.5))


class _Witness:
    """Notes in the runs' own log when the queue says that a job is Completed."""

    def __init__(self, runs: Path) -> None:
        self._fd = os.open(runs, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._seen: set[str] = set()

    def on_change(self, change: QueueChange) -> None:
        for record in change.jobs:
            if record.state == "Completed" and record.id not in self._seen:
                self._seen.add(record.id)
                os.write(self._fd, f"{record.name} COMPLETED -\n".encode())

    def close(self) -> None:
        os.close(self._fd)


class _Story(NamedTuple):
    """What the log of all runs tells."""

    twice_at_once: int
    rerun_after_end: int
    done_twice: int
    ended: set[str]
    """Jobs of which a run came to its end."""


def _read(runs: Path) -> _Story:
    twice = rerun = done_twice = 0
    ended: set[str] = set()
    completed: set[str] = set()
    for line in runs.read_text().splitlines():
        job, word, _ = line.split()
        if word == "TWICE":
            twice += 1
        elif word == "start":
            done_twice += job in completed
            rerun += job in ended and job not in completed
        elif word == "end":
            ended.add(job)
        else:
            completed.add(job)
    return _Story(twice, rerun, done_twice, ended)


class _Feed:
    """Submits jobs so that always some hundreds are open."""

    def __init__(self, queue: LiveQueue, folder: Path, jobs: int, rng: random.Random) -> None:
        self._client = queue.client
        self._folder = folder
        self._jobs = jobs
        self._rng = rng
        self._asked: dict[str, Future[None]] = {}
        self._made = 0
        self.accepted: list[str] = []

    def go_on(self) -> bool:
        """Submit some more; returns whether all were accepted and are over."""
        for job_id in [each for each, future in self._asked.items() if future.done()]:
            self._asked.pop(job_id).result()
            self.accepted.append(job_id)
        open_jobs = sum(not record.state.is_terminal for record in self._client.jobs())
        for _ in range(min(_AT_ONCE - open_jobs, self._jobs - self._made)):
            self._submit()
        return len(self.accepted) == self._jobs and not open_jobs

    def _submit(self) -> None:
        self._made += 1
        name, seconds = str(self._made), f"{self._rng.uniform(0, 0.05):.3f}"
        command = ("sh", str(self._folder / "task.sh"), str(self._folder), name, seconds)
        spec = JobSpec(name=name, commands=(command,), cwd=str(self._folder), retries=50)
        job_id, future = self._client.submit(spec)
        self._asked[job_id] = future


def run_chaos(
    folder: Path, jobs: int, *, seed: int, agents: int = 4, say: Callable[[str], None] = lambda _line: None
) -> ChaosReport:
    """Run `jobs` jobs through havoc, to the end.

    Args:
        folder: an empty folder.
        seed: of what is random.
        say: called with a line of progress now and then.
    """
    began = time.monotonic()
    rng = random.Random(seed)
    data_root = folder / "data"
    data_root.mkdir()
    (folder / "locks").mkdir()
    (folder / "task.sh").write_text(_SCRIPT)
    settings = {"KQ_HEARTBEAT_S": 0.2, "KQ_LEASE_S": _LEASE_S, "KQ_GRACE_S": 0.5, "KQ_MAX_AGENT_LOSSES": 100}
    with (
        contextlib.closing(_Witness(folder / "runs")) as witness,
        LiveQueue(data_root, agents, **settings) as queue,
    ):
        client, session, guardian = queue.client, queue.session, queue.guardian_pid
        client.add_listener(witness.on_change)
        feed = _Feed(queue, folder, jobs, rng)
        with contextlib.closing(_Havoc(queue, rng)) as havoc:
            said_at = began
            while not feed.go_on():
                if client.status is ConnectionStatus.ENDED:
                    raise AssertionError(f"the queue gave up: {client.message}; {queue.errors}")
                if time.monotonic() - said_at > 10.0:
                    said_at = time.monotonic()
                    over = sum(record.state.is_terminal for record in client.jobs())
                    say(f"{said_at - began:5.0f} s: {len(feed.accepted)} accepted, {over} over")
                time.sleep(0.05)
        records = {record.id: record for record in client.jobs()}
    left = {each.pid for each in find_marked("KQ_SESSION", session)} | {p for p in [guardian] if is_alive(p)}
    story = _read(folder / "runs")
    known = [records[each] for each in feed.accepted if each in records]
    said_without_end = [each for each in known if each.state == "Completed" and each.name not in story.ended]
    return ChaosReport(
        jobs=jobs,
        accepted=len(feed.accepted),
        completed=sum(record.state == "Completed" for record in known),
        failed=sum(record.state == "Failed" for record in known),
        requeued=sum(record.attempts - 1 for record in known),
        run_twice_at_once=story.twice_at_once,
        rerun_after_end=story.rerun_after_end,
        done_twice=story.done_twice,
        lost=len(feed.accepted) - len(known) + len(said_without_end),
        left_over=len(left),
        journal=check_journal(data_root),
        killed=dict(havoc.done),
        seconds=time.monotonic() - began,
    )


def check_journal(data_root: Path) -> str:
    """What SQLite says of each journal below `data_root`; `ok` when all are sound."""
    for path in (data_root / "queues").glob("*/journal.sqlite"):
        with contextlib.closing(sqlite3.connect(path)) as journal:
            verdict = str(journal.execute("PRAGMA integrity_check").fetchone()[0])
        if verdict != "ok":
            return verdict
    return "ok"
