"""What an artist's hands do, for tests: menus, clicks, drags, and where things are."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QContextMenuEvent, QMouseEvent
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from host.app.desktop import Desktop
from host.app.monitor import Monitor
from host.app.node_graph import NodeGraphTab
from host.app.parameters_tab import ParametersTab
from host.app.sequence_dialog import SequenceDialog
from host.Katana.UI4.App import Tabs
from host.nodes.scene import active_scene
from tests.host.conftest import SMALL

WAIT_MS = 60_000
ROOT = Path(__file__).resolve().parents[2]
OURS = (ROOT / "plugins", ROOT / "resources")
"""KATANA_RESOURCES of a desktop with our plug-ins."""


def graph_tab() -> NodeGraphTab:
    tab = Tabs.FindTopTab("Node Graph")
    assert isinstance(tab, NodeGraphTab)
    return tab


def monitor() -> Monitor:
    tab = Tabs.FindTopTab("Monitor")
    assert isinstance(tab, Monitor)
    return tab


def parameters() -> ParametersTab:
    tab = Tabs.FindTopTab("Parameters")
    assert isinstance(tab, ParametersTab)
    return tab


def open_small(desktop: Desktop, samples: int = 1, scene: Path = SMALL) -> None:
    """Open the small scene, or another one, with as few pixels as a picture can have."""
    assert desktop.window.documents.open(scene)
    settings = active_scene().graph.node("RenderSettings")
    settings.set_value("width", 32)
    settings.set_value("height", 18)
    settings.set_value("samples", samples)


def right_click(tab: NodeGraphTab, place: QPoint, qtbot: QtBot) -> QMenu:
    """Press and release the right button, and send what the window system makes of it."""
    qtbot.mouseClick(tab.viewport, Qt.MouseButton.RightButton, pos=place)
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, place, tab.viewport.mapToGlobal(place))
    QApplication.sendEvent(tab.viewport, event)
    menu = tab.menu
    assert menu is not None
    qtbot.waitUntil(menu.isVisible)
    return menu


def click_item(menu: QMenu, text: str, qtbot: QtBot) -> QMenu | None:
    """Click the item `text` with the mouse; returns the sub-menu that it opens, if it does."""
    action = next(action for action in menu.actions() if action.text().replace("&", "") == text)
    place = menu.actionGeometry(action).center()
    qtbot.mouseMove(menu, place)
    submenu = action.menu()
    qtbot.mouseClick(menu, Qt.MouseButton.LeftButton, pos=place)
    if isinstance(submenu, QMenu):
        qtbot.waitUntil(submenu.isVisible)
        return submenu
    return None


def open_frames_dialog(qtbot: QtBot, farm: str) -> SequenceDialog:
    """*Disk Render Frames…* of a farm, in the menu of the Render node."""
    tab = graph_tab()
    menu = right_click(tab, tab.place_of(active_scene().graph.node("Render")), qtbot)
    submenu = click_item(menu, farm, qtbot)
    assert submenu is not None
    click_item(submenu, "Disk Render Frames…", qtbot)
    return shown_frames_dialog()


def shown_frames_dialog() -> SequenceDialog:
    """The dialog that is open."""
    [dialog] = [
        each
        for each in QApplication.topLevelWidgets()
        if isinstance(each, SequenceDialog) and each.isVisible()
    ]
    return dialog


def render_frames(qtbot: QtBot, farm: str, frames: str) -> None:
    """Have frames rendered on a farm, by the menu of the Render node."""
    dialog = open_frames_dialog(qtbot, farm)
    dialog.frames.setText(frames)
    dialog.render_button.click()


def trigger_preview(node: str) -> None:
    menu = graph_tab().build_node_menu(active_scene().graph.node(node))
    farm = next(action for action in menu.actions() if action.text() == "Local Farm").menu()
    assert isinstance(farm, QMenu)
    farm.actions()[0].trigger()


def drag(tab: NodeGraphTab, start: QPoint, end: QPoint) -> None:
    """Press, move and release the left button. QTest's moves hold no button, so these are sent by hand."""
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    middle = (start + end) / 2
    for kind, place, button, held in (
        (QEvent.Type.MouseMove, start, none, none),
        (QEvent.Type.MouseButtonPress, start, left, left),
        (QEvent.Type.MouseMove, middle, none, left),
        (QEvent.Type.MouseMove, end, none, left),
        (QEvent.Type.MouseMove, end, none, left),  # a hand pauses before it lets go
        (QEvent.Type.MouseButtonRelease, end, left, none),
    ):
        event = QMouseEvent(
            kind,
            QPointF(place),
            QPointF(tab.viewport.mapToGlobal(place)),
            button,
            held,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(tab.viewport, event)
