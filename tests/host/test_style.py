"""How fields look: what can be clicked is seen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QColor, QFont
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QDoubleSpinBox,
    QFrame,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QSpinBox,
    QStyle,
    QStyleOptionComboBox,
    QStyleOptionSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)
from pytestqt.qtbot import QtBot

from host.app import style
from host.app.editors import VectorEditor
from host.app.user_settings import UserSettings
from host.app.window_menus import chosen_palette
from host.nodes.parameters import Kind, ParameterSpec
from tests.host.conftest import MakeDesktop, forget_session, shut
from tests.host.driving import WAIT_MS, graph_tab

_STANDS_OUT = 100
"""How much lighter than its ground, of 255, what is drawn has to be."""


def brightest(widget: QWidget, part: QRect) -> int:
    """The lightness of the lightest point in `part`."""
    image = widget.grab(part).toImage()
    points = ((x, y) for x in range(image.width()) for y in range(image.height()))
    return max(image.pixelColor(x, y).lightness() for x, y in points)


def button(box: QSpinBox | QDoubleSpinBox, control: QStyle.SubControl) -> QRect:
    """Where the button `control` of `box` is, within its border."""
    option = QStyleOptionSpinBox()
    box.initStyleOption(option)
    where = box.style().subControlRect(QStyle.ComplexControl.CC_SpinBox, option, control, box)
    return where.adjusted(2, 2, -2, -2)


@pytest.mark.parametrize("make", [QSpinBox, QDoubleSpinBox])
def test_number_fields_show_their_arrows(
    qapp: QApplication, qtbot: QtBot, make: Callable[[], QSpinBox | QDoubleSpinBox]
) -> None:
    """An arrow up and one down, each where a click steps; the one that leads no further is dim."""
    style.apply(qapp)
    box = make()
    qtbot.addWidget(box)
    box.resize(120, box.sizeHint().height())
    box.setValue(5)
    box.show()
    up, down = (
        button(box, part) for part in (QStyle.SubControl.SC_SpinBoxUp, QStyle.SubControl.SC_SpinBoxDown)
    )
    ground = style.FIELD.lightness()
    assert brightest(box, up) > ground + _STANDS_OUT
    assert brightest(box, down) > ground + _STANDS_OUT
    qtbot.mouseClick(box, Qt.MouseButton.LeftButton, pos=up.center())
    assert box.value() == 6
    qtbot.mouseClick(box, Qt.MouseButton.LeftButton, pos=down.center())
    assert box.value() == 5
    box.setValue(box.minimum())
    assert brightest(box, up) > ground + _STANDS_OUT
    assert brightest(box, down) < ground + _STANDS_OUT


def test_three_numbers_in_a_row_have_no_arrows(qapp: QApplication, qtbot: QtBot) -> None:
    """There all the room is the number's."""
    style.apply(qapp)
    editor = VectorEditor(ParameterSpec("translate", Kind.VECTOR, (-112.5, 2.25, 1.0), "Translate"))
    qtbot.addWidget(editor)
    editor.show_value((-112.5, 2.25, 1.0))
    editor.show()
    for box in editor.boxes:
        assert button(box, QStyle.SubControl.SC_SpinBoxUp).width() <= 0
        edges = QRect(QPoint(box.width() - 14, 2), box.rect().bottomRight() - QPoint(2, 2))
        assert brightest(box, edges) < style.FIELD.lightness() + _STANDS_OUT


@pytest.mark.parametrize("editable", [False, True])
def test_a_list_to_choose_from_shows_its_arrow_without_a_frame(
    qapp: QApplication, qtbot: QtBot, editable: bool
) -> None:
    """The field's own border is all there is."""
    style.apply(qapp)
    box = QComboBox()
    qtbot.addWidget(box)
    box.setEditable(editable)
    box.resize(160, box.sizeHint().height())
    box.show()
    option = QStyleOptionComboBox()
    box.initStyleOption(option)
    arrow = box.style().subControlRect(
        QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxArrow, box
    )
    assert brightest(box, arrow.adjusted(2, 2, -2, -2)) > style.FIELD.lightness() + _STANDS_OUT
    image = box.grab().toImage()
    corner = QPoint(box.width() - 3, box.height() - 4)
    assert image.pixelColor(corner) == style.FIELD


def test_an_unticked_box_of_a_list_is_seen(qapp: QApplication, qtbot: QtBot) -> None:
    """Its border stands out from the list as that of a check box does from a panel."""
    style.apply(qapp)
    boxes = QListWidget()
    qtbot.addWidget(boxes)
    item = QListWidgetItem("", boxes)
    item.setCheckState(Qt.CheckState.Unchecked)
    boxes.resize(200, 100)
    boxes.show()
    ground = boxes.palette().color(boxes.backgroundRole()).lightness()
    assert brightest(boxes, boxes.visualItemRect(item)) >= ground + 30


def test_every_widget_is_styled_by_its_class(qapp: QApplication, qtbot: QtBot) -> None:
    """As in Katana, those of plug-ins too: a size in pixels whatever they ask for, a background, a border."""
    style.apply(qapp)
    label, frame = QLabel("text"), QFrame()
    for widget in (label, frame):
        qtbot.addWidget(widget)
        widget.setFont(QFont("Sans Serif", 30))
        widget.resize(80, 40)
        widget.show()
        assert widget.font().pixelSize() == 12
    picture = frame.grab().toImage()
    assert picture.pixelColor(0, 20) == style.LINE
    assert picture.pixelColor(40, 20) == style.WINDOW
    assert label.grab().toImage().pixelColor(79, 39) == style.WINDOW


def test_the_text_of_an_empty_table_has_the_tables_ground(qapp: QApplication, qtbot: QtBot) -> None:
    """Seen in the light palette, where a label's own ground is much darker."""
    style.apply(qapp)
    table = QTableWidget(0, 2)
    qtbot.addWidget(table)
    text = QLabel("", table.viewport())
    text.resize(80, 40)
    table.show()
    assert table.viewport().grab().toImage().pixelColor(40, 20) == style.FIELD


def test_cells_begin_where_their_titles_do(qapp: QApplication, qtbot: QtBot) -> None:
    """In each table with titles at the left; the current cell has a frame, which moves no text."""
    style.apply(qapp)
    table = QTableWidget(2, 1)
    qtbot.addWidget(table)
    table.setShowGrid(False)
    header = table.horizontalHeader()
    header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    table.setHorizontalHeaderLabels(["Node"])
    for row in range(2):
        table.setItem(row, 0, QTableWidgetItem("Node"))
    table.setColumnWidth(0, 200)
    table.resize(400, 200)
    table.show()

    def left_end(widget: QWidget, place: QRect) -> int:
        image = widget.grab(place.adjusted(2, 2, -2, -2)).toImage()
        ground = image.pixelColor(image.width() - 1, 1)
        columns = range(image.width())
        return next(
            x for x in columns if any(image.pixelColor(x, y) != ground for y in range(image.height()))
        )

    title = left_end(header.viewport(), QRect(0, 0, 200, header.height()))
    cells = [left_end(table.viewport(), table.visualRect(table.model().index(row, 0))) for row in range(2)]
    assert abs(cells[0] - title) <= 1
    table.activateWindow()
    table.setFocus()
    table.setCurrentCell(1, 0)
    qtbot.waitUntil(table.hasFocus, timeout=WAIT_MS)
    place = table.visualRect(table.model().index(1, 0))
    assert abs(left_end(table.viewport(), place) - cells[1]) <= 1
    picture = table.viewport().grab(place).toImage()
    assert picture.pixelColor(0, place.height() // 2) == style.ACCENT


def test_text_is_read_on_every_ground_of_both_palettes() -> None:
    """Contrast as WCAG counts it: 4.5 for text, 3 for what is dim or in a state's colour."""

    def luminance(text: str) -> float:
        color = QColor(text)
        parts = [color.redF(), color.greenF(), color.blueF()]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for palette in style.Palette:
        colors = style._COLORS[palette]
        for ground in ("window", "panel", "field", "alternate"):
            for text in ("text", "dim", "good", "busy", "bad"):
                light, dark = sorted((luminance(colors[ground]), luminance(colors[text])), reverse=True)
                ratio = (light + 0.05) / (dark + 0.05)
                assert ratio >= (4.5 if text == "text" else 3.0), (palette, text, ground, ratio)


def test_the_light_palette_is_chosen_in_the_menu_and_kept(make_desktop: MakeDesktop) -> None:
    """At once, the Node Graph included; and again in the next session."""
    desktop = make_desktop(keeps_settings=True)
    view = next(action.menu() for action in desktop.window.menuBar().actions() if action.text() == "&View")
    assert isinstance(view, QMenu)
    [light] = view.actions()
    try:
        light.trigger()
        assert chosen_palette(UserSettings()) is style.Palette.LIGHT  # also if the desktop is killed now
        assert style.WINDOW.lightness() > 180 and style.TEXT.lightness() < 60
        background = graph_tab()._graph.background_color()
        assert tuple(background) == (style.GRAPH.red(), style.GRAPH.green(), style.GRAPH.blue())
        shut(desktop)
        forget_session()
        assert chosen_palette(make_desktop(keeps_settings=True).settings) is style.Palette.LIGHT
    finally:
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        style.apply(application)
