"""Node action delegates: plug-ins' own items in the menus of nodes of a type."""

from __future__ import annotations

from . import BaseNodeActionDelegate, NodeActionDelegate
from .NodeActionDelegate import (
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
