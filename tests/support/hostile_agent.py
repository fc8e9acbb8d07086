"""An attacker with the stolen key of one host's Agents, who sends scripted protocol messages.

Real sockets to a real server, without kq's Agent code: it sends messages that no Agent would.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

import msgspec
import zmq

from kq import messages as m
from kq.agent_config import AgentConfig
from kq.records import SessionRecord
from kq.wire import FrameDecoder, encode
from kq.wire.sockets import agent_topic
from tests.support.live_queue import TIMEOUT_S, LiveQueue

__all__ = ["HostileAgent", "admit"]

T = TypeVar("T")


def admit(queue: LiveQueue, host: str, agents: int = 1) -> SessionRecord:
    """Admit a host's Agents; returns the session record with their key."""
    content = queue.client.admit_host(host, "", agents).result(TIMEOUT_S)
    return msgspec.json.decode(content, type=AgentConfig).connection


class HostileAgent:
    """One Agent's identity with two sockets. Use it as a context manager.

    Args:
        session: the session record with the stolen key.
        name: the Agent's id: the key's host, a colon, any text.
    """

    def __init__(self, session: SessionRecord, name: str) -> None:
        self.name = name
        self._session = session
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._request = self._socket(zmq.DEALER, session, session.request_port)
        self._update = self._socket(zmq.PUSH, session, session.update_port)
        self._broadcast: zmq.Socket[bytes] | None = None
        self._decoder: FrameDecoder[m.AgentOrder] = FrameDecoder(m.AgentOrder)
        self.orders: list[m.AgentOrder] = []
        """Received orders that no `wait` has returned yet."""
        self.attempt = ""
        """The last attempt that was assigned to it."""
        self.log_file = ""

    def listen(self) -> None:
        """Subscribe to this Agent's broadcasts; returns when one has arrived."""
        self._broadcast = self._socket(zmq.SUB, self._session, self._session.broadcast_port)
        self._broadcast.subscribe(agent_topic(self.name))
        until = time.monotonic() + TIMEOUT_S
        while not self.has_heard():
            assert time.monotonic() < until, f"no broadcast to {self.name}"
            self.heartbeat()  # an unregistered Agent's heartbeat makes the server request registration
            self._broadcast.poll(100)

    def has_heard(self) -> bool:
        """Whether broadcasts have arrived since the last call."""
        assert self._broadcast is not None
        heard = False
        while self._broadcast.poll(0):
            self._broadcast.recv_multipart()
            heard = True
        return heard

    def stop_reading(self) -> None:
        """Reconnect with a receive queue of one message, and register: the server's replies pile up."""
        self._request.close()
        self._request = self._socket(zmq.DEALER, self._session, self._session.request_port, keeps=1)
        self.register()

    def _socket(self, kind: int, session: SessionRecord, port: int, keeps: int = 0) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        # Unsent messages of an attack must not delay the close.
        socket.linger = 0
        socket.sndhwm, socket.rcvhwm = 0, keeps
        # Without a connection, once its key is withdrawn, a send would block for ever.
        socket.sndtimeo = round(TIMEOUT_S * 1000)
        if keeps:
            socket.setsockopt(zmq.RCVBUF, 4096)
        socket.curve_serverkey = session.server_key.encode()
        socket.curve_publickey = session.public_key.encode()
        socket.curve_secretkey = session.secret_key.encode()
        socket.connect(f"tcp://127.0.0.1:{port}")
        return socket

    def __enter__(self) -> HostileAgent:
        return self

    def __exit__(self, kind: type[BaseException] | None, _e: object, _t: TracebackType | None) -> None:
        # A shared queue must not wait for this Agent's lease to end.
        self._update.linger = 5000
        self.send(m.LeaveUpdate(agent=self.name, reason="the attack is over"))
        self._request.close()
        self._update.close()
        if self._broadcast is not None:
            self._broadcast.close()
        self._context.term()

    # --- Sending ---

    def register(self, name: str = "") -> None:
        """Send a registration; the server replies with an order."""
        self._request.send(
            encode(
                m.RegisterUpdate(
                    protocol=m.PROTOCOL_VERSION, version="0", agent=name or self.name, host="b",
                    pid=os.getpid(), started=1.0, attempt="" if name else self.attempt,
                )
            )
        )  # fmt: skip

    def send(self, message: msgspec.Struct) -> None:
        """Send a report without waiting for a reply."""
        self._update.send(encode(message))

    def heartbeat(self) -> None:
        """Send a heartbeat."""
        self.send(
            m.HeartbeatUpdate(
                agent=self.name, number=1, assign_number=2**39 if self.attempt else 0, attempt=self.attempt
            )
        )

    def file(self, path: str, data: bytes, **fields: Any) -> m.FileUpdate:
        """Return the message that uploads a whole file, or the part that `fields` describe."""
        fields = {"offset": 0, "size": len(data), "digest": hashlib.sha256(data).hexdigest(), **fields}
        return m.FileUpdate(agent=self.name, attempt=self.attempt, path=path, data=data, **fields)

    # --- Receiving ---

    def read(self) -> None:
        """Receive all pending messages."""
        while True:
            try:
                self.orders.append(self._decoder.decode(self._request.recv(zmq.NOBLOCK)))
            except zmq.Again:
                return

    def wait(self, kind: type[T], fits: Callable[[T], bool] = lambda _order: True) -> T:
        """Wait for the next order of this kind for which `fits` is true; others are kept for later calls."""
        until = time.monotonic() + TIMEOUT_S
        while time.monotonic() < until:
            self.read()
            for order in self.orders:
                if isinstance(order, kind) and fits(order):
                    self.orders.remove(order)
                    return order
            self.heartbeat()
            self._request.poll(100)
        raise AssertionError(f"waited {TIMEOUT_S:g} s in vain for {kind.__name__}: {self.orders[-5:]}")

    def take_job(self) -> m.AssignOrder:
        """Register, and wait for an assignment."""
        self.register()
        order = self.wait(m.AssignOrder)
        self.attempt, self.log_file = order.attempt, order.log_file
        self.heartbeat()
        return order
