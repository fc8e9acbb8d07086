"""The editors of parameters by themselves, without a desktop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QLocale, Qt
from pytestqt.qtbot import QtBot

from host.app.editors import IntegerEditor, NumberEditor, editor_for
from host.nodes.parameters import Kind, ParameterSpec


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


def test_a_comma_in_a_whole_number_separates_thousands(locale: QLocale, qtbot: QtBot) -> None:
    """It has no decimals."""
    editor = editor_for(ParameterSpec("width", Kind.INTEGER, 0, "Width"))
    qtbot.addWidget(editor)
    assert isinstance(editor, IntegerEditor)
    editor.box.selectAll()
    qtbot.keyClicks(editor.box, "1,920")
    qtbot.keyClick(editor.box, Qt.Key.Key_Return)
    assert editor.box.value() == 1920
