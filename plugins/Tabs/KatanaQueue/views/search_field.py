"""A field for words that are sought while one types, and the keys that lead out of it."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QLineEdit, QToolButton, QWidget

__all__ = ["SearchField"]

PAUSE_MS = 130
"""Whoever types on within this is not done yet."""


class SearchField(QLineEdit):
    """Signals:
    paused(): the words are others, and nothing was typed for a moment.
    left(): the keyboard is to go to what is searched.
    """

    paused = Signal()
    left = Signal()

    def __init__(self, name: str, widest: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setPlaceholderText(name)
        self.setAccessibleName(name)
        self.setClearButtonEnabled(True)
        for button in self.findChildren(QToolButton):
            button.setAccessibleName("Clear")
        self.setMinimumWidth(90)
        self.setMaximumWidth(widest)
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(PAUSE_MS)
        self._typing.timeout.connect(self.paused)
        self.textChanged.connect(lambda _text: self._typing.start())

    def cut_pause(self) -> bool:
        """Let `paused` not come: the caller goes ahead. Returns whether it was to come."""
        was_active = self._typing.isActive()
        self._typing.stop()
        return was_active

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape clears the words, then goes to what is searched; Down goes there too."""
        if event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
        elif event.key() in (Qt.Key.Key_Escape, Qt.Key.Key_Down):
            self.left.emit()
        else:
            super().keyPressEvent(event)
