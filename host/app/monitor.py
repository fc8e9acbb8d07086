"""Monitor: the picture of the latest render as it comes, with what it is of and where it stands."""

from __future__ import annotations

import time
from html import escape
from pathlib import Path

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from ..Katana.UI4.Tabs import BaseTab
from ..Katana.Utils import EventModule
from . import style
from .picture_view import PictureView
from .picture_watch import PictureWatcher
from .rendering import Phase, Render, RenderSession, active_renders

_JOB_SELECTED_EVENT = "katana_queue_job_selected"
"""Queued by the tab of a queue, with `jobId`, `picture` and `name`: whoever shows pictures may follow."""

_INVITATION = "Right-click a node in the Node Graph and choose a Preview Render: its picture appears here."
_COMING = "The picture comes here while it is rendered."
_NONE = "No picture: the render did not get that far."
_COLORS = {
    Phase.PREPARING: style.BUSY,
    Phase.WAITING: style.DIM_TEXT,
    Phase.RUNNING: style.BUSY,
    Phase.COMPLETED: style.GOOD,
    Phase.CANCELLED: style.DIM_TEXT,
    Phase.FAILED: style.BAD,
    Phase.REFUSED: style.BAD,
}
_SIGNS = {
    Phase.PREPARING: "◌",
    Phase.WAITING: "◷",
    Phase.RUNNING: "●",
    Phase.COMPLETED: "✔",
    Phase.CANCELLED: "■",
    Phase.FAILED: "✖",
    Phase.REFUSED: "✖",
}


class Monitor(BaseTab):
    """Follows the latest render that this desktop started."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        self._render: Render | None = None
        self._selected: tuple[object, object] = (None, None)
        self._asked_since = False
        """Whether a render was asked for after that job was selected."""
        self._other: Path | None = None
        """The picture of a job that this desktop did not start, when that is shown."""
        self._settled = False
        self._watcher = PictureWatcher(self)
        self._watcher.picture_loaded.connect(self._on_picture_loaded)
        self._watcher.finished.connect(self._on_watch_finished)
        self._view = PictureView(self)
        self._view.set_notice(_INVITATION)
        self._title = QLabel(self)
        self._state = QLabel(self)
        self._size = _dim_label(self)
        self._pixel = _dim_label(self)
        self._zoom = _dim_label(self)
        self._error = QLabel(self)
        self._error.setProperty("role", "bad")
        self._error.setWordWrap(True)
        self._error.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._error.setContentsMargins(10, 6, 10, 6)
        self._error.hide()
        self._build()
        self._clock = QTimer(self)
        self._clock.setInterval(500)
        self._clock.timeout.connect(self._show_state)
        self._view.zoom_changed.connect(lambda zoom: self._zoom.setText(f"{zoom * 100:.0f} %"))
        self._view.pixel_hovered.connect(self._pixel.setText)
        EventModule.RegisterEventHandler(self._on_job_selected, _JOB_SELECTED_EVENT)
        self._session: RenderSession = active_renders()
        self._session.render_started.connect(self._on_render_asked_for)
        self._session.render_changed.connect(self._on_render_changed)
        if self._session.renders:
            self._show_render(self._session.renders[-1])
            self._on_render_changed(self._session.renders[-1])

    @property
    def shown_render(self) -> Render | None:
        """The render that is shown."""
        return self._render

    @property
    def settled(self) -> bool:
        """Whether the render has ended and the last state of its picture is shown."""
        return self._settled

    @property
    def view(self) -> PictureView:
        """The picture."""
        return self._view

    @property
    def message(self) -> str:
        """The error that is shown, or an empty string."""
        return self._error.text() if not self._error.isHidden() else ""

    def _build(self) -> None:
        top = QHBoxLayout()
        top.setContentsMargins(10, 5, 6, 5)
        top.setSpacing(14)
        top.addWidget(self._title)
        top.addWidget(self._state)
        top.addStretch(1)
        top.addWidget(self._size)
        top.addWidget(self._zoom)
        for text, tip, slot in (
            ("Fit", "Show the whole picture (F)", self._view.fit),
            ("1:1", "Show one picture pixel as one point (1)", self._view.show_actual_size),
        ):
            button = QToolButton(self)
            button.setText(text)
            button.setToolTip(tip)
            button.clicked.connect(slot)
            top.addWidget(button)
        bottom = QHBoxLayout()
        bottom.setContentsMargins(10, 3, 10, 3)
        self._pixel.setFont(style.fixed_font())
        bottom.addWidget(self._pixel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addWidget(self._error)
        layout.addWidget(self._view, 1)
        layout.addLayout(bottom)
        self._pixel.setMinimumHeight(self._pixel.fontMetrics().height())

    def close_watcher(self) -> None:
        """Stop watching pictures."""
        self._watcher.close()

    def _on_render_asked_for(self, render: Render) -> None:
        self._asked_since = True
        self._show_render(render)

    def _show_render(self, render: Render) -> None:
        self._render, self._other = render, None
        self._settled = False
        self._error.hide()
        self._view.set_notice(_COMING)
        self._clock.start()
        self._show_state()

    def _on_render_changed(self, render: Render) -> None:
        if render is not self._render:
            return
        if render.picture is not None and not render.ended:
            self._watcher.follow(render.picture)
        elif render.picture is not None:
            self._watcher.follow(render.picture)
            self._watcher.finish()
        if render.ended:
            self._clock.stop()
        has_none = render.phase in (Phase.CANCELLED, Phase.FAILED, Phase.REFUSED)
        self._view.set_notice(_NONE if has_none else _COMING)
        if render.phase in (Phase.FAILED, Phase.REFUSED):
            self._error.setText(
                render.reason if render.phase is Phase.REFUSED else f"The render failed: {render.reason}"
            )
            self._error.show()
        else:
            self._error.hide()
        self._show_state()

    def _on_job_selected(self, eventType: str, eventID: object, **kwargs: object) -> None:
        """A queue's tab shows another job, or its picture is another: show that."""
        del eventType, eventID
        job_id, picture = kwargs.get("jobId"), kwargs.get("picture")
        if (job_id, picture) == self._selected:
            return  # it is being watched if it is wanted
        is_another = job_id != self._selected[0]
        self._selected = (job_id, picture)
        if is_another:
            self._asked_since = False
        elif self._asked_since:
            return  # what was asked for later stays, above all the sentence of why it was refused
        render = next((known for known in self._session.renders if known.job_id == job_id), None)
        if render is None and picture:
            self._show_other(Path(str(picture)), str(kwargs.get("name", "")))
        if render is None or render is self._render:
            return
        self._clear()
        self._show_render(render)
        self._on_render_changed(render)

    def _show_other(self, picture: Path, name: str) -> None:
        """The picture of a job of an earlier session, or of another desktop."""
        self._render, self._other = None, picture
        self._clock.stop()
        self._error.hide()
        self._clear()
        self._view.set_notice(f"The picture of {name} is not there." if name else "The picture is not there.")
        self._title.setText(f"<b>{escape(name)}</b>")
        self._state.setText("")
        self._size.setText("")
        self._watcher.follow(picture)

    def _clear(self) -> None:
        self._view.clear()
        self._watcher.forget()  # two jobs may share a picture, as one that was submitted again does

    def _on_picture_loaded(self, image: QImage, path: str) -> None:
        if path != str(self._other if self._render is None else self._render.picture):
            return
        self._view.set_image(image)
        self._size.setText(f"{image.width()} × {image.height()}")

    def _on_watch_finished(self, path: str) -> None:
        if self._render is not None and self._render.ended and str(self._render.picture) == path:
            self._settled = True

    def _show_state(self) -> None:
        render = self._render
        if render is None:
            return
        self._title.setText(f"<b>{render.node}</b>&nbsp;&nbsp;frame {render.frame:g}")
        if render.width and render.height and self._view.image.isNull():
            self._size.setText(f"{render.width} × {render.height}")
        color = _COLORS[render.phase].name()
        state = f"{_SIGNS[render.phase]} {render.phase.value}"
        self._state.setText(f"<span style='color:{color}'>{state}</span>{_elapsed(render)}")


def _dim_label(parent: QWidget) -> QLabel:
    label = QLabel(parent)
    label.setProperty("role", "dim")
    return label


def _elapsed(render: Render) -> str:
    """Seconds of rendering so far, or in all."""
    if not render.started_at:
        return ""
    seconds = (render.ended_at or time.monotonic()) - render.started_at
    minutes, rest = divmod(seconds, 60)
    return f"&nbsp;&nbsp;{minutes:.0f}:{rest:04.1f}" if minutes else f"&nbsp;&nbsp;{rest:.1f} s"
