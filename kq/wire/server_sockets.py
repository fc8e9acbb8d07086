"""The server's three ports. Secure by default: CURVE, admitted keys only, loopback only.

Invalid messages, and those that the role of their key may not send, are counted and dropped.
"""

from __future__ import annotations

import socket as system_socket
import struct
import sys
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

import msgspec
import zmq

from .. import messages as m
from ..errors import MalformedMessage, Refused
from .connections import Connections
from .frames import MAX_MESSAGE_BYTES, FrameDecoder, VersionMismatch, encode
from .key_limits import KeyLimits
from .keys import ZAP_DOMAIN, Authenticator, KeyPair
from .receive import first_frame, whole_message
from .sockets import (
    CLIENT_TOPIC,
    MORE_NOW,
    NOW,
    Poller,
    Ready,
    Socket,
    agent_topic,
    is_due,
    new_socket,
    set_keepalive,
)
from .unfinished import UnfinishedMessages, received_by, resident_bytes

__all__ = ["Incoming", "ServerWire"]

_SUBSCRIBE = b"\x01"
_MAX_TOPIC_BYTES = 1024
"""Largest message on the broadcast port: an Agent's id of up to 120 characters, and CURVE's handshake."""
_MAX_SUBSCRIPTIONS = 16
"""Most messages of a remote key's connection on the broadcast port. An Agent sends one."""
_MAX_SUBSCRIPTIONS_A_TURN = 512
_MAX_SILENT = 500
"""Most connections of each port that have sent no message. 1,000 Agents that come back at once take 0.5 s."""
_EVENT = struct.Struct("=HI")
"""A monitor's message (zmq_socket_monitor): the event, and the descriptor of the connection's socket."""
_MAX_UPDATE_BYTES = 2 << 20
"""Largest message on the update port: a part of a file, or the endings of 100 attempts."""
_MAX_WAITING = 64
"""Most updates of one connection that are queued; then TCP flow control stops the sender. Requests have no
such limit: the journal is written once for all that are queued."""
_SOCKET = int(zmq.SRCFD)
_FORGET_AFTER_S = 30
"""A connection is dropped when its peer does not respond for so long. It may just be slow to read."""
_MAX_UNFINISHED_BYTES = 128 << 20
"""Most bytes of unfinished messages of all connections to one port."""
_GROWTH_BYTES = 4 << 20
"""When the program has grown by so much, it is checked whether an unfinished message is the reason."""
T = TypeVar("T")


class Incoming(NamedTuple, Generic[T]):
    """A message with its sender."""

    peer: bytes
    """Routing id for a reply; empty on the update port."""
    role: str
    message: T


def _may_subscribe(role: str, topic: bytes) -> bool:
    """Whether a key of this role may subscribe to `topic`, which must be complete and of its own kind.

    Broadcasts to clients contain all jobs with their paths, which Agents must not receive.
    """
    kind, _, host = role.partition(":")
    if kind == "client":
        return topic == CLIENT_TOPIC
    if kind != "agent" or not topic.startswith(b"a") or topic.find(b"\0") != len(topic) - 1:
        return False
    return b":" not in topic if host == "local" else topic.startswith(b"a" + host.encode() + b":")


class ServerWire:
    """The server's sockets. For one thread; no method blocks except `close`.

    Attributes:
        authenticator: the admitted keys and their roles.
    """

    def __init__(self, keys: KeyPair, key_limits: KeyLimits) -> None:
        """`keys`: the server's own. What exceeds `key_limits` is dropped, or its connection closed."""
        self._key_limits = key_limits
        self._context: zmq.Context[Socket] = zmq.Context()
        # 1,000 Agents hold three connections each.
        self._context.max_sockets = 16383
        self.authenticator = Authenticator(self._context)
        self._request = self._server_socket(zmq.ROUTER, keys)
        self._request.router_mandatory = True
        self._update = self._server_socket(zmq.PULL, keys)
        self._update.maxmsgsize = _MAX_UPDATE_BYTES
        self._update.rcvhwm = _MAX_WAITING
        # Not PUB, to which any key could subscribe to any topic: `admit` checks each subscription.
        self._broadcast = self._server_socket(zmq.XPUB, keys)
        self._broadcast.setsockopt(zmq.XPUB_MANUAL, 1)
        self._broadcast.maxmsgsize = _MAX_TOPIC_BYTES
        self._monitors: dict[Socket, Socket] = {}
        """By socket: a socket with the beginnings and ends of its connections."""
        self._connections: dict[Socket, Connections] = {}
        for socket in (self._request, self._update, self._broadcast):
            most = _MAX_SUBSCRIPTIONS if socket is self._broadcast else None
            self._connections[socket] = Connections(_MAX_SILENT, most)
            self._monitors[socket] = self._new_monitor(socket)
        self._unfinished = {
            socket: UnfinishedMessages(2 * most, _MAX_UNFINISHED_BYTES)
            for socket, most in (
                (self._request, MAX_MESSAGE_BYTES),
                (self._update, _MAX_UPDATE_BYTES),
                (self._broadcast, _MAX_TOPIC_BYTES * _MAX_SUBSCRIPTIONS),
            )
        }
        self._checked_memory = 0
        """The program's memory in bytes when messages were checked last, or the lowest since."""
        self._ports: set[int] = set()
        """All ports that were ever bound."""
        self._requests: FrameDecoder[m.RequestMessage] = FrameDecoder(m.RequestMessage)
        self._updates: FrameDecoder[m.UpdateMessage] = FrameDecoder(m.UpdateMessage)
        self.dropped = 0
        """Number of messages that were invalid, or that their sender's role may not send."""

    def _server_socket(self, kind: int, keys: KeyPair) -> Socket:
        socket = new_socket(self._context, kind)
        socket.curve_server = True
        socket.curve_secretkey = keys.secret.encode()
        socket.zap_domain = ZAP_DOMAIN
        socket.handshake_ivl = 5000
        socket.backlog = 1024
        set_keepalive(socket, _FORGET_AFTER_S)
        return socket

    def _new_monitor(self, socket: Socket) -> Socket:
        address = f"inproc://connections-{len(self._monitors)}"
        socket.monitor(address, zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED)
        monitor = self._context.socket(zmq.PAIR)
        monitor.linger = 0
        # ZeroMQ's thread would wait for a reader, and this thread for that one.
        monitor.rcvhwm = 0
        monitor.connect(address)
        return monitor

    def bind(
        self,
        address: str,
        ports: tuple[int, int, int],
        may_move: tuple[bool, bool, bool] = (False, False, False),
    ) -> tuple[int, int, int]:
        """Listen on `address`, all ports or none.

        Args:
            ports: request, update and broadcast port; 0: the system chooses one.
            may_move: for each port, whether the system may choose another if it is in use.

        Returns:
            The three ports.

        Raises:
            Refused: a port cannot be opened; the message has its name.
        """
        bound: list[int] = []
        sockets = (self._request, self._update, self._broadcast)
        names = ("REQUEST", "UPDATE", "BROADCAST")
        host = f"[{address}]" if ":" in address else address
        for socket, port, movable, name in zip(sockets, ports, may_move, names, strict=True):
            if ":" in address:
                socket.ipv6 = True
            try:
                try:
                    socket.bind(f"tcp://{host}:{port or '*'}")
                except zmq.ZMQError:
                    if not (port and movable):
                        raise
                    socket.bind(f"tcp://{host}:*")
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
        self._ports.update(bound)
        return bound[0], bound[1], bound[2]

    def unbind(self, address: str, ports: tuple[int, int, int]) -> None:
        """Stop listening on `address`. Open connections stay."""
        host = f"[{address}]" if ":" in address else address
        for socket, port in zip((self._request, self._update, self._broadcast), ports, strict=True):
            try:
                socket.unbind(f"tcp://{host}:{port}")
            except zmq.ZMQError:
                pass  # it was not bound, or the address no longer exists

    def add_to(self, poller: Poller) -> None:
        """Add all sockets to `poller`."""
        for socket in (self._request, self._update, self._broadcast, self.authenticator.socket):
            poller.add(socket)
        for monitor in self._monitors.values():
            poller.add(monitor)

    def admit(self, ready: Ready = None) -> None:
        """Admit or refuse new connections and subscriptions. Does not block.

        Args:
            ready: readable sockets, from a poller; others are skipped, which saves up to 0.1 ms. None: all.
        """
        if is_due(self.authenticator.socket, ready):
            self.authenticator.answer()
        for socket, monitor in self._monitors.items():
            if is_due(monitor, ready):
                self._note_connections(socket)
        for _ in range(_MAX_SUBSCRIPTIONS_A_TURN if is_due(self._broadcast, ready) else 0):
            frame = first_frame(self._broadcast)
            if frame is None:
                return
            self._note_message(self._broadcast, frame)
            if frame.more:
                self._skip_rest(self._broadcast)
                continue
            content = frame.bytes
            # Other messages end a subscription, which libzmq does itself when the connection closes.
            if content.startswith(_SUBSCRIBE):
                topic = content.removeprefix(_SUBSCRIBE)
                if _may_subscribe(self._role(frame), topic):
                    self._broadcast.subscribe(topic)
                else:
                    self.dropped += 1

    # --- Connections ---

    def _note_connections(self, socket: Socket) -> None:
        """Note opened and closed connections; close those without a message beyond the limit."""
        connections = self._connections[socket]
        while (frames := whole_message(self._monitors[socket])) is not None:
            event, fd = _EVENT.unpack_from(frames[0])
            if event == zmq.EVENT_ACCEPTED:
                for each in connections.accepted(fd):
                    self._close_connection(each)
            else:
                connections.closed(fd)

    def _note_message(self, socket: Socket, frame: zmq.Frame) -> None:
        """Note who has sent a message, and close what its key has too many of."""
        try:
            fd, role = int(frame.get(_SOCKET)), self._role(frame)
        except zmq.ZMQError:
            return  # no peer sent it: the subscription of a connection that was closed
        connections = self._connections[socket]
        if fd not in connections:
            self._note_connections(socket)  # it may be that new
        for each in connections.heard(fd, role, self._key_limits.max_connections(role)):
            self._close_connection(each)
            self._key_limits.refuse(role, "too many connections or subscriptions")

    def close_endless(self) -> bool:
        """Close connections that send a message without end. To be called every second or so; Linux only.

        ZeroMQ keeps the frames of a message until it is complete, and has no limit for their number.

        Returns:
            Whether there may be one, so that the next call should come sooner: memory fills quickly.
        """
        memory = resident_bytes()
        if memory < self._checked_memory + _GROWTH_BYTES:
            self._checked_memory = min(memory, self._checked_memory)
            return False
        self._checked_memory = memory
        for socket, unfinished in self._unfinished.items():
            connections = self._connections[socket]
            for fd in unfinished.check(received_by(connections.messages)):
                role = connections.role(fd)
                connections.closed(fd)
                self._close_connection(fd)
                self._key_limits.refuse(role, "a message without end")
        return any(unfinished.has_large for unfinished in self._unfinished.values())

    def _close_connection(self, fd: int) -> None:
        """Have ZeroMQ find that the peer is gone: it has no call to close one connection.

        Not on Windows, where libzmq ends the process when it meets the error of such a socket (WSAESHUTDOWN).
        """
        if sys.platform != "win32":
            try:
                with system_socket.fromfd(fd, system_socket.AF_INET, system_socket.SOCK_STREAM) as copy:
                    # By now it may be another file's descriptor.
                    if copy.getsockname()[1] in self._ports:
                        copy.shutdown(system_socket.SHUT_RDWR)
            except OSError:
                pass  # it has been closed, and may be no socket any more

    # --- Messages ---

    def requests(self, limit: int, ready: Ready = None) -> Iterator[Incoming[m.RequestMessage]]:
        """Yield up to `limit` messages that have arrived on the request port. Does not block.

        `ready`: see `admit`.
        """
        for _ in range(limit if is_due(self._request, ready) else 0):
            sender = first_frame(self._request)
            if sender is None:
                return
            # ZeroMQ delivers messages whole, so the next frame does not block.
            frame = self._request.recv(copy=False)
            self._note_message(self._request, frame)
            if frame.more:
                self._skip_rest(self._request)
                continue
            peer, role = sender.bytes, self._role(frame)
            if not self._key_limits.allow_message(role):
                continue
            try:
                message = self._requests.decode(frame.bytes)
            except VersionMismatch as error:
                self.dropped += 1
                # The peer's decoder fails at this frame's header, and reports the mismatch there.
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
                            message="an Agent's key may not send requests",
                        ),
                    )
                continue
            yield Incoming(peer, role, message)

    def updates(self, limit: int, ready: Ready = None) -> Iterator[Incoming[m.UpdateMessage]]:
        """Yield up to `limit` messages that have arrived on the update port. Does not block.

        `ready`: see `admit`.
        """
        for _ in range(limit if is_due(self._update, ready) else 0):
            frame = first_frame(self._update)
            if frame is None:
                return
            self._note_message(self._update, frame)
            if frame.more:
                self._skip_rest(self._update)
                continue
            role = self._role(frame)
            if not self._key_limits.allow_message(role):
                continue
            try:
                message = self._updates.decode(frame.bytes)
            except MalformedMessage:
                self.dropped += 1
                continue
            if not role.startswith("agent:"):
                self.dropped += 1
                continue
            yield Incoming(b"", role, message)

    def _skip_rest(self, socket: Socket) -> None:
        """Discard the message's other frames one by one, because there may be a million."""
        self.dropped += 1
        while socket.recv(copy=False).more:
            pass

    def _role(self, frame: zmq.Frame) -> str:
        """Return the role of the sender's key; empty if no admitted key has it any more."""
        role = str(frame.get("User-Id"))
        return role if role in self.authenticator.roles.values() else ""

    def send(self, peer: bytes, message: msgspec.Struct) -> bool:
        """Reply to `peer` on the request port. Does not block.

        Returns:
            False when the peer has disconnected, or its send queue is full.
        """
        frame = encode(message)
        try:
            self._request.send(peer, MORE_NOW)
            self._request.send(frame, NOW)
        except (zmq.Again, zmq.ZMQError):
            return False
        return True

    def publish_to_agent(self, agent_id: str, message: msgspec.Struct) -> None:
        """Send to one Agent, if it is connected. Does not block."""
        self._publish(agent_topic(agent_id), message)

    def publish_to_clients(self, message: msgspec.Struct) -> None:
        """Send to all clients. Does not block."""
        self._publish(CLIENT_TOPIC, message)

    def _publish(self, topic: bytes, message: msgspec.Struct) -> None:
        frame = encode(message)
        self._broadcast.send(topic, MORE_NOW)
        self._broadcast.send(frame, NOW)

    def close(self, linger_s: float = 0.2) -> None:
        """Close the ports; waits up to `linger_s` seconds for unsent messages."""
        self.authenticator.close()
        for socket in self._monitors:
            socket.monitor(None, 0)
        # Not term(), which would wait for ever for a socket that was left open.
        self._context.destroy(int(linger_s * 1000))
