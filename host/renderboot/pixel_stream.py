"""The connection of a render to the desktop, at Katana's `-host HOST:PORT`: sends pictures, receives changes.

docs/pixel-stream.md describes the protocol. A closed or slow desktop never delays a render.
"""

from __future__ import annotations

# Loaded here, on the main thread. The sender's first look-up of a host would load this, with a C library,
# while the render thread loads the renderer's: two threads that load libraries can wait for each other.
import encodings.idna  # noqa: F401
import json
import select
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

PROTOCOL = 1
TICKET_FILE = ".pixel_stream.json"
"""File in the render's folder with the render's id and the token that authenticates its connection."""
HEADER = struct.Struct(">BI")
PROGRESS = struct.Struct(">II")
MAX_HELLO_BYTES = 4096
MAX_MESSAGE_BYTES = 1 << 29
MAX_SIDE = 16384
"""Largest width or height of a picture, in pixels."""

_CONNECT_TIMEOUT_S = 2.0
_SEND_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 3.0
"""How long `close` waits for the last picture to be sent."""


class Message(IntEnum):
    """The type of a message: the first byte of its header."""

    HELLO = 1
    """JSON: `protocol`, `sequenceID` and `token`. The first message of a connection."""
    PICTURE = 2
    """A PNG: the picture as it is now."""
    PROGRESS = 3
    """Two unsigned numbers: samples done, samples in all."""
    ENDED = 4
    """Nothing: the last picture has been sent."""
    SHOWN = 5
    """JSON, live renders only: what the next picture shows, or why there is none. See `Shown`."""
    UPDATE = 6
    """JSON, from the desktop to a live render: the scene's changes. See `live.state.Update`."""


@dataclass(frozen=True)
class Shown:
    """What the next pictures of a live render show; sent before them."""

    revision: int
    """The revision of the scene that the pictures show."""
    problem: str = ""
    """Why that revision cannot be rendered; then no picture follows."""
    width: int = 0
    """Pixels of the whole picture; the first picture of a revision is smaller."""
    height: int = 0
    camera: str = ""
    """Path of the camera; empty where the renderer frames the scene."""
    samples: int = 0
    """Samples per pixel of the complete picture."""

    def encoded(self) -> bytes:
        """Return the message's content as JSON."""
        return json.dumps(self.__dict__).encode()

    @classmethod
    def decoded(cls, content: bytes) -> Shown:
        """Parse the result of `encoded`; raises ValueError, KeyError or TypeError for anything else."""
        try:
            data = json.loads(content)
            revision, width, height, samples = (
                int(data[name]) for name in ("revision", "width", "height", "samples")
            )
        except (OverflowError, RecursionError) as error:
            raise ValueError(str(error)) from error
        shown = cls(revision, str(data["problem"]), width, height, str(data["camera"]), samples)
        if not 0 <= shown.width <= MAX_SIDE or not 0 <= shown.height <= MAX_SIDE:
            raise ValueError(f"a picture of {shown.width} by {shown.height} pixels")
        return shown


def encoded(kind: Message, payload: bytes = b"") -> bytes:
    """Return the bytes of a message: header and content."""
    return HEADER.pack(kind, len(payload)) + payload


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`; raises ValueError for anything else."""
    host, separator, port = text.rpartition(":")
    if not separator or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"expected HOST:PORT, got {text!r}")
    return host.strip("[]"), int(port)


def open_sender(
    address: str,
    folder: Path | None,
    say: Callable[[str], None],
    on_update: Callable[[bytes | None], None] | None = None,
) -> PixelSender | None:
    """Return a sender for the render in `folder`; None when no desktop requested pictures.

    Args:
        address: the value of `-host`; may be empty.
        folder: the render's folder, with the desktop's TICKET_FILE.
        say: called with one log line when pictures cannot be sent.
        on_update: called with each update from the desktop, and with None when the connection has ended.
            Runs on a receiver thread. None: nothing is received.
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
    return PixelSender(target, json.dumps(hello).encode(), say, on_update)


def read_message(connection: socket.socket, most_bytes: int = MAX_MESSAGE_BYTES) -> tuple[int, bytes]:
    """Return the kind and the content of the next message; waits for it.

    Raises:
        EOFError: the connection has ended.
        ValueError: the message is too long.
        OSError: the connection is broken.
    """
    kind, length = HEADER.unpack(_read(connection, HEADER.size))
    if length > most_bytes:
        raise ValueError(f"a message of {length} bytes")
    return kind, _read(connection, length)


def sent_at_once(connection: socket.socket, content: bytes) -> int:
    """Send what the connection takes without waiting. The socket has a time-out, so that it never blocks.

    Returns:
        How many bytes were sent.
    """
    try:
        is_ready = bool(select.select([], [connection], [], 0)[1])
    except ValueError:
        return 0  # a number beyond those that can be selected
    return connection.send(content) if is_ready else 0


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it has ended already


def _read(connection: socket.socket, count: int) -> bytes:
    content = bytearray()
    while len(content) < count:
        part = connection.recv(min(count - len(content), 1 << 20))
        if not part:
            raise EOFError
        content += part
    return bytes(content)


class PixelSender:
    """One connection to the desktop. Only the latest unsent picture is sent.

    A picture is sent by the thread that has it, as far as the connection takes it at once; the rest, and what
    comes meanwhile, by the sender's own thread.
    """

    def __init__(
        self,
        target: tuple[str, int],
        hello: bytes,
        say: Callable[[str], None],
        on_update: Callable[[bytes | None], None] | None = None,
    ) -> None:
        self._on_update = on_update
        self._shown: bytes | None = None
        self._target = target
        self._hello = hello
        self._say = say
        self._changed = threading.Condition()
        self._picture: bytes | None = None
        self._progress: tuple[int, int] | None = None
        self._connection: socket.socket | None = None
        """None while the sender's thread is sending, and before and after the connection."""
        self._rest = b""
        """The unsent end of a message."""
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="pixel-stream", daemon=True)
        self._thread.start()

    def send_picture(self, png: bytes, shown: Shown | None = None) -> None:
        """Queue a PNG; it replaces one that is not sent yet. Returns at once. Any thread.

        Args:
            png: the picture.
            shown: what the picture shows, for a live render.
        """
        with self._changed:
            self._picture = png
            self._shown = shown.encoded() if shown else None
            self._wake()

    def send_shown(self, shown: Shown) -> None:
        """Send why there is no picture. Returns at once. Any thread."""
        with self._changed:
            self._shown = shown.encoded()
            self._wake()

    def send_progress(self, done: int, total: int) -> None:
        """Send the samples done and the total. Returns at once. Any thread."""
        with self._changed:
            self._progress = (done, total)
            self._wake()

    def close(self) -> None:
        """Send what is queued and end the connection; gives up after _CLOSE_TIMEOUT_S."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(_CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        receiving: threading.Thread | None = None
        try:
            with socket.create_connection(self._target, _CONNECT_TIMEOUT_S) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.settimeout(_SEND_TIMEOUT_S)
                connection.sendall(encoded(Message.HELLO, self._hello))
                if self._on_update:
                    receiving = threading.Thread(
                        target=self._receive,
                        args=(connection, self._on_update),
                        name="live-updates",
                        daemon=True,
                    )
                    receiving.start()
                try:
                    while self._send_next(connection):
                        pass
                finally:
                    if receiving:
                        _shut(connection)  # the receiver thread waits on it
                        receiving.join()
        except (OSError, UnicodeError) as error:  # UnicodeError: a host that can be no name
            host, port = self._target
            reason = getattr(error, "strerror", None) or error
            self._say(f"pictures are not sent to {host}:{port}: {reason}")
        finally:
            if self._on_update and receiving is None:
                self._on_update(None)

    def _receive(self, connection: socket.socket, on_update: Callable[[bytes | None], None]) -> None:
        """Receive updates, on a separate thread so that sending a picture does not delay them."""
        try:
            while True:
                select.select([connection], [], [])  # no time-out here: the socket's applies within a message
                kind, content = read_message(connection)
                if kind == Message.UPDATE:
                    on_update(content)
        except (EOFError, OSError, ValueError):
            on_update(None)

    def _wake(self) -> None:
        """Send what is queued at once, or wake the thread that sends the rest. Under `_changed`."""
        if self._connection is not None and not self._rest:
            content = self._queued()
            try:
                self._rest = content[sent_at_once(self._connection, content) :]
            except OSError:
                self._rest = content  # the thread meets the error, and reports it
            if not self._rest:
                return
        self._changed.notify()

    def _queued(self) -> bytes:
        """Take what is queued, as messages. Under `_changed`."""
        picture, self._picture = self._picture, None
        shown, self._shown = self._shown, None
        progress, self._progress = self._progress, None
        content = b""
        if progress is not None:
            content += encoded(Message.PROGRESS, PROGRESS.pack(*progress))
        if shown is not None:
            content += encoded(Message.SHOWN, shown)
        if picture is not None:
            content += encoded(Message.PICTURE, picture)
        return content

    def _send_next(self, connection: socket.socket) -> bool:
        """Send what is queued; returns False after the end message."""
        with self._changed:
            self._connection = connection
            while not (self._rest or self._picture or self._progress or self._shown or self._closed):
                self._changed.wait()
            self._connection = None
            content, self._rest = self._rest, b""
            content += self._queued()
            ended = self._closed
        connection.sendall(content + encoded(Message.ENDED) if ended else content)
        return not ended
