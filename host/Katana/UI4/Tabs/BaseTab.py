"""BaseTab: the base class of tabs."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QMenuBar, QWidget

from ..Widgets.BaseWidgets import BaseFrame

__all__ = ["BaseTab"]


class _NoFlags(int):
    """The default of `flags`, distinguishable from a 0 that a plug-in passes."""


_NO_FLAGS = _NoFlags(0)


class BaseTab(BaseFrame):
    """A tab. A plug-in derives from it and registers its class as a `KatanaPanel`.

    Class attributes `Icon` and `MenuItemIcon` name icons, if a tab has them.

    Signals:
        tabClosed: the tab is closed, with the tab.
    """

    tabClosed = Signal(QWidget)

    def __init__(self, parent: QWidget | None, flags: int = _NO_FLAGS, deprecatedBy: Any = None) -> None:
        del deprecatedBy
        if flags is _NO_FLAGS:
            super().__init__(parent)
        else:
            # Handed on, as Katana's may be: Qt refuses every int with a TypeError, 0 too.
            super().__init__(parent, flags)  # type: ignore[arg-type]

    def applySettings(self, settings: dict[str, Any]) -> None:
        """Apply the settings that `getSettings` returned in an earlier session."""

    def getSettings(self) -> dict[str, Any]:
        """Return the settings to keep for the next session, as JSON-serializable values."""
        return {}

    def getMenuBar(self) -> QMenuBar | None:
        """Return the tab's menu bar, if it has one."""
        return None

    def getTabTitle(self) -> str | None:
        """Return the tab's title, where it is not its type's name."""
        return None

    def closeEvent(self, event: QCloseEvent) -> None:
        """Emit `tabClosed`."""
        self.tabClosed.emit(self)
        super().closeEvent(event)
