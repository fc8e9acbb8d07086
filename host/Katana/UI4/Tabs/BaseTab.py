"""The base of tabs: what the window asks of each."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QMenuBar, QWidget

from ..Widgets.BaseWidgets import BaseFrame

__all__ = ["BaseTab"]


class BaseTab(BaseFrame):
    """A tab. A plug-in derives from it and registers its class as a `KatanaPanel`.

    Class attributes `Icon` and `MenuItemIcon` name icons, if a tab has them.

    Signals:
        tabClosed: the tab is closed, with the tab.
    """

    tabClosed = Signal(QWidget)

    def __init__(self, parent: QWidget | None, flags: int = 0, deprecatedBy: Any = None) -> None:
        del deprecatedBy
        super().__init__(parent, Qt.WindowType(flags))

    def applySettings(self, settings: dict[str, Any]) -> None:
        """Take back what `getSettings` gave in an earlier session."""

    def getSettings(self) -> dict[str, Any]:
        """Return what the next session should know, as JSON can hold it."""
        return {}

    def getMenuBar(self) -> QMenuBar | None:
        """Return the tab's menu bar, if it has one."""
        return None

    def getTabTitle(self) -> str | None:
        """Return the tab's title, where it is not its type's name."""
        return None

    def closeEvent(self, event: QCloseEvent) -> None:
        """Tell that the tab is closed."""
        self.tabClosed.emit(self)
        super().closeEvent(event)
