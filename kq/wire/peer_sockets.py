"""The sockets of Agents and clients to the server's ports. Invalid messages are counted and dropped."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec
import zmq

from .. import messages as m
from ..errors import MalformedMessage
from ..records import SessionRecord
from .frames import FrameDecoder, VersionMismatch, encode
from .receive import whole_message
from .sockets import (
    CLIENT_TOPIC,
    NOW,
    Poller,
    Ready,
    Socket,
    agent_topic,
    is_due,
    new_socket,
    set_keepalive,
)

__all__ = ["AgentWire", "ClientWire"]

_LONGEST_SILENCE_S = 3
"""A connection over a network is dropped when its peer does not respond for so long."""
_EVENT = struct.Struct("=H")
"""Start of a monitor's message (zmq_socket_monitor). pyzmq's own parser of it would import asyncio."""
_WATCHED = int(
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
)
T = TypeVar("T")


class _PeerWire(Generic[T]):
    """Base of both: a request socket with a monitor, and a subscription. For one thread."""

    def __init__(self, session: SessionRecord, topic: bytes, replies: object, *, network: bool) -> None:
        self._session = session
        self._network = network
        self._context: zmq.Context[Socket] = zmq.Context()
        self._decoder: FrameDecoder[T] = FrameDecoder(replies)
        self._events: FrameDecoder[m.BroadcastMessage] = FrameDecoder(m.BroadcastMessage)
        self.dropped = 0
        self.mismatch = ""
        """Message on a server of another protocol version; empty without one."""
        self._request = self._peer_socket(zmq.DEALER)
        self._request.sndhwm = 0
        self._monitor = self._request.get_monitor_socket(_WATCHED)
        self._broadcast = self._peer_socket(zmq.SUB)
        self._broadcast.subscribe(topic)
        self._watch_broadcast()
        self._connected: list[tuple[Socket, int]] = []
        """Connected sockets, each with the index of its port in SessionRecord.ports."""
        self._connect(self._request, 0)
        self._connect(self._broadcast, 2)

    def _watch_broadcast(self) -> None:
        """Hook: called before the subscription is connected, to monitor it too."""

    def _connect(self, socket: Socket, place: int) -> None:
        socket.connect(self._endpoint(self._session.ports[place]))
        self._connected.append((socket, place))

    def move(self, session: SessionRecord) -> None:
        """Connect to the current ports of the same session. Does not block.

        Unsent messages for a port that has changed are dropped.
        """
        before, self._session = self._session.ports, session
        for socket, place in self._connected:
            if session.ports[place] != before[place]:
                socket.disconnect(self._endpoint(before[place]))
                socket.connect(self._endpoint(session.ports[place]))

    def _endpoint(self, port: int) -> str:
        host = self._session.host
        return f"tcp://{f'[{host}]' if ':' in host else host}:{port}"

    def _peer_socket(self, kind: int) -> Socket:
        socket = new_socket(self._context, kind)
        socket.curve_serverkey = self._session.server_key.encode()
        socket.curve_publickey = self._session.public_key.encode()
        socket.curve_secretkey = self._session.secret_key.encode()
        socket.reconnect_ivl = 50
        socket.reconnect_ivl_max = 1000
        if ":" in self._session.host:
            socket.ipv6 = True
        if self._network:
            socket.connect_timeout = 2000
            set_keepalive(socket, _LONGEST_SILENCE_S)
        return socket

    def add_to(self, poller: Poller) -> None:
        """Add all sockets to `poller`."""
        for socket in (self._request, self._broadcast, self._monitor):
            poller.add(socket)

    def send_request(self, message: msgspec.Struct) -> None:
        """Send on the request port; queued while disconnected. Does not block.

        Raises:
            MalformedMessage: the message is too large.
        """
        self._request.send(encode(message), NOW)

    def replies(self, ready: Ready = None) -> Iterator[T]:
        """Yield the messages that have arrived on the request port. Does not block.

        Args:
            ready: readable sockets, from a poller; others are skipped. None: read in any case.
        """
        if not is_due(self._request, ready):
            return
        while (frames := whole_message(self._request)) is not None:
            try:
                if len(frames) != 1:
                    raise MalformedMessage("a message of several frames")
                yield self._decoder.decode(frames[0])
            except VersionMismatch as error:
                self.mismatch = str(error)
            except MalformedMessage:
                self.dropped += 1

    def broadcasts(self, ready: Ready = None) -> Iterator[m.BroadcastMessage]:
        """Yield the messages that have arrived on the broadcast port. Does not block; see `replies`."""
        if not is_due(self._broadcast, ready):
            return
        while (frames := whole_message(self._broadcast)) is not None:
            try:
                if len(frames) != 2:
                    raise MalformedMessage("a broadcast that is not a topic and a message")
                yield self._events.decode(frames[1])
            except VersionMismatch as error:
                self.mismatch = str(error)
            except MalformedMessage:
                self.dropped += 1

    def connection_changes(self, ready: Ready = None) -> Iterator[str]:
        """Yield changes of the connection in order: `up`, `down`, or `refused` (of the key). Does not block.

        `ready`: see `replies`.
        """
        for event in _events(self._monitor, ready):
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                # Not EVENT_CONNECTED: the kernel accepts connections for a server that hangs.
                yield "up"
            elif event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                yield "refused"
            else:
                yield "down"

    def close(self, linger_s: float = 0.0) -> None:
        """Close all sockets; waits up to `linger_s` seconds for unsent messages."""
        # Before their other ends are closed: libzmq would wait for a reader of the events.
        self._request.disable_monitor()
        self._broadcast.disable_monitor()
        # Not term(), which would wait for ever for a socket that was left open.
        self._context.destroy(int(linger_s * 1000))


class AgentWire(_PeerWire[m.AgentOrder]):
    """An Agent's end of the three ports."""

    def __init__(self, session: SessionRecord, agent_id: str, *, network: bool) -> None:
        super().__init__(session, agent_topic(agent_id), m.AgentOrder, network=network)
        self._update = self._peer_socket(zmq.PUSH)
        self._update.sndhwm = 10_000
        self._connect(self._update, 1)

    def send_update(self, message: msgspec.Struct) -> bool:
        """Send on the update port. Does not block. Returns False when the queue is full: it was dropped."""
        try:
            self._update.send(encode(message), NOW)
        except zmq.Again:
            return False
        return True


class ClientWire(_PeerWire[m.ServerReply]):
    """A client's end of the request and broadcast ports. For one thread."""

    def __init__(self, session: SessionRecord) -> None:
        self.is_broadcast_connected = False
        """Whether the broadcast port is connected, as of the last `broadcast_connection_changed`."""
        super().__init__(session, CLIENT_TOPIC, m.ServerReply, network=session.host not in _LOOPBACK)

    def _watch_broadcast(self) -> None:
        self._broadcast_monitor = self._broadcast.get_monitor_socket(_WATCHED)

    def add_to(self, poller: Poller) -> None:
        super().add_to(poller)
        poller.add(self._broadcast_monitor)

    def broadcast_connection_changed(self, ready: Ready = None) -> bool:
        """Update `is_broadcast_connected`. Does not block. `ready`: see `replies`.

        Returns:
            Whether the broadcast port was connected or disconnected: events may have been missed.
        """
        changed = False
        for event in _events(self._broadcast_monitor, ready):
            self.is_broadcast_connected, changed = event == zmq.EVENT_HANDSHAKE_SUCCEEDED, True
        return changed


def _events(monitor: Socket, ready: Ready) -> Iterator[int]:
    """Yield the events of a monitor. Does not block."""
    if not is_due(monitor, ready):
        return
    while (frames := whole_message(monitor)) is not None:
        yield int(_EVENT.unpack_from(frames[0])[0])


_LOOPBACK = ("127.0.0.1", "::1", "localhost")
