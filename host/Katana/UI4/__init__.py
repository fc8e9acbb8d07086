"""UI4: the window, its tabs and menus, as plug-ins reach them."""

from __future__ import annotations

from . import App, FormMaster, Tabs, Util, Widgets

__all__ = ["App", "FormMaster", "Tabs", "Util", "Widgets"]
