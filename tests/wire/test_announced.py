"""What ZeroMQ announces and does not give: among a thousand connections, one goes with its message."""

from __future__ import annotations

import time

import pytest

from kq import messages as m
from kq.records import SessionRecord
from kq.wire import AgentWire, KeyLimits, ServerWire, new_key_pair, receive


def test_a_message_that_is_announced_and_not_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """On each port, at both ends. It ended the server once, and with it every queue of many Agents.

    Real sockets, of which one thing is made up: that they announce a message although none has come.
    """
    server_keys, agent_keys = new_key_pair(), new_key_pair()
    server = ServerWire(server_keys, KeyLimits(time.monotonic, print))
    record = SessionRecord(
        session="s", host="127.0.0.1", request_port=1, update_port=2, broadcast_port=3, pid=1,
        protocol=m.PROTOCOL_VERSION, data_root="/nowhere", queue_dir="/nowhere/q",
        server_key=server_keys.public, public_key=agent_keys.public, secret_key=agent_keys.secret,
    )  # fmt: skip
    agent = AgentWire(record, "a1", network=False)
    try:
        monkeypatch.setattr(receive, "_has_message", lambda _socket: True)
        assert list(server.requests(5)) == []
        assert list(server.updates(5)) == []
        assert list(agent.replies()) == []
        assert list(agent.broadcasts()) == []
        assert "up" not in agent.connection_changes()
    finally:
        agent.close()
        server.close(0.0)
