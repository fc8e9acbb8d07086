"""A port of the queue is taken in the moment between one server's death and the next one's start."""

from __future__ import annotations

import contextlib
import json
import math
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from kq.agent_config import AgentConfig
from kq.api import SessionRecord
from kq.client.discovery import live_sessions
from tests.support.commands import NOTHING, SLEEP, held
from tests.support.live_queue import KQ, LiveQueue, frozen, kill, until
from tests.support.ports import free_port

PORTS = ("request", "update", "broadcast")


def session_of(queue: LiveQueue) -> SessionRecord:
    """How to reach the server that runs now."""
    [record] = live_sessions(queue.data_root)
    return record


@contextlib.contextmanager
def killed_and_robbed(queue: LiveQueue, port: int, address: str = "127.0.0.1") -> Iterator[None]:
    """Kill the server; before the next one starts, another program listens on `port`, and answers no one."""

    def listening() -> socket.socket | None:
        try:
            return socket.create_server((address, port))
        except OSError:
            return None  # the system has not cleared up after the dead yet

    with contextlib.ExitStack() as stack:
        with frozen(queue.guardian_pid):
            kill(queue.server_pid)
            stack.enter_context(until(listening, "the port to be free"))
        yield


def test_a_client_knows_the_port_that_it_does_not_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the others connect it again before it reads the new ones: tunnels follow what it knows."""
    monkeypatch.setattr("kq.client.queue_client._POLL_INTERVAL_S", math.inf)
    with LiveQueue(tmp_path, 1) as queue:
        queue.await_agents()
        before = session_of(queue)
        assert queue.client.ports == before.ports
        with killed_and_robbed(queue, before.update_port):
            until(lambda: session_of(queue).pid != before.pid, "another server")
            assert session_of(queue).update_port != before.update_port
            until(lambda: queue.client.ports == session_of(queue).ports, "the client to know its ports")


@pytest.mark.parametrize("name", PORTS)
def test_the_next_server_takes_another_port(tmp_path: Path, name: str) -> None:
    """The render goes on and ends once, the `kq` that waits for it is notified, and a new `kq` works."""
    gate = tmp_path / "gate"
    with LiveQueue(tmp_path, 1) as queue:
        waiting = subprocess.Popen(
            [*KQ, "submit", "--wait", "--", *held(gate)],
            env=queue.environment, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            [job_id] = until(lambda: [job.id for job in queue.client.jobs()], "the job")
            running = queue.await_job(job_id, "Running")
            before = session_of(queue)
            with killed_and_robbed(queue, before.ports[PORTS.index(name)]):
                until(lambda: session_of(queue).pid != before.pid, "another server")
                pairs = zip(PORTS, before.ports, session_of(queue).ports, strict=True)
                assert name in [each for each, old, new in pairs if old != new]
                listed = queue.kq("jobs", "--json")
                assert [each["state"] for each in json.loads(listed.stdout)] == ["Running"], listed.stderr
                later = queue.submit(*NOTHING)
                gate.touch()
                record = queue.await_job(job_id)
                assert (record.state, record.attempts, record.agent) == ("Completed", 1, running.agent)
                record = queue.await_job(later)
                assert (record.state, record.attempts, record.agent) == ("Completed", 1, running.agent)
                assert waiting.wait(60) == 0
        finally:
            waiting.kill()
            waiting.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have one loopback address")
def test_other_addresses(tmp_path: Path) -> None:
    """Numbers taken on a host's address alone are others there; taken later, they cut the host off.

    One behind a tunnel depends on that when a loopback port moves. The server's log names whom.
    """
    with LiveQueue(tmp_path, 1) as queue:
        before = session_of(queue)
        with socket.create_server(("127.0.0.2", before.update_port)):
            admitted = queue.client.admit_host("farm-b", "127.0.0.2", 4).result(60)
        there = msgspec.json.decode(admitted, type=AgentConfig).connection
        assert (there.host, there.request_port) == ("127.0.0.2", before.request_port)
        assert there.update_port != before.update_port
        queue.client.admit_host("farm-c", "", 4).result(60)
        [log] = tmp_path.glob("logs/*/server.log")
        with killed_and_robbed(queue, there.update_port, there.host):
            queue.await_job(queue.submit(*NOTHING))
            assert session_of(queue).ports == before.ports
        assert there.host in log.read_text() and "farm-c" not in log.read_text()
        with killed_and_robbed(queue, before.request_port):
            queue.await_job(queue.submit(*NOTHING))
        assert "farm-c" in log.read_text()


def test_a_port_that_was_set_stays_and_says_so(tmp_path: Path) -> None:
    """A firewall or another person relies on it: the session ends with a message that names the setting."""
    port = free_port()
    queue = LiveQueue(tmp_path, 1, KQ_UPDATE_PORT=port)
    try:
        queue.start()
        queue.await_job(queue.submit(*SLEEP), "Running")
        with killed_and_robbed(queue, port):
            process = queue.process
            assert process is not None
            until(lambda: process.poll() is not None, "the end of the session")
    finally:
        code = queue.close()
    assert code == 2
    assert "set KQ_UPDATE_PORT to a free port" in queue.errors and str(port) in queue.errors
