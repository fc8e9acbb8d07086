"""The Monitor tab: the picture of one render while it is rendered, or two pictures compared at full size.

The header names the render; below it is that render's own picture, or the reason why it has none.
"""

from __future__ import annotations

import time

from PySide6.QtCore import QEvent, Qt, QTimer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from ..Katana import CatalogAPI
from ..Katana.CatalogAPI.CatalogItem import CatalogItem
from ..Katana.UI4.Tabs import BaseTab
from ..Katana.Utils import EventModule
from ..nodes.frames import frame_text
from ..nodes.scene import SceneChange, active_scene
from . import style
from .labels import ElidedLabel, WrappedLabel
from .live_bar import LiveBar
from .live_renders import active_lives
from .picture_view import Compare, PictureView
from .picture_watch import PictureWatcher
from .render_facts import denoised, facts_in, facts_of
from .render_pictures import RenderPictures, active_pictures
from .render_state import Phase, Render
from .rendering import RenderSession, active_renders
from .selected_job import SelectedJob

_JOB_SELECTED_EVENT = "katana_queue_job_selected"
"""Queued by a farm plug-in's tab when another job or task is selected, or one of its facts has changed."""
_TITLE_WIDTH = 110  # pixels: camera and samples are cut before the node's name
_VIEW_CHANGED_EVENT = "catalog_clientViewChanged"

_INVITATION = "Right-click a node in the Node Graph and choose a Preview Render: its picture appears here."
_COMING = "The picture comes here while it is rendered."
_READING = "The picture is being read from its file."
_NONE = {
    Phase.CANCELLED: "No picture: the render was cancelled before its first sample.",
    Phase.FAILED: "No picture: the render failed.",
    Phase.REFUSED: "No picture: the render was not submitted.",
}
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
    """Shows the latest render of this desktop, unless another is chosen in the Catalog or a farm's tab.

    Qt's thread.
    """

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        self._render: Render | None = None
        self._selected: SelectedJob | None = None
        """The job or task that was selected last, shown or not."""
        self._asked_since = False
        """Whether a render was started after `_selected` was."""
        self._other: SelectedJob | None = None
        """What is shown that is no render of this session, or only a task of one."""
        self._other_render: Render | None = None
        """The render of this session that `_other` is a task of."""
        self._back: CatalogItem | None = None
        self._watch_finished = False
        self._problem = ""
        """Why the watched file cannot be shown; empty where it can."""
        self._watcher = PictureWatcher(self)
        self._watcher.picture_loaded.connect(self._on_picture_loaded)
        self._watcher.picture_failed.connect(self._on_picture_failed)
        self._watcher.finished.connect(self._on_watch_finished)
        self._view = PictureView(self)
        self.setFocusProxy(self._view)
        self._title = ElidedLabel(self, least_width=_TITLE_WIDTH)
        self._title.setStyleSheet("font-weight: bold")
        self._frame = QLabel(self)
        self._details = ElidedLabel(self)
        self._details.setProperty("role", "dim")
        self._state = QLabel(self)
        self._size = _dim_label(self)
        self._pixel = _dim_label(self)
        self._zoom = _dim_label(self)
        self._compare = QComboBox(self)
        self._error = WrappedLabel(self)
        self._error.setProperty("role", "bad")
        self._error.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._error.setContentsMargins(10, 6, 10, 6)
        self._error.hide()
        self._live_bar = LiveBar(active_renders(), active_lives(), lambda: self._view.visible_region, self)
        self._build()
        self._clock = QTimer(self)
        self._clock.setInterval(500)
        self._clock.timeout.connect(self._show_state)
        self._view.zoom_changed.connect(lambda zoom: self._zoom.setText(f"{zoom * 100:.0f} %"))
        self._view.pixel_hovered.connect(self._pixel.setText)
        EventModule.RegisterEventHandler(self._on_job_selected, _JOB_SELECTED_EVENT)
        EventModule.RegisterEventHandler(self._on_view_changed, _VIEW_CHANGED_EVENT)
        self._pictures: RenderPictures = active_pictures()
        self._pictures.picture_changed.connect(self._on_picture_changed)
        self._session: RenderSession = active_renders()
        self._session.render_started.connect(self._on_render_asked_for)
        self._session.render_changed.connect(self._on_render_changed)
        active_scene().observe(self._on_scene_changed)
        self._show_nothing()
        if self._session.renders:
            self._show_render(self._session.renders[-1])

    @property
    def shown_render(self) -> Render | None:
        """The render that is shown, or None."""
        return self._render

    @property
    def settled(self) -> bool:
        """Whether the render has ended and the last state of its picture is shown."""
        render = self._render
        if render is None or not render.ended:
            return False
        if self._pictures.is_streamed(render.sequence_id):
            return self._pictures.is_complete(render.sequence_id)
        return self._watch_finished

    @property
    def live_bar(self) -> LiveBar:
        """The bar of controls for a live render."""
        return self._live_bar

    @property
    def view(self) -> PictureView:
        """The widget that draws the picture."""
        return self._view

    @property
    def message(self) -> str:
        """The error that is shown, or an empty string."""
        return self._error.text() if not self._error.isHidden() else ""

    @property
    def header(self) -> str:
        """The header's text: node, frame, camera, samples and state."""
        return " ".join(
            f"{self._title.text()} {self._frame.text()} {self._details.text()} {self._state.text()}".split()
        )

    def _build(self) -> None:
        top = QHBoxLayout()
        top.setContentsMargins(10, 5, 6, 5)
        top.setSpacing(14)
        for label in (self._title, self._frame, self._details, self._state):
            top.addWidget(label)
        top.addStretch(1)
        top.addWidget(self._compare)
        top.addWidget(self._size)
        top.addWidget(self._zoom)
        self._compare.addItems([mode.value for mode in Compare])
        self._compare.setAccessibleName("Compare")
        self._compare.setToolTip("How the front picture is compared with the back one")
        self._compare.activated.connect(lambda index: self._view.set_compare(list(Compare)[index]))
        self._compare.hide()
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
        layout.addWidget(self._live_bar)
        layout.addWidget(self._error)
        layout.addWidget(self._view, 1)
        layout.addLayout(bottom)
        self._pixel.setMinimumHeight(self._pixel.fontMetrics().height())

    def close_watcher(self) -> None:
        """Stop watching picture files and end the watcher's thread."""
        self._watcher.close()

    # --- Showing ---

    def _show_nothing(self) -> None:
        """Show the empty state: no header, no picture."""
        self._render, self._other, self._other_render = None, None, None
        self._live_bar.show_render(None)
        self._clear()
        self._clock.stop()
        self._error.hide()
        self._view.set_notice(_INVITATION)
        for label in (self._title, self._frame, self._details, self._state, self._size):
            label.setText("")

    def _show_render(self, render: Render) -> None:
        if render is not self._render:
            self._clear()
        self._render, self._other, self._other_render = render, None, None
        item = CatalogAPI.FindCatalogItemBySequenceID(render.sequence_id)
        key = CatalogAPI.GetPrimaryClientKey()
        if item is not None and CatalogAPI.GetClientCatalogItems(key)[0] != item:
            CatalogAPI.SetClientCatalogItem(key, CatalogAPI.kPrimaryView, item)
        self._watch_finished = False
        self._clock.start()
        image = self._pictures.image(render.sequence_id)
        if not image.isNull():
            self._set_image(image)
        self._on_render_changed(render)
        self._show_labels()

    def _show_other(self, chosen: SelectedJob, render: Render | None) -> None:
        """Show a task of `render`; None: a job or task of an earlier session or another desktop."""
        other = self._other
        if other is None or not chosen.is_same_row(other) or chosen.picture != other.picture:
            self._show_nothing()
        self._other, self._other_render = chosen, render
        self._title.setText(chosen.name)
        self._frame.setText("")
        self._show_other_facts()
        is_failed = chosen.phase is Phase.FAILED and bool(chosen.reason)
        self._error.setText(f"The render failed: {chosen.reason}" if is_failed else "")
        self._error.setVisible(is_failed)
        if chosen.picture is None:
            none = _NONE.get(chosen.phase) if chosen.phase is not None else None
            yet = "" if chosen.phase is Phase.COMPLETED else " yet"
            self._view.set_notice(none or f"{chosen.name or 'The job'} has no picture{yet}.")
        else:
            self._view.set_notice(self._problem or _READING)
            self._watcher.follow(chosen.picture)

    def _show_other_facts(self) -> None:
        other, render = self._other, self._other_render
        assert other is not None
        details = [other.picture.name] if other.picture is not None else []
        details += facts_in(self._view.image) or (facts_of(render) if render is not None else [])
        self._details.setText(",  ".join(details))
        phase = other.phase or (render.phase if render is not None else None)
        elapsed = _elapsed(render) if render is not None and other.task is None else ""
        self._state.setText(_phase_text(phase) + elapsed if phase is not None else "")

    def _clear(self) -> None:
        self._view.clear()
        for label in (self._size, self._zoom, self._pixel):
            label.setText("")
        self._problem = ""
        self._watcher.forget()  # two jobs may write the same file, for example after a resubmission

    def _set_image(self, image: QImage) -> None:
        self._view.set_image(image)
        self._size.setText(f"{image.width()} × {image.height()}")
        self._show_state()

    def _show_back(self, item: CatalogItem | None) -> None:
        """Compare the front picture with the one of `item`; None ends the comparison."""
        is_new = item != self._back or self._compare.isHidden()
        self._back = item
        sequence_id = item.getMainSequenceID() if item is not None else None
        image = QImage() if sequence_id is None else self._pictures.image(sequence_id)
        # Not at each picture of a live render: the artist may have chosen *Front* since.
        begins = self._view.compare is Compare.FRONT and not image.isNull() and is_new
        self._view.set_back(image)
        if begins:
            self._view.set_compare(Compare.WIPE)
        self._compare.setCurrentText(self._view.compare.value)
        self._compare.setVisible(not image.isNull())
        self._show_labels()

    def _show_labels(self) -> None:
        front = _label(self._render) if self._render is not None else self._title.text()
        back = self._back if self._back is not None and self._back.isValid() else None
        render = self._session.find(back.getMainSequenceID() or 0) if back is not None else None
        self._view.set_labels(front, _label(render) if render is not None else "")

    # --- Events ---

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_session"):
            self._show_state()
            if self._other is not None:
                self._show_other_facts()

    def _on_scene_changed(self, change: SceneChange) -> None:
        if change is SceneChange.REPLACED and not CatalogAPI.IsClientPinned(CatalogAPI.GetPrimaryClientKey()):
            self._show_nothing()  # the Catalog still lists the previous scene's renders

    def _on_render_asked_for(self, render: Render) -> None:
        self._asked_since = True
        if not CatalogAPI.IsClientPinned(CatalogAPI.GetPrimaryClientKey()):
            self._show_render(render)

    def _on_render_changed(self, render: Render) -> None:
        if render is self._other_render and self._other is not None:
            self._show_other_facts()
        if render is not self._render:
            return
        is_sent = self._pictures.is_streamed(render.sequence_id)
        is_dropped = is_sent and render.ended and self._view.image.isNull()  # to limit the memory
        if render.picture_file is not None and (is_dropped or not is_sent):
            self._watch_finished = self._pictures.is_overwritten(render)
            if self._watch_finished:
                self._problem = f"No picture: a later render writes to the same file, {render.picture_file}."
            else:
                self._watcher.follow(render.picture_file, render.asked_at)
                if render.ended:
                    self._watcher.finish()
        if render.ended:
            self._clock.stop()
        self._show_notice(render)
        if render.phase in (Phase.FAILED, Phase.REFUSED):
            self._error.setText(
                render.reason if render.phase is Phase.REFUSED else f"The render failed: {render.reason}"
            )
            self._error.show()
        elif render.problem and not render.ended:
            before = "The last picture that could be rendered. " if render.has_shown else ""
            self._error.setText(before + render.problem)
            self._error.show()
        else:
            self._error.hide()
        self._show_state()

    def _on_view_changed(self, eventType: str, eventID: object, **kwargs: object) -> None:
        """Handle the event that another Catalog item was chosen for the front or the back view."""
        del eventType, eventID
        front, back = CatalogAPI.GetClientCatalogItems(CatalogAPI.GetPrimaryClientKey())
        if kwargs.get("view") == CatalogAPI.kSecondaryView:
            self._show_back(back)
            return
        render = self._session.find(front.getMainSequenceID() or 0) if front is not None else None
        if render is None:
            self._show_nothing()
        elif render is not self._render:
            self._asked_since = True
            self._show_render(render)

    def _on_job_selected(self, eventType: str, eventID: object, **kwargs: object) -> None:
        """Handle the event that a farm's tab selected another job or task, or that its picture changed."""
        del eventType, eventID
        before, chosen = self._selected, SelectedJob.of_event(kwargs)
        if chosen == before:
            return  # already shown, or replaced by a later choice
        self._selected = chosen
        is_pinned = CatalogAPI.IsClientPinned(CatalogAPI.GetPrimaryClientKey())
        if is_pinned and not chosen.is_same_row(self._other):
            # A tab selects each new job by itself; later changes of it are no reason to show it either.
            self._asked_since = True
            return
        if not chosen.is_same_row(before):
            self._asked_since = False
        elif self._asked_since:
            return  # a later render stays in view, as the reason of its refusal would be lost otherwise
        render = next((known for known in self._session.renders if known.job_id == chosen.job_id), None)
        own = (None, render.picture, render.picture_file) if render is not None else ()
        if render is None or chosen.task is not None or chosen.picture not in own:
            self._show_other(chosen, render)
        elif render is not self._render:
            self._show_render(render)

    def _on_picture_changed(self, sequence_id: int) -> None:
        if self._render is not None and self._render.sequence_id == sequence_id:
            self._set_image(self._pictures.image(sequence_id))
        back = self._back
        if back is not None and back.isValid() and back.getMainSequenceID() == sequence_id:
            self._show_back(back)

    def _on_picture_loaded(self, image: QImage, path: str) -> None:
        render = self._render
        if render is None:
            if self._other is not None and path == str(self._other.picture):
                self._set_image(image)
                self._show_other_facts()
        elif path == str(render.picture_file) and not self._pictures.is_overwritten(render):
            self._pictures.put_file(render.sequence_id, image)

    def _on_picture_failed(self, why: str, path: str) -> None:
        render, other = self._render, self._other
        shown = render.picture_file if render is not None else other.picture if other is not None else None
        if path != str(shown):
            return
        self._problem = f"The picture {path} cannot be shown: {why}."
        if render is not None:
            self._show_notice(render)
        else:
            self._view.set_notice(self._problem)

    def _show_notice(self, render: Render) -> None:
        """Set the text in place of a picture. No file errors before the end: files may be half written."""
        problem = self._problem if self._watch_finished else ""
        yet = problem or _READING if render.ended else _COMING
        self._view.set_notice(_NONE.get(render.phase) or yet)

    def _on_watch_finished(self, path: str) -> None:
        if self._render is not None and self._render.ended and str(self._render.picture_file) == path:
            self._watch_finished = True
            self._show_notice(self._render)

    def _show_state(self) -> None:
        render = self._render
        self._live_bar.show_render(render)
        if render is None:
            return
        self._title.setText(render.node)
        self._frame.setText(f"frame {frame_text(render.frame)}")
        self._details.setText(",  ".join(facts_of(render) + denoised(self._view.image)))
        self._state.setText(_phase_text(render.phase, self._live_bar.state) + _elapsed(render))
        if render.width and render.height and self._view.image.isNull():
            self._size.setText(f"{render.width} × {render.height}")


def _phase_text(phase: Phase, state: str = "") -> str:
    """Return the phase as HTML, in its colour. `state`: a text that replaces the phase's own."""
    return f"<span style='color:{_COLORS[phase].name()}'>{state or f'{_SIGNS[phase]} {phase.value}'}</span>"


def _label(render: Render) -> str:
    """Return the label of a compared picture. It has the start time, to distinguish renders of one node."""
    clock = time.strftime("%H:%M:%S", time.localtime(render.asked_at))
    return f"{render.node}, frame {frame_text(render.frame)}, {clock}"


def _dim_label(parent: QWidget) -> QLabel:
    label = QLabel(parent)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setProperty("role", "dim")
    return label


def _elapsed(render: Render) -> str:
    """Return the render time so far or in total, as HTML; empty where the render has not started."""
    if not render.started_at:
        return ""
    seconds = (render.ended_at or time.monotonic()) - render.started_at
    minutes, rest = divmod(seconds, 60)
    return f"&nbsp;&nbsp;{minutes:.0f}:{rest:04.1f}" if minutes else f"&nbsp;&nbsp;{rest:.1f} s"
