"""The three ports, as the server, an Agent and a client see them. Each socket belongs to one thread.

What is not a message of the right type, from a key with the right role, is counted and dropped here.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from typing import Generic, NamedTuple, TypeVar

import msgspec
import zmq

from kq import messages as m
from kq.errors import MalformedMessage, Refused
from kq.records import SessionRecord
from kq.wire.frames import MAX_MESSAGE_BYTES, FrameDecoder, VersionMismatch, encode
from kq.wire.keys import ZAP_DOMAIN, Doorkeeper, KeyPair
from kq.wire.receiving import first_frame, whole_message

__all__ = ["AgentWire", "ClientWire", "Incoming", "Poller", "ServerWire"]

CLIENT_TOPIC = b"c"
_SUBSCRIBE = b"\x01"
_NETWORK_HEARTBEAT_MS = 1500
# Plain numbers: pyzmq's flags are Enum members, and each `|` of those takes a microsecond.
_NOW = int(zmq.DONTWAIT)
_MORE_NOW = int(zmq.DONTWAIT | zmq.SNDMORE)
_EVENT = struct.Struct("=H")
"""How a monitor's message begins (zmq_socket_monitor). pyzmq's own reader of it would bring asyncio along."""
_Socket = zmq.Socket[bytes]
Ready = Collection[object] | None
T = TypeVar("T")


def _is_due(socket: _Socket, ready: Ready) -> bool:
    return ready is None or socket in ready


class Poller:
    """Waits for sockets and file descriptors."""

    def __init__(self) -> None:
        self._poller = zmq.Poller()

    def add(self, source: _Socket | int) -> None:
        """Wait for `source` to become readable from now on."""
        self._poller.register(source, zmq.POLLIN)

    def remove(self, source: _Socket | int) -> None:
        """Do not wait for it any more."""
        self._poller.unregister(source)

    def wait(self, timeout_s: float | None) -> set[_Socket | int]:
        """What is readable, after at most `timeout_s` seconds (None: no limit)."""
        # Rounded up: rounded down to 0 it would spin until the moment has come.
        timeout = None if timeout_s is None else max(int(timeout_s * 1000 + 0.999), 0)
        return {source for source, _ in self._poller.poll(timeout)}


class Incoming(NamedTuple, Generic[T]):
    """A message with its sender."""

    peer: bytes
    """Where a reply goes; empty on the update port."""
    role: str
    message: T


def _agent_topic(agent_id: str) -> bytes:
    return b"a" + agent_id.encode() + b"\0"


def _may_hear(role: str, topic: bytes) -> bool:
    """Whether a key of this role may listen to the topic: to its own kind's, and whole ones alone.

    What clients are told names all jobs with their paths: that is no Agent's business.
    """
    kind, _, host = role.partition(":")
    if kind == "client":
        return topic == CLIENT_TOPIC
    if kind != "agent" or not topic.startswith(b"a") or topic.find(b"\0") != len(topic) - 1:
        return False
    return b":" not in topic if host == "local" else topic.startswith(b"a" + host.encode() + b":")


def _new(context: zmq.Context[_Socket], kind: int) -> _Socket:
    socket = context.socket(kind)
    socket.linger = 0
    socket.maxmsgsize = MAX_MESSAGE_BYTES
    return socket


class ServerWire:
    """The server's end of the three ports. Closed by default: CURVE, admitted keys only, loopback only."""

    def __init__(self, keys: KeyPair) -> None:
        self._context: zmq.Context[_Socket] = zmq.Context()
        # 1,000 Agents hold three connections each.
        self._context.max_sockets = 16383
        self.door = Doorkeeper(self._context)
        self._request = self._server_socket(zmq.ROUTER, keys)
        self._request.router_mandatory = True
        self._update = self._server_socket(zmq.PULL, keys)
        # PUB would let whoever has a key listen to anything. Here each subscription waits for `admit`.
        self._broadcast = self._server_socket(zmq.XPUB, keys)
        self._broadcast.setsockopt(zmq.XPUB_MANUAL, 1)
        self._requests: FrameDecoder[m.RequestMessage] = FrameDecoder(m.RequestMessage)
        self._updates: FrameDecoder[m.UpdateMessage] = FrameDecoder(m.UpdateMessage)
        self.dropped = 0
        """Frames that were no message, or came from a role that may not send it."""

    def _server_socket(self, kind: int, keys: KeyPair) -> _Socket:
        socket = _new(self._context, kind)
        socket.curve_server = True
        socket.curve_secretkey = keys.secret.encode()
        socket.zap_domain = ZAP_DOMAIN
        socket.handshake_ivl = 5000
        socket.backlog = 1024
        return socket

    def bind(self, address: str, ports: tuple[int, int, int]) -> tuple[int, int, int]:
        """Bind request, update and broadcast port on `address`; 0 lets the system choose.

        Returns:
            The ports that were bound.

        Raises:
            Refused: names the port that cannot be had.
        """
        bound: list[int] = []
        sockets = (self._request, self._update, self._broadcast)
        for socket, port, name in zip(sockets, ports, ("REQUEST", "UPDATE", "BROADCAST"), strict=True):
            host = f"[{address}]" if ":" in address else address
            if ":" in address:
                socket.ipv6 = True
            try:
                socket.bind(f"tcp://{host}:{port or '*'}")
            except zmq.ZMQError as error:
                for done, done_port in zip(sockets, bound, strict=False):
                    done.unbind(f"tcp://{host}:{done_port}")
                raise Refused(
                    f"the {name.lower()} port cannot be opened on {address}"
                    f"{f' port {port}' if port else ''}: {zmq.strerror(error.errno or 0)}"
                    f"{f'; set KQ_{name}_PORT to a free port, or unset it' if port else ''}"
                ) from error
            endpoint = socket.getsockopt(zmq.LAST_ENDPOINT)
            assert isinstance(endpoint, bytes)
            bound.append(int(endpoint.decode().rstrip("\0").rpartition(":")[2]))
        return bound[0], bound[1], bound[2]

    def unbind(self, address: str, ports: tuple[int, int, int]) -> None:
        """Accept nobody new on `address`. Connections that stand go on."""
        host = f"[{address}]" if ":" in address else address
        for socket, port in zip((self._request, self._update, self._broadcast), ports, strict=True):
            try:
                socket.unbind(f"tcp://{host}:{port}")
            except zmq.ZMQError:
                pass  # it was not bound, or the address is gone: either way nobody comes in by it

    def add_to(self, poller: Poller) -> None:
        """Have `poller` wait for the ports."""
        for socket in (self._request, self._update, self._broadcast, self.door.socket):
            poller.add(socket)

    def admit(self, ready: Ready = None) -> None:
        """Answer those who connect, and those who want to listen to a topic. Never waits.

        Args:
            ready: what a poller found readable; sockets that it does not name are not looked at, which takes
                a tenth of a millisecond when that code has not run for a while. None: all are.
        """
        if _is_due(self.door.socket, ready):
            self.door.answer()
        if not _is_due(self._broadcast, ready):
            return
        while (frame := first_frame(self._broadcast)) is not None:
            if frame.more:
                self._skip_rest(self._broadcast)
                continue
            told = frame.bytes
            # The other kind ends a subscription: with its connection, which has ended it already.
            if told.startswith(_SUBSCRIBE):
                topic = told.removeprefix(_SUBSCRIBE)
                if _may_hear(self._role(frame), topic):
                    self._broadcast.subscribe(topic)
                else:
                    self.dropped += 1

    def requests(self, limit: int, ready: Ready = None) -> Iterator[Incoming[m.RequestMessage]]:
        """What has arrived on the request port, at most `limit` messages. Never waits.

        `ready`: see `admit`.
        """
        for _ in range(limit if _is_due(self._request, ready) else 0):
            sender = first_frame(self._request)
            if sender is None:
                return
            # A message of ZeroMQ's is there whole or not at all: what follows never waits.
            frame = self._request.recv(copy=False)
            if frame.more:
                self._skip_rest(self._request)
                continue
            peer, role = sender.bytes, self._role(frame)
            try:
                message = self._requests.decode(frame.bytes)
            except VersionMismatch as error:
                self.dropped += 1
                # Its own decoder stops at our header, and words the mismatch for people over there.
                self.send(peer, m.EndOrder(reason=str(error)))
                continue
            except MalformedMessage:
                self.dropped += 1
                continue
            wanted = "agent" if isinstance(message, m.RegisterUpdate) else "client"
            if role.partition(":")[0] != wanted:
                self.dropped += 1
                if isinstance(message, m.RegisterUpdate):
                    self.send(peer, m.EndOrder(reason="this key is not an Agent's"))
                else:
                    self.send(
                        peer,
                        m.RefusedReply(
                            request=message.request,
                            kind="Refused",
                            sentence="an Agent's key may take work and report, and nothing else",
                        ),
                    )
                continue
            yield Incoming(peer, role, message)

    def updates(self, limit: int, ready: Ready = None) -> Iterator[Incoming[m.UpdateMessage]]:
        """What has arrived on the update port, at most `limit` messages. Never waits.

        `ready`: see `admit`.
        """
        for _ in range(limit if _is_due(self._update, ready) else 0):
            frame = first_frame(self._update)
            if frame is None:
                return
            if frame.more:
                self._skip_rest(self._update)
                continue
            role = self._role(frame)
            try:
                message = self._updates.decode(frame.bytes)
            except MalformedMessage:
                self.dropped += 1
                continue
            if not role.startswith("agent:"):
                self.dropped += 1
                continue
            yield Incoming(b"", role, message)

    def _skip_rest(self, socket: _Socket) -> None:
        """Drop what follows, frame by frame: there may be a million of them."""
        self.dropped += 1
        while socket.recv(copy=False).more:
            pass

    def _role(self, frame: zmq.Frame) -> str:
        """The role of the key that sent it, as long as the key is still admitted."""
        role = str(frame.get("User-Id"))
        return role if role in self.door.roles.values() else ""

    def send(self, peer: bytes, message: msgspec.Struct) -> bool:
        """Answer `peer` on the request port. Never waits.

        Returns:
            False when it is gone, or reads so slowly that its queue is full.
        """
        frame = encode(message)
        try:
            self._request.send(peer, _MORE_NOW)
            self._request.send(frame, _NOW)
        except (zmq.Again, zmq.ZMQError):
            return False
        return True

    def publish_to_agent(self, agent_id: str, message: msgspec.Struct) -> None:
        """Tell one Agent, if it is connected. Never waits."""
        self._publish(_agent_topic(agent_id), message)

    def publish_to_clients(self, message: msgspec.Struct) -> None:
        """Tell all clients. Never waits."""
        self._publish(CLIENT_TOPIC, message)

    def _publish(self, topic: bytes, message: msgspec.Struct) -> None:
        frame = encode(message)
        self._broadcast.send(topic, _MORE_NOW)
        self._broadcast.send(frame, _NOW)

    def close(self, linger_s: float = 0.2) -> None:
        """Close the ports; what was sent gets `linger_s` seconds to leave."""
        for socket in (self._request, self._update, self._broadcast):
            socket.close(int(linger_s * 1000))
        self.door.close()
        self._context.term()


class _PeerWire(Generic[T]):
    """What Agent and client share: a request socket with a monitor, and a subscription."""

    def __init__(self, session: SessionRecord, topic: bytes, replies: object, *, network: bool) -> None:
        self._session = session
        self._network = network
        self._context: zmq.Context[_Socket] = zmq.Context()
        self._decoder: FrameDecoder[T] = FrameDecoder(replies)
        self._events: FrameDecoder[m.BroadcastMessage] = FrameDecoder(m.BroadcastMessage)
        self.dropped = 0
        self.mismatch = ""
        """Why the other side cannot be understood: a sentence, or empty."""
        self._request = self._peer_socket(zmq.DEALER)
        self._request.sndhwm = 0
        self._monitor = self._request.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED
            | zmq.EVENT_DISCONNECTED
            | zmq.EVENT_HANDSHAKE_FAILED_AUTH
            | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
            | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
        )
        self._broadcast = self._peer_socket(zmq.SUB)
        self._broadcast.subscribe(topic)
        self._request.connect(self._endpoint(session.request_port))
        self._broadcast.connect(self._endpoint(session.broadcast_port))

    def _endpoint(self, port: int) -> str:
        host = self._session.host
        return f"tcp://{f'[{host}]' if ':' in host else host}:{port}"

    def _peer_socket(self, kind: int) -> _Socket:
        socket = _new(self._context, kind)
        socket.curve_serverkey = self._session.server_key.encode()
        socket.curve_publickey = self._session.public_key.encode()
        socket.curve_secretkey = self._session.secret_key.encode()
        socket.reconnect_ivl = 50
        socket.reconnect_ivl_max = 1000
        if ":" in self._session.host:
            socket.ipv6 = True
        if self._network:
            # A cut network says nothing: without these TCP would go on believing for minutes.
            socket.connect_timeout = 2000
            socket.heartbeat_ivl = _NETWORK_HEARTBEAT_MS
            socket.heartbeat_timeout = 2 * _NETWORK_HEARTBEAT_MS
            socket.heartbeat_ttl = 4 * _NETWORK_HEARTBEAT_MS
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
        self._request.send(encode(message), _NOW)

    def replies(self, ready: Ready = None) -> Iterator[T]:
        """What has arrived on the request port. Never waits.

        Args:
            ready: what a poller found readable; a port that is not among it is not looked at. None: it is.
        """
        if not _is_due(self._request, ready):
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
        if not _is_due(self._broadcast, ready):
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
        if not _is_due(self._monitor, ready):
            return
        while (frames := whole_message(self._monitor)) is not None:
            event = _EVENT.unpack_from(frames[0])[0]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                # Only now is the other side known to be alive: CONNECTED may be the kernel's backlog.
                yield "up"
            elif event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                yield "refused"
            else:
                yield "down"

    def close(self, linger_s: float = 0.0) -> None:
        """Close all sockets; what was sent gets `linger_s` seconds to leave."""
        self._request.disable_monitor()
        self._monitor.close(0)
        for socket in self._sockets():
            socket.close(int(linger_s * 1000))
        self._context.term()

    def _sockets(self) -> list[_Socket]:
        return [self._request, self._broadcast]


class AgentWire(_PeerWire[m.AgentOrder]):
    """An Agent's end of the three ports."""

    def __init__(self, session: SessionRecord, agent_id: str, *, network: bool) -> None:
        super().__init__(session, _agent_topic(agent_id), m.AgentOrder, network=network)
        self._update = self._peer_socket(zmq.PUSH)
        self._update.sndhwm = 10_000
        self._update.connect(self._endpoint(session.update_port))

    def send_update(self, message: msgspec.Struct) -> bool:
        """Send on the update port. Never waits; False when too much waits already and it was dropped."""
        try:
            self._update.send(encode(message), _NOW)
        except zmq.Again:
            return False
        return True

    def _sockets(self) -> list[_Socket]:
        return [*super()._sockets(), self._update]


class ClientWire(_PeerWire[m.ServerReply]):
    """A client's end: the request port and the broadcasts. Woken from other threads by `Waker`."""

    def __init__(self, session: SessionRecord) -> None:
        super().__init__(session, CLIENT_TOPIC, m.ServerReply, network=session.host not in _LOOPBACK)


_LOOPBACK = ("127.0.0.1", "::1", "localhost")
