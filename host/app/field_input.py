"""What was typed into a field and not entered yet: taken before an action, dropped with Esc."""

from __future__ import annotations

import shiboken6
from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QLineEdit, QWidget

__all__ = ["finish_typing", "keep_escape", "line_of"]


def finish_typing() -> None:
    """Have the field with the focus take what was typed into it. Qt's thread.

    To be called before saving, rendering or closing: shortcuts and the window's buttons move no focus.
    """
    field = QApplication.focusWidget()
    if field is None or line_of(field) is None:
        return
    field.clearFocus()
    if shiboken6.isValid(field):  # else what it has changed has replaced it
        field.setFocus()


def line_of(widget: QObject) -> QLineEdit | None:
    """Return the line edit of a spin box, combo box or line edit, or None: Qt sends key events to it."""
    if isinstance(widget, QAbstractSpinBox | QComboBox):
        return widget.lineEdit()
    return widget if isinstance(widget, QLineEdit) else None


def keep_escape(field: QWidget) -> None:
    """Have Esc in `field` restore its value: as the window's shortcut it would cancel the latest render."""
    field.installEventFilter(_Escape(field))


class _Escape(QObject):
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        line = line_of(watched)
        if (
            line is None
            or not isinstance(event, QKeyEvent)
            or event.key() != Qt.Key.Key_Escape
            or event.modifiers() != Qt.KeyboardModifier.NoModifier
        ):
            return False
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        if event.type() == QEvent.Type.KeyPress:
            while line.isUndoAvailable():
                line.undo()
            line.setModified(False)
            return True
        return False
