"""Keeps a tunnel open while remote Agents use it: reconnects after a network failure."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from ..errors import KqError
from .host_usage import HostUsage
from .ssh import Connection
from .ssh_connecting import connect
from .steps import RemoteQuestions, Steps
from .tunnel import Tunnel

__all__ = ["TunnelKeepalive"]

_POLL_INTERVAL_S = 0.5
_RETRY_S = 1.0
_log = logging.getLogger("kq.remote")


class TunnelKeepalive:
    """Owns a tunnel, its SSH connection, and a thread that reopens both. Thread-safe."""

    def __init__(
        self,
        connection: Connection,
        tunnel: Tunnel,
        lease_s: float,
        usage: HostUsage,
        label: str,
        questions: RemoteQuestions,
    ) -> None:
        """
        Args:
            lease_s: seconds for which Agents survive without the tunnel.
            usage: knows the queue's current local ports, which a restarted server may change, and whether
                the host is in use: the tunnel is closed two leases after it last was.
            label: the host's.
            questions: prompts for a reconnect, on the thread.
        """
        self._lease_s = lease_s
        self._connection = connection
        self._tunnel = tunnel
        self._usage = usage
        self._label = label
        self._last_ports = usage.ports()
        self._questions = questions
        self._closed = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"kq-tunnel-{connection.route.name}", daemon=True
        )
        self._thread.start()

    @property
    def is_open(self) -> bool:
        """Whether it is still being kept open."""
        return self._thread.is_alive()

    @property
    def connection(self) -> Connection:
        """The current SSH connection, which may be lost."""
        return self._connection

    @property
    def remote_ports(self) -> Sequence[int]:
        """The remote ports that are forwarded, in the order of the local ones."""
        return self._tunnel.remote_ports

    def close(self) -> None:
        """Close the tunnel, and disconnect. Returns at once."""
        self._closed.set()
        self._connection.close()
        self._tunnel.close()

    def _run(self) -> None:
        try:
            self._keep_alive()
        finally:
            self.close()  # again: it may have reconnected while it was being closed

    def _keep_alive(self) -> None:
        needed_at = time.monotonic()
        while not self._closed.wait(_POLL_INTERVAL_S):
            now = time.monotonic()
            if self._usage.is_in_use(self._label):
                needed_at = now
            elif now - needed_at > 2 * self._lease_s:
                _log.info("the tunnel to %s is not needed any more", self._connection.route.name)
                return
            if not self._connection.transport.is_active():
                self._connect_again()
            self._follow_ports()

    def _follow_ports(self) -> None:
        """Forward to the queue's current ports."""
        ports = self._usage.ports()
        if all(ports) and ports != self._last_ports:
            _log.info("the tunnel to %s leads to other ports now", self._connection.route.name)
            self._last_ports = ports
            self._tunnel.set_local_ports(ports)

    def _connect_again(self) -> None:
        """Reconnect, and open the tunnel on the same remote ports, to which the Agents reconnect."""
        name = self._connection.route.name
        self._tunnel.close()
        steps = Steps(lambda _step: None, self._closed)
        try:
            connection = connect(
                self._connection.route,
                steps,
                self._questions,
                connect_s=max(self._lease_s / 2, 2.0),
                before=self._connection,
            )
        except KqError as error:
            _log.warning("the tunnel to %s is down: %s", name, error)
            self._closed.wait(_RETRY_S)
            return
        self._connection = connection
        try:
            self._tunnel = Tunnel(connection, self._last_ports, self._tunnel.remote_ports)
        except KqError as error:
            # The SSH server may still hold the ports of the old connection.
            _log.warning("the tunnel to %s cannot be opened again: %s", name, error)
            connection.close()
            self._closed.wait(_RETRY_S)
            return
        _log.info("the tunnel to %s is open again", name)
