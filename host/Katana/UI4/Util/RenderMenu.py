"""The render items in the menu of a node: one sub-menu for each farm plug-in, of its name."""

from __future__ import annotations

import logging

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from ....app.rendering import RenderMethod, active_renders
from ....nodes.types import NODE_TYPES
from ...FarmAPI import FarmPluginManager
from ...NodegraphAPI import Node, Port

__all__ = ["AddRenderItemsToMenu"]

_log = logging.getLogger("Katana.RenderMenu")


def AddRenderItemsToMenu(
    menu: QMenu,
    node: Node,
    port: Port | None,
    log: logging.Logger = _log,
    addTop: bool = True,
    addBottom: bool = True,
) -> None:
    """Add what can be rendered from `node` to `menu`: a sub-menu for each farm.

    `addTop` and `addBottom` set separators before and after.
    """
    del port
    farms = FarmPluginManager.GetFarmPluginNames()
    if addTop and not menu.isEmpty():
        menu.addSeparator()
    if not farms:
        absent = QAction("No farm plug-in is registered: set KATANA_RESOURCES to a folder with one", menu)
        absent.setEnabled(False)
        menu.addAction(absent)
        log.debug("No farm plug-in is registered.")
    for farm in farms:
        submenu = menu.addMenu(farm)
        submenu.addAction(_action(submenu, node, farm, RenderMethod.PREVIEW))
        if NODE_TYPES[node.getType()].is_render_node:
            submenu.addAction(_action(submenu, node, farm, RenderMethod.DISK))
    if addBottom:
        menu.addSeparator()


def _action(menu: QMenu, node: Node, farm: str, method: RenderMethod) -> QAction:
    action = QAction(method.label, menu)
    # By name: the node may be gone, or renamed, by the time someone clicks.
    name = node.getName()
    action.triggered.connect(lambda: active_renders().start(name, farm, method))
    return action
