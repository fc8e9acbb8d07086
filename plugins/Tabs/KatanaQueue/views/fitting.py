"""Base classes of widgets that hide some of their contents when they are narrow."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from ....ui.theme import COMPACT_BUTTONS, SPACING

__all__ = ["FittingRow", "FittingWidget"]


class FittingWidget(QWidget):
    """Calls `_fit` when its width changes, and when a widget in it needs another width."""

    def _fit(self) -> None:
        """Show the contents that fit, and hide the others."""
        raise NotImplementedError

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit to the new width."""
        super().resizeEvent(event)
        self._fit()

    def event(self, event: QEvent) -> bool:
        """Fit when a child needs another width, for example for a count with more digits."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._fit()
        return super().event(event)


class FittingRow(FittingWidget):
    """A row of widgets. If it is too narrow, those of the highest `rank` are hidden first; rank 0 stays."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setStyleSheet(COMPACT_BUTTONS)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(SPACING, 2, SPACING, 2)
        self._row.setSpacing(2)
        self._ranks: dict[QWidget, int] = {}
        self._wanted: dict[QWidget, bool] = {}

    def add(self, widget: QWidget, rank: int = 0, stretch: int = 0) -> None:
        """Add a widget at the right end."""
        self._row.addWidget(widget, stretch)
        self._ranks[widget] = rank
        self._wanted[widget] = True

    @property
    def controls(self) -> list[QWidget]:
        """The widgets in tab order."""
        return [widget for widget in self._ranks if widget.focusPolicy() & Qt.FocusPolicy.TabFocus]

    def add_stretch(self) -> None:
        """Add a stretch: widgets added after it are right-aligned."""
        self._row.addStretch(1)

    def show_when_fits(self, widget: QWidget, wanted: bool) -> None:
        """Set whether a widget is shown when there is room for it, or not at all."""
        self._wanted[widget] = wanted
        self._fit()

    def minimumSizeHint(self) -> QSize:
        """Return the width of the widgets of rank 0, which are never hidden."""
        least = sum(self._least(widget) for widget, rank in self._ranks.items() if not rank)
        return QSize(least, super().minimumSizeHint().height())

    def _fit(self) -> None:
        room = self.width() - 2 * SPACING
        shown = [widget for widget in self._ranks if self._wanted[widget]]
        needed = sum(map(self._least, shown))
        for widget in sorted(shown, key=self._ranks.__getitem__, reverse=True):
            if needed <= room or not self._ranks[widget]:
                break
            shown.remove(widget)
            needed -= self._least(widget)
        for widget in self._ranks:
            if widget.isHidden() == (widget in shown):
                widget.setVisible(widget in shown)

    def _least(self, widget: QWidget) -> int:
        """Return the least width of `widget`: its minimum width if set, as for fields, else its size hint."""
        least = widget.minimumWidth() if widget.minimumWidth() else widget.sizeHint().width()
        return least + self._row.spacing()
