"""The Monitor's bar for a live render: pause, pin the frame, region, resolution, stop."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSignalBlocker
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QToolButton, QWidget

from ..Katana import CatalogAPI
from .live_renders import LiveRenders
from .render_state import Phase, Render
from .rendering import RenderSession

_SCALES = (("Full Size", 1), ("1/2 Size", 2), ("1/4 Size", 4))


class LiveBar(QWidget):
    """The bar; hidden unless the shown render is live. Qt's thread."""

    def __init__(
        self,
        renders: RenderSession,
        lives: LiveRenders,
        visible_region: Callable[[], tuple[float, ...]],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._renders = renders
        self._lives = lives
        self._visible_region = visible_region
        self._render: Render | None = None
        self._scale: dict[int, int] = {}
        self._regions: set[int] = set()
        self.pause = self._button("Pause", "Render nothing until this is released; changes are taken then")
        self.pin = self._button("Pin Frame", "Keep this frame when the timeline goes to another one")
        self.region = self._button("Visible Only", "Render only the part of the picture that is seen now")
        self.stop = self._button("Stop", "End this live render (Esc)", is_toggle=False)
        self.scale = QComboBox(self)
        self.scale.addItems([text for text, _ in _SCALES])
        self.scale.setAccessibleName("Picture size")
        self.scale.setToolTip("Smaller pictures come faster")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 2, 6, 4)
        name = QLabel("Live", self)
        name.setProperty("role", "dim")
        for widget in (name, self.pause, self.pin, self.region, self.scale):
            layout.addWidget(widget)
        layout.addStretch(1)
        layout.addWidget(self.stop)
        self.pause.toggled.connect(self._on_paused)
        self.pin.toggled.connect(self._on_pinned)
        self.region.toggled.connect(self._on_region)
        self.scale.activated.connect(self._on_scale)
        self.stop.clicked.connect(self._on_stop)
        self.hide()

    @property
    def state(self) -> str:
        """The state of a running live render, as text for the header; empty for other renders."""
        if self._render is None or self._render.phase is not Phase.RUNNING:
            return ""
        return "❚❚ Paused" if self._lives.is_paused(self._render) else "● Live"

    def show_render(self, render: Render | None) -> None:
        """Show the state of `render` where it is live, else hide the bar."""
        is_live = render is not None and self._lives.is_live(render)
        self._render = render if is_live else None
        self.setVisible(is_live)
        if render is None or not is_live:
            return
        item = CatalogAPI.FindCatalogItemBySequenceID(render.sequence_id)
        for button, checked in (
            (self.pause, self._lives.is_paused(render)),
            (self.pin, item is not None and item.isFramePinned()),
            (self.region, render.sequence_id in self._regions),
        ):
            with QSignalBlocker(button):
                button.setChecked(checked)
        self.scale.setCurrentIndex(self._scale.get(render.sequence_id, 0))

    def _button(self, text: str, tip: str, is_toggle: bool = True) -> QToolButton:
        button = QToolButton(self)
        button.setText(text)
        button.setToolTip(tip)
        button.setCheckable(is_toggle)
        return button

    def _on_paused(self, is_paused: bool) -> None:
        if self._render is not None:
            self._lives.set_paused(self._render, is_paused)

    def _on_pinned(self, is_pinned: bool) -> None:
        if self._render is None:
            return
        item = CatalogAPI.FindCatalogItemBySequenceID(self._render.sequence_id)
        if item is not None:
            item.setFramePinned(is_pinned)
            self._lives.refresh(self._render)

    def _on_region(self, is_region: bool) -> None:
        if self._render is None:
            return
        number = self._render.sequence_id
        self._regions = self._regions | {number} if is_region else self._regions - {number}
        self._lives.set_region(self._render, self._visible_region() if is_region else ())

    def _on_scale(self, index: int) -> None:
        if self._render is not None:
            self._scale[self._render.sequence_id] = index
            self._lives.set_scale(self._render, _SCALES[index][1])

    def _on_stop(self) -> None:
        if self._render is not None:
            self._renders.cancel(self._render)
