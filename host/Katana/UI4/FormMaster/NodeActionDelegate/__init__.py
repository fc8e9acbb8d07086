"""Node action delegates: plug-ins' own items in the menus of nodes of a type."""

from __future__ import annotations

from host.Katana.UI4.FormMaster.NodeActionDelegate import BaseNodeActionDelegate, NodeActionDelegate
from host.Katana.UI4.FormMaster.NodeActionDelegate.NodeActionDelegate import (
    RegisterActionDelegate,
    UpdateContextMenuWithDelegates,
    UpdateWrenchMenuWithDelegates,
)

__all__ = [
    "BaseNodeActionDelegate",
    "NodeActionDelegate",
    "RegisterActionDelegate",
    "UpdateContextMenuWithDelegates",
    "UpdateWrenchMenuWithDelegates",
]
