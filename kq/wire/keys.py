"""CURVE keys, and the roles of admitted ones. Keys are valid for one session and never logged."""

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
    """Create a key pair."""
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode("ascii"), secret.decode("ascii"))


class Authenticator:
    """Handles ZAP requests (ZeroMQ RFC 27): admits connections with known keys only. For one thread.

    Without it, CURVE would admit every client that has the server's public key.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self.roles: dict[str, str] = {}
        """Role of each admitted public key: `client`, `agent:local` or `agent:<host>`."""
        self.refused = 0
        """Number of connections refused so far."""
        self.socket = context.socket(zmq.REP)
        self.socket.linger = 0
        self.socket.bind("inproc://zeromq.zap.01")

    def forget(self, public: str) -> None:
        """Refuse new connections with this key. Messages of open ones have no role from now on."""
        self.roles.pop(public, None)

    def answer(self) -> None:
        """Answer all ZAP requests that have arrived. Does not block."""
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
