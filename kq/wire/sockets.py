"""What all ends of the three ports share: a poller, and sockets that refuse what is too large.

Each socket belongs to one thread.
"""

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
    "notice_silence",
]

CLIENT_TOPIC = b"c"
# Plain numbers: pyzmq's flags are Enum members, and each `|` of those takes a microsecond.
NOW = int(zmq.DONTWAIT)
MORE_NOW = int(zmq.DONTWAIT | zmq.SNDMORE)
Socket = zmq.Socket[bytes]
Ready = Collection[object] | None
"""What a poller found readable; None: whatever is."""


def is_due(socket: Socket, ready: Ready) -> bool:
    """Whether `socket` is to be looked at."""
    return ready is None or socket in ready


class Poller:
    """Waits for sockets and file descriptors."""

    def __init__(self) -> None:
        self._poller = zmq.Poller()

    def add(self, source: Socket | int) -> None:
        """Wait for `source` to become readable from now on."""
        self._poller.register(source, zmq.POLLIN)

    def remove(self, source: Socket | int) -> None:
        """Do not wait for it any more."""
        self._poller.unregister(source)

    def wait(self, timeout_s: float | None) -> set[Socket | int]:
        """What is readable, after at most `timeout_s` seconds (None: no limit)."""
        # Rounded up: rounded down to 0 it would spin until the moment has come.
        timeout = None if timeout_s is None else max(int(timeout_s * 1000 + 0.999), 0)
        return {source for source, _ in self._poller.poll(timeout)}


def agent_topic(agent_id: str) -> bytes:
    """What broadcasts for one Agent begin with."""
    return b"a" + agent_id.encode() + b"\0"


def new_socket(context: zmq.Context[Socket], kind: int) -> Socket:
    """A socket that refuses frames of a size that no message has."""
    socket = context.socket(kind)
    socket.linger = 0
    socket.maxmsgsize = MAX_MESSAGE_BYTES
    return socket


def notice_silence(socket: Socket, longest_s: int) -> None:
    """Have the system drop connections that nothing comes through: a cut network gives no sign.

    By itself TCP would believe for minutes. ZeroMQ can ask, too (ZMQ_HEARTBEAT_IVL); with 1,000 Agents
    the server's answers took a tenth of a core.
    """
    socket.tcp_keepalive = 1
    socket.tcp_keepalive_idle = max(longest_s - 1, 1)
    socket.tcp_keepalive_intvl = 1
    socket.tcp_keepalive_cnt = 2
    # Of a connection with something under way the system asks nothing, and waits for that to be confirmed.
    socket.tcp_maxrt = longest_s * 1000
