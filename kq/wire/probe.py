"""Tests whether the three ports accept connections with a key: a handshake on each, without a message."""

from __future__ import annotations

import time
from enum import StrEnum
from socket import gaierror, getaddrinfo

import zmq
from zmq.utils.monitor import parse_monitor_message

from ..records import SessionRecord

__all__ = ["PortAnswer", "libzmq_version", "probe_ports"]


class PortAnswer(StrEnum):
    """Result of the test of one port."""

    OPEN = "open"
    """A queue accepted the key."""
    KEY_REFUSED = "key refused"
    """A queue refused the key."""
    ANOTHER_PROGRAM = "another program"
    """A program that is not a queue accepts connections."""
    CLOSED = "closed"
    """The machine responds, but nothing listens on the port."""
    SILENT = "silent"
    """No response: a firewall drops the packets, or the address is wrong."""
    NO_SUCH_NAME = "no such name"
    """This machine cannot resolve the name."""


_FAILED: dict[int, PortAnswer] = {
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: PortAnswer.KEY_REFUSED,
    # Reported when the peer disconnects during the handshake, as a server with another key does.
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: PortAnswer.KEY_REFUSED,
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: PortAnswer.ANOTHER_PROGRAM,
}
_KINDS = (zmq.DEALER, zmq.PUSH, zmq.SUB)


def libzmq_version() -> str:
    """Return the version of pyzmq's libzmq, with a note if it has no CURVE."""
    return zmq.zmq_version() + ("" if zmq.has("curve") else ", without CURVE")


def probe_ports(session: SessionRecord, timeout_s: float) -> tuple[PortAnswer, PortAnswer, PortAnswer]:
    """Connect to request, update and broadcast port as an Agent would. Blocks up to `timeout_s` seconds."""
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
        # Before their other ends are closed: libzmq would wait for a reader of the events.
        for socket in sockets:
            socket.disable_monitor()
        context.destroy(0)
    return answers[0], answers[1], answers[2]


def _resolves(host: str) -> bool:
    """Whether `host` can be resolved: ZeroMQ would retry without an error."""
    try:
        return bool(getaddrinfo(host, None))
    except (gaierror, UnicodeError):
        return False


def _judge(monitor: zmq.Socket[bytes], known: PortAnswer) -> tuple[PortAnswer, bool]:
    """Read a monitor's next event. Returns the result so far, and whether it is final."""
    event = int(parse_monitor_message(monitor.recv_multipart())["event"])
    if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
        return PortAnswer.OPEN, True
    if event in _FAILED:
        return _FAILED[event], True
    if event == zmq.EVENT_CONNECTED:
        # Perhaps only the kernel accepted, for a program that hangs or is not a queue.
        return PortAnswer.ANOTHER_PROGRAM, False
    if event == zmq.EVENT_CLOSED and known is PortAnswer.SILENT:
        return PortAnswer.CLOSED, False
    return known, False
