"""A line at the top of the panel that has the keyboard, so that it can be found without a mouse."""

from __future__ import annotations

import shiboken6
from PySide6.QtCore import QEvent, QObject, QPoint, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication, QDockWidget, QMainWindow, QWidget

from . import style

_THICKNESS = 2
_MOVES = (QEvent.Type.Move, QEvent.Type.Resize, QEvent.Type.Show, QEvent.Type.Hide)


class FocusLine(QWidget):
    """Covers the first two pixels of the panel with the focus; hidden where none has it. Qt's thread."""

    def __init__(self, window: QMainWindow) -> None:
        super().__init__(window)
        self._main = window
        self._dock: QDockWidget | None = None
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.focusChanged.connect(self._on_focus_changed)

    @property
    def dock(self) -> QDockWidget | None:
        """The dock whose panel has the focus, or None."""
        return self._dock

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), style.ACCENT)
        painter.end()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in _MOVES:
            self._place()
        return super().eventFilter(watched, event)

    def _on_focus_changed(self, _before: QWidget | None, now: QWidget | None) -> None:
        dock: QWidget | None = now
        while dock is not None and not isinstance(dock, QDockWidget):
            dock = None if dock.isWindow() else dock.parentWidget()
        if dock is self._dock:
            return
        self._stop_watching()
        self._dock = dock
        if dock is not None:
            for watched in (dock, dock.widget()):
                watched.installEventFilter(self)
        self._place()

    def _stop_watching(self) -> None:
        # The focus leaves a dock that is deleted, too.
        if self._dock is not None and shiboken6.isValid(self._dock):
            for watched in (self._dock, self._dock.widget()):
                watched.removeEventFilter(self)
        self._dock = None

    def _place(self) -> None:
        panel = None if self._dock is None else self._dock.widget()
        self.setVisible(panel is not None and panel.isVisible())
        if panel is not None:
            place = panel.mapTo(self._main, QPoint(0, 0))
            self.setGeometry(place.x(), place.y(), panel.width(), _THICKNESS)
            self.raise_()
