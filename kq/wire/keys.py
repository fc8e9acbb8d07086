"""CURVE keys, and who may connect with which. Keys live for one session and are never logged."""

from __future__ import annotations

from typing import NamedTuple

import zmq
from zmq.utils import z85

__all__ = ["ZAP_DOMAIN", "Authenticator", "KeyPair", "new_key_pair"]

ZAP_DOMAIN = b"kq"
_EVENTS, _READABLE = int(zmq.EVENTS), int(zmq.POLLIN)


class KeyPair(NamedTuple):
    """A CURVE key pair, in Z85."""

    public: str
    secret: str

    def __repr__(self) -> str:
        return f"KeyPair(public={self.public!r})"


def new_key_pair() -> KeyPair:
    """A fresh key pair."""
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode("ascii"), secret.decode("ascii"))


class Authenticator:
    """Answers libzmq's question who a connecting peer is (RFC 27, ZAP). Unknown keys stay outside.

    CURVE alone admits every client that knows the server's public key.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self.roles: dict[str, str] = {}
        """Role of each public key that is admitted: `client`, `agent:local`, `agent:<host>`."""
        self.refused = 0
        """Connections turned away so far."""
        self.socket = context.socket(zmq.REP)
        self.socket.linger = 0
        self.socket.bind("inproc://zeromq.zap.01")

    def forget(self, public: str) -> None:
        """Turn new connections with this key away. Open ones lose their role with it."""
        self.roles.pop(public, None)

    def answer(self) -> None:
        """Answer all questions that have arrived. Never waits."""
        while int(self.socket.get(_EVENTS)) & _READABLE:
            version, request, domain, _address, _identity, mechanism, *credentials = (
                self.socket.recv_multipart()
            )
            role = None
            if domain == ZAP_DOMAIN and mechanism == b"CURVE" and len(credentials) == 1:
                role = self.roles.get(z85.encode(credentials[0]).decode("ascii"))
            if role is None:
                self.refused += 1
                answer = [version, request, b"400", b"no such key", b"", b""]
            else:
                answer = [version, request, b"200", b"OK", role.encode(), b""]
            self.socket.send_multipart(answer)

    def close(self) -> None:
        """Close the socket."""
        self.socket.close(0)
