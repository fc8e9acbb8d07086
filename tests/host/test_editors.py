"""The editors of parameters by themselves, without a desktop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QLocale, Qt, QTimer
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication, QColorDialog, QDialog, QFileDialog, QToolButton
from pytestqt.qtbot import QtBot

from host.app.editors import ColorEditor, Editor, FileEditor, IntegerEditor, NumberEditor, editor_for
from host.nodes.parameters import Kind, ParameterSpec, Vector3
from host.nodes.types import node_type


@pytest.fixture(params=["en_US", "de_DE", "ar_EG"])
def locale(request: pytest.FixtureRequest) -> Iterator[QLocale]:
    """The artist's locale."""
    before = QLocale()
    locale = QLocale(request.param)
    QLocale.setDefault(locale)
    yield locale
    QLocale.setDefault(before)


def test_a_number_that_is_confirmed_stays(locale: QLocale, qtbot: QtBot) -> None:
    """Enter without a change is no edit, whatever the decimal separator of the locale."""
    editor = editor_for(ParameterSpec("size", Kind.NUMBER, 0.0, "Size"))
    qtbot.addWidget(editor)
    assert isinstance(editor, NumberEditor)
    for number in (0.5, -2.25, 1234.5, 0.000001):
        editor.show_value(number)
        qtbot.keyClick(editor.box, Qt.Key.Key_Return)
        assert editor.box.value() == number


@pytest.mark.parametrize(
    ("typed", "number"), [("1.5", 1.5), ("1,5", 1.5), ("-,25", -0.25), ("1234.5", 1234.5)]
)
def test_a_comma_is_a_decimal_point(locale: QLocale, qtbot: QtBot, typed: str, number: float) -> None:
    """As number pads of many languages type it."""
    editor = editor_for(ParameterSpec("size", Kind.NUMBER, 0.0, "Size"))
    qtbot.addWidget(editor)
    assert isinstance(editor, NumberEditor)
    editor.box.selectAll()
    qtbot.keyClicks(editor.box, typed)
    with qtbot.waitSignal(editor.value_edited) as edited:
        qtbot.keyClick(editor.box, Qt.Key.Key_Return)
    assert edited.args == [number]


@pytest.mark.parametrize(
    ("kind", "typed", "number"),
    [
        (Kind.NUMBER, "1,234.5", 7),
        (Kind.NUMBER, "1.234,5", 7),
        (Kind.NUMBER, "1e3", 1000),
        (Kind.NUMBER, "0.333333333", 0.333333),
        (Kind.INTEGER, "1,5", 7),
        (Kind.INTEGER, "1.5", 7),
        (Kind.INTEGER, "1.234,5", 7),
    ],
)
def test_no_other_number_is_made_of_one_that_cannot_be_read(
    locale: QLocale, qtbot: QtBot, kind: Kind, typed: str, number: float
) -> None:
    """No key is dropped as it is typed; Enter makes it the number of before, or the one that was typed."""
    editor = editor_for(ParameterSpec("size", kind, 0, "Size"))
    qtbot.addWidget(editor)
    assert isinstance(editor, NumberEditor)
    editor.show_value(7)
    editor.box.selectAll()
    qtbot.keyClicks(editor.box, typed)
    qtbot.keyClick(editor.box, Qt.Key.Key_Return)
    assert editor.box.value() == number


def test_a_comma_in_a_whole_number_separates_thousands(locale: QLocale, qtbot: QtBot) -> None:
    """It has no decimals."""
    editor = editor_for(ParameterSpec("width", Kind.INTEGER, 0, "Width"))
    qtbot.addWidget(editor)
    assert isinstance(editor, IntegerEditor)
    editor.box.selectAll()
    qtbot.keyClicks(editor.box, "1,920")
    qtbot.keyClick(editor.box, Qt.Key.Key_Return)
    assert editor.box.value() == 1920


# --- Dialogs ---


def color_editor(qtbot: QtBot, value: Vector3) -> ColorEditor:
    editor = editor_for(ParameterSpec("color", Kind.COLOR, (1.0, 1.0, 1.0), "Color"))
    qtbot.addWidget(editor)
    assert isinstance(editor, ColorEditor)
    editor.show_value(value)
    editor.show()
    return editor


def in_dialog(editor: Editor, dialog_type: type[QDialog], answer: Callable[[Any], None]) -> QTimer:
    """Call `answer` with the modal dialog that opens next; return the timer that waits for it."""
    timer = QTimer(editor)

    def look() -> None:
        dialog = QApplication.activeModalWidget()
        if isinstance(dialog, dialog_type):
            timer.stop()
            try:
                answer(dialog)
            finally:
                if dialog.isVisible():
                    dialog.reject()  # an assertion failed: the test must end

    timer.timeout.connect(look)
    timer.start(10)
    return timer


@pytest.mark.parametrize("value", [(4.0, 2.0, 1.0), (0.18, 0.18, 0.18), (-0.5, 0.0, 0.2)])
def test_a_color_that_is_not_changed_in_the_dialog_keeps_its_numbers(qtbot: QtBot, value: Vector3) -> None:
    """Also those that the dialog cannot show."""
    editor, edits = color_editor(qtbot, value), list[object]()
    editor.value_edited.connect(edits.append)
    timer = in_dialog(editor, QColorDialog, lambda dialog: dialog.accept())
    editor.swatch.click()
    assert not timer.isActive() and edits == []
    assert tuple(box.value() for box in editor.boxes) == value


def test_another_hue_keeps_the_intensity(qtbot: QtBot) -> None:
    """The colour that is chosen is multiplied by the largest number of the one before."""
    editor = color_editor(qtbot, (4.0, 2.0, 1.0))

    def choose(dialog: QColorDialog) -> None:
        assert dialog.currentColor().red() == 255 and dialog.currentColor().blue() < 255
        dialog.setCurrentColor(QColor(0, 255, 0))
        dialog.accept()

    in_dialog(editor, QColorDialog, choose)
    with qtbot.waitSignal(editor.value_edited) as edited:
        editor.swatch.click()
    assert edited.args == [(0.0, 4.0, 0.0)]


def test_the_swatch_is_a_button(qtbot: QtBot) -> None:
    """The left mouse button, Space and Return open the dialog; other mouse buttons do not."""
    swatch, opened = color_editor(qtbot, (1.0, 0.5, 0.2)).swatch, list[str]()
    swatch.clicked.disconnect()
    swatch.clicked.connect(lambda: opened.append("opened"))
    qtbot.mouseClick(swatch, Qt.MouseButton.RightButton)
    qtbot.mouseClick(swatch, Qt.MouseButton.MiddleButton)
    assert not opened
    qtbot.mouseClick(swatch, Qt.MouseButton.LeftButton)
    for key in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter):
        qtbot.keyClick(swatch, key)
    assert len(opened) == 4


def test_an_output_that_does_not_exist_can_be_chosen(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a dialog that begins at the present value, and asks no question where the file exists.

    The dialog itself is replaced: Qt's own opens in its own time.
    """
    spec = next(spec for spec in node_type("Render").parameters if spec.name == "output")
    editor = editor_for(spec)
    qtbot.addWidget(editor)
    assert isinstance(editor, FileEditor)
    editor.show_value(str(tmp_path / "old.png"))
    asked: list[tuple[Any, ...]] = []

    def choose(*arguments: Any) -> tuple[str, str]:
        asked.append(arguments)
        return str(tmp_path / "new.####.exr"), ""

    def refuse(*_arguments: Any) -> tuple[str, str]:
        return "", ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", refuse)
    button = editor.findChild(QToolButton)
    assert button is not None
    button.click()
    assert editor.line.text() == str(tmp_path / "new.####.exr")
    [(_parent, _title, start, _filters, _selected, options)] = asked
    assert start == str(tmp_path / "old.png")
    assert options is QFileDialog.Option.DontConfirmOverwrite
