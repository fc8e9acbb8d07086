"""The desktop without a mouse: which panel has the keyboard, nodes by keys, menus with mnemonics."""

from __future__ import annotations

from functools import partial

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QCursor
from PySide6.QtWidgets import QApplication, QDockWidget, QMenu, QWidget
from pytestqt.qtbot import QtBot

from host.app.catalog_tab import CatalogTab
from host.app.editors import IntegerEditor
from host.app.focus_line import FocusLine
from host.app.graph_places import free_place, neighbour
from host.app.window_menus import with_mnemonics
from host.Katana.UI4.App import Tabs
from host.nodes.scene import active_scene
from tests.host.conftest import MakeDesktop
from tests.host.driving import WAIT_MS, graph_tab, open_small, parameters

CHAIN = {
    "UsdIn": (0.0, 0.0),
    "RenderSettings": (10.0, 140.0),
    "Render": (0.0, 280.0),
    "Light": (200.0, 150.0),
}


@pytest.mark.parametrize(
    ("start", "direction", "expected"),
    [
        ("RenderSettings", (0, -1), "UsdIn"),
        ("RenderSettings", (0, 1), "Render"),
        ("RenderSettings", (1, 0), "Light"),
        ("Light", (-1, 0), "RenderSettings"),
        ("UsdIn", (0, -1), None),
    ],
)
def test_the_neighbour_in_a_direction(start: str, direction: tuple[int, int], expected: str | None) -> None:
    """The nearest node there, not one far to the side."""
    assert neighbour(CHAIN, start, direction) == expected


def test_a_free_place_overlaps_no_node() -> None:
    """A place where a node is moves to the right, past a second one there."""
    assert free_place([], (3.0, 4.0)) == (3.0, 4.0)
    assert free_place([(0.0, 0.0)], (20.0, 100.0)) == (20.0, 100.0)
    x, y = free_place([(0.0, 0.0), (150.0, 10.0)], (5.0, 5.0))
    assert y == 5.0 and x >= 150.0 + 148.0


def test_nodes_are_selected_made_and_connected_by_keys(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """Arrows select; Tab makes a node after the selected one; the node's menu connects its input."""
    desktop = make_desktop()
    open_small(desktop)
    tab, scene = graph_tab(), active_scene()
    QCursor.setPos(tab.viewport.mapToGlobal(QPoint(-50, -50)))
    usd_in, settings, render = (scene.graph.node(name) for name in ("UsdIn", "RenderSettings", "Render"))
    scene.select((render,))
    tab.viewport.setFocus()
    qtbot.keyClick(tab.viewport, Qt.Key.Key_Up)
    assert scene.selected == (settings,) and scene.edited is settings
    qtbot.keyClick(tab.viewport, Qt.Key.Key_Up)
    assert scene.selected == (usd_in,)
    qtbot.keyClick(tab.viewport, Qt.Key.Key_Tab)
    menu = tab.menu
    assert menu is not None
    qtbot.waitUntil(menu.isVisible, timeout=WAIT_MS)
    qtbot.keyClicks(menu, "light")
    qtbot.keyClick(menu, Qt.Key.Key_Return)
    light = scene.graph.node("Light")
    assert light.source("in") is usd_in and settings.source("in") is light
    assert scene.selected == (light,)
    apart = [
        abs(light.position[0] - each.position[0]) >= 148 or abs(light.position[1] - each.position[1]) >= 36
        for each in (usd_in, settings, render)
    ]
    assert all(apart)

    def choose(source: str) -> None:
        inputs = next(each.menu() for each in tab.build_node_menu(render).actions() if each.text() == "Input")
        assert isinstance(inputs, QMenu)
        [checked] = [each.text() for each in inputs.actions() if each.isChecked()]
        before = render.source("in")
        assert checked == ("Nothing" if before is None else before.name)
        names = [each.text() for each in inputs.actions()]
        assert "Render" not in names
        inputs.actions()[names.index(source)].trigger()

    choose("Light")
    assert render.source("in") is light
    choose("Nothing")
    assert render.source("in") is None
    choose("RenderSettings")
    assert render.source("in") is settings


def test_a_line_shows_which_panel_has_the_keyboard(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """It is at the top of that panel, and leaves with the focus."""
    desktop = make_desktop()
    window = desktop.window
    window.activateWindow()
    line = window.focus_line
    open_small(desktop)
    active_scene().edit(active_scene().graph.node("RenderSettings"))
    width = parameters().editor("width")
    assert isinstance(width, IntegerEditor)
    for name, child in (
        ("Node Graph", graph_tab()),
        ("Catalog", Tabs.FindTopTab("Catalog")),
        ("Parameters", width.box),
    ):
        dock = window.open_tab(name)
        assert dock is not None and child is not None
        child.setFocus()
        qtbot.waitUntil(partial(_is_marked, line, dock), timeout=WAIT_MS)


def test_the_focus_of_a_panel_is_in_its_first_field(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """The keyboard reaches *Parameters* in a field that can be typed into, not in the empty panel."""
    desktop = make_desktop()
    desktop.window.activateWindow()
    open_small(desktop)
    active_scene().edit(active_scene().graph.node("RenderSettings"))
    desktop.window.open_tab("Parameters")
    tab = parameters()
    tab.setFocus(Qt.FocusReason.TabFocusReason)
    first = tab.editor(active_scene().graph.node("RenderSettings").specs[0].name)
    qtbot.waitUntil(lambda: _has_focus(first), timeout=WAIT_MS)


def _has_focus(widget: QWidget) -> bool:
    focused = QApplication.focusWidget()
    return focused is not None and (focused is widget or widget.isAncestorOf(focused))


def _is_marked(line: FocusLine, dock: QDockWidget) -> bool:
    panel = dock.widget()
    place = panel.mapTo(line.parentWidget(), QPoint(0, 0))
    return line.dock is dock and line.isVisible() and line.pos() == place and line.width() == panel.width()


def test_each_tab_and_shelf_item_is_in_a_menu(make_desktop: MakeDesktop) -> None:
    """Alt+T and a letter opens a tab; what the shelf bar has is in a menu, too."""
    window = make_desktop().window
    menus = {action.text(): action.menu() for action in window.menuBar().actions()}
    tabs, shelves = menus["&Tabs"], menus["&Shelves"]
    assert isinstance(tabs, QMenu) and isinstance(shelves, QMenu)
    letters = [text[text.index("&") + 1].lower() for text in (each.text() for each in tabs.actions())]
    assert len(letters) == len(set(letters)) == len(Tabs.GetAvailableTabTypeNames())
    buttons = [each for each in window.shelf_bar.actions() if each.text()]
    assert buttons and [each for each in shelves.actions() if not each.isSeparator()] == buttons


def test_mnemonics_differ_and_ampersands_stay() -> None:
    """A title whose letters are all taken has none."""
    texts = with_mnemonics(["Monitor", "Messages", "R & D", "mer"])
    assert texts == ["&Monitor", "M&essages", "&R && D", "mer"]


def test_the_empty_catalog_shows_its_titles(make_desktop: MakeDesktop) -> None:
    """The text in an empty list does not cover the titles of its columns."""
    make_desktop()
    tab = Tabs.FindTopTab("Catalog")
    assert isinstance(tab, CatalogTab)
    assert tab.table.viewport().isAncestorOf(tab._empty)
