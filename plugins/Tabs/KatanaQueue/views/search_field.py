"""A field for words that are sought while one types, and the keys that lead out of it."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QLineEdit, QToolButton, QWidget

__all__ = ["SearchField"]

PAUSE_MS = 130
"""Typing has paused after so long."""
CLEAR_WIDTH = 30
"""Pixels that the button which clears the field takes."""


class SearchField(QLineEdit):
    """Signals:
    paused(): the words are others, and nothing was typed for a moment.
    left(): the keyboard is to go to what is searched.
    """

    paused = Signal()
    left = Signal()

    def __init__(self, name: str, widest: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._found = ""
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
        """Cancel a `paused` that is due: the caller acts now. Returns whether one was due."""
        was_active = self._typing.isActive()
        self._typing.stop()
        return was_active

    def set_found(self, text: str) -> None:
        """Show how much was found, at the right of the words, where there is room."""
        if text != self._found:
            self._found = text
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The words, and what was found."""
        super().paintEvent(event)
        if not self.text() or not self._found:
            return
        room = self.rect().adjusted(0, 0, -CLEAR_WIDTH, 0)
        metrics = self.fontMetrics()
        taken = metrics.horizontalAdvance(f"{self.text()} {self._found}") + CLEAR_WIDTH // 2
        if taken < room.width():
            painter = QPainter(self)
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(room, int(right), self._found)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape clears the words, then leaves the field; Down leaves it too."""
        if event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
        elif event.key() in (Qt.Key.Key_Escape, Qt.Key.Key_Down):
            self.left.emit()
        else:
            super().keyPressEvent(event)
