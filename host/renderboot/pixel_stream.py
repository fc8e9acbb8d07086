"""Sends the pictures of a render to the desktop, over the `-host HOST:PORT` that Katana passes.

docs/pixel-stream.md describes the bytes. A desktop that is gone or slow never holds up a render.
"""

from __future__ import annotations

# Loaded here, on the main thread. The sender's first look-up of a host would load this, with a C library,
# while the render thread loads the renderer's: two threads that load libraries can wait for each other.
import encodings.idna  # noqa: F401
import json
import socket
import struct
import threading
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path

PROTOCOL = 1
TICKET_FILE = ".pixel_stream.json"
"""In the render's folder: which render the pictures belong to, and the token that admits them."""
HEADER = struct.Struct(">BI")
PROGRESS = struct.Struct(">II")
MAX_HELLO_BYTES = 4096
MAX_MESSAGE_BYTES = 1 << 29

_CONNECT_TIMEOUT_S = 2.0
_SEND_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 3.0
"""How long the end of a render waits for its last picture to leave."""


class Message(IntEnum):
    """What a message holds; the first byte of its header."""

    HELLO = 1
    """JSON: `protocol`, `sequenceID` and `token`. The first message of a connection."""
    PICTURE = 2
    """A PNG: the picture as it is now."""
    PROGRESS = 3
    """Two unsigned numbers: samples done, samples in all."""
    ENDED = 4
    """Nothing: the last picture has been sent."""


def encoded(kind: Message, payload: bytes = b"") -> bytes:
    """Return a message as it is sent."""
    return HEADER.pack(kind, len(payload)) + payload


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`; raises ValueError for anything else."""
    host, separator, port = text.rpartition(":")
    if not separator or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"expected HOST:PORT, got {text!r}")
    return host.strip("[]"), int(port)


def open_sender(address: str, folder: Path | None, say: Callable[[str], None]) -> PixelSender | None:
    """Return a sender for the render in `folder`; None where no desktop asked for its pictures.

    Args:
        address: `-host`, or an empty string.
        folder: where the desktop has left its ticket.
        say: gets one line for the log where pictures cannot be sent.
    """
    if not address or folder is None:
        return None
    try:
        target = parse_address(address)
        ticket = json.loads((folder / TICKET_FILE).read_text(encoding="utf-8"))
        hello = {"protocol": PROTOCOL, "sequenceID": int(ticket["sequenceID"]), "token": str(ticket["token"])}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        say(f"pictures are not sent to {address}: {error}")
        return None
    return PixelSender(target, json.dumps(hello).encode(), say)


class PixelSender:
    """One connection to the desktop, on a thread of its own. Of waiting pictures, the latest is sent."""

    def __init__(self, target: tuple[str, int], hello: bytes, say: Callable[[str], None]) -> None:
        self._target = target
        self._hello = hello
        self._say = say
        self._changed = threading.Condition()
        self._picture: bytes | None = None
        self._progress: tuple[int, int] | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="pixel-stream", daemon=True)
        self._thread.start()

    def send_picture(self, png: bytes) -> None:
        """Send this PNG as soon as the one before has left. Returns at once. Any thread."""
        with self._changed:
            self._picture = png
            self._changed.notify()

    def send_progress(self, done: int, total: int) -> None:
        """Send how many samples are done, and of how many. Returns at once. Any thread."""
        with self._changed:
            self._progress = (done, total)
            self._changed.notify()

    def close(self) -> None:
        """Send what waits and end the connection; gives up after a few seconds."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(_CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        try:
            with socket.create_connection(self._target, _CONNECT_TIMEOUT_S) as connection:
                connection.settimeout(_SEND_TIMEOUT_S)
                connection.sendall(encoded(Message.HELLO, self._hello))
                while self._send_next(connection):
                    pass
        except OSError as error:
            host, port = self._target
            self._say(f"pictures are not sent to {host}:{port}: {error.strerror or error}")

    def _send_next(self, connection: socket.socket) -> bool:
        """Send what waits; False once the end has been sent."""
        with self._changed:
            while self._picture is None and self._progress is None and not self._closed:
                self._changed.wait()
            picture, self._picture = self._picture, None
            progress, self._progress = self._progress, None
            ended = self._closed
        if progress is not None:
            connection.sendall(encoded(Message.PROGRESS, PROGRESS.pack(*progress)))
        if picture is not None:
            connection.sendall(encoded(Message.PICTURE, picture))
        if ended:
            connection.sendall(encoded(Message.ENDED))
        return not ended
