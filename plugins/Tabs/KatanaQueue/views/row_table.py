"""A table whose current row is selected when the keyboard reaches it: keys and actions then apply to it."""

from __future__ import annotations

from PySide6.QtCore import QItemSelectionModel, Qt
from PySide6.QtGui import QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QTableView

__all__ = ["RowTable"]

_MOVES = (
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
)


class RowTable(QTableView):
    """Qt makes the first row of a table that gets the focus the current one, but does not select it.

    With a single row, no arrow key would select it either, as the current row stays the same.
    """

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Select the row that Qt makes the current one because there was none."""
        had_current = self.currentIndex().isValid()
        super().focusInEvent(event)
        if not had_current and event.reason() != Qt.FocusReason.MouseFocusReason:
            self._select_current()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Select the current row by a key that moves, if no row is selected and the current one stays."""
        super().keyPressEvent(event)
        if event.key() in _MOVES and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._select_current()

    def _select_current(self) -> None:
        selection, index = self.selectionModel(), self.currentIndex()
        if index.isValid() and not selection.hasSelection():
            flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
            selection.select(index, flags)
