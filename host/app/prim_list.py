"""The list of lights and cameras of a node's scene in the Parameters tab. Read-only."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QHeaderView, QLabel, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from .scene_queries import SceneListing, active_queries

_LEAST_HEIGHT = 140
"""Minimum height of the list in pixels: one light with its values."""
_REST_MS = 300
"""Time without a change of the frame, in ms, before its values are queried: a live render cooks first."""


class PrimList(QWidget):
    """Lists the lights and cameras in the scene of a node, or why there are none. Qt's thread."""

    def __init__(self, node: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._node = node
        self._listing: SceneListing | None = None
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self.refresh)
        title = QLabel("LIGHTS AND CAMERAS IN THE FILE", self)
        title.setProperty("role", "heading")
        title.setContentsMargins(0, 8, 0, 0)
        self._note = QLabel(self)
        self._note.setWordWrap(True)
        self._note.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.tree = QTreeWidget(self)
        self.tree.setColumnCount(2)
        self.tree.setHeaderLabels(["Light or Camera", "Value"])
        self.tree.setAccessibleName("Lights and cameras in the file")
        self.tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.tree.setUniformRowHeights(True)
        self.tree.setMinimumHeight(_LEAST_HEIGHT)
        self.tree.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.tree.header().setSectionResizeMode(1, QHeaderView.ResizeMode.Interactive)
        self.tree.header().setStretchLastSection(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        layout.addWidget(title)
        layout.addWidget(self._note)
        layout.addWidget(self.tree, 1)
        layout.addStretch(0)
        self._show_note("Reading the file…", "dim")
        self.tree.hide()
        active_queries().prims_listed.connect(self._on_listed)
        self.refresh()

    @property
    def note(self) -> str:
        """The message above the list: that it is being read, is empty, or has failed; else empty."""
        return self._note.text()

    def refresh(self) -> None:
        """Query the scene again; what is listed stays until the answer."""
        active_queries().ask_for_prims(self._node)

    def refresh_at_rest(self) -> None:
        """Query the scene again when the frame has not changed for a moment."""
        self._rest.start()

    def set_node(self, node: str) -> None:
        """Set the node's name after it was renamed."""
        self._node = node
        self.refresh()

    def _on_listed(self, node: str, listing: SceneListing) -> None:
        if node != self._node or listing == self._listing:
            return
        self._listing = listing
        if listing.error:
            self._show_note(listing.error, "bad")
        elif listing.warnings:
            self._show_note(listing.warnings[0], "bad")
        else:
            self._show_note("" if listing.prims else "There are no lights or cameras.", "dim")
        place = self.tree.verticalScrollBar().value()
        self.tree.clear()
        for prim in listing.prims:
            item = _item(prim.path, prim.type)
            for label, value in prim.values:
                item.addChild(_item(label, value))
            self.tree.addTopLevelItem(item)
        if listing.more:
            self.tree.addTopLevelItem(_item(f"and {listing.more:,} more", ""))
        self.tree.expandAll()
        self.tree.setVisible(bool(listing.prims))
        self.tree.verticalScrollBar().setValue(place)

    def _show_note(self, text: str, role: str) -> None:
        self._note.setText(text)
        self._note.setProperty("role", role)
        self._note.style().polish(self._note)
        self._note.setVisible(bool(text))


def _item(name: str, value: str) -> QTreeWidgetItem:
    """Return a row whose tool tips show what its columns may cut off."""
    item = QTreeWidgetItem([name, value])
    item.setToolTip(0, name)
    item.setToolTip(1, value)
    return item
