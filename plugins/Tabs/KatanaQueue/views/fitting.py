"""What a widget needs that chooses by the room it has what it shows. No content here."""

from __future__ import annotations

from PySide6.QtCore import QEvent
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

__all__ = ["FittingWidget"]


class FittingWidget(QWidget):
    """Has `_fit` called when its width changes, and when something in it wants another width."""

    def _fit(self) -> None:
        """Show what there is room for."""
        raise NotImplementedError

    def resizeEvent(self, event: QResizeEvent) -> None:
        """There is more room, or less."""
        super().resizeEvent(event)
        self._fit()

    def event(self, event: QEvent) -> bool:
        """Something in it wants another width, because it says something else: a count of more digits."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._fit()
        return super().event(event)
