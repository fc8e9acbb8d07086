"""The Catalog tab: the session's renders with thumbnails, to show, compare, annotate and repeat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPoint, QSize, Qt, QTimer
from PySide6.QtGui import QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMenu,
    QTableView,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ..Katana import CatalogAPI, Nodes2DAPI, RenderManager
from ..Katana.CatalogAPI.CatalogItem import CatalogItem
from ..Katana.UI4.Tabs import BaseTab
from ..Katana.Utils import EventModule
from .catalog_model import CatalogModel, Column

_ROW_HEIGHT = 60
_THUMBNAIL = QSize(96, 54)
_ELAPSED_MS = 1000
_EMPTY = "Renders of this session appear here, with their pictures."
_WIDTHS = {
    Column.PICTURE: 108,
    Column.NODE: 150,
    Column.FRAME: 60,
    Column.STATE: 90,
    Column.PROGRESS: 76,
    Column.ELAPSED: 70,
    Column.PINS: 90,
}


class CatalogRow:
    """A row of the table, with the methods of the rows in Katana's Catalog that scripts call."""

    def __init__(self, item: CatalogItem) -> None:
        self._item = item

    def getCatalogItem(self) -> CatalogItem:
        """Return the item that the row shows."""
        return self._item

    def childCount(self) -> int:
        """Return the number of child rows: none, since the table has no slots."""
        return 0


class CatalogWidget(QTableView):
    """The table, with the methods of the tree in Katana's Catalog that scripts call to select an item.

    Return shows the current item in the Monitor's front view, Shift+Return in the back view.
    """

    def __init__(self, on_return: Callable[[bool], None], model: CatalogModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._on_return = on_return
        self._items = model
        self.setModel(model)

    def topLevelItemCount(self) -> int:
        """Return the number of rows."""
        return self._items.rowCount()

    def topLevelItem(self, index: int) -> CatalogRow:
        """Return a row, counted from the top."""
        return CatalogRow(self._items.item(index))

    def setCurrentItem(self, item: CatalogRow) -> None:
        """Select a row, and no other."""
        # Not by `selectRow`, which adds to or toggles the selection while Shift or Ctrl is pressed.
        flag = QItemSelectionModel.SelectionFlag
        self.selectionModel().setCurrentIndex(self._index(item), flag.ClearAndSelect | flag.Rows)

    def scrollToItem(self, item: CatalogRow) -> None:
        """Scroll until a row is visible."""
        self.scrollTo(self._index(item))

    def _index(self, row: CatalogRow) -> QModelIndex:
        return self._items.index(row.getCatalogItem().getIndex(), 0)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._on_return(bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
            return
        super().keyPressEvent(event)
        # With a single row, Qt selects nothing by an arrow key: that row is the current one already.
        index = self.currentIndex()
        if event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down) and not self.selectionModel().hasSelection():
            self.selectRow(index.row())


class CatalogTab(BaseTab):
    """Shows the Catalog's items, newest first. Qt's thread."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        self._menu: QMenu | None = None
        self._front: CatalogItem | None = None
        self.model = CatalogModel(self)
        self.table = CatalogWidget(self._on_return, self.model, self)
        self.table.setAccessibleName("Catalog")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(
            QAbstractItemView.EditTrigger.EditKeyPressed | QAbstractItemView.EditTrigger.SelectedClicked
        )
        self.table.setIconSize(_THUMBNAIL)
        self.table.setShowGrid(False)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        header = self.table.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(Column.NOTE, QHeaderView.ResizeMode.Stretch)
        for column, width in _WIDTHS.items():
            self.table.setColumnWidth(column, width)
        self.table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.table.customContextMenuRequested.connect(self._on_menu_requested)
        self.table.doubleClicked.connect(self._on_double_clicked)
        self.setFocusProxy(self.table)
        # In the viewport: over the whole table it would cover the titles of the columns.
        self._empty = QLabel(_EMPTY, self.table.viewport())
        self._empty.setProperty("role", "dim")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._build()
        self._clock = QTimer(self)
        self._clock.setInterval(_ELAPSED_MS)
        self._clock.timeout.connect(self.model.show_elapsed)
        self.model.rowsInserted.connect(lambda *_: self._show_empty())
        self.model.rowsRemoved.connect(lambda *_: self._show_empty())
        self._show_empty()
        EventModule.RegisterCollapsedHandler(self._on_view_changed, "catalog_clientViewChanged")
        self._on_view_changed([])

    def _build(self) -> None:
        bar = QHBoxLayout()
        bar.setContentsMargins(6, 4, 6, 4)
        self.pin = QToolButton(self)
        self.pin.setText("Pin Monitor")
        self.pin.setCheckable(True)
        self.pin.setToolTip(
            "Keep the picture in the Monitor when another render starts or another job is selected"
        )
        key = CatalogAPI.GetPrimaryClientKey()
        self.pin.toggled.connect(lambda pinned: CatalogAPI.SetClientPinned(key, pinned))
        self.end_compare = QToolButton(self)
        self.end_compare.setText("End Comparing")
        self.end_compare.setToolTip("Show the front picture alone")
        self.end_compare.clicked.connect(lambda: _show(CatalogAPI.kSecondaryView, None))
        clear = QToolButton(self)
        clear.setText("Clear")
        clear.setToolTip("Delete all items that are neither kept nor being rendered; no file is deleted")
        clear.clicked.connect(self.clear)
        for button in (self.pin, self.end_compare):
            bar.addWidget(button)
        bar.addStretch(1)
        bar.addWidget(clear)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(self.table, 1)
        inner = QVBoxLayout(self.table.viewport())
        inner.addWidget(self._empty)

    def getCatalogWidget(self) -> CatalogWidget:
        """Return the table."""
        return self.table

    def clear(self) -> None:
        """Delete all items that are neither locked nor rendering. No file is deleted."""
        items = CatalogAPI.GetCatalogItems()
        CatalogAPI.DeleteCatalogItems(
            item for item in items if not item.isLocked() and not item.isInProgress()
        )

    def selected_items(self) -> list[CatalogItem]:
        """Return the selected items, topmost first."""
        rows = sorted(index.row() for index in self.table.selectionModel().selectedRows())
        return [self.model.item(row) for row in rows]

    def build_menu(self, items: list[CatalogItem]) -> QMenu:
        """Return the context menu of `items`. The tab owns it and deletes it when the next one is made."""
        if self._menu is not None:
            self._menu.deleteLater()
        menu = self._menu = QMenu(self)
        first, is_one = items[0], len(items) == 1
        sequence_id = first.getMainSequenceID() or 0
        for text, enabled, slot in (
            ("Show in Monitor", is_one, lambda: _show(CatalogAPI.kPrimaryView, first)),
            ("Compare in Monitor", is_one, lambda: _show(CatalogAPI.kSecondaryView, first)),
            ("", True, None),
            (
                "Unpin Frame" if first.isFramePinned() else "Pin Frame",
                True,
                lambda: _pin(items, not first.isFramePinned()),
            ),
            (
                "Unpin Variables" if _has_pinned_variables(first) else "Pin Variables",
                bool(first._values.variables),
                lambda: _pin_variables(items, not _has_pinned_variables(first)),
            ),
            (
                "Do Not Keep" if first.isLocked() else "Keep",
                True,
                lambda: _keep(items, not first.isLocked()),
            ),
            ("Edit Note", is_one, lambda: self._edit_note(first)),
            ("", True, None),
            ("Repeat Render", is_one, lambda: Nodes2DAPI.RestartExternalRender(sequence_id)),
            (
                "Cancel Render",
                any(each.isInProgress() for each in items),
                lambda: _cancel(items),
            ),
            ("Delete from Catalog", True, lambda: CatalogAPI.DeleteCatalogItems(items)),
        ):
            if slot is None:
                menu.addSeparator()
                continue
            action = menu.addAction(text)
            action.setEnabled(enabled)
            action.triggered.connect(lambda _=False, slot=slot: slot())
        return menu

    def _on_view_changed(self, _events: list[Any]) -> None:
        """Select the item in the Monitor's front view, unless the artist has selected another one."""
        before, key = self._front, CatalogAPI.GetPrimaryClientKey()
        front, back = CatalogAPI.GetClientCatalogItems(key)
        self._front = front
        self.end_compare.setEnabled(back is not None)
        is_editing = self.table.state() is QAbstractItemView.State.EditingState
        if front is None or is_editing or self.selected_items() not in ([], [before]):
            return
        row = front.getIndex()
        if row < self.model.rowCount() and self.model.item(row) == front:
            shown = self.table.topLevelItem(row)
            self.table.setCurrentItem(shown)
            self.table.scrollToItem(shown)

    def _edit_note(self, item: CatalogItem) -> None:
        self.table.edit(self.model.index(item.getIndex(), Column.NOTE))

    def _on_menu_requested(self, position: QPoint) -> None:
        items = self.selected_items()
        if items:
            self.build_menu(items).popup(self.table.viewport().mapToGlobal(position))

    def _on_double_clicked(self, index: QModelIndex) -> None:
        if index.column() == Column.NOTE:
            self.table.edit(index)
        else:
            _show(CatalogAPI.kPrimaryView, self.model.item(index.row()))

    def _on_return(self, behind: bool) -> None:
        index = self.table.currentIndex()
        if index.isValid():
            view = CatalogAPI.kSecondaryView if behind else CatalogAPI.kPrimaryView
            _show(view, self.model.item(index.row()))

    def _show_empty(self) -> None:
        self._empty.setVisible(self.model.rowCount() == 0)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._clock.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._clock.stop()


def _show(view: int, item: CatalogItem | None) -> None:
    CatalogAPI.SetClientCatalogItem(CatalogAPI.GetPrimaryClientKey(), view, item)


def _pin(items: list[CatalogItem], pinned: bool) -> None:
    for item in items:
        item.setFramePinned(pinned)


def _has_pinned_variables(item: CatalogItem) -> bool:
    return any(item.isGSVPinned(name) for name in item._values.variables)


def _pin_variables(items: list[CatalogItem], pinned: bool) -> None:
    for item in items:
        for name in item._values.variables:
            item.setGSVPinned(name, pinned)


def _keep(items: list[CatalogItem], kept: bool) -> None:
    for item in items:
        item.setLock(kept)


def _cancel(items: list[CatalogItem]) -> None:
    for item in items:
        if item.isInProgress():
            RenderManager.CancelRender(mainSequenceID=item.getMainSequenceID() or 0)
