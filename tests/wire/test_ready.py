"""Taking from the ports that a poller named, and from no other: nothing is lost by it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from kq import messages as m
from kq.records import SessionRecord
from kq.wire import AgentWire, Incoming, KeyLimits, Poller, ServerWire, new_key_pair


@pytest.fixture
def ends() -> Iterator[tuple[ServerWire, AgentWire]]:
    """Both ends of the three ports, on their way to each other."""
    server_keys, agent_keys = new_key_pair(), new_key_pair()
    server = ServerWire(server_keys, KeyLimits(time.monotonic, print))
    server.authenticator.roles[agent_keys.public] = "agent:local"
    request, update, broadcast = server.bind("127.0.0.1", (0, 0, 0))
    record = SessionRecord(
        session="s", host="127.0.0.1", request_port=request, update_port=update, broadcast_port=broadcast,
        pid=1, protocol=m.PROTOCOL_VERSION, data_root="/nowhere", queue_dir="/nowhere/q",
        server_key=server_keys.public, public_key=agent_keys.public, secret_key=agent_keys.secret,
    )  # fmt: skip
    agent = AgentWire(record, "a1", network=False)
    yield server, agent
    agent.close()
    server.close(0.0)


def test_what_comes_is_taken_once_the_poller_names_its_port(ends: tuple[ServerWire, AgentWire]) -> None:
    """Connection, subscription, request, update, reply and broadcast, each by what was ready alone."""
    server, agent = ends
    ours, theirs = Poller(), Poller()
    server.add_to(ours)
    agent.add_to(theirs)
    requests: list[Incoming[m.RequestMessage]] = []
    updates: list[Incoming[m.UpdateMessage]] = []
    replies: list[m.AgentOrder] = []
    broadcasts: list[m.BroadcastMessage] = []
    changes: list[str] = []
    agent.send_request(
        m.RegisterUpdate(protocol=m.PROTOCOL_VERSION, version="1", agent="a1", host="h", pid=2, started=0.0)
    )
    agent.send_update(m.LeaveUpdate(agent="a1", reason="done"))
    until = time.monotonic() + 60
    while not (requests and updates and replies and broadcasts and changes):
        assert time.monotonic() < until
        ready = ours.wait(0.01)
        server.admit(ready)
        requests += server.requests(5, ready)
        updates += server.updates(5, ready)
        if requests:
            server.send(requests[0].peer, m.EndOrder(reason="told"))
            # Heard from the moment on that the subscription was admitted.
            server.publish_to_agent("a1", m.EndOrder(reason="told to all"))
        ready = theirs.wait(0.01)
        changes += agent.connection_changes(ready)
        replies += agent.replies(ready)
        broadcasts += agent.broadcasts(ready)
    assert isinstance(requests[0].message, m.RegisterUpdate)
    assert isinstance(updates[0].message, m.LeaveUpdate)
    assert replies[0] == m.EndOrder(reason="told")
    assert broadcasts[0] == m.EndOrder(reason="told to all")
    assert changes == ["up"]
    assert list(server.requests(5, ())) == list(server.updates(5, ())) == []


def test_what_the_poller_did_not_name_stays_for_later(ends: tuple[ServerWire, AgentWire]) -> None:
    """A message that came meanwhile is there in the next round."""
    server, agent = ends
    poller = Poller()
    server.add_to(poller)
    agent.send_update(m.LeaveUpdate(agent="a1", reason="done"))
    until = time.monotonic() + 60
    while server._update not in (ready := poller.wait(0.01)):
        assert time.monotonic() < until
        server.admit(ready)
    assert list(server.updates(5, ())) == []
    ready = poller.wait(0)
    [taken] = server.updates(5, ready)
    assert taken.message == m.LeaveUpdate(agent="a1", reason="done")
