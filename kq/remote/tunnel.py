"""Forwards the queue's three ports through an SSH connection, for machines that cannot reach them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence

import paramiko

from ..errors import RemoteFailed
from .ssh import Connection, hang_up

__all__ = ["Tunnel"]

_BLOCK = 64 * 1024
_LOOPBACK = "127.0.0.1"
MAX_CONNECTIONS = 400
"""At most this many connections at a time: three for each of about 130 Agents. Each takes two threads."""


class Tunnel:
    """Ports on the remote loopback, forwarded to local ones by threads of its own. Thread-safe.

    Attributes:
        there: the remote ports, in the order of the local ones.
    """

    def __init__(
        self, connection: Connection, ports: Sequence[int], there: Sequence[int] = (0, 0, 0)
    ) -> None:
        """Open the tunnel. Blocks.

        Args:
            ports: local ports.
            there: remote ports; 0: the server chooses one.

        Raises:
            RemoteFailed: the SSH server does not allow it.
        """
        self._closed = False
        self._lock = threading.Lock()
        self._open = 0
        self._ends: dict[socket.socket | paramiko.Channel, int] = {}
        """Open sockets and channels, with the local port of each."""
        self.there: list[int] = []
        self._local_ports: dict[int, int] = {}
        """The local port of each remote port."""
        try:
            for port, wanted in zip(ports, there, strict=True):
                # A transport has one handler for all of its ports, so each call passes the same.
                opened = connection.transport.request_port_forward(_LOOPBACK, wanted, self._on_connection)
                self.there.append(opened)
                self._local_ports[opened] = port
        except (paramiko.SSHException, EOFError, OSError) as error:
            self.close()
            raise RemoteFailed(
                f"{connection.route.name} does not forward ports through SSH ({error}): its administrator "
                f"may allow it with `AllowTcpForwarding yes` in sshd_config"
            ) from error

    def lead_to(self, ports: Sequence[int]) -> None:
        """Forward new connections to these local ports, in the order of `there`.

        Existing connections to other local ports are closed: another program may hold the port of a dead
        server, accept a connection and never reply.
        """
        with self._lock:
            self._local_ports = dict(zip(self.there, ports, strict=True))
            strays = [end for end, port in self._ends.items() if port not in ports]
        for end in strays:
            _hang_up(end)

    def close(self) -> None:
        """Close all connections. The remote ports close with the SSH connection.

        Sends nothing to the server, which may not reply any more.
        """
        self._closed = True
        with self._lock:
            ends = list(self._ends)
        for end in ends:
            _hang_up(end)

    def _on_connection(
        self, channel: paramiko.Channel, _origin: tuple[str, int], server: tuple[str, int]
    ) -> None:
        """Handle a connection of an Agent. Called on the transport's thread, which must not block."""
        port = self._local_ports.get(server[1])
        with self._lock:
            is_taken = port is not None and self._open < MAX_CONNECTIONS
            self._open += is_taken
        if port is None or not is_taken:
            hang_up(channel)
            return
        name = f"kq-tunnel-{port}"
        threading.Thread(target=self._serve, args=(channel, port), name=name, daemon=True).start()

    def _serve(self, channel: paramiko.Channel, port: int) -> None:
        """Forward one connection until either side closes it. On a thread of its own."""
        try:
            self._forward(channel, port)
        finally:
            with self._lock:
                self._open -= 1

    def _forward(self, channel: paramiko.Channel, port: int) -> None:
        try:
            sock = socket.create_connection((_LOOPBACK, port), timeout=5.0)
        except OSError:
            hang_up(channel)  # the server is being restarted: the Agent connects again
            return
        sock.settimeout(None)
        with self._lock:
            if self._closed or port not in self._local_ports.values():  # `lead_to` was called meanwhile
                hang_up(channel)
                hang_up(sock)
                return
            self._ends |= {channel: port, sock: port}
        back = threading.Thread(
            target=self._move, args=(channel, sock), name=f"kq-tunnel-{port}-in", daemon=True
        )
        back.start()
        self._move(sock, channel)
        back.join()
        with self._lock:
            del self._ends[channel], self._ends[sock]

    def _move(
        self, source: socket.socket | paramiko.Channel, target: socket.socket | paramiko.Channel
    ) -> None:
        try:
            while data := source.recv(_BLOCK):
                target.sendall(data)
        except (OSError, EOFError):
            pass  # one side has disconnected; the other is closed below
        for end in (source, target):
            _hang_up(end)


def _hang_up(end: socket.socket | paramiko.Channel) -> None:
    if isinstance(end, socket.socket):
        try:
            # Only this wakes a thread that is blocked in recv on the socket.
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is shut down already
    hang_up(end)
