"""A search field that searches as the user types."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QLineEdit, QToolButton, QWidget

__all__ = ["SearchField"]

PAUSE_MS = 130
"""Time after the last keystroke until `paused` is emitted."""
CLEAR_WIDTH = 30
"""The width of the button that clears the field, in pixels."""


class SearchField(QLineEdit):
    """A line edit for words to search for.

    Args:
        name: its placeholder text and accessible name.
        widest: its greatest width, in pixels.
        parent: the owner.

    Signals:
        paused(): the text has changed, and nothing was typed for PAUSE_MS.
        left(): move the focus to what is searched.
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
        """Cancel a pending `paused`, because the caller searches now. Returns whether one was pending."""
        was_active = self._typing.isActive()
        self._typing.stop()
        return was_active

    def set_found(self, text: str) -> None:
        """Show the number of results at the right of the text, if there is room."""
        if text != self._found:
            self._found = text
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the text and the number of results."""
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
        """Escape clears the text, or leaves an empty field. Down leaves the field."""
        if event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
        elif event.key() in (Qt.Key.Key_Escape, Qt.Key.Key_Down):
            self.left.emit()
        else:
            super().keyPressEvent(event)
