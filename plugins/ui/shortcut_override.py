"""Gives a focused widget the keys that it uses, even if the host application has shortcuts for them.

For example, Esc cancels the render in Katana; in a text field of ours it must not.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QTabBar,
    QWidget,
)

__all__ = ["accept_own_keys", "uses_key"]

_K = Qt.Key
_RETURN = {_K.Key_Return, _K.Key_Enter}
_EDITS = {_K.Key_Delete, _K.Key_Backspace}
_MOVES = {
    *(_K.Key_Up, _K.Key_Down, _K.Key_Left, _K.Key_Right),
    *(_K.Key_Home, _K.Key_End, _K.Key_PageUp, _K.Key_PageDown),
}
_KEYS: tuple[tuple[type[QWidget], set[Qt.Key]], ...] = (
    (QAbstractButton, {_K.Key_Space, _K.Key_Select, *_MOVES}),
    (QPushButton, _RETURN),
    (QTabBar, _MOVES),
    (QComboBox, {*_MOVES, *_RETURN, *_EDITS, _K.Key_Space, _K.Key_F4}),
    (QAbstractSpinBox, {*_MOVES, *_RETURN, *_EDITS, _K.Key_Escape}),
    (QLineEdit, {*_MOVES, *_RETURN, *_EDITS, _K.Key_Escape}),
    (QPlainTextEdit, _EDITS),
    (QAbstractScrollArea, {*_MOVES, *_RETURN, _K.Key_Space, _K.Key_F2}),
)
"""The keys that each class of widgets uses, alone or with Shift and Ctrl, which extend a selection."""
_STANDARD = (QKeySequence.StandardKey.Copy, QKeySequence.StandardKey.SelectAll)


def accept_own_keys(root: QWidget) -> None:
    """Make Qt send a focused widget in `root` the keys that it uses, not the host's shortcuts. Qt's thread.

    Without it Qt would trigger the host's shortcut, or nothing if both have an action for the key.
    A widget that uses more keys than others of its class has a method `uses_key(event)`.
    """
    _Filter(root)


def uses_key(widget: QWidget, event: QKeyEvent) -> bool:
    """Whether `widget`, which has the focus, uses the key of `event`."""
    own = getattr(widget, "uses_key", None)
    if own is not None and own(event):
        return True
    modifiers = event.modifiers() & ~(
        Qt.KeyboardModifier.ShiftModifier
        | Qt.KeyboardModifier.ControlModifier
        | Qt.KeyboardModifier.KeypadModifier
    )
    if modifiers:
        return False
    if isinstance(widget, QAbstractScrollArea) and any(event.matches(key) for key in _STANDARD):
        return True
    return any(isinstance(widget, kind) and event.key() in keys for kind, keys in _KEYS)


class _Filter(QObject):
    """The event filter that `accept_own_keys` installs on `root`, which owns it."""

    def __init__(self, root: QWidget) -> None:
        super().__init__(root)
        self._root = root
        root.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Accept ShortcutOverride for used keys; Qt sends it to the focused widget, then its parents."""
        if event.type() != QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent):
            return False
        if isinstance(self._root, QDialog) and event.key() == Qt.Key.Key_Escape:
            event.accept()  # closes the dialog
            return True
        widget = QApplication.focusWidget()
        if widget is not None and uses_key(widget, event):
            event.accept()
            return True
        return False
