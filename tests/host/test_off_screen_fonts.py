"""Fonts off screen on Windows: what Qt is given. That letters come of it shows on Windows only."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from PySide6.QtGui import QFont, QFontDatabase, QFontMetrics
from PySide6.QtWidgets import QApplication

from host.app.off_screen_fonts import use_windows_fonts


@pytest.fixture(autouse=True)
def substitutes() -> Iterator[None]:
    """Qt's substitutes are the whole process's: as before, after the test."""
    before = {family: QFont.substitutes(family) for family in ("Sans Serif", "monospace")}
    yield
    for family, families in before.items():
        QFont.removeSubstitutions(family)
        QFont.insertSubstitutions(family, families)


@pytest.mark.parametrize("name", ["WINDIR", "SYSTEMROOT"])
def test_qt_is_sent_to_windows_own_fonts(name: str) -> None:
    """By either name that Windows has for its folder."""
    environment = {name: r"D:\Windows"}
    use_windows_fonts(environment)
    assert environment["QT_QPA_FONTDIR"] == r"D:\Windows\Fonts"


def test_a_folder_that_was_named_is_left() -> None:
    """Whoever sets QT_QPA_FONTDIR means it."""
    environment = {"WINDIR": r"C:\Windows", "QT_QPA_FONTDIR": r"E:\show fonts"}
    use_windows_fonts(environment)
    assert environment["QT_QPA_FONTDIR"] == r"E:\show fonts"


def test_qts_families_have_windows_families_in_their_place() -> None:
    """Those that Qt asks for off screen, for text and for what must line up."""
    use_windows_fonts({})
    assert QFont.substitutes("Sans Serif")[0].lower() == "segoe ui"
    assert QFont.substitutes("monospace")[-1].lower() == "courier new"


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere Qt finds fonts by itself")
def test_there_are_letters(qapp: QApplication) -> None:
    """Tests are told of them, too. Where Qt has no font, each letter is a box, as wide as any other."""
    assert QFontDatabase.families()
    metrics = QFontMetrics(qapp.font())
    assert metrics.horizontalAdvance("W") > metrics.horizontalAdvance("i")
