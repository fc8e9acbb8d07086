"""FormMaster: what plug-ins add to the menus of nodes."""

from __future__ import annotations

from . import NodeActionDelegate

__all__ = ["NodeActionDelegate"]
