"""Pictures sent to -host HOST:PORT: what a render sends is what the desktop gets, from renders alone."""

from __future__ import annotations

import errno
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from host.app.pixel_server import PixelServer
from host.renderboot.picture import png
from host.renderboot.pixel_stream import (
    HEADER,
    MAX_MESSAGE_BYTES,
    PROTOCOL,
    TICKET_FILE,
    Message,
    encoded,
    open_sender,
    parse_address,
    read_message,
)


@pytest.fixture
def server(qapp: QApplication) -> Iterator[PixelServer]:
    server = PixelServer()
    yield server
    server.close()


def ticket(folder: Path, sequence_id: int, token: str) -> Path:
    (folder / TICKET_FILE).write_text(json.dumps({"sequenceID": sequence_id, "token": token}))
    return folder


def red(width: int, height: int) -> bytes:
    pixels = np.zeros((height, width, 4), np.float32)
    pixels[..., 0] = 1.0
    return png(pixels)


def test_pictures_and_progress_come_through_and_the_last_picture_is_not_lost(
    server: PixelServer, qtbot: QtBot, tmp_path: Path
) -> None:
    """Of many pictures sent at once the last arrives, before the end of the stream."""
    got: list[tuple[str, int, int]] = []
    server.picture_received.connect(
        lambda number, image, _small: got.append(("picture", number, image.width()))
    )
    server.progress_received.connect(lambda number, done, total: got.append(("progress", done, total)))
    said: list[str] = []
    sender = open_sender(server.address, ticket(tmp_path, 7, server.admit(7)), said.append)
    assert sender is not None
    with qtbot.waitSignal(server.stream_ended) as ended:
        for width in range(10, 60):
            sender.send_picture(red(width, 4))
        sender.send_progress(16, 16)
        sender.close()
    assert ended.args == [7]
    assert [each for each in got if each[0] == "picture"][-1] == ("picture", 7, 59)
    assert ("progress", 16, 16) in got
    assert said == []


def test_a_desktop_that_does_not_read_delays_no_render(tmp_path: Path) -> None:
    """What the connection does not take at once is sent later, whole; of what came meanwhile, the newest."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = "{}:{}".format(*listener.getsockname())
        sender = open_sender(address, ticket(tmp_path, 1, "x"), print)
        assert sender is not None
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(60)
            assert read_message(connection)[0] == Message.HELLO
            pictures = [bytes([number]) * (16 << 20) for number in range(4)]  # more than its buffers hold
            for picture in pictures:
                sender.send_picture(picture)
            kind, last = read_message(connection)
            while last != pictures[-1]:
                assert kind == Message.PICTURE and last in pictures
                kind, last = read_message(connection)
            sender.close()
            assert read_message(connection)[0] == Message.ENDED


def test_a_picture_is_what_was_sent_with_a_small_one(
    server: PixelServer, qtbot: QtBot, tmp_path: Path
) -> None:
    """Decoded off Qt's thread, in its own size and as a thumbnail."""
    sender = open_sender(server.address, ticket(tmp_path, 1, server.admit(1)), print)
    assert sender is not None
    with qtbot.waitSignal(server.picture_received) as received:
        sender.send_picture(red(640, 360))
    sender.close()
    image, small = received.args[1:]
    assert isinstance(image, QImage) and isinstance(small, QImage)
    assert (image.width(), image.height()) == (640, 360) and small.width() <= 192
    assert image.pixelColor(320, 180).red() == 255


def test_an_error_of_one_connection_leaves_the_server_listening(
    qapp: QApplication,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As with too many open files or threads, which are fewer a moment later; what lasts is logged once."""
    start, refused = threading.Thread.start, list[str]()

    def start_later(thread: threading.Thread) -> None:
        if thread.name == "pixel-stream-in" and not refused:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_later)

    class Listener(socket.socket):
        failures = 2

        def accept(self) -> tuple[socket.socket, Any]:
            if self.failures:
                self.failures -= 1
                raise OSError(errno.EMFILE, "Too many open files")
            return super().accept()

    def create_server(address: tuple[str, int]) -> socket.socket:
        listener = Listener()
        listener.bind(address)
        listener.listen()
        return listener

    monkeypatch.setattr(socket, "create_server", create_server)
    server = PixelServer()
    try:
        begun: list[int] = []
        server.stream_begun.connect(begun.append)
        with connect(server) as first:
            assert first.recv(1) == b""
        sender = open_sender(server.address, ticket(tmp_path, 7, server.admit(7)), lambda _text: None)
        assert sender is not None
        qtbot.waitUntil(lambda: begun == [7], timeout=60_000)
        sender.close()
    finally:
        server.close()
    assert caplog.text.count("Too many open files") == 1 and caplog.text.count("can't start") == 1


def connect(server: PixelServer) -> socket.socket:
    return socket.create_connection(parse_address(server.address), 60)


def hello(sequence_id: int, token: str, protocol: int = PROTOCOL) -> bytes:
    content = {"protocol": protocol, "sequenceID": sequence_id, "token": token}
    return encoded(Message.HELLO, json.dumps(content).encode())


@pytest.mark.parametrize(
    "begin",
    [
        lambda _token: hello(3, "0" * 32),
        lambda token: hello(4, token),
        lambda token: hello(3, token, PROTOCOL + 1),
        lambda _token: encoded(Message.HELLO, b"{"),
        lambda _token: encoded(Message.HELLO, b"[1]"),
        lambda _token: encoded(Message.HELLO, b" " * 5000),
        lambda _token: encoded(Message.HELLO, b"[" * 4000),
        lambda _token: encoded(Message.PICTURE, b"\x89PNG"),
        lambda token: hello(3, token) + encoded(Message.PICTURE, b"no picture"),
        lambda token: hello(3, token) + HEADER.pack(Message.PICTURE, MAX_MESSAGE_BYTES + 1),
        lambda token: hello(3, token) + encoded(Message.SHOWN, b"[" * 200_000),
    ],
    ids=[
        *("token", "other render", "protocol", "no JSON", "no object", "long", "deep", "no hello", "damaged"),
        *("huge", "deep later"),
    ],
)
def test_a_connection_that_may_not_send_is_closed(
    server: PixelServer, qtbot: QtBot, caplog: pytest.LogCaptureFixture, begin: object
) -> None:
    """A wrong hello, a damaged picture, an impossible length: closed, logged, and the next one is served."""
    pictures: list[object] = []
    server.picture_received.connect(lambda *arguments: pictures.append(arguments))
    token = server.admit(3)
    with connect(server) as connection:
        connection.sendall(begin(token))  # type: ignore[operator]
        assert _closed(connection)
    assert [each.levelname for each in caplog.records if each.name == "Katana.Render"] == ["WARNING"]
    with connect(server) as connection, qtbot.waitSignal(server.picture_received):
        connection.sendall(hello(3, token) + encoded(Message.PICTURE, red(8, 8)))
    assert len(pictures) == 1


def _closed(connection: socket.socket) -> bool:
    connection.settimeout(60)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True  # closed before all that was sent had been read


def test_a_render_goes_on_where_no_desktop_listens(tmp_path: Path) -> None:
    """As on another machine: one line says why, and nothing waits."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    said: list[str] = []
    sender = open_sender(f"127.0.0.1:{port}", ticket(tmp_path, 1, "x"), said.append)
    assert sender is not None
    sender.send_picture(red(8, 8))
    sender.close()
    assert len(said) == 1 and f"127.0.0.1:{port}" in said[0]


def test_a_host_that_can_be_no_name_is_reported(tmp_path: Path) -> None:
    """The thread that sends does not end with a traceback, and no line in the log."""
    said: list[str] = []
    sender = open_sender("a..b:80", ticket(tmp_path, 1, "x"), said.append)
    assert sender is not None
    sender.close()
    assert len(said) == 1 and "a..b:80" in said[0]


@pytest.mark.parametrize("address", ["", "here", "host:", "host:70000", ":5", "host:-1"])
def test_an_address_that_is_none_is_reported(tmp_path: Path, address: str) -> None:
    """An empty one asks for no pictures; without a ticket none are sent either."""
    said: list[str] = []
    assert open_sender(address, ticket(tmp_path, 1, "x"), said.append) is None
    assert len(said) == (1 if address else 0)
    (tmp_path / TICKET_FILE).unlink()
    assert open_sender("127.0.0.1:9", tmp_path, said.append) is None
