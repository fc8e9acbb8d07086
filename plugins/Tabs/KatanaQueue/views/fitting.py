"""Widgets that choose what they show by the room they have. No content here."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from ....ui.theme import COMPACT_BUTTONS, SPACING

__all__ = ["FittingRow", "FittingWidget"]


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
        """A widget in it needs another width, since its text changed: a count of more digits."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._fit()
        return super().event(event)


class FittingRow(FittingWidget):
    """Controls in a row. One of a higher `rank` is hidden first when the row is too narrow; 0 stays."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setStyleSheet(COMPACT_BUTTONS)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(SPACING, 2, SPACING, 2)
        self._row.setSpacing(2)
        self._ranks: dict[QWidget, int] = {}
        self._wanted: dict[QWidget, bool] = {}

    def add(self, widget: QWidget, rank: int = 0, stretch: int = 0) -> None:
        """Add a control at the right."""
        self._row.addWidget(widget, stretch)
        self._ranks[widget] = rank
        self._wanted[widget] = True

    @property
    def controls(self) -> list[QWidget]:
        """What the keyboard reaches, in order."""
        return [widget for widget in self._ranks if widget.focusPolicy() & Qt.FocusPolicy.TabFocus]

    def add_stretch(self) -> None:
        """What is added next is at the right."""
        self._row.addStretch(1)

    def show_when_fits(self, widget: QWidget, wanted: bool) -> None:
        """Whether a control is shown at all."""
        self._wanted[widget] = wanted
        self._fit()

    def minimumSizeHint(self) -> QSize:
        """The width of what always stays."""
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
        """A field may shrink to its minimum; a label or a button needs what it asks for."""
        least = widget.minimumWidth() if widget.minimumWidth() else widget.sizeHint().width()
        return least + self._row.spacing()
