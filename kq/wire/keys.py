"""CURVE keys, and who may connect with which. Keys live for one session and are never logged."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import zmq
from zmq.utils import z85

from ..files import BINARY, replace_file

__all__ = ["ZAP_DOMAIN", "Authenticator", "KeyPair", "new_key_pair", "write_private"]

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
        """Turn new connections with this key away. Those that stand lose their role with it."""
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


def write_private(path: Path, content: bytes) -> None:
    """Write `path` so that only its owner can read it, whole or not at all. Raises OSError."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.unlink(missing_ok=True)
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, 0o600)
        try:
            _write_all(fd, content)
        finally:
            os.close(fd)
        replace_file(fresh, path)
    except OSError:
        fresh.unlink(missing_ok=True)
        if not path.is_file():
            raise
        # A full disk has no room for a second file, and has the first one's: a server that is started
        # again must not fail for that.
        fd = os.open(path, os.O_WRONLY | BINARY)
        try:
            _write_all(fd, content)
            os.ftruncate(fd, len(content))
        finally:
            os.close(fd)


def _write_all(fd: int, content: bytes) -> None:
    while content:
        content = content[os.write(fd, content) :]
