"""The registry of delegates that add items to the menus of nodes, by node type."""

from __future__ import annotations

import logging
from typing import Any

from PySide6.QtWidgets import QMenu

from ....NodegraphAPI import Node
from .BaseNodeActionDelegate import BaseNodeActionDelegate

__all__ = ["RegisterActionDelegate", "UpdateContextMenuWithDelegates", "UpdateWrenchMenuWithDelegates"]

_log = logging.getLogger("Katana.NodeActionDelegate")
_delegates: dict[str, list[BaseNodeActionDelegate]] = {}


def RegisterActionDelegate(
    nodeType: str, delegate: BaseNodeActionDelegate | type[BaseNodeActionDelegate]
) -> None:
    """Have `delegate`, an object or its class, add to the menus of nodes of the type."""
    made = delegate() if isinstance(delegate, type) else delegate
    _delegates.setdefault(nodeType, []).append(made)


def UpdateContextMenuWithDelegates(menu: QMenu, node: Node) -> None:
    """Let the delegates add to the menu that a right-click on `node` opens."""
    for delegate in _delegates.get(node.getType(), []):
        _guard(delegate, "addToContextMenu", menu, node)


def UpdateWrenchMenuWithDelegates(menu: QMenu, node: Node, hints: dict[str, Any] | None = None) -> None:
    """Let the delegates add to the menu that the parameters of `node` offer."""
    for delegate in _delegates.get(node.getType(), []):
        _guard(delegate, "addToWrenchMenu", menu, node, hints)


def _guard(delegate: BaseNodeActionDelegate, method: str, *arguments: Any) -> None:
    try:
        getattr(delegate, method)(*arguments)
    except (Exception, SystemExit) as error:  # noqa: BLE001  one plug-in's items must not cost the artist the whole menu
        _log.error("%s.%s failed: %s: %s", type(delegate).__name__, method, type(error).__name__, error)
