"""Receives the pictures that renders send to `-host HOST:PORT`. docs/pixel-stream.md describes the bytes.

Each connection has a thread of its own, which decodes its pictures: Qt's thread gets them ready to draw.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import socket
import threading

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QImage

from ..renderboot.pixel_stream import (
    HEADER,
    MAX_HELLO_BYTES,
    MAX_MESSAGE_BYTES,
    PROGRESS,
    PROTOCOL,
    Message,
)
from .picture_file import PictureError, decode_picture

_log = logging.getLogger("Katana.Render")
_HELLO_TIMEOUT_S = 5.0
_MAX_CONNECTIONS = 128
_JOIN_S = 2.0
_PNG = b"\x89PNG\r\n\x1a\n"
_THUMBNAIL = (192, 108)


class _Refused(Exception):
    """A connection that is closed; the text is the reason."""


class PixelServer(QObject):
    """Listens on the loopback address while it lives.

    Signals, emitted by the connections' threads:
        picture_received: sequence ID, the picture, and the same one small.
        progress_received: sequence ID, samples done, samples in all.
        stream_ended: sequence ID; no more pictures come over this connection.
    """

    picture_received = Signal(int, QImage, QImage)
    progress_received = Signal(int, int, int)
    stream_ended = Signal(int)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lock = threading.Lock()
        self._tokens: dict[int, str] = {}
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listener.getsockname()[:2])
        """What renders get as `-host`."""
        self._accepting = threading.Thread(target=self._accept, name="pixel-server", daemon=True)
        self._accepting.start()

    def admit(self, sequence_id: int) -> str:
        """Return the token with which the render may send its pictures. Any thread."""
        token = secrets.token_hex(16)
        with self._lock:
            self._tokens[sequence_id] = token
        return token

    def close(self) -> None:
        """End all connections and their threads."""
        with self._lock:
            self._closed = True
            connections = dict(self._connections)
        for each in (self._listener, *connections):
            _shut(each)
        self._accepting.join(_JOIN_S)
        for thread in connections.values():
            thread.join(_JOIN_S)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            with self._lock:
                if self._closed or len(self._connections) >= _MAX_CONNECTIONS:
                    _shut(connection)
                    continue
                thread = threading.Thread(
                    target=self._serve, args=(connection,), name="pixel-stream-in", daemon=True
                )
                self._connections[connection] = thread
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        sequence_id = 0
        try:
            connection.settimeout(_HELLO_TIMEOUT_S)
            sequence_id = self._hello(connection)
            connection.settimeout(None)
            while self._take(connection, sequence_id):
                pass
        except _Refused as error:
            _log.warning("A connection to the pixel server was refused: %s.", error)
        except (OSError, EOFError):
            pass  # the render or the desktop has ended; what came so far is shown
        except RuntimeError:
            pass  # Qt has closed, and this object with it
        finally:
            _shut(connection)
            with self._lock:
                self._connections.pop(connection, None)
                closed = self._closed
            if sequence_id and not closed:
                self.stream_ended.emit(sequence_id)

    def _hello(self, connection: socket.socket) -> int:
        kind, length = HEADER.unpack(_read(connection, HEADER.size))
        if kind != Message.HELLO or length > MAX_HELLO_BYTES:
            raise _Refused("it does not begin with a hello")
        try:
            hello = json.loads(_read(connection, length))
            protocol, sequence_id, token = hello["protocol"], hello["sequenceID"], hello["token"]
        except (ValueError, KeyError, TypeError):
            raise _Refused("its hello is malformed") from None
        if protocol != PROTOCOL:
            raise _Refused(f"it speaks protocol {protocol}, and this desktop {PROTOCOL}")
        with self._lock:
            wanted = self._tokens.get(sequence_id) if isinstance(sequence_id, int) else None
        if wanted is None or not hmac.compare_digest(str(token).encode(), wanted.encode()):
            raise _Refused(f"it has no valid token for render {sequence_id}")
        return int(sequence_id)

    def _take(self, connection: socket.socket, sequence_id: int) -> bool:
        """Take one message; False after the last."""
        kind, length = HEADER.unpack(_read(connection, HEADER.size))
        if length > MAX_MESSAGE_BYTES:
            raise _Refused(f"a message of render {sequence_id} has {length} bytes")
        content = _read(connection, length)
        if kind == Message.PICTURE:
            if not content.startswith(_PNG):
                raise _Refused(f"a picture of render {sequence_id} is not PNG")
            try:
                image = decode_picture(content)
            except PictureError as error:
                raise _Refused(f"a picture of render {sequence_id} cannot be shown: {error}") from error
            small = image.scaled(
                *_THUMBNAIL, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
            )
            self.picture_received.emit(sequence_id, image, small)
        elif kind == Message.PROGRESS and length == PROGRESS.size:
            self.progress_received.emit(sequence_id, *PROGRESS.unpack(content))
        return bool(kind != Message.ENDED)


def _read(connection: socket.socket, count: int) -> bytes:
    """Return exactly `count` bytes; raises EOFError where the connection ends before."""
    content = bytearray()
    while len(content) < count:
        part = connection.recv(min(count - len(content), 1 << 20))
        if not part:
            raise EOFError
        content += part
    return bytes(content)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads from it
    except OSError:
        pass  # it has ended already
    connection.close()
