"""The three ports as an Agent and a client see them.

What is not a message of the right type is counted and dropped here.
"""

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
    notice_silence,
)

__all__ = ["AgentWire", "ClientWire"]

_LONGEST_SILENCE_S = 3
"""A network that is silent for so long counts as cut."""
_EVENT = struct.Struct("=H")
"""How a monitor's message begins (zmq_socket_monitor). pyzmq's own reader of it would bring asyncio along."""
_WATCHED = int(
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
)
T = TypeVar("T")


class _PeerWire(Generic[T]):
    """What Agent and client share: a request socket with a monitor, and a subscription."""

    def __init__(self, session: SessionRecord, topic: bytes, replies: object, *, network: bool) -> None:
        self._session = session
        self._network = network
        self._context: zmq.Context[Socket] = zmq.Context()
        self._decoder: FrameDecoder[T] = FrameDecoder(replies)
        self._events: FrameDecoder[m.BroadcastMessage] = FrameDecoder(m.BroadcastMessage)
        self.dropped = 0
        self.mismatch = ""
        """Why the other side cannot be understood; or empty."""
        self._request = self._peer_socket(zmq.DEALER)
        self._request.sndhwm = 0
        self._monitor = self._request.get_monitor_socket(_WATCHED)
        self._broadcast = self._peer_socket(zmq.SUB)
        self._broadcast.subscribe(topic)
        self._watch_broadcast()
        self._connected: list[tuple[Socket, int]] = []
        """Each socket that is connected, and its port's place among a session's ports."""
        self._connect(self._request, 0)
        self._connect(self._broadcast, 2)

    def _watch_broadcast(self) -> None:
        """Watch the subscription, too, where that is of use; before it is connected."""

    def _connect(self, socket: Socket, place: int) -> None:
        socket.connect(self._endpoint(self._session.ports[place]))
        self._connected.append((socket, place))

    def move(self, session: SessionRecord) -> None:
        """Reach the same session on the ports that `session` names. Never waits.

        What waits to be sent on a port that is another one now is dropped.
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
            notice_silence(socket, _LONGEST_SILENCE_S)
        return socket

    def add_to(self, poller: Poller) -> None:
        """Have `poller` wait for what arrives."""
        for socket in (self._request, self._broadcast, self._monitor):
            poller.add(socket)

    def send_request(self, message: msgspec.Struct) -> None:
        """Send on the request port; kept until the server is reached. Never waits.

        Raises:
            MalformedMessage: it is too large.
        """
        self._request.send(encode(message), NOW)

    def replies(self, ready: Ready = None) -> Iterator[T]:
        """What has arrived on the request port. Never waits.

        Args:
            ready: what a poller found readable; a port that is not among it is not looked at. None: it is.
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
        """What has arrived on the broadcast port. Never waits. `ready`: see `replies`."""
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
        """`up`, `down` or `refused` (our key is), in the order they happened. Never waits.

        `ready`: see `replies`.
        """
        for event in _events(self._monitor, ready):
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                # Only now is the other side known to be alive: CONNECTED may be the kernel's backlog.
                yield "up"
            elif event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                yield "refused"
            else:
                yield "down"

    def close(self, linger_s: float = 0.0) -> None:
        """Close all sockets; what was sent gets `linger_s` seconds to leave."""
        # Before their other ends are closed: libzmq would wait for one that reads its events.
        self._request.disable_monitor()
        self._broadcast.disable_monitor()
        # Closes each socket that there is: the context would wait without end for one that was forgotten.
        self._context.destroy(int(linger_s * 1000))


class AgentWire(_PeerWire[m.AgentOrder]):
    """An Agent's end of the three ports."""

    def __init__(self, session: SessionRecord, agent_id: str, *, network: bool) -> None:
        super().__init__(session, agent_topic(agent_id), m.AgentOrder, network=network)
        self._update = self._peer_socket(zmq.PUSH)
        self._update.sndhwm = 10_000
        self._connect(self._update, 1)

    def send_update(self, message: msgspec.Struct) -> bool:
        """Send on the update port. Never waits; False when too much waits already and it was dropped."""
        try:
            self._update.send(encode(message), NOW)
        except zmq.Again:
            return False
        return True


class ClientWire(_PeerWire[m.ServerReply]):
    """A client's end: the request port and the broadcasts. For one thread."""

    def __init__(self, session: SessionRecord) -> None:
        self.hears = False
        """Whether broadcasts can come through, as far as `hearing_changed` knows."""
        super().__init__(session, CLIENT_TOPIC, m.ServerReply, network=session.host not in _LOOPBACK)

    def _watch_broadcast(self) -> None:
        self._ear = self._broadcast.get_monitor_socket(_WATCHED)

    def add_to(self, poller: Poller) -> None:
        super().add_to(poller)
        poller.add(self._ear)

    def hearing_changed(self, ready: Ready = None) -> bool:
        """Take note of whether broadcasts can come through, in `hears`. Never waits. `ready`: see `replies`.

        Returns:
            Whether it has changed: what was published meanwhile was missed.
        """
        changed = False
        for event in _events(self._ear, ready):
            self.hears, changed = event == zmq.EVENT_HANDSHAKE_SUCCEEDED, True
        return changed


def _events(monitor: Socket, ready: Ready) -> Iterator[int]:
    """The events of a monitor. Never waits."""
    if not is_due(monitor, ready):
        return
    while (frames := whole_message(monitor)) is not None:
        yield int(_EVENT.unpack_from(frames[0])[0])


_LOOPBACK = ("127.0.0.1", "::1", "localhost")
