"""The render items in the menu of a node: one sub-menu for each farm plug-in, of its name."""

from __future__ import annotations

import logging
from collections.abc import Callable

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from ....nodes.types import NODE_TYPES
from ....render_service import render_service
from ... import RenderManager
from ...FarmAPI import FarmPluginManager
from ...NodegraphAPI import GetNode, Node, Port
from ...RenderManager import RenderModes

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
        submenu.addAction(_action(submenu, node, farm, RenderModes.PREVIEW_RENDER))
        submenu.addAction(_action(submenu, node, farm, RenderModes.LIVE_RENDER))
        if NODE_TYPES[node.getType()].is_render_node:
            submenu.addAction(_action(submenu, node, farm, RenderModes.DISK_RENDER))
            frames = QAction("Disk Render Frames…", submenu)
            frames.triggered.connect(_asking_for_frames(node.getName(), farm))
            submenu.addAction(frames)
    if addBottom:
        menu.addSeparator()


def _asking_for_frames(name: str, farm: str) -> Callable[[], None]:
    return lambda: render_service().ask_for_frames(name, farm)


def _action(menu: QMenu, node: Node, farm: str, method: str) -> QAction:
    action = QAction(RenderModes.MENU_TITLES[method], menu)
    # By name: the node may be deleted or renamed while the menu is open.
    name = node.getName()

    def start() -> None:
        found = GetNode(name)
        if found is None:
            _log.error("The node %s no longer exists.", name)
            return
        RenderManager.StartRender(method, node=found, remoteRender=True, renderFarm=farm)

    action.triggered.connect(lambda: start())
    return action
