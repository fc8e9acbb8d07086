"""The table model of the Catalog's items. Reads CatalogAPI only; drawing is the view's."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QIcon

from ..Katana import CatalogAPI
from ..Katana.CatalogAPI.CatalogItem import CatalogItem
from ..Katana.Utils import EventModule
from . import style

_STATES = {
    CatalogAPI.RENDER_STATE_NONE: "",
    CatalogAPI.RENDER_STATE_IN_PROGRESS: "Rendering",
    CatalogAPI.RENDER_STATE_COMPLETED: "Completed",
    CatalogAPI.RENDER_STATE_CANCELLED: "Cancelled",
    CatalogAPI.RENDER_STATE_ERROR: "Failed",
}
_COLORS = {
    CatalogAPI.RENDER_STATE_IN_PROGRESS: style.BUSY,
    CatalogAPI.RENDER_STATE_COMPLETED: style.GOOD,
    CatalogAPI.RENDER_STATE_CANCELLED: style.DIM_TEXT,
    CatalogAPI.RENDER_STATE_ERROR: style.BAD,
}
_Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


class Column(IntEnum):
    """The columns, in their order."""

    PICTURE = 0
    NODE = 1
    FRAME = 2
    STATE = 3
    PROGRESS = 4
    ELAPSED = 5
    PINS = 6
    NOTE = 7


_TITLES = {
    Column.PICTURE: "Picture",
    Column.NODE: "Node",
    Column.FRAME: "Frame",
    Column.STATE: "State",
    Column.PROGRESS: "Progress",
    Column.ELAPSED: "Elapsed",
    Column.PINS: "Pinned",
    Column.NOTE: "Note",
}


class CatalogModel(QAbstractTableModel):
    """One row per item, newest first. Only the note can be edited. Qt's thread."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._items = CatalogAPI.GetCatalogItems()
        EventModule.RegisterCollapsedHandler(self._on_items_changed, "catalog_itemsChanged")
        EventModule.RegisterCollapsedHandler(self._on_item_changed, "catalog_itemChanged")

    def item(self, row: int) -> CatalogItem:
        """Return the item of a row."""
        return self._items[row]

    def rowCount(self, parent: _Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._items)

    def columnCount(self, parent: _Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(Column)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return _TITLES[Column(section)]
        return None

    def flags(self, index: _Index) -> Qt.ItemFlag:
        flags = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() == Column.NOTE else flags

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        item = self._items[index.row()]
        if not item.isValid():
            return None  # just deleted; the next list event removes the row
        column = Column(index.column())
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return _text(item, column)
        if role == Qt.ItemDataRole.DecorationRole and column is Column.PICTURE:
            pixmap = item.getThumbnailPixmap()
            if pixmap is None:
                return None
            icon = QIcon(pixmap)  # a QIcon is scaled to the view's icon size
            icon.addPixmap(pixmap, QIcon.Mode.Selected)  # else Qt tints the picture of a selected row
            return icon
        if role == Qt.ItemDataRole.ForegroundRole and column is Column.STATE:
            return _COLORS.get(item.getRenderState())
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tool_tip(item)
        return None

    def setData(self, index: _Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        if role != Qt.ItemDataRole.EditRole or index.column() != Column.NOTE:
            return False
        self._items[index.row()].setUserComment(str(value))
        return True

    def show_elapsed(self) -> None:
        """Emit dataChanged for the elapsed times of unfinished renders."""
        for row, item in enumerate(self._items):
            if item.isValid() and item.isInProgress():
                cell = self.index(row, Column.ELAPSED)
                self.dataChanged.emit(cell, cell)

    def _on_items_changed(self, _events: list[Any]) -> None:
        new = CatalogAPI.GetCatalogItems()
        kept = set(new)
        for row in reversed(range(len(self._items))):
            if self._items[row] not in kept:
                self.beginRemoveRows(_ROOT, row, row)
                del self._items[row]
                self.endRemoveRows()
        # New items are at the top; the order of the others does not change.
        count = len(new) - len(self._items)
        if count:
            self.beginInsertRows(_ROOT, 0, count - 1)
            self._items[:0] = new[:count]
            self.endInsertRows()

    def _on_item_changed(self, events: list[Any]) -> None:
        """Emit dataChanged for the items of the events; of the note only where it has changed.

        A view sets the text of an open editor anew at dataChanged, and what is typed in it is lost.
        """
        changed = {details.get("catalogItemID") for _type, _id, details in events}
        noted = {
            details.get("catalogItemID") for _type, _id, details in events if details.get("name") == "comment"
        }
        for row, item in enumerate(self._items):
            if item.getCatalogItemID() in changed:
                last = Column.NOTE if item.getCatalogItemID() in noted else Column.PINS
                self.dataChanged.emit(self.index(row, 0), self.index(row, last))


def _text(item: CatalogItem, column: Column) -> str:
    match column:
        case Column.PICTURE:
            return ""
        case Column.NODE:
            shown = (f"{name}={value}" for name, value in item._values.variables.items())
            return ", ".join([item.getNodeName(), *shown])
        case Column.FRAME:
            return item.getFrameRange()
        case Column.STATE:
            return _STATES.get(item.getRenderState(), item.getRenderState())
        case Column.PROGRESS:
            done, total = item.getRenderProgress()
            return f"{100 * done // total} %" if total else ""
        case Column.ELAPSED:
            return item.getRenderElapsedTimeAsText() if item.getRenderStartTime() else ""
        case Column.PINS:
            pins = [
                name
                for name, is_set in (
                    ("frame", item.isFramePinned()),
                    *((name, item.isGSVPinned(name)) for name in item._values.variables),
                    ("kept", item.isLocked()),
                )
                if is_set
            ]
            return ", ".join(pins)
        case Column.NOTE:
            return item.getUserComment()


def _tool_tip(item: CatalogItem) -> str:
    error = item.getRenderError()
    return error[2] if error is not None else item.getShortDescription()
