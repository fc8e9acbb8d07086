"""A peer that speaks ZMTP 3.0 with CURVE itself: it can send what no ZeroMQ socket sends. Holds no test."""

from __future__ import annotations

import os
import socket
import struct

from nacl.bindings import (
    crypto_box,
    crypto_box_afternm,
    crypto_box_beforenm,
    crypto_box_keypair,
    crypto_box_open,
)
from zmq.utils import z85

__all__ = ["RawPeer"]

_COMMAND, _LARGE = 0x04, 0x02
_MORE = b"\x01"


class RawPeer:
    """One connection with an admitted key.

    Args:
        port: of 127.0.0.1.
        kind: the ZeroMQ type that it claims to be, as DEALER.
        server_key: the server's public key.
        keys: its own public and secret key.
    """

    def __init__(self, port: int, kind: str, server_key: str, keys: tuple[str, str]) -> None:
        server, (public, secret) = z85.decode(server_key), map(z85.decode, keys)
        self._nonce = 0
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"CURVE".ljust(20, b"\0") + bytes(32))
        self._receive(64)
        own_public, own_secret = crypto_box_keypair()
        nonce = self._next_nonce()
        box = crypto_box(bytes(64), b"CurveZMQHELLO---" + nonce, server, own_secret)
        self._send_frame(b"\x05HELLO\x01\x00" + bytes(72) + own_public + nonce + box, _COMMAND)
        welcome = self._receive_command()
        assert welcome.startswith(b"\x07WELCOME")
        opened = crypto_box_open(welcome[24:], b"WELCOME-" + welcome[8:24], server, own_secret)
        session, cookie = opened[:32], opened[32:]
        long_nonce = os.urandom(16)
        vouch = long_nonce + crypto_box(own_public + server, b"VOUCH---" + long_nonce, session, secret)
        metadata = _property(b"Socket-Type", kind.encode()) + _property(b"Identity", b"")
        nonce = self._next_nonce()
        box = crypto_box(public + vouch + metadata, b"CurveZMQINITIATE" + nonce, session, own_secret)
        self._send_frame(b"\x08INITIATE" + cookie + nonce + box, _COMMAND)
        self._key = crypto_box_beforenm(session, own_secret)

    def await_admission(self) -> None:
        """Wait until the server has admitted its key: another thread, or the server's loop, must do so."""
        assert self._receive_command().startswith(b"\x05READY")

    def send_part(self, content: bytes) -> None:
        """Send a frame of a message that goes on. Raises OSError when the server has closed it."""
        nonce = self._next_nonce()
        box = crypto_box_afternm(_MORE + content, b"CurveZMQMESSAGEC" + nonce, self._key)
        self._send_frame(b"\x07MESSAGE" + nonce + box, 0)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _next_nonce(self) -> bytes:
        self._nonce += 1
        return struct.pack(">Q", self._nonce)

    def _send_frame(self, body: bytes, flags: int) -> None:
        is_large = len(body) > 255
        size = struct.pack(">Q", len(body)) if is_large else bytes([len(body)])
        self._socket.sendall(bytes([flags | (_LARGE if is_large else 0)]) + size + body)

    def _receive_command(self) -> bytes:
        flags, size = self._receive(2)
        assert flags == _COMMAND
        return self._receive(size)

    def _receive(self, size: int) -> bytes:
        content = b""
        while len(content) < size:
            part = self._socket.recv(size - len(content))
            if not part:
                raise ConnectionResetError("the server has closed the connection")
            content += part
        return content


def _property(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + struct.pack(">I", len(value)) + value
