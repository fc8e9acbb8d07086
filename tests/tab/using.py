"""What an artist who uses the tab does and sees: clicks on a row, reads the log, has a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from katana_queue.plugins.Tabs.KatanaQueue.models.columns import Column
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QImage, QKeyEvent
from PySide6.QtWidgets import QApplication, QComboBox, QDialog, QPushButton, QToolButton, QWidget

LEFT = Qt.MouseButton.LeftButton
Settle = Callable[[Callable[[], bool]], None]
"""The fixture `settle`."""


def click_row(qtbot: Any, tab: Any, job_id: str, column: Column = Column.NAME, modifier: Any = None) -> None:
    """Click a job's row as a mouse does."""
    rect = tab.view.visualRect(tab.model.index(tab.model.row(job_id), column))
    modifiers = Qt.KeyboardModifier.NoModifier if modifier is None else modifier
    qtbot.mouseClick(tab.view.viewport(), LEFT, modifiers, rect.center())


def log_text(tab: Any) -> list[str]:
    """What the log shows."""
    view = tab.log.view
    lines = (view.line(number) for number in range(10_000))
    found = []
    for line in lines:
        if line is None:
            break
        found.append(line.text)
    return found


def picture_file(path: Path, colour: Qt.GlobalColor) -> str:
    """A picture of one colour."""
    image = QImage(320, 180, QImage.Format.Format_RGB32)
    image.fill(colour)
    assert image.save(str(path))
    return str(path)


MODIFIERS = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
)
KEYS = [
    *(Qt.Key.Key_Escape, Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space, Qt.Key.Key_Delete),
    *(Qt.Key.Key_Backspace, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_Right),
    *(Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown, Qt.Key.Key_A, Qt.Key.Key_C),
    *(Qt.Key.Key_V, Qt.Key.Key_X, Qt.Key.Key_Z, Qt.Key.Key_Backslash, Qt.Key.Key_F2, Qt.Key.Key_F5),
    *(Qt.Key.Key_F, Qt.Key.Key_1),
]


def unclaimed(root: QWidget) -> list[str]:
    """Keys that a widget in `root` uses and does not claim before the host's menus."""
    found, tried = [], 0
    for widget in root.findChildren(QWidget):
        if not (widget.isVisible() and widget.isEnabled()):
            continue
        if not widget.focusPolicy() & Qt.FocusPolicy.TabFocus or widget.focusProxy() is not None:
            continue
        if isinstance(widget, QToolButton) and widget.menu() is not None:
            continue  # a key opens the menu, and the test would wait until it is closed
        for key in KEYS:
            for modifiers in (
                Qt.KeyboardModifier.NoModifier,
                Qt.KeyboardModifier.ControlModifier,
                Qt.KeyboardModifier.ShiftModifier,
            ):
                widget.setFocus()
                assert QApplication.focusWidget() is widget, (widget, key, modifiers)
                tried += 1
                claim = QKeyEvent(QEvent.Type.ShortcutOverride, key, modifiers)
                claim.ignore()
                QApplication.sendEvent(widget, claim)
                press = QKeyEvent(QEvent.Type.KeyPress, key, modifiers)
                blocked = widget.blockSignals(isinstance(widget, QPushButton))  # or it would close the dialog
                widget.event(press)  # the widget alone, not what it lies in
                widget.blockSignals(blocked)
                if isinstance(widget, QComboBox):
                    widget.hidePopup()  # which Space opens
                for dialog in root.findChildren(QDialog):  # a question before jobs are removed
                    dialog.reject()
                if press.isAccepted() and not claim.isAccepted():
                    found.append(f"{type(widget).__name__} {widget.accessibleName()}: {key.name} {modifiers}")
    assert tried >= len(KEYS)
    return found
