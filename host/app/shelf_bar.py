"""The shelf bar: one button for each shelf item, shelf by shelf. Its menu has the same items."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QIcon, QKeySequence
from PySide6.QtWidgets import QLabel, QMenu, QToolBar, QWidget

from ..Katana import KatanaResources, Shelves
from .field_input import finish_typing


class ShelfBar(QToolBar):
    """Shows the shelves and runs their items.

    Attributes:
        menu: the same items, for the window's menu bar.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Shelves", parent)
        self.menu = QMenu("&Shelves", self)
        self.setObjectName("ShelfBar")
        self.setIconSize(QSize(18, 18))
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setMovable(False)
        self.setAccessibleName("Shelves")

    def load(self) -> None:
        """Reload the shelves and rebuild the buttons."""
        self.clear()
        self.menu.clear()
        shelves = [shelf for shelf in Shelves.GetShelves2(True) if shelf.getItems()]
        for index, shelf in enumerate(shelves):
            if index:
                self.addSeparator()
            label = QLabel(shelf.getName(), self)
            label.setProperty("role", "heading")
            label.setContentsMargins(4, 0, 6, 0)
            self.addWidget(label)
            self.menu.addSection(shelf.getName())
            for item in shelf.getItems():
                action = self._action(item)
                self.addAction(action)
                self.menu.addAction(action)
        self.setVisible(bool(shelves))
        self.menu.menuAction().setVisible(bool(shelves))

    def _action(self, item: Shelves.ShelfItem) -> QAction:
        action = QAction(item.getName(), self)
        path = KatanaResources.GetIconPath(item.getIconName()) if item.getIconName() else None
        if path:
            action.setIcon(QIcon(path))
        if item.getKeyboardShortcut():
            action.setShortcut(QKeySequence(item.getKeyboardShortcut()))
        if item.getDescription():
            action.setToolTip(item.getDescription())
        action.triggered.connect(lambda: _run(item))
        return action


def _run(item: Shelves.ShelfItem) -> None:
    finish_typing()
    item.run()
