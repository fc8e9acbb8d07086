"""Shared by server and peers: a poller, and sockets with a size limit. Each socket is used by one thread."""

from __future__ import annotations

from collections.abc import Collection

import zmq

from .frames import MAX_MESSAGE_BYTES

__all__ = [
    "CLIENT_TOPIC",
    "MORE_NOW",
    "NOW",
    "Poller",
    "Ready",
    "Socket",
    "agent_topic",
    "is_due",
    "new_socket",
    "set_keepalive",
]

CLIENT_TOPIC = b"c"
# Plain numbers: pyzmq's flags are Enum members, and each `|` of those takes a microsecond.
NOW = int(zmq.DONTWAIT)
MORE_NOW = int(zmq.DONTWAIT | zmq.SNDMORE)
Socket = zmq.Socket[bytes]
Ready = Collection[object] | None
"""Readable sockets, as returned by Poller.wait; None: not known."""


def is_due(socket: Socket, ready: Ready) -> bool:
    """Whether `socket` may be readable."""
    return ready is None or socket in ready


class Poller:
    """Waits for sockets and file descriptors."""

    def __init__(self) -> None:
        self._poller = zmq.Poller()

    def add(self, source: Socket | int) -> None:
        """Wait for `source` to become readable from now on."""
        self._poller.register(source, zmq.POLLIN)

    def remove(self, source: Socket | int) -> None:
        """Stop waiting for `source`."""
        self._poller.unregister(source)

    def wait(self, timeout_s: float | None) -> set[Socket | int]:
        """Wait up to `timeout_s` seconds (None: no limit), and return the readable sources."""
        # Rounded up: rounded down to 0 it would spin for the last millisecond.
        timeout = None if timeout_s is None else max(int(timeout_s * 1000 + 0.999), 0)
        return {source for source, _ in self._poller.poll(timeout)}


def agent_topic(agent_id: str) -> bytes:
    """Return the topic of broadcasts for one Agent."""
    return b"a" + agent_id.encode() + b"\0"


def new_socket(context: zmq.Context[Socket], kind: int) -> Socket:
    """Create a socket that refuses frames larger than MAX_MESSAGE_BYTES."""
    socket = context.socket(kind)
    socket.linger = 0
    socket.maxmsgsize = MAX_MESSAGE_BYTES
    return socket


def set_keepalive(socket: Socket, longest_s: int) -> None:
    """Have the system drop a connection whose peer has not responded for `longest_s` seconds.

    TCP itself would wait for minutes. ZeroMQ's own heartbeat (ZMQ_HEARTBEAT_IVL) is not used: with 1,000
    Agents it took a tenth of a core on the server.
    """
    socket.tcp_keepalive = 1
    socket.tcp_keepalive_idle = max(longest_s - 1, 1)
    socket.tcp_keepalive_intvl = 1
    socket.tcp_keepalive_cnt = 2
    # Keep-alive probes are not sent while data is unacknowledged: this is the limit for that case.
    socket.tcp_maxrt = longest_s * 1000
