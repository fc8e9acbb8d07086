"""The main window as plug-ins reach it. The desktop's own window, in host.app, is built on KatanaWindow."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMenuBar, QWidget

from ..Widgets.BaseWidgets import BaseMainWindow

__all__ = ["CurrentMainWindow", "GetMainWindow", "KatanaWindow"]


class KatanaWindow(BaseMainWindow):
    """The main window.

    Signals:
        tabClosed: a tab was closed.
        groupWidgetClosed: a floating group of tabs was closed.
    """

    tabClosed = Signal()
    groupWidgetClosed = Signal()

    def __init__(self, parent: QWidget | None) -> None:
        global _window
        super().__init__(parent)
        _window = self

    def getMenuBar(self) -> QMenuBar:
        """Return the menu bar."""
        return self.menuBar()

    def isTimelineVisible(self) -> bool:
        """Return whether the timeline is shown."""
        return False

    def setTimelineVisible(self, timelineVisible: bool) -> None:
        """Show or hide the timeline."""
        del timelineVisible


_window: KatanaWindow | None = None


def GetMainWindow() -> KatanaWindow | None:
    """Return the main window; None while there is none."""
    return _window


def CurrentMainWindow() -> KatanaWindow | None:
    """Return the main window; None while there is none."""
    return _window
