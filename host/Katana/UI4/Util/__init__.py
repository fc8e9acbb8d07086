"""Util: the render items of node menus."""

from __future__ import annotations

from host.Katana.UI4.Util import RenderMenu

__all__ = ["RenderMenu"]
