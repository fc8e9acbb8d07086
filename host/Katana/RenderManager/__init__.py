"""RenderManager: starts and cancels renders, for menus and scripts."""

from __future__ import annotations

from . import Constants, RenderCore
from .Constants import RenderModes
from .RenderCore import CancelRender, StartRender

__all__ = ["CancelRender", "Constants", "RenderCore", "RenderModes", "StartRender"]
