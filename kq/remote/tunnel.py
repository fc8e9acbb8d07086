"""An SSH tunnel: forwards connections of Agents from ports of their machine to the queue's ports.

Used where the remote machine cannot connect directly to the machine that runs the queue's server.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence

import paramiko

from ..errors import RemoteFailed
from .ssh import Connection, close_quietly, error_text

__all__ = ["MAX_CONNECTIONS", "Tunnel"]

_BLOCK_BYTES = 64 * 1024
_CONNECT_TIMEOUT_S = 5.0
_LOOPBACK = "127.0.0.1"
MAX_CONNECTIONS = 400
"""The most forwarded connections open at once: an Agent has one to each of three ports, so about 130 Agents.
Further connections are closed at once."""


class Tunnel:
    """Accepts connections on loopback ports of the remote machine; forwards them to loopback ports here.

    Thread-safe. Starts two threads for each forwarded connection.

    Attributes:
        remote_ports: the ports on the remote machine, in the order of `local_ports`.
    """

    def __init__(
        self,
        connection: Connection,
        local_ports: Sequence[int],
        remote_ports: Sequence[int] = (0, 0, 0),
    ) -> None:
        """Open the remote ports. Blocks until the SSH server has replied.

        Args:
            connection: the open SSH connection to the remote machine. The tunnel does not close it. It
                must have no other tunnel: paramiko calls one handler for all forwarded ports of a connection.
            local_ports: the queue's request, update and broadcast port, on this machine.
            remote_ports: the ports to open on the remote machine; 0: the SSH server chooses one.

        Raises:
            RemoteFailed: the SSH server does not allow it, or the connection is lost.
        """
        self._closed = False
        self._lock = threading.Lock()
        self._connection_count = 0
        self._open_ends: dict[socket.socket | paramiko.Channel, int] = {}
        """Both ends of each connection (the channel from the Agent, the socket to the queue), with its local
        port."""
        self.remote_ports: list[int] = []
        self._local_port_of: dict[int, int] = {}
        """By remote port: the local port that it is forwarded to."""
        try:
            for local_port, requested_port in zip(local_ports, remote_ports, strict=True):
                remote_port = connection.transport.request_port_forward(
                    _LOOPBACK, requested_port, self._on_connection
                )
                self.remote_ports.append(remote_port)
                self._local_port_of[remote_port] = local_port
        except (paramiko.SSHException, EOFError, OSError) as error:
            self.close()
            raise RemoteFailed(
                f"{connection.route.name} does not forward ports through SSH ({error_text(error)}): if its "
                f"SSH server forbids it, ask its administrator to set `AllowTcpForwarding yes` in sshd_config"
            ) from error

    def set_local_ports(self, local_ports: Sequence[int]) -> None:
        """Forward to these local ports from now on: a restarted server may have other ports.

        Open connections to a port that is no longer among them are closed, so that Agents connect again:
        another program may have opened the port of a dead server, and would accept data and never reply.
        Closing sends to the SSH server. It does not wait for a reply, but sending can block.

        Args:
            local_ports: in the order of `remote_ports`.
        """
        with self._lock:
            self._local_port_of = dict(zip(self.remote_ports, local_ports, strict=True))
            outdated_ends = [end for end, port in self._open_ends.items() if port not in local_ports]
        for end in outdated_ends:
            _disconnect(end)

    def close(self) -> None:
        """Close all forwarded connections, and refuse further ones.

        The remote ports are closed when the SSH connection ends.

        Closing sends to the SSH server. It does not wait for a reply, but sending can block.
        """
        self._closed = True
        with self._lock:
            open_ends = list(self._open_ends)
        for end in open_ends:
            _disconnect(end)

    def _on_connection(
        self, channel: paramiko.Channel, _origin: tuple[str, int], remote_address: tuple[str, int]
    ) -> None:
        """Handle a new connection to a remote port. On paramiko's thread, which may wait only briefly."""
        local_port = self._local_port_of.get(remote_address[1])
        with self._lock:
            has_room = self._connection_count < MAX_CONNECTIONS and not self._closed
            is_accepted = local_port is not None and has_room
            self._connection_count += is_accepted
        if local_port is None or not is_accepted:
            # Closing sends a message, which waits for the end of a key exchange that is under way. Paramiko's
            # thread does the exchange, so it must not close the channel itself.
            thread = threading.Thread(target=close_quietly, args=(channel,), name="kq-tunnel-refused")
        else:
            thread = threading.Thread(target=self._run_connection, args=(channel, local_port))
            thread.name = f"kq-tunnel-{local_port}"
        thread.daemon = True
        try:
            thread.start()
        except RuntimeError:  # this machine can start no more threads now
            close_quietly(channel)  # may block this thread until paramiko's timeout, in a key exchange
            with self._lock:
                self._connection_count -= is_accepted

    def _run_connection(self, channel: paramiko.Channel, local_port: int) -> None:
        """Forward one connection until either side closes it. Runs on a thread of its own."""
        try:
            self._forward(channel, local_port)
        finally:
            with self._lock:
                self._connection_count -= 1

    def _forward(self, channel: paramiko.Channel, local_port: int) -> None:
        """Connect to the local port, and copy data in both directions until either side closes."""
        try:
            sock = socket.create_connection((_LOOPBACK, local_port), timeout=_CONNECT_TIMEOUT_S)
        except OSError:
            close_quietly(channel)  # the queue's server is being restarted: the Agent connects again
            return
        sock.settimeout(None)
        with self._lock:
            # `close` or `set_local_ports` may have been called since: neither knows of this connection yet.
            is_wanted = not self._closed and local_port in self._local_port_of.values()
            if is_wanted:
                self._open_ends |= {channel: local_port, sock: local_port}
        if not is_wanted:
            close_quietly(channel)
            close_quietly(sock)
            return
        from_agent = threading.Thread(
            target=_copy, args=(channel, sock), name=f"kq-tunnel-{local_port}-in", daemon=True
        )
        try:
            from_agent.start()
            _copy(sock, channel)
            from_agent.join()
        except RuntimeError:  # this machine can start no more threads now
            _disconnect(channel)
            _disconnect(sock)
        finally:
            with self._lock:
                del self._open_ends[channel], self._open_ends[sock]


def _copy(source: socket.socket | paramiko.Channel, target: socket.socket | paramiko.Channel) -> None:
    """Copy data from `source` to `target` until either is closed, then close both. Blocks."""
    try:
        while data := source.recv(_BLOCK_BYTES):
            target.sendall(data)
    except (paramiko.SSHException, OSError, EOFError):
        pass  # one side has disconnected, or a key exchange failed; both are closed below
    for end in (source, target):
        _disconnect(end)


def _disconnect(end: socket.socket | paramiko.Channel) -> None:
    """Close one end of a connection, and wake a thread that is blocked reading from it."""
    if isinstance(end, socket.socket):
        try:
            # Only a shutdown wakes a thread that is blocked in recv; closing the socket does not.
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is shut down already
    close_quietly(end)
