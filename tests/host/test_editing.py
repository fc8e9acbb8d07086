"""Nodes and parameters, changed with mouse and keys."""

from __future__ import annotations

from pathlib import Path

import pytest
import shiboken6
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QAction, QContextMenuEvent, QFocusEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QFileDialog,
    QGraphicsTextItem,
    QGraphicsView,
    QLineEdit,
    QSpinBox,
)
from pytestqt.qtbot import QtBot

from host.app.editors import FileEditor, IntegerEditor, NumberEditor, TextEditor, VectorEditor
from host.app.filter_menu import FilterMenu
from host.app.node_graph import NodeGraphTab
from host.app.window_menus import preview
from host.Katana import NodegraphAPI
from host.nodes.project import to_document
from host.nodes.scene import active_scene
from host.nodes.types import NODE_TYPES
from tests.host.conftest import MakeDesktop
from tests.host.driving import (
    WAIT_MS,
    click_item,
    drag,
    graph_tab,
    open_small,
    parameters,
    right_click,
    trigger_preview,
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


def test_a_range_that_the_artist_sets_is_to_be_saved(
    make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path
) -> None:
    """As any other change: a window that closes without asking would lose it."""
    desktop = make_desktop()
    open_small(desktop)
    assert desktop.window.documents.save_to(tmp_path / "a.kqproject")
    [last] = (box for box in desktop.window.findChildren(QSpinBox) if box.accessibleName() == "Last frame")
    last.selectAll()
    qtbot.keyClicks(last, "48")
    qtbot.keyClick(last, Qt.Key.Key_Return)
    assert active_scene().project.last_frame == 48.0
    render = active_scene().graph.node("Render")
    render.set_value("farmOptions", "a=b")
    desktop.history.undo()
    assert render.value("farmOptions") == ""
    assert active_scene().dirty  # an undone step is not all that was changed
    active_scene().set_range(1001.0, 1001.0)
    assert desktop.window.documents.save()
    last.selectAll()
    qtbot.keyClicks(last, "900")
    qtbot.keyClick(last, Qt.Key.Key_Return)
    assert last.value() == active_scene().project.last_frame == 1001
    assert not active_scene().dirty
    active_scene().open_project(active_scene().project)  # without a file, as a USD file that was opened
    desktop.queries.range_found.emit("Render", 1.0, 10.0)
    assert active_scene().project.last_frame == 1001.0  # the artist's, set while the file was read


def test_what_is_typed_is_saved_and_rendered_without_another_key(
    make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shortcuts and the window's close button move no focus; the project that is opened takes none of it."""
    desktop = make_desktop()
    desktop.window.activateWindow()
    open_small(desktop)
    documents, tab = desktop.window.documents, parameters()
    assert documents.save_to(tmp_path / "a.kqproject")
    settings = active_scene().graph.node("RenderSettings")

    def type_width(text: str) -> QAbstractSpinBox:
        active_scene().edit(settings)
        field = tab.editor("width")
        assert isinstance(field, IntegerEditor)
        box = field.box
        box.setFocus()
        qtbot.waitUntil(box.hasFocus, timeout=WAIT_MS)
        box.selectAll()
        qtbot.keyClicks(box, text)
        return box

    type_width("123")
    assert documents.save()
    assert '"width": 123' in (tmp_path / "a.kqproject").read_text()
    type_width("124")
    preview(desktop.renders)
    assert settings.value("width") == 124
    desktop.renders.cancel_all()
    type_width("125")
    assert documents.confirm_discard()  # nothing is asked here
    assert settings.value("width") == 125
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "b.kqproject"), ""))
    type_width("127")
    assert documents.save_as()
    assert '"width": 127' in (tmp_path / "b.kqproject").read_text()
    actions = {each.text().replace("&", ""): each for each in desktop.window.findChildren(QAction)}
    for width, name in ((128, "Repeat Last Render"), (129, "Note Nodes")):
        type_width(str(width))
        actions[name].trigger()
        assert settings.value("width") == width
    desktop.renders.cancel_all()
    monkeypatch.setattr(documents, "confirm_discard", lambda: False)
    desktop.window._confirmed = to_document(active_scene().project)  # as after Wait, Then Close
    desktop.window._closing.start()
    type_width("130")
    assert not desktop.window.close()
    box = type_width("126")
    with qtbot.captureExceptions() as raised:
        active_scene().edit(active_scene().graph.node("Render"))
        qtbot.waitUntil(lambda: not shiboken6.isValid(box))
    assert not raised


def test_escape_restores_a_field_and_cancels_no_render(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """As a shortcut of the window it cancels the latest render."""
    desktop = make_desktop()
    desktop.window.activateWindow()
    open_small(desktop, samples=20000)
    trigger_preview("Render")
    active_scene().edit(active_scene().graph.node("RenderSettings"))
    tab = parameters()
    width = tab.editor("width")
    assert isinstance(width, IntegerEditor)
    name = tab.findChild(QLineEdit)
    assert name is not None and name.accessibleName() == "Name"
    [last] = (box for box in desktop.window.findChildren(QSpinBox) if box.accessibleName() == "Last frame")
    for field in (width.box, name, last):
        line = field if isinstance(field, QLineEdit) else field.lineEdit()
        shown = line.text()
        field.setFocus()
        qtbot.waitUntil(field.hasFocus, timeout=WAIT_MS)
        line.selectAll()
        qtbot.keyClicks(field, "77")
        assert line.text() == "77"
        qtbot.keyClick(field, Qt.Key.Key_Escape)
        assert line.text() == shown
    assert not desktop.renders.renders[-1].ended
    desktop.renders.cancel_all()


def test_the_cameras_of_the_scene_are_offered(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """The camera parameter lists what the incoming scene has."""
    desktop = make_desktop()
    open_small(desktop)
    with qtbot.waitSignal(desktop.queries.cameras_found, timeout=WAIT_MS):
        active_scene().edit(active_scene().graph.node("RenderSettings"))
    box = parameters().editor("camera").box  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: box.findText("/World/Front") >= 0, timeout=WAIT_MS)


def send_mouse(
    tab: NodeGraphTab,
    kind: QEvent.Type,
    place: QPoint,
    button: Qt.MouseButton,
    modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:
    held = button if kind is QEvent.Type.MouseButtonPress else Qt.MouseButton.NoButton
    event = QMouseEvent(
        kind, QPointF(place), QPointF(tab.viewport.mapToGlobal(place)), button, held, modifier
    )
    QApplication.sendEvent(tab.viewport, event)


def test_the_graph_takes_clicks_after_a_key_whose_release_it_missed(
    make_desktop: MakeDesktop, qtbot: QtBot
) -> None:
    """Ctrl+S opens a dialog, which gets the release of Ctrl: the next click selects all the same."""
    desktop = make_desktop()
    open_small(desktop)
    tab, graph = graph_tab(), active_scene().graph
    viewer = tab.focusProxy()
    assert viewer is not None
    for key in (Qt.Key.Key_Control, Qt.Key.Key_Shift, Qt.Key.Key_Alt):
        qtbot.keyPress(viewer, key)
        for name in ("Render", "UsdIn"):
            qtbot.mouseClick(tab.viewport, Qt.MouseButton.LeftButton, pos=tab.place_of(graph.node(name)))
            assert active_scene().selected == (graph.node(name),), key
    qtbot.keyPress(viewer, Qt.Key.Key_Control)
    assert viewer.CTRL_state  # type: ignore[attr-defined]
    QApplication.sendEvent(viewer, QFocusEvent(QEvent.Type.FocusOut))
    assert not viewer.CTRL_state  # type: ignore[attr-defined]


def test_the_hint_of_a_modifier_key_is_within_the_view(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """With the pointer in the lower right corner, too."""
    desktop = make_desktop()
    open_small(desktop)
    tab = graph_tab()
    viewer = tab.focusProxy()
    assert isinstance(viewer, QGraphicsView)
    room = tab.viewport.rect()
    qtbot.keyPress(viewer, Qt.Key.Key_Control)
    none, control = Qt.MouseButton.NoButton, Qt.KeyboardModifier.ControlModifier
    send_mouse(tab, QEvent.Type.MouseMove, room.bottomRight(), none, control)
    (hint,) = (
        item
        for item in viewer.scene().items()
        if isinstance(item, QGraphicsTextItem) and "CTRL" in item.toPlainText()
    )
    assert hint.isVisible()
    corner = viewer.mapFromScene(hint.pos())
    assert room.contains(QRect(corner, hint.boundingRect().size().toSize()))


def test_a_right_click_leaves_wires_and_ports_alone_and_edits_its_node(
    make_desktop: MakeDesktop, qtbot: QtBot
) -> None:
    """On a port, beside it on the wire, and on the node, whose parameters are then shown."""
    desktop = make_desktop()
    open_small(desktop)
    tab, graph = graph_tab(), active_scene().graph
    render, render_settings = graph.node("Render"), graph.node("RenderSettings")
    viewer = tab.focusProxy()
    port, source = tab.port_place(render, "in"), tab.port_place(render_settings, "out")
    for place in (port, (port + source) / 2, source):
        right_click(tab, place, qtbot)
        assert not viewer._LIVE_PIPE.isVisible(), "a wire is being dragged"  # type: ignore[attr-defined]
        send_mouse(tab, QEvent.Type.MouseMove, place + QPoint(40, 5), Qt.MouseButton.NoButton)
        qtbot.mouseClick(tab.viewport, Qt.MouseButton.RightButton, pos=place + QPoint(60, 0))
        assert render.source("in") is render_settings
    active_scene().edit(render_settings)
    right_click(tab, tab.place_of(render), qtbot)
    assert active_scene().edited is render and active_scene().selected == (render,)


def test_the_menu_key_opens_the_menu_of_the_edited_node(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """Without the mouse over any node."""
    desktop = make_desktop()
    open_small(desktop)
    tab = graph_tab()
    event = QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, QPoint(2, 2), QPoint(2, 2))
    QApplication.sendEvent(tab.viewport, event)
    menu = tab.menu
    assert menu is not None
    qtbot.waitUntil(menu.isVisible)
    assert "Edit Parameters" in [action.text() for action in menu.actions()]


def test_a_node_dropped_on_a_wire_is_inserted(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """It is fed by what fed the wire's end; a node with connections is only moved."""
    desktop = make_desktop()
    open_small(desktop)
    tab, graph = graph_tab(), active_scene().graph
    render, render_settings = graph.node("Render"), graph.node("RenderSettings")
    light = graph.create(NODE_TYPES["Light"], position=(400.0, 70.0))
    desktop.history.record()
    tab.frame_all()
    wire = (tab.port_place(render, "in") + tab.port_place(render_settings, "out")) / 2
    qtbot.mouseClick(tab.viewport, Qt.MouseButton.LeftButton, pos=tab.place_of(light))
    drag(tab, tab.place_of(light), wire)
    assert render.source("in") is light
    assert light.source("in") is render_settings
    desktop.history.record()
    desktop.history.undo()
    assert render.source("in") is render_settings and light.position == (400.0, 70.0)


def test_tabs_list_narrows_as_one_types(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """Letters filter, Return makes the first that is left, Backspace widens."""
    make_desktop()
    tab = graph_tab()
    qtbot.keyClick(tab.viewport, Qt.Key.Key_Tab)
    menu = tab.menu
    assert isinstance(menu, FilterMenu)
    qtbot.waitUntil(menu.isVisible)
    qtbot.keyClicks(menu, "liq")
    qtbot.keyClick(menu, Qt.Key.Key_Backspace)
    shown = [action.text() for action in menu.actions() if action.isVisible() and action.isEnabled()]
    assert shown == ["Light"] and menu.filter == "li"
    qtbot.keyClick(menu, Qt.Key.Key_Return)
    assert active_scene().graph.find("Light") is not None


def test_a_number_beyond_its_limit_is_refused_with_a_message(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """Nothing is changed in silence: the old value stays, and the limit is named; arrows stop at it."""
    desktop = make_desktop()
    open_small(desktop)
    node = active_scene().graph.node("RenderSettings")
    active_scene().edit(node)
    width = parameters().editor("width")
    assert isinstance(width, NumberEditor)
    width.box.selectAll()
    qtbot.keyClicks(width.box, "99999")
    qtbot.keyClick(width.box, Qt.Key.Key_Return)
    assert node.value("width") == 32 and width.box.value() == 32
    assert "16384" in parameters().message
    node.set_value("width", 16384)
    qtbot.keyClick(width.box, Qt.Key.Key_Up)
    assert node.value("width") == 16384


def test_the_wheel_scrolls_the_page_unless_the_field_has_the_focus(
    make_desktop: MakeDesktop, qtbot: QtBot
) -> None:
    """A value under the pointer is not changed on the way."""
    desktop = make_desktop()
    open_small(desktop)
    node = active_scene().graph.node("RenderSettings")
    active_scene().edit(node)
    width = parameters().editor("width")
    assert isinstance(width, NumberEditor)

    def wheel() -> None:
        event = QWheelEvent(
            QPointF(5, 5), QPointF(width.box.mapToGlobal(QPoint(5, 5))), QPoint(), QPoint(0, 120),
            Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(width.box, event)

    desktop.window.activateWindow()
    graph_tab().setFocus()
    qtbot.waitUntil(graph_tab().viewport.parentWidget().hasFocus)
    wheel()
    assert node.value("width") == 32
    width.box.setFocus()
    qtbot.waitUntil(width.box.hasFocus)
    wheel()
    assert node.value("width") == 33


def test_steps_suit_what_they_change_and_a_distant_light_is_seen(make_desktop: MakeDesktop) -> None:
    """A tenth of a stop, a degree; a sun that is normalized, unless the artist has chosen otherwise."""
    make_desktop()
    light = active_scene().graph.create(NODE_TYPES["Light"])
    active_scene().edit(light)
    exposure, rotate = parameters().editor("exposure"), parameters().editor("rotate")
    assert isinstance(exposure, NumberEditor) and isinstance(rotate, VectorEditor)
    exposure.box.stepBy(1)
    rotate.boxes[1].stepBy(1)
    assert light.value("exposure") == 0.1 and light.value("rotate") == (0.0, 1.0, 0.0)
    light.set_value("kind", "distant")
    assert light.value("normalize") is True


def test_a_path_can_be_read_in_a_narrow_column(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """As at 1.5 scale on a small screen: its last characters are seen, below the label if need be."""
    desktop = make_desktop()
    open_small(desktop)
    node = active_scene().graph.node("Render")
    node.set_value("output", "/shows/aurora/seq010/shot0230/renders/beauty.####.exr")
    active_scene().edit(node)
    desktop.window.resize(800, 640)
    tab = parameters()
    qtbot.waitUntil(lambda: tab.width() < 320)
    output = tab.editor("output")
    assert isinstance(output, FileEditor)
    end = output.line.fontMetrics().horizontalAdvance("beauty.####.exr")
    qtbot.waitUntil(lambda: output.line.width() > end)
    assert output.mapTo(tab, QPoint(output.width(), 0)).x() <= tab.width()


def test_what_is_seen_of_the_graph_is_kept_while_its_panel_is_hidden(
    make_desktop: MakeDesktop, qtbot: QtBot
) -> None:
    """As when another tab covers it for a moment, or the window is minimized."""
    desktop = make_desktop()
    open_small(desktop)
    tab = graph_tab()
    node = active_scene().graph.node("Render")
    drag(tab, tab.place_of(node), tab.place_of(node))  # the graph is not framed by itself from here on
    tab._viewer.set_zoom(0.5)
    tab._viewer.centerOn(0, 0)
    before = tab.place_of(node)
    tab.hide()
    tab.show()
    qtbot.waitUntil(tab.isVisible)
    assert tab.place_of(node) == before
