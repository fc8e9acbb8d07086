"""How many connections and subscriptions a key may have: for any sequence of events, and on real sockets."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from kq import messages as m
from kq.wire import KeyLimits, ServerWire, encode, key_limits, new_key_pair, server_sockets
from kq.wire.connections import Connections
from kq.wire.sockets import agent_topic
from tests.support.live_queue import until

ROLES = {"client": None, "agent:a": 2, "agent:b": 3, "": 0}
STEPS = st.one_of(
    st.tuples(st.sampled_from(["accepted", "closed"]), st.integers(0, 9), st.just("")),
    st.tuples(st.just("heard"), st.integers(0, 9), st.sampled_from(list(ROLES))),
)


@given(st.lists(STEPS, max_size=80))
def test_limits_hold(steps: list[tuple[str, int, str]]) -> None:
    """No key has more than it may; without a message there are at most four; a client is never closed."""
    connections = Connections(max_silent=4, max_messages=3)
    open_: dict[int, str | None] = {}
    """By descriptor: the role that was heard last, or None."""
    for what, fd, role in steps:
        if what == "accepted":
            open_[fd] = None
            closed = connections.accepted(fd)
            assert all(open_[each] is None and each != fd for each in closed)
        elif what == "heard":
            if fd in open_:
                open_[fd] = role
            closed = connections.heard(fd, role, ROLES[role])
            assert all(ROLES[open_[each] or ""] is not None for each in closed)
        else:
            open_.pop(fd, None)
            connections.closed(fd)
            closed = []
        for each in set(closed):
            del open_[each]
        assert len(connections) == len(open_)
        assert list(open_.values()).count(None) <= 4
        for each, most in ROLES.items():
            assert most is None or list(open_.values()).count(each) <= most


def test_of_too_many_the_one_that_was_not_heard_for_longest_is_closed() -> None:
    connections = Connections(max_silent=4)
    for fd in (1, 2, 3):
        connections.accepted(fd)
        closed = connections.heard(fd, "agent:a", 2)
        connections.heard(1, "agent:a", 2)
    assert closed == [2]


ON_POSIX = pytest.mark.skipif(
    sys.platform == "win32", reason="there libzmq can be made to close no connection"
)


class ListedRefusals(KeyLimits):
    """Limits that list the role of each refusal."""

    def __init__(self) -> None:
        super().__init__(time.monotonic, print)
        self.refused: list[str] = []

    def refuse(self, role: str, what: str) -> None:
        self.refused.append(role)
        super().refuse(role, what)


class Port:
    """A server's ports, and as many connections to one of them as are asked for, with a key of a host."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._server_keys, self._keys = new_key_pair(), new_key_pair()
        limits = ListedRefusals()
        limits.admit("agent:h", 1)
        assert limits.max_connections("agent:h") == 3
        self.refused = limits.refused
        self.server = ServerWire(self._server_keys, limits)
        stack.callback(self.server.close, 0.0)
        self.ports = self.server.bind("127.0.0.1", (0, 0, 0))
        self.server.authenticator.roles[self._keys.public] = "agent:h"
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        stack.callback(self._context.destroy, 0)
        self._kept: list[zmq.Socket[bytes]] = []

    def connect(self, kind: int, *, watch: bool = False) -> zmq.Socket[bytes]:
        """A connection. `watch`: its monitor has a message when it ends."""
        socket = self._context.socket(kind)
        self._kept.append(socket)  # one that is let go of is closed
        socket.linger, socket.reconnect_ivl = 0, -1
        socket.curve_serverkey = self._server_keys.public.encode()
        socket.curve_publickey, socket.curve_secretkey = (each.encode() for each in self._keys)
        if watch:
            socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        place = (zmq.DEALER, zmq.PUSH, zmq.SUB).index(kind)
        socket.connect(f"tcp://127.0.0.1:{self.ports[place]}")
        return socket

    def step(self) -> list[object]:
        """One turn of a server's loop. Returns the messages that it took."""
        self.server.admit()
        return [each.message for each in (*self.server.requests(500), *self.server.updates(500))]

    def count(self, place: int) -> int:
        """The connections that the system has to this port."""
        self.step()
        found = psutil.Process().net_connections("tcp")
        return sum(
            each.laddr.port == self.ports[place] and each.status == "ESTABLISHED"
            for each in found
            if each.laddr
        )


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[Port]:
    monkeypatch.setattr(server_sockets, "_MAX_SILENT", 5)
    monkeypatch.setattr(key_limits, "_CONNECTIONS", 1)  # plus two for the one Agent
    with contextlib.ExitStack() as stack:
        yield Port(stack)


def say(number: int) -> bytes:
    return encode(m.LeaveUpdate(agent=f"h:{number}", reason="x"))


SAY: dict[int, Callable[[zmq.Socket[bytes], int], object]] = {
    zmq.DEALER: lambda peer, number: peer.send(say(number)),
    zmq.PUSH: lambda peer, number: peer.send(say(number)),
    zmq.SUB: lambda peer, number: peer.subscribe(agent_topic(f"h:{number}")),
}


@ON_POSIX
@pytest.mark.parametrize("kind", SAY)
def test_a_key_has_no_more_connections_than_it_may(port: Port, kind: int) -> None:
    """Each of thirty sends a message. The latest three are left, on each of the ports."""
    place = list(SAY).index(kind)
    for number in range(30):
        before = len(port.refused)
        SAY[kind](port.connect(kind), number)
        if number >= 3:
            until(lambda before=before: port.step() is not None and len(port.refused) > before, "one closed")
    until(lambda: port.count(place) == 3, "three connections")


@ON_POSIX
def test_connections_without_a_message_give_way(port: Port) -> None:
    """Thirty that say nothing, with a good key: five are left; who speaks meanwhile is heard and stays."""
    first = port.connect(zmq.PUSH)
    first.send(say(1))
    until(port.step, "its message")
    ends = [port.connect(zmq.PUSH, watch=True).get_monitor_socket() for _ in range(30)]
    until(
        lambda: port.step() is not None and sum(bool(end.poll(0)) for end in ends) == 25, "the others' ends"
    )
    assert port.count(1) == 6
    first.send(say(2))
    assert until(port.step, "its second message")


@ON_POSIX
def test_subscriptions_of_a_connection_are_limited(port: Port) -> None:
    """Ten thousand topics: the connection is closed after a few of them."""
    peer = port.connect(zmq.SUB)
    peer.subscribe(agent_topic("h:0"))
    until(lambda: port.count(2) == 1, "the connection")
    for number in range(10_000):
        peer.subscribe(agent_topic(f"h:{number}"))
    until(lambda: port.count(2) == 0, "its end")
    assert "agent:h" in port.refused


@pytest.mark.skipif(sys.platform == "win32", reason="Wine says of no socket whose it is")
def test_a_long_topic_ends_the_connection(port: Port) -> None:
    peer = port.connect(zmq.SUB)
    peer.subscribe(agent_topic("h:0"))
    until(lambda: port.count(2) == 1, "the connection")
    peer.subscribe(b"ah:" + b"x" * 2000)  # of a megabyte libzmq crashes when it closes: the peer's, too
    until(lambda: port.count(2) == 0, "its end")
