"""Keeps an item in the Catalog for each render of the session, and its state and times as they change."""

from __future__ import annotations

import time

from PySide6.QtCore import QObject

from ..Katana import CatalogAPI
from ..Katana.CatalogAPI.CatalogItem import CatalogItem
from ..nodes.frames import frame_text
from .render_state import Phase, Render
from .rendering import RenderSession

_STATES = {
    Phase.PREPARING: CatalogAPI.RENDER_STATE_IN_PROGRESS,
    Phase.WAITING: CatalogAPI.RENDER_STATE_IN_PROGRESS,
    Phase.RUNNING: CatalogAPI.RENDER_STATE_IN_PROGRESS,
    Phase.COMPLETED: CatalogAPI.RENDER_STATE_COMPLETED,
    Phase.CANCELLED: CatalogAPI.RENDER_STATE_CANCELLED,
    Phase.FAILED: CatalogAPI.RENDER_STATE_ERROR,
    Phase.REFUSED: CatalogAPI.RENDER_STATE_ERROR,
}


class CatalogItems(QObject):
    """Makes an item when a render starts and follows the render. Qt's thread."""

    def __init__(self, renders: RenderSession, parent: QObject | None = None) -> None:
        super().__init__(parent)
        renders.render_started.connect(self._on_render_started)
        renders.render_changed.connect(self._on_render_changed)

    def _on_render_started(self, render: Render) -> None:
        item = CatalogAPI.CreateCatalogItem()
        item._set("sequence_ids", [render.sequence_id])
        item.setNodeName(render.node)
        item.setFrameRange(frame_text(render.frame))
        item._set("variables", dict(render.variables))
        item.setRenderMethodType(render.method.type_name)
        self._show_state(item, render)

    def _on_render_changed(self, render: Render) -> None:
        item = CatalogAPI.FindCatalogItemBySequenceID(render.sequence_id)
        if item is not None:
            self._show_state(item, render)

    @staticmethod
    def _show_state(item: CatalogItem, render: Render) -> None:
        if not render.ended and item.getRenderEndTime():  # its job was started again, in the farm's tab
            item.setRenderStartTime(0.0)
            item.setRenderEndTime(0.0)
            item._set("error", None)
        if render.phase is Phase.RUNNING and not item.getRenderStartTime():
            item.setRenderStartTime(time.time())
        if render.ended and not item.getRenderEndTime():
            item.setRenderEndTime(time.time())
        if render.ended and render.reason:
            item.setRenderError(1, render.node, render.reason)
        if render.picture is not None:
            item.setDiskImageLocation(str(render.picture), None)
        item.setRenderState(_STATES[render.phase])
