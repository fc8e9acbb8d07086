"""Util: the render items of node menus."""

from __future__ import annotations

from . import RenderMenu

__all__ = ["RenderMenu"]
