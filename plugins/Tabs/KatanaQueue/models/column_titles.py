"""The header of the jobs list: titles, tool tips and alignment of its columns."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from .columns import COLUMNS

__all__ = ["ColumnTitles", "column_title"]

_Index = QModelIndex | QPersistentModelIndex
_NO_INDEX = QModelIndex()
_TITLE_ROLES = (int(Qt.ItemDataRole.DisplayRole), int(Qt.ItemDataRole.AccessibleTextRole))
_TOOL_TIP = int(Qt.ItemDataRole.ToolTipRole)
_ALIGNMENT = int(Qt.ItemDataRole.TextAlignmentRole)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)


def column_title(section: int, orientation: Qt.Orientation, role: int) -> Any:
    """Return the `headerData` of a model with the columns of the jobs list: title, tool tip or alignment."""
    if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(COLUMNS):
        return None
    if role in _TITLE_ROLES:
        return COLUMNS[section].title
    if role == _TOOL_TIP:
        return COLUMNS[section].hint or None
    if role == _ALIGNMENT:
        return _RIGHT if COLUMNS[section].right else _LEFT
    return None


class ColumnTitles(QAbstractTableModel):
    """A model without rows, for the header alone.

    With the model of the jobs, the header would be laid out and drawn again whenever a row moves, and Qt
    would read the flags of every cell of 100,000 rows to find out whether a column is selected.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._sorted: int | None = None

    def set_sorted(self, section: int) -> None:
        """Set the sorted column: its title is left-aligned, to leave room for the arrow."""
        before, self._sorted = self._sorted, section
        for changed in {section, before} - {None}:
            self.headerDataChanged.emit(Qt.Orientation.Horizontal, changed, changed)

    def rowCount(self, parent: _Index = _NO_INDEX) -> int:
        """Return 0."""
        return 0

    def columnCount(self, parent: _Index = _NO_INDEX) -> int:
        """Return the number of columns, hidden ones included."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        """Return `column_title`, except for the alignment of the sorted column."""
        if role == _ALIGNMENT and section == self._sorted:
            return _LEFT
        return column_title(section, orientation, role)
