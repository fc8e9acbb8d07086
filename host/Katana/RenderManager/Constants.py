"""The render methods, by the names that Katana gives them."""

from __future__ import annotations

from typing import ClassVar

from ...render_service import RenderMethod

__all__ = ["RenderModes"]


class RenderModes:
    """The names of the render methods, and their titles in menus."""

    DISK_RENDER: ClassVar[str] = RenderMethod.DISK.type_name
    LIVE_RENDER: ClassVar[str] = RenderMethod.LIVE.type_name
    PREVIEW_RENDER: ClassVar[str] = RenderMethod.PREVIEW.type_name
    MENU_TITLES: ClassVar[dict[str, str]] = {method.type_name: method.label for method in RenderMethod}
