"""Can the three ports be reached from here, with this key? A handshake on each; no message is sent."""

from __future__ import annotations

import time
from enum import StrEnum
from socket import gaierror, getaddrinfo

import zmq
from zmq.utils.monitor import parse_monitor_message

from ..records import SessionRecord

__all__ = ["PortAnswer", "libzmq_version", "probe_ports"]


class PortAnswer(StrEnum):
    """How a port answered."""

    OPEN = "open"
    """A queue that knows this key answered."""
    KEY_REFUSED = "key refused"
    """A queue answered, and does not know this key."""
    ANOTHER_PROGRAM = "another program"
    """Something accepts connections there, and is no queue."""
    CLOSED = "closed"
    """The machine answers, and nothing listens on this port."""
    SILENT = "silent"
    """Nothing answers: a firewall drops it, or the address is wrong."""
    NO_SUCH_NAME = "no such name"
    """The address is a name that this machine cannot resolve."""


_FAILED: dict[int, PortAnswer] = {
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: PortAnswer.KEY_REFUSED,
    # What libzmq reports when the other side disconnects in the midst: a server of another key does.
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: PortAnswer.KEY_REFUSED,
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: PortAnswer.ANOTHER_PROGRAM,
}
_KINDS = (zmq.DEALER, zmq.PUSH, zmq.SUB)


def libzmq_version() -> str:
    """Of the library beneath pyzmq."""
    return zmq.zmq_version() + ("" if zmq.has("curve") else ", without CURVE")


def probe_ports(session: SessionRecord, timeout_s: float) -> tuple[PortAnswer, PortAnswer, PortAnswer]:
    """Open request, update and broadcast port of `session` as an Agent would. Waits `timeout_s` at most."""
    if not _resolves(session.host):
        return (PortAnswer.NO_SUCH_NAME,) * 3
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    sockets, monitors = [], []
    ports = (session.request_port, session.update_port, session.broadcast_port)
    answers = [PortAnswer.SILENT] * 3
    poller = zmq.Poller()
    try:
        for kind, port in zip(_KINDS, ports, strict=True):
            socket = context.socket(kind)
            sockets.append(socket)
            socket.linger = 0
            socket.curve_serverkey = session.server_key.encode()
            socket.curve_publickey = session.public_key.encode()
            socket.curve_secretkey = session.secret_key.encode()
            socket.reconnect_ivl = 300
            socket.ipv6 = ":" in session.host
            monitor = socket.get_monitor_socket()
            monitors.append(monitor)
            poller.register(monitor, zmq.POLLIN)
            host = f"[{session.host}]" if ":" in session.host else session.host
            socket.connect(f"tcp://{host}:{port}")
        until = time.monotonic() + timeout_s
        waiting = set(range(3))
        while waiting and (left := until - time.monotonic()) > 0:
            ready = dict(poller.poll(int(left * 1000) + 1))
            for number in list(waiting):
                if monitors[number] in ready:
                    answers[number], final = _judge(monitors[number], answers[number])
                    if final:
                        waiting.discard(number)
                        poller.unregister(monitors[number])
    finally:
        # Before their other ends are closed: libzmq would wait for one that reads its events.
        for socket in sockets:
            socket.disable_monitor()
        context.destroy(0)
    return answers[0], answers[1], answers[2]


def _resolves(host: str) -> bool:
    """Whether this machine knows the name: ZeroMQ would retry without an error."""
    try:
        return bool(getaddrinfo(host, None))
    except (gaierror, UnicodeError):
        return False


def _judge(monitor: zmq.Socket[bytes], known: PortAnswer) -> tuple[PortAnswer, bool]:
    """What the next event of a socket means, and whether that is final."""
    event = int(parse_monitor_message(monitor.recv_multipart())["event"])
    if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
        return PortAnswer.OPEN, True
    if event in _FAILED:
        return _FAILED[event], True
    if event == zmq.EVENT_CONNECTED:
        # It may be the kernel's backlog of a program that hangs, or of no queue at all.
        return PortAnswer.ANOTHER_PROGRAM, False
    if event == zmq.EVENT_CLOSED and known is PortAnswer.SILENT:
        return PortAnswer.CLOSED, False
    return known, False
