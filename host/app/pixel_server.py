"""The server for `-host HOST:PORT`: receives pictures, sends live scene updates. See docs/pixel-stream.md.

One thread per connection receives and decodes pictures; Qt's thread gets decoded images.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import socket
import threading
import time

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QImage

from ..renderboot.live.state import Update, merged
from ..renderboot.live.state import encoded as encoded_update
from ..renderboot.pixel_stream import (
    MAX_HELLO_BYTES,
    PROGRESS,
    PROTOCOL,
    Message,
    Shown,
    encoded,
    read_message,
)
from .picture_file import PictureError, decode_picture

_log = logging.getLogger("Katana.Render")
_HELLO_TIMEOUT_S = 5.0
_MAX_CONNECTIONS = 128
_JOIN_S = 2.0
_ACCEPT_AGAIN_S = 0.5
_PNG = b"\x89PNG\r\n\x1a\n"
_THUMBNAIL = (192, 108)


class _Refused(Exception):
    """A connection is to be closed; the text is the reason, for the log."""


class PixelServer(QObject):
    """Listens on a free port of the loopback address until `close`.

    Signals, emitted on the connections' threads:
        picture_received: sequence ID, the picture and its thumbnail.
        progress_received: sequence ID, completed samples, total samples.
        shown_received: sequence ID and a live render's Shown message, which precedes its picture, if any.
        stream_begun: sequence ID; the render is connected and `send` reaches it.
        stream_ended: sequence ID; the connection was closed.
    """

    picture_received = Signal(int, QImage, QImage)
    progress_received = Signal(int, int, int)
    shown_received = Signal(int, object)
    stream_begun = Signal(int)
    stream_ended = Signal(int)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lock = threading.Lock()
        self._tokens: dict[int, str] = {}
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._outboxes: dict[int, _Outbox] = {}
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listener.getsockname()[:2])
        """HOST:PORT, for the renders' argument `-host`."""
        self._accepting = threading.Thread(target=self._accept, name="pixel-server", daemon=True)
        self._accepting.start()

    def admit(self, sequence_id: int) -> str:
        """Return a new token that authenticates the render's connection. Any thread."""
        token = secrets.token_hex(16)
        with self._lock:
            self._tokens[sequence_id] = token
        return token

    def send(self, sequence_id: int, update: Update, state: Update) -> None:
        """Queue an update for a live render, merged with any that is not yet sent. Any thread; never waits.

        Ignored where the render is not connected: the caller sends its state on `stream_begun`.

        Args:
            update: what has changed.
            state: the whole scene with the update; sent instead of it as a connection's first.
        """
        with self._lock:
            outbox = self._outboxes.get(sequence_id)
        if outbox is not None:
            outbox.put(update, state)

    def close(self) -> None:
        """Close the listener and all connections; wait up to 2 s for each thread."""
        with self._lock:
            self._closed = True
            connections = dict(self._connections)
        for each in (self._listener, *connections):
            _shut(each)
        self._listener.close()
        self._accepting.join(_JOIN_S)
        for thread in connections.values():
            thread.join(_JOIN_S)

    def _accept(self) -> None:
        problem = ""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if self._closed:
                    return
                # Such as too many open files, for now: the renders that come later still connect.
                before, problem = problem, error.strerror or str(error)
                if problem != before:  # it is tried again and again
                    _log.warning("A render could not be connected: %s.", problem)
                time.sleep(_ACCEPT_AGAIN_S)
                continue
            problem = ""
            with self._lock:
                if self._closed or len(self._connections) >= _MAX_CONNECTIONS:
                    connection.close()
                    continue
                thread = threading.Thread(
                    target=self._serve, args=(connection,), name="pixel-stream-in", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError as error:  # the system has no thread left, for now
                    connection.close()
                    _log.warning("A render could not be connected: %s.", error)
                    continue
                self._connections[connection] = thread

    def _serve(self, connection: socket.socket) -> None:
        sequence_id = 0
        outbox = _Outbox(connection)
        try:
            connection.settimeout(_HELLO_TIMEOUT_S)
            sequence_id = self._hello(connection)
            connection.settimeout(None)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._outboxes[sequence_id] = outbox
            self.stream_begun.emit(sequence_id)
            stream = _Stream(self, sequence_id)
            while stream.take(*read_message(connection)):
                pass
        except _Refused as error:
            _log.warning("A connection to the pixel server was refused: %s.", error)
        except ValueError as error:
            _log.warning("The connection of render %d was closed: it sent %s.", sequence_id, error)
        except (OSError, EOFError):
            pass  # the render or the desktop has ended; pictures received so far stay
        except RuntimeError:
            pass  # Qt has deleted this object as the desktop closed
        finally:
            _shut(connection)
            outbox.close()
            connection.close()
            with self._lock:
                self._connections.pop(connection, None)
                if self._outboxes.get(sequence_id) is outbox:
                    del self._outboxes[sequence_id]
                closed = self._closed
            if sequence_id and not closed:
                self.stream_ended.emit(sequence_id)

    def _hello(self, connection: socket.socket) -> int:
        try:
            kind, content = read_message(connection, MAX_HELLO_BYTES)
        except ValueError:
            kind, content = 0, b""
        if kind != Message.HELLO:
            raise _Refused("it does not begin with a hello")
        try:
            hello = json.loads(content)
            protocol, sequence_id, token = hello["protocol"], hello["sequenceID"], hello["token"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _Refused("its hello is malformed") from None
        if protocol != PROTOCOL:
            raise _Refused(f"it speaks protocol {protocol}, and this desktop {PROTOCOL}")
        with self._lock:
            wanted = self._tokens.get(sequence_id) if isinstance(sequence_id, int) else None
        if wanted is None or not hmac.compare_digest(str(token).encode(), wanted.encode()):
            raise _Refused(f"it has no valid token for render {sequence_id}")
        return int(sequence_id)


class _Stream:
    """Handles the messages of one render's connection. The connection's thread."""

    def __init__(self, server: PixelServer, sequence_id: int) -> None:
        self._server = server
        self._sequence_id = sequence_id
        self._shown: Shown | None = None

    def take(self, kind: int, content: bytes) -> bool:
        """Handle one message; return False after the last one. Raises _Refused for an invalid message."""
        server, sequence_id = self._server, self._sequence_id
        if kind == Message.PICTURE:
            decoded, image = self._picture(content)
            small = decoded.scaled(
                *_THUMBNAIL, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
            )
            server.picture_received.emit(sequence_id, image, small)
        elif kind == Message.PROGRESS and len(content) == PROGRESS.size:
            server.progress_received.emit(sequence_id, *PROGRESS.unpack(content))
        elif kind == Message.SHOWN:
            try:
                self._shown = Shown.decoded(content)
            except (ValueError, KeyError, TypeError) as error:
                raise _Refused(f"render {sequence_id} does not say what it shows: {error}") from error
            server.shown_received.emit(sequence_id, self._shown)
        return bool(kind != Message.ENDED)

    def _picture(self, content: bytes) -> tuple[QImage, QImage]:
        """Return the picture as it came, and at its full size."""
        if not content.startswith(_PNG):
            raise _Refused(f"a picture of render {self._sequence_id} is not PNG")
        try:
            image = decode_picture(content)
        except PictureError as error:
            raise _Refused(f"a picture of render {self._sequence_id} cannot be shown: {error}") from error
        shown = self._shown
        if shown is None or not shown.width or not shown.height or image.width() >= shown.width:
            return image, image
        # The first picture after an update has a lower resolution; it is shown at full size.
        return image, image.scaled(shown.width, shown.height)


class _Outbox:
    """Updates to be sent to one live render, by a thread that starts with the first update."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._changed = threading.Condition()
        self._update: Update | None = None
        self._has_state = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def put(self, update: Update, state: Update) -> None:
        """Merge `update` into the pending one and wake the thread. Any thread; never waits for the socket.

        The first one is replaced by `state`: a new process cannot apply a part of a scene that it has not.
        """
        with self._changed:
            if self._closed:
                return
            self._update = merged(self._update, update) if self._has_state else state
            self._has_state = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="live-updates-out", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """End the thread and wait for it; pending updates are dropped. Shut down the connection first."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._update is None and not self._closed:
                    self._changed.wait()
                update, self._update = self._update, None
            if update is None or self._closed:
                return
            try:
                self._connection.sendall(encoded(Message.UPDATE, encoded_update(update)))
            except OSError:
                return  # the render has ended; the receiving thread handles that


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)  # wakes the threads that are blocked on it
    except OSError:
        pass  # the peer has closed it already
