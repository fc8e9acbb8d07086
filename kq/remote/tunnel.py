"""The queue's three ports, tunneled through an SSH connection, for machines that have no other connection."""

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
"""Open at a time: three for each of some 130 Agents. Each takes two threads."""


class Tunnel:
    """Ports of the other machine's loopback that lead to ports of this one's. Threads move the bytes."""

    def __init__(
        self, connection: Connection, ports: Sequence[int], there: Sequence[int] = (0, 0, 0)
    ) -> None:
        """Open it.

        Args:
            ports: of this machine's loopback.
            there: the other machine's ports; 0: it chooses. See `there`.

        Raises:
            RemoteFailed: the SSH server does not allow it.
        """
        self._closed = False
        self._lock = threading.Lock()
        self._open = 0
        self._ends: dict[socket.socket | paramiko.Channel, int] = {}
        """What is open, with the port of this machine that it leads to."""
        self.there: list[int] = []
        """The other machine's ports, in the same order."""
        self._ways: dict[int, int] = {}
        """By the other machine's port: this one's."""
        try:
            for port, wanted in zip(ports, there, strict=True):
                # A transport has one handler for all of its ports: each time the same.
                opened = connection.transport.request_port_forward(_LOOPBACK, wanted, self._on_connection)
                self.there.append(opened)
                self._ways[opened] = port
        except (paramiko.SSHException, EOFError, OSError) as error:
            self.close()
            raise RemoteFailed(
                f"{connection.route.name} does not forward ports through SSH ({error}): its administrator "
                f"may allow it with `AllowTcpForwarding yes` in sshd_config"
            ) from error

    def lead_to(self, ports: Sequence[int]) -> None:
        """Have new connections lead to these ports of this machine, in the order of `there`."""
        self._ways = dict(zip(self.there, ports, strict=True))
        with self._lock:
            # Whoever has such a port now may have taken a connection, and never answer.
            strays = [end for end, port in self._ends.items() if port not in ports]
        for end in strays:
            _hang_up(end)

    def close(self) -> None:
        """Close all its connections. The other machine's ports close with the SSH connection.

        Nothing is asked of the other side, which may not answer any more.
        """
        self._closed = True
        with self._lock:
            ends = list(self._ends)
        for end in ends:
            hang_up(end)

    def _on_connection(
        self, channel: paramiko.Channel, _origin: tuple[str, int], server: tuple[str, int]
    ) -> None:
        """An Agent over there connected. On the transport's own thread, which must not wait."""
        port = self._ways.get(server[1])
        with self._lock:
            is_taken = port is not None and self._open < MAX_CONNECTIONS
            self._open += is_taken
        if port is None or not is_taken:
            hang_up(channel)
            return
        name = f"kq-tunnel-{port}"
        threading.Thread(target=self._serve, args=(channel, port), name=name, daemon=True).start()

    def _serve(self, channel: paramiko.Channel, port: int) -> None:
        """One connection of an Agent, until either side ends it."""
        try:
            self._forward(channel, port)
        finally:
            with self._lock:
                self._open -= 1

    def _forward(self, channel: paramiko.Channel, port: int) -> None:
        try:
            sock = socket.create_connection((_LOOPBACK, port), timeout=5.0)
        except OSError:
            hang_up(channel)  # the server is being started again: the Agent tries once more
            return
        sock.settimeout(None)
        with self._lock:
            if self._closed:
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
            pass  # one side is gone; the other is closed with it
        for end in (source, target):
            _hang_up(end)


def _hang_up(end: socket.socket | paramiko.Channel) -> None:
    if isinstance(end, socket.socket):
        try:
            # A thread that waits for this socket is woken by nothing else.
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is shut already
    hang_up(end)
