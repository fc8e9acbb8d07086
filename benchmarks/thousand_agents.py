"""With 1,000 Agents connected: what does the server cost while idle, how soon does a stop reach its Agent?

The Agents use the real protocol, each with its sockets, key and handshake, but share one process and
run no renders.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import psutil

from benchmarks.measuring import LONGEST_S, Doorbell, connected_session, figures, until
from kq import __version__
from kq import messages as m
from kq.agent_config import AgentConfig
from kq.api import AgentState, JobSpec, Session
from kq.process import own_id
from kq.wire import AgentWire, Poller

__all__ = ["run"]

HOST = "many"
_TURN_S = 0.005
"""Pause between two turns of the Agents' loop, as each turn polls all sockets."""


def run(*, small: bool) -> list[dict[str, object]]:
    """Rows: seconds until all are there, percent of a core, milliseconds from stop to the Agent."""
    count, watched_s, stops = (20, 1.0, 3) if small else (1_000, 10.0, 100)
    with connected_session(agents=1) as (session, folder):
        server = psutil.Process(session.ready["pid"] if session.ready else 0)
        # Otherwise the queue's own Agent would take jobs meant for these.
        session.client.drain_agents([agent.id for agent in session.client.agents()]).result(LONGEST_S)
        alone_percent = _cpu_percent(server, watched_s)
        config = folder / "connection.json"
        config.write_text(session.client.admit_host(HOST, "", count).result(LONGEST_S))
        bell = Doorbell(folder)
        begin_s = time.perf_counter()
        agents = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.thousand_agents", str(config), str(count), str(bell.path)],
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.PIPE,
        )
        try:
            connecting_s, joined_s = json.loads(bell.wait()[1])
            until(lambda: _idle(session) == count)
            seen_s = time.perf_counter() - begin_s
            time.sleep(watched_s / 5)  # until the work of registration is over
            percent = _cpu_percent(server, watched_s)
            memory_mb = server.memory_info().rss / 1e6
            stop_ms, told_ms = _stops(session, bell, stops)
        finally:
            agents.communicate()  # closing its stdin ends it
            bell.close()
    what = f"{count:,} Agents"
    return [
        {"what": f"{what}: all registered, s", "who": "kq", "median": round(joined_s, 2)},
        {
            "what": f"{what}: of that, their own sockets made, s",
            "who": "kq",
            "median": round(connecting_s, 2),
        },
        {
            "what": f"{what}: start of their process to the client seeing all idle, s",
            "who": "kq",
            "median": round(seen_s, 2),
        },
        {"what": "one Agent: idle server, % of a core", "who": "kq", "median": round(alone_percent, 2)},
        {"what": f"{what}: idle server, % of a core", "who": "kq", "median": round(percent, 2)},
        {"what": f"{what}: server resident, MB", "who": "kq", "median": round(memory_mb, 1)},
        figures(f"{what}: stop to the Agent that runs it, ms", "kq", stop_ms),
        figures(f"{what}: stop to the client seeing it Cancelled, ms", "kq", told_ms),
    ]


def _idle(session: Session) -> int:
    return sum(agent.state is AgentState.IDLE and not agent.local for agent in session.client.agents())


def _cpu_percent(server: psutil.Process, watched_s: float) -> float:
    before, begin_s = sum(server.cpu_times()[:2]), time.perf_counter()
    time.sleep(watched_s)
    return (sum(server.cpu_times()[:2]) - before) / (time.perf_counter() - begin_s) * 100


def _stops(session: Session, bell: Doorbell, count: int) -> tuple[list[float], list[float]]:
    """Return milliseconds from a stop to its Agent, and to the client's update that the job has ended."""
    client = session.client
    stop_ms: list[float] = []
    told_ms: list[float] = []
    for _ in range(count):
        job_id, _taken = client.submit(JobSpec(name="pretended", commands=(("true",),), cwd="/"))
        given = json.loads(bell.wait()[1])
        if given["assigned"].split("/")[0] != job_id:
            raise RuntimeError(f"{given} was given instead of {job_id}")
        begin_s = time.perf_counter()
        client.stop_jobs([job_id])
        told = json.loads(bell.wait()[1])
        if told != {"stopped": given["assigned"], "agent": given["agent"], "at": told["at"]}:
            raise RuntimeError(f"the stop of {given} reached {told}")
        # Both processes read the same monotonic clock.
        stop_ms.append((told["at"] - begin_s) * 1000)

        def is_over(job_id: str = job_id) -> bool:
            job = client.job(job_id)
            return job is not None and job.state.is_terminal

        until(is_over, every_s=0.001)
        told_ms.append((time.perf_counter() - begin_s) * 1000)
    return stop_ms, told_ms


class _PretendedAgent:
    """Sends the messages of kq.agent.program without running processes."""

    def __init__(self, config: AgentConfig, number: int, first_beat: float) -> None:
        self.id = f"{HOST}:{number}"
        self.wire = AgentWire(config.connection, self.id, network=not config.local)
        self.registered = False
        self._heartbeat_s = self._usual_heartbeat_s = config.heartbeat_s
        self._next_beat = first_beat
        self._heartbeat_number = 0
        self._assign_number = 0
        self._attempt = ""
        self.wire.send_request(
            m.RegisterUpdate(
                protocol=m.PROTOCOL_VERSION,
                version=__version__,
                agent=self.id,
                host=HOST,
                pid=os.getpid(),
                started=own_id().start_time,
            )
        )

    def heartbeat(self, now: float) -> None:
        """Send a heartbeat if one is due."""
        if not self.registered or now < self._next_beat:
            return
        self._next_beat = now + self._heartbeat_s
        self._heartbeat_number += 1
        self.wire.send_update(
            m.HeartbeatUpdate(
                agent=self.id,
                number=self._heartbeat_number,
                assign_number=self._assign_number,
                attempt=self._attempt,
            )
        )

    def take(self, ring: int) -> None:
        """Handle received messages; assignments and stops are also written to the descriptor `ring`."""
        for _change in self.wire.connection_changes():
            pass
        for order in self.wire.replies():
            if isinstance(order, m.AcknowledgeOrder):
                self.registered = True
                self._heartbeat_s = order.heartbeat_s or self._usual_heartbeat_s
                if order.stop and order.desired == self._attempt:
                    self._stop(ring)  # its broadcast was lost
            elif isinstance(order, m.AssignOrder):
                self._assign_number, self._attempt = order.number, order.attempt
                _say(ring, {"assigned": order.attempt, "agent": self.id})
            elif isinstance(order, m.EndOrder):
                raise SystemExit(f"{self.id} was sent away: {order.reason}")
        for told in self.wire.broadcasts():
            if isinstance(told, m.StopOrder) and told.attempt == self._attempt:
                self._stop(ring)

    def _stop(self, ring: int) -> None:
        stopped, self._attempt = self._attempt, ""
        _say(ring, {"stopped": stopped, "agent": self.id, "at": time.perf_counter()})
        self.wire.send_update(m.AttemptEnding(agent=self.id, attempt=stopped, outcome="stopped"))


class _Sockets(Poller):
    """A poller that registers its sockets with a shared one: polling each Agent's would be too slow."""

    def __init__(self, poller: Poller) -> None:
        super().__init__()
        self.owners: dict[object, _PretendedAgent] = {}
        self.agent: _PretendedAgent | None = None
        self._real = poller

    def add(self, source: Any) -> None:
        """Register a socket of the current Agent."""
        assert self.agent is not None
        self.owners[source] = self.agent
        self._real.add(source)


def _say(ring: int, words: object) -> None:
    os.write(ring, json.dumps(words).encode())


def main(arguments: Sequence[str]) -> None:
    """Run COUNT Agents until standard input ends; arguments: CONFIG COUNT DOORBELL."""
    config = msgspec.json.decode(Path(arguments[0]).read_bytes(), type=AgentConfig)
    count, ring = int(arguments[1]), os.open(arguments[2], os.O_WRONLY)
    _allow_files()
    poller = Poller()
    poller.add(0)
    begin_s = time.monotonic()
    agents = [
        # Spread heartbeats over the interval, as with Agents on many machines.
        _PretendedAgent(config, number, begin_s + config.heartbeat_s * (1 + number / count))
        for number in range(count)
    ]
    connecting_s, announced = time.monotonic() - begin_s, False
    known = _Sockets(poller)
    for agent in agents:
        known.agent = agent
        agent.wire.add_to(known)
    while 0 not in (ready := poller.wait(_TURN_S)):
        for agent in {known.owners[source] for source in ready}:
            agent.take(ring)
        now = time.monotonic()
        for agent in agents:
            agent.heartbeat(now)
        if not announced and all(agent.registered for agent in agents):
            announced = True
            _say(ring, (connecting_s, time.monotonic() - begin_s))
    for agent in agents:
        agent.wire.close()


def _allow_files() -> None:
    """Raise the limit of open files: each Agent needs about twenty, for its sockets and ZeroMQ's threads."""
    if sys.platform != "win32":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main(sys.argv[1:])
