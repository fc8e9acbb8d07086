"""Labels whose text does not set the size of the window: one cuts its text, the other wraps it."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QWidget

_LEAST_WIDTH = 40
"""In pixels, for a few letters."""


class ElidedLabel(QLabel):
    """One line of plain text; what has no room is cut in the middle and shown as a tool tip. Qt's thread.

    `least_width`: in pixels; a shorter text is never cut.
    """

    def __init__(self, parent: QWidget | None = None, least_width: int = _LEAST_WIDTH) -> None:
        super().__init__(parent)
        self._least_width = least_width
        self.setTextFormat(Qt.TextFormat.PlainText)

    def setText(self, text: str) -> None:
        super().setText(text)
        self._show_tip()

    def minimumSizeHint(self) -> QSize:
        hint = super().sizeHint()
        return QSize(min(hint.width(), self._least_width), hint.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._show_tip()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(self.contentsRect(), self.alignment() | Qt.TextFlag.TextSingleLine, self.shown_text)
        painter.end()

    @property
    def shown_text(self) -> str:
        """The text as it is drawn."""
        width = self.contentsRect().width()
        return self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideMiddle, width)

    def _show_tip(self) -> None:
        self.setToolTip("" if self.shown_text == self.text() else self.text())


class WrappedLabel(QLabel):
    """Text in as many lines as its width needs; a longer word, such as a path, is cut. Qt's thread.

    Qt's own label makes the window as wide as its longest word, and as high as its text at its least width.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._width = 0
        self.setWordWrap(True)

    def hasHeightForWidth(self) -> bool:
        return False

    def sizeHint(self) -> QSize:
        return QSize(super().sizeHint().width(), self._height())

    def minimumSizeHint(self) -> QSize:
        return QSize(_LEAST_WIDTH, self._height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != self._width:
            self._width = event.size().width()
            self.updateGeometry()

    def _height(self) -> int:
        # Not Qt's width of a label that was never laid out: the text is so high then that docks make room.
        parent = self.parentWidget()
        width = self._width or (parent.width() if parent is not None else 0)
        return self.heightForWidth(max(width, _LEAST_WIDTH))
