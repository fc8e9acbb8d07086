"""Nodes and parameters, changed with mouse and keys."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from host.app.editors import IntegerEditor, NumberEditor, TextEditor
from host.Katana import NodegraphAPI
from host.nodes.scene import active_scene
from tests.host.conftest import MakeDesktop
from tests.host.driving import (
    WAIT_MS,
    click_item,
    drag,
    graph_tab,
    open_small,
    parameters,
)


def test_nodes_are_made_moved_connected_and_deleted_with_mouse_and_keys(
    make_desktop: MakeDesktop, qtbot: QtBot
) -> None:
    """Tab opens the menu of types; a drag moves a node; a drag between ports connects; Delete deletes."""
    make_desktop()
    tab = graph_tab()
    tab.viewport.setFocus()
    qtbot.keyClick(tab.viewport, Qt.Key.Key_Tab)
    assert tab.menu is not None
    qtbot.waitUntil(tab.menu.isVisible)
    click_item(tab.menu, "Light", qtbot)
    light = active_scene().graph.node("Light")
    assert active_scene().edited is light

    before = light.position
    start = tab.place_of(light)
    drag(tab, start, start + QPoint(60, 90))
    assert light.position != before

    menu = tab.build_create_menu(tab.viewport.rect().topLeft() + QPoint(200, 80))
    next(action for action in menu.actions() if action.text() == "UsdIn").trigger()
    usd_in = active_scene().graph.node("UsdIn")
    light.position = (usd_in.position[0], usd_in.position[1] + 160)
    tab.frame_all()
    drag(tab, tab.port_place(usd_in, "out"), tab.port_place(light, "in"))
    assert light.source("in") is usd_in

    qtbot.mouseClick(tab.viewport, Qt.MouseButton.LeftButton, pos=tab.place_of(usd_in))
    assert active_scene().selected == (usd_in,)
    qtbot.keyClick(tab.viewport, Qt.Key.Key_Delete)
    assert active_scene().graph.find("UsdIn") is None
    assert light.source("in") is None


def test_parameters_change_the_node_as_the_artist_types(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """Numbers, names and choices go into the node; what it refuses is said and taken back."""
    desktop = make_desktop()
    open_small(desktop)
    tab, graph = parameters(), active_scene().graph
    active_scene().edit(graph.node("RenderSettings"))
    width = tab.editor("width")
    assert isinstance(width, IntegerEditor)
    width.box.selectAll()
    qtbot.keyClicks(width.box, "128")
    qtbot.keyClick(width.box, Qt.Key.Key_Return)
    assert graph.node("RenderSettings").value("width") == 128

    light = NodegraphAPI.CreateNode("Light")
    NodegraphAPI.SetNodeEdited(light, True)
    assert tab.editor("width").isVisibleTo(tab)
    kind = light.getParameter("kind")
    assert kind is not None
    kind.setValue("sphere", 0.0)
    assert not tab.editor("width").isVisibleTo(tab)
    assert tab.editor("radius").isVisibleTo(tab)
    radius = tab.editor("radius")
    assert isinstance(radius, NumberEditor)
    radius.box.selectAll()
    qtbot.keyClicks(radius.box, "2.5")
    qtbot.keyClick(radius.box, Qt.Key.Key_Return)
    assert light.getParameterValue("radius", 0.0) == 2.5
    path = tab.editor("path")
    assert isinstance(path, TextEditor)
    path.line.setText("/lights/Sun")
    path.line.editingFinished.emit()
    assert light.getParameterValue("path", 0.0) == "/lights/Sun"


def test_the_cameras_of_the_scene_are_offered(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """The camera parameter lists what the incoming scene has."""
    desktop = make_desktop()
    open_small(desktop)
    with qtbot.waitSignal(desktop.queries.cameras_found, timeout=WAIT_MS):
        active_scene().edit(active_scene().graph.node("RenderSettings"))
    box = parameters().editor("camera").box  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: box.findText("/World/Front") >= 0, timeout=WAIT_MS)
