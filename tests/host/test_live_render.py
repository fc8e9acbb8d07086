"""A live render: what changes in the graph comes to the render process, and its picture to the Monitor."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import threading
from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QMenu
from pytestqt.qtbot import QtBot

from host.app.desktop import Desktop
from host.app.render_state import Phase, Render
from host.Katana import CatalogAPI
from host.nodes.graph import Node
from host.nodes.scene import active_scene
from host.nodes.types import node_type
from host.render_service import RenderMethod
from host.renderboot.live.state import Update, decoded
from host.renderboot.pixel_stream import PROTOCOL, Message, encoded, parse_address, read_message
from tests.host.conftest import MakeDesktop
from tests.host.driving import graph_tab, monitor, open_small

LIMIT_MS = 60_000


class Pictures(QObject):
    """The revision and the picture that came last."""

    def __init__(self, desktop: Desktop) -> None:
        super().__init__()
        self.revision = 0
        self.image = QImage()
        self._announced = 0
        desktop.lives.shown.connect(self._on_shown)
        desktop.pictures.picture_changed.connect(lambda number: self._on_picture(desktop, number))

    def _on_shown(self, _number: int, revision: int) -> None:
        self._announced = revision

    def _on_picture(self, desktop: Desktop, number: int) -> None:
        self.revision, self.image = self._announced, desktop.pictures.image(number)


def connected(address: str, token: str) -> socket.socket:
    """Return the connection of the process of render 77."""
    connection = socket.create_connection(parse_address(address), LIMIT_MS / 1000)
    hello = {"protocol": PROTOCOL, "sequenceID": 77, "token": token}
    connection.sendall(encoded(Message.HELLO, json.dumps(hello).encode()))
    return connection


def next_update(connection: socket.socket) -> Update:
    kind, content = read_message(connection)
    assert kind == Message.UPDATE
    return decoded(content)


def trigger_live(node: str) -> None:
    menu = graph_tab().build_node_menu(active_scene().graph.node(node))
    farm = next(action for action in menu.actions() if action.text() == "Local Farm").menu()
    assert isinstance(farm, QMenu)
    next(action for action in farm.actions() if action.text() == "Live Render").trigger()


def between(source: str, target: str, type_name: str, **values: object) -> Node:
    """A new node between two that are connected."""
    graph = active_scene().graph
    node = graph.create(node_type(type_name))
    for name, value in values.items():
        node.set_value(name, value)
    graph.disconnect(graph.node(target), "in")
    graph.connect(graph.node(source), node)
    graph.connect(node, graph.node(target))
    return node


def brightness(image: QImage) -> float:
    """Of the middle of the picture, from 0 to 255."""
    middle = image.pixelColor(image.width() // 2, image.height() // 2)
    return (middle.red() + middle.green() + middle.blue()) / 3.0


def children() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if "host.renderboot" in " ".join(child.cmdline())
    ]


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), ValueError("not JSON")])
def test_an_unexpected_error_of_a_cook_does_not_end_live_renders(
    make_desktop: MakeDesktop, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The render shows it as its problem, and is cooked again after the next change."""
    desktop = make_desktop()
    open_small(desktop, samples=4)

    def fail(**_request: object) -> None:
        raise error

    render = Render("Render", "", RenderMethod.LIVE, 1.0, sequence_id=77)
    with monkeypatch.context() as patch:
        patch.setattr(desktop.cook, "request", fail)
        desktop.renders.render_started.emit(render)
        qtbot.waitUntil(lambda: str(error) in render.problem, timeout=LIMIT_MS)
    active_scene().set_frame(2.0)
    qtbot.waitUntil(lambda: desktop.lives.revision(render) == 1 and not render.problem, timeout=LIMIT_MS)


def test_a_live_render_follows_the_graph(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """A light that changes is seen; an edit that breaks the scene, or an expression that
    needs its own value, keeps the picture, with the reason; a crash
    of the render process starts it again from the last state; the header names the camera and the samples
    of the picture; a stop ends it."""
    desktop = make_desktop()
    open_small(desktop, samples=4)
    light = between("UsdIn", "RenderSettings", "Light", kind="dome", intensity=0.2)
    pictures = Pictures(desktop)
    trigger_live("Render")
    [render] = desktop.renders.renders

    def shows_latest() -> bool:
        return pictures.revision == desktop.lives.revision(render) > 0

    qtbot.waitUntil(shows_latest, timeout=LIMIT_MS)
    assert (pictures.image.width(), pictures.image.height()) == (32, 18)
    dark = brightness(pictures.image)

    def change(value: float) -> None:
        before = desktop.lives.revision(render)
        light.set_value("intensity", value)
        qtbot.waitUntil(lambda: desktop.lives.revision(render) > before and shows_latest(), timeout=LIMIT_MS)

    change(3.0)
    bright = brightness(pictures.image)
    assert bright > dark + 40
    assert monitor().shown_render is render and not monitor().message

    # A change that Qt's thread has handed over comes to the render without it.
    sent = threading.Event()
    desktop.lives.sent.connect(sent.set, Qt.ConnectionType.DirectConnection)
    light.set_value("intensity", 3.05)
    desktop.lives.refresh(render)
    assert sent.wait(LIMIT_MS / 1000)

    # An edit that breaks the scene.
    active_scene().graph.node("RenderSettings").set_value("camera", "/no/camera")
    qtbot.waitUntil(lambda: "/no/camera" in monitor().message, timeout=LIMIT_MS)
    assert brightness(monitor().view.image) == pytest.approx(bright, abs=25)
    active_scene().graph.node("RenderSettings").set_value("camera", "")
    change(3.1)
    assert not monitor().message

    light.set_expression("intensity", f"getParam('{light.name}.intensity')")
    qtbot.waitUntil(lambda: f"{light.name}.intensity →" in monitor().message, timeout=LIMIT_MS)
    assert brightness(monitor().view.image) == pytest.approx(bright, abs=25)
    light.set_expression("intensity", "")
    change(3.2)
    assert not monitor().message

    # A crash.
    first_job = render.job_id
    [child] = children()
    os.kill(child.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: render.job_id not in ("", first_job), timeout=LIMIT_MS)
    change(0.2)
    assert brightness(pictures.image) == pytest.approx(dark, abs=25)
    assert render.phase in (Phase.WAITING, Phase.RUNNING)

    # The header's facts.
    assert "/World/Front" in monitor().header and "4 samples" in monitor().header
    between("UsdIn", light.name, "Camera", path="/World/Side")
    settings = active_scene().graph.node("RenderSettings")
    settings.set_value("camera", "/World/Side")
    settings.set_value("samples", 6)
    facts = ("/World/Side", "6 samples", "denoised")
    qtbot.waitUntil(lambda: all(fact in monitor().header for fact in facts), timeout=LIMIT_MS)

    desktop.renders.cancel(render)
    qtbot.waitUntil(lambda: render.ended, timeout=LIMIT_MS)
    assert not children()
    assert render.picture is not None and render.picture.is_file() and _exr(render).is_file()


@pytest.mark.skipif(importlib.util.find_spec("bpy") is not None, reason="Cycles is installed")
def test_a_live_render_without_its_renderer_fails_once(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """Without its renderer it fails, as any render does, and is not started again: no edit can mend that."""
    desktop = make_desktop()
    open_small(desktop, samples=4)
    active_scene().graph.node("Render").set_value("renderer", "cycles")
    trigger_live("Render")
    [render] = desktop.renders.renders
    qtbot.waitUntil(lambda: bool(render.job_id), timeout=LIMIT_MS)
    job_id = render.job_id
    qtbot.waitUntil(lambda: render.phase is Phase.FAILED and bool(render.reason), timeout=LIMIT_MS)
    assert "cycles" in render.reason
    qtbot.waitUntil(lambda: "cycles" in monitor().message, timeout=LIMIT_MS)
    assert render.job_id == job_id


def test_a_process_has_the_whole_scene_before_any_change_of_it(
    make_desktop: MakeDesktop, qtbot: QtBot
) -> None:
    """A change that comes as a restarted process has just connected is not sent before the scene.

    Each process is only its connection here.
    """
    desktop = make_desktop()
    open_small(desktop, samples=4)
    lives, pixels = desktop.lives, desktop.pixels
    token = pixels.admit(77)
    render = Render("Render", "", RenderMethod.LIVE, 1.0, sequence_id=77)
    desktop.renders.render_started.emit(render)
    qtbot.waitUntil(lambda: lives.revision(render) == 1, timeout=LIMIT_MS)
    lives.set_scale(render, 2)

    with qtbot.waitSignal(pixels.stream_begun, timeout=LIMIT_MS):
        process = connected(pixels.address, token)
    with process:
        first = next_update(process)
        lives.set_scale(render, 4)
        change = next_update(process)
    assert first.scale == 2 and first.root and first.layers
    assert change.scale == 4 and change.root is None and not change.layers

    # No event is handled from here: neither that the connection has ended, nor that there is another.
    with connected(pixels.address, token) as process:
        sent = threading.Event()

        def change_often() -> None:
            while not sent.wait(0.02):
                lives.set_scale(render, 8)

        changing = threading.Thread(target=change_often)
        changing.start()
        try:
            again = next_update(process)
        finally:
            sent.set()
            changing.join()
    assert again.scale == 8
    assert (again.root, again.layers) == (first.root, first.layers)


def test_two_live_renders_side_by_side(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """A pinned one keeps its frame; a paused one takes its changes later; Esc stops the latest one."""
    desktop = make_desktop()
    open_small(desktop, samples=4)
    revisions: dict[int, int] = {}
    desktop.lives.shown.connect(lambda number, revision: revisions.update({number: revision}))
    trigger_live("Render")
    trigger_live("RenderSettings")
    first, second = desktop.renders.renders
    assert monitor().shown_render is second and not monitor().live_bar.isHidden()

    def is_current(render: Render) -> bool:
        return revisions.get(render.sequence_id, 0) == desktop.lives.revision(render) > 0

    qtbot.waitUntil(lambda: is_current(first) and is_current(second), timeout=LIMIT_MS)
    monitor().live_bar.pin.click()
    active_scene().set_frame(12)
    before = desktop.lives.revision(first)
    qtbot.waitUntil(lambda: desktop.lives.revision(first) > before and is_current(first), timeout=LIMIT_MS)
    assert (first.frame, second.frame) == (12, 1)
    item = CatalogAPI.FindCatalogItemBySequenceID(first.sequence_id)
    assert item is not None and item.getFrameRange() == "12"

    monitor().live_bar.pause.click()
    assert "Paused" in monitor().header
    held = desktop.lives.revision(second)
    active_scene().graph.node("RenderSettings").set_value("width", 48)
    before = desktop.lives.revision(first)
    qtbot.waitUntil(lambda: desktop.lives.revision(first) > before and is_current(first), timeout=LIMIT_MS)
    assert desktop.lives.revision(second) == held
    monitor().live_bar.pause.click()
    qtbot.waitUntil(lambda: desktop.lives.revision(second) > held and is_current(second), timeout=LIMIT_MS)
    qtbot.waitUntil(lambda: desktop.pictures.image(second.sequence_id).width() == 48, timeout=LIMIT_MS)

    assert desktop.renders.cancel_latest()  # what Esc does
    qtbot.waitUntil(lambda: second.ended, timeout=LIMIT_MS)
    assert not first.ended
    qtbot.waitUntil(monitor().live_bar.isHidden, timeout=LIMIT_MS)
    desktop.renders.cancel_all()
    qtbot.waitUntil(lambda: first.ended, timeout=LIMIT_MS)


def _exr(render: Render) -> Path:
    assert render.picture is not None
    return render.picture.with_suffix(".exr")
