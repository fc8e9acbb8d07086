"""An Agent whose process is there before its server: it waits, registers once, never outlives its session."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from kq import messages as m
from kq.agent_config import AgentConfig
from kq.records import SessionRecord
from kq.wire import KeyLimits, Poller, ServerWire, new_key_pair
from tests.support.live_queue import ROOT, clean_environment


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """An Agent that was started early; its connection file is yet to come."""
    program = [
        sys.executable, str(ROOT / "kq/agent/__main__.py"), "--connection", str(tmp_path / "agent.json"),
        "--agent-id", "a1", "--lifeline", "--early", "--pulse", "--log", str(tmp_path / "agent.log"),
    ]  # fmt: skip
    with subprocess.Popen(
        program,
        env=clean_environment(tmp_path, {"KQ_ROLE": "agent"}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        yield child
        child.kill()


def test_it_registers_once_when_its_connection_file_comes(
    agent: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """However late its server opens its ports; and works from then on: its first heartbeat follows."""
    server_keys, agent_keys = new_key_pair(), new_key_pair()
    wire = ServerWire(server_keys, KeyLimits(time.monotonic, print))
    try:
        wire.authenticator.roles[agent_keys.public] = "agent:local"
        request, update, broadcast = ports = wire.bind("127.0.0.1", (0, 0, 0))
        wire.unbind("127.0.0.1", ports)
        record = SessionRecord(
            session="s", protocol=m.PROTOCOL_VERSION, pid=os.getpid(), host="127.0.0.1",
            request_port=request, update_port=update, broadcast_port=broadcast,
            server_key=server_keys.public, public_key=agent_keys.public, secret_key=agent_keys.secret,
            data_root=str(tmp_path), queue_dir=str(tmp_path),
        )  # fmt: skip
        fresh = tmp_path / "fresh"
        fresh.write_bytes(msgspec.json.encode(AgentConfig(connection=record, heartbeat_s=0.1)))
        fresh.rename(tmp_path / "agent.json")
        assert agent.stdout is not None
        # Three times a heartbeat was due, and nobody was there.
        assert agent.stdout.read(3) == b"..."
        assert wire.bind("127.0.0.1", ports) == ports
        poller = Poller()
        wire.add_to(poller)
        registered: list[int] = []
        heartbeats: list[m.UpdateMessage] = []
        while not heartbeats:
            assert poller.wait(60), "the Agent says nothing"
            wire.admit()
            for incoming in wire.requests(10):
                assert isinstance(incoming.message, m.RegisterUpdate)
                registered.append(incoming.message.pid)
                wire.send(incoming.peer, m.AcknowledgeOrder(heartbeat=0, desired=""))
            heartbeats += [incoming.message for incoming in wire.updates(10)]
        assert registered == [agent.pid]
        assert isinstance(heartbeats[0], m.HeartbeatUpdate)
    finally:
        wire.close()


def test_it_ends_with_a_session_that_ends_before_it_has_a_server(agent: subprocess.Popen[bytes]) -> None:
    """Its lifeline is all that it knows of the session by then."""
    assert agent.stdin is not None
    agent.stdin.close()
    assert agent.wait(60) == 3
