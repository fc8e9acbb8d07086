"""The base of node action delegates."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QMenu

from ....NodegraphAPI import Node

__all__ = ["BaseNodeActionDelegate"]


class BaseNodeActionDelegate:
    """Adds items to the menus of a node."""

    def addToContextMenu(self, menu: QMenu, node: Node) -> None:
        """Add to the menu that a right-click on the node opens."""

    def addToWrenchMenu(self, menu: QMenu, node: Node, hints: dict[str, Any] | None = None) -> None:
        """Add to the menu that the node's parameters offer."""
