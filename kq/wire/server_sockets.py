"""The three ports as the server sees them. Closed by default: CURVE, admitted keys only, loopback only.

What is not a message of the right type, from a key with the right role, is counted and dropped here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, TypeVar

import msgspec
import zmq

from .. import messages as m
from ..errors import MalformedMessage, Refused
from .frames import FrameDecoder, VersionMismatch, encode
from .keys import ZAP_DOMAIN, Authenticator, KeyPair
from .receive import first_frame
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
    notice_silence,
)

__all__ = ["Incoming", "ServerWire"]

_SUBSCRIBE = b"\x01"
_MAX_UPDATE_BYTES = 2 << 20
"""Of one message of an Agent: a part of a file, or what 100 attempts ended with."""
_MAX_WAITING = 64
"""Updates of one connection that wait to be looked at; then the system holds back who sends. Not requests:
the journal is written once for all that wait."""
_FORGET_AFTER_S = 30
"""After so long without a sign from the other side, which may just be slow to read."""
T = TypeVar("T")


class Incoming(NamedTuple, Generic[T]):
    """A message with its sender."""

    peer: bytes
    """The route of a reply; empty on the update port."""
    role: str
    message: T


def _may_hear(role: str, topic: bytes) -> bool:
    """Whether a key of this role may listen to the topic: to its own kind's, and whole ones alone.

    Broadcasts to clients name all jobs with their paths, which Agents must not see.
    """
    kind, _, host = role.partition(":")
    if kind == "client":
        return topic == CLIENT_TOPIC
    if kind != "agent" or not topic.startswith(b"a") or topic.find(b"\0") != len(topic) - 1:
        return False
    return b":" not in topic if host == "local" else topic.startswith(b"a" + host.encode() + b":")


class ServerWire:
    """The server's end of the three ports. Closed by default: CURVE, admitted keys only, loopback only."""

    def __init__(self, keys: KeyPair, may_send: Callable[[str], bool] = lambda _role: True) -> None:
        """
        Args:
            may_send: whether one more message from a key of this role is looked at.
        """
        self._may_send = may_send
        self._context: zmq.Context[Socket] = zmq.Context()
        # 1,000 Agents hold three connections each.
        self._context.max_sockets = 16383
        self.door = Authenticator(self._context)
        self._request = self._server_socket(zmq.ROUTER, keys)
        self._request.router_mandatory = True
        self._update = self._server_socket(zmq.PULL, keys)
        self._update.maxmsgsize = _MAX_UPDATE_BYTES
        self._update.rcvhwm = _MAX_WAITING
        # PUB would let every key subscribe to anything. Here each subscription waits for `admit`.
        self._broadcast = self._server_socket(zmq.XPUB, keys)
        self._broadcast.setsockopt(zmq.XPUB_MANUAL, 1)
        self._requests: FrameDecoder[m.RequestMessage] = FrameDecoder(m.RequestMessage)
        self._updates: FrameDecoder[m.UpdateMessage] = FrameDecoder(m.UpdateMessage)
        self.dropped = 0
        """Frames that were no message, or came from a role that may not send it."""

    def _server_socket(self, kind: int, keys: KeyPair) -> Socket:
        socket = new_socket(self._context, kind)
        socket.curve_server = True
        socket.curve_secretkey = keys.secret.encode()
        socket.zap_domain = ZAP_DOMAIN
        socket.handshake_ivl = 5000
        socket.backlog = 1024
        notice_silence(socket, _FORGET_AFTER_S)
        return socket

    def bind(
        self,
        address: str,
        ports: tuple[int, int, int],
        may_move: tuple[bool, bool, bool] = (False, False, False),
    ) -> tuple[int, int, int]:
        """Bind request, update and broadcast port on `address`; 0 lets the system choose.

        Args:
            may_move: of each port, whether the system may choose another where that one cannot be had.

        Returns:
            The ports that were bound.

        Raises:
            Refused: names the port that cannot be had.
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
        return bound[0], bound[1], bound[2]

    def unbind(self, address: str, ports: tuple[int, int, int]) -> None:
        """Accept no new connection on `address`. Those that are open stay."""
        host = f"[{address}]" if ":" in address else address
        for socket, port in zip((self._request, self._update, self._broadcast), ports, strict=True):
            try:
                socket.unbind(f"tcp://{host}:{port}")
            except zmq.ZMQError:
                pass  # it was not bound, or the address is gone: either way it accepts no connection

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
        if is_due(self.door.socket, ready):
            self.door.answer()
        if not is_due(self._broadcast, ready):
            return
        while (frame := first_frame(self._broadcast)) is not None:
            if frame.more:
                self._skip_rest(self._broadcast)
                continue
            content = frame.bytes
            # The other kind ends a subscription: with its connection, which has ended it already.
            if content.startswith(_SUBSCRIBE):
                topic = content.removeprefix(_SUBSCRIBE)
                if _may_hear(self._role(frame), topic):
                    self._broadcast.subscribe(topic)
                else:
                    self.dropped += 1

    def requests(self, limit: int, ready: Ready = None) -> Iterator[Incoming[m.RequestMessage]]:
        """What has arrived on the request port, at most `limit` messages. Never waits.

        `ready`: see `admit`.
        """
        for _ in range(limit if is_due(self._request, ready) else 0):
            sender = first_frame(self._request)
            if sender is None:
                return
            # A message of ZeroMQ's is there whole or not at all: what follows never waits.
            frame = self._request.recv(copy=False)
            if frame.more:
                self._skip_rest(self._request)
                continue
            peer, role = sender.bytes, self._role(frame)
            if not self._may_send(role):
                continue
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
                            message="an Agent's key may take work and report, and nothing else",
                        ),
                    )
                continue
            yield Incoming(peer, role, message)

    def updates(self, limit: int, ready: Ready = None) -> Iterator[Incoming[m.UpdateMessage]]:
        """What has arrived on the update port, at most `limit` messages. Never waits.

        `ready`: see `admit`.
        """
        for _ in range(limit if is_due(self._update, ready) else 0):
            frame = first_frame(self._update)
            if frame is None:
                return
            if frame.more:
                self._skip_rest(self._update)
                continue
            role = self._role(frame)
            if not self._may_send(role):
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
            self._request.send(peer, MORE_NOW)
            self._request.send(frame, NOW)
        except (zmq.Again, zmq.ZMQError):
            return False
        return True

    def publish_to_agent(self, agent_id: str, message: msgspec.Struct) -> None:
        """Send to one Agent, if it is connected. Never waits."""
        self._publish(agent_topic(agent_id), message)

    def publish_to_clients(self, message: msgspec.Struct) -> None:
        """Send to all clients. Never waits."""
        self._publish(CLIENT_TOPIC, message)

    def _publish(self, topic: bytes, message: msgspec.Struct) -> None:
        frame = encode(message)
        self._broadcast.send(topic, MORE_NOW)
        self._broadcast.send(frame, NOW)

    def close(self, linger_s: float = 0.2) -> None:
        """Close the ports; what was sent gets `linger_s` seconds to leave."""
        self.door.close()
        # Closes each socket that there is: the context would wait without end for one that was forgotten.
        self._context.destroy(int(linger_s * 1000))
