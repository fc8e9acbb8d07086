"""Live renders: cooks each change of the graph and sends the result to the running render processes.

A worker thread cooks and sends. Only the newest state is cooked, so dragging a slider builds no backlog.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field, replace
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from ..Katana import CatalogAPI
from ..nodes.errors import SceneError
from ..nodes.frames import frame_text
from ..nodes.graph import Change, GraphEvent
from ..nodes.project import to_document, with_values
from ..nodes.scene import SceneChange, active_scene
from ..nodes.variables import values_of
from ..render_service import RenderMethod
from ..renderboot.live.state import LayerText, Update, merged
from ..renderboot.pixel_stream import Shown
from .cook_client import CookClient
from .live_feed import LiveFeed
from .pixel_server import PixelServer
from .render_state import Render
from .rendering import RenderSession
from .worker import Worker

_log = logging.getLogger("Katana.Render")
_OF_NO_PICTURE = (Change.NODE_MOVED,)


@dataclass
class _Live:
    """One live render. `state` is the merged total of all updates sent, for a restarted process."""

    render: Render
    feed: LiveFeed = field(default_factory=LiveFeed)
    state: Update | None = None
    revision: int = 0
    cook_problem: str = ""
    render_problem: str = ""


class LiveRenders(QObject):
    """Updates the live renders when the graph, the frame or a variable changes. Qt's thread.

    Signals:
        asked: sequence ID; a cook of the current graph was requested for the render.
        sent: sequence ID and the revision that was sent to the render.
        shown: sequence ID and the revision that the render's next picture shows.
    """

    asked = Signal(int)
    sent = Signal(int, int)
    shown = Signal(int, int)
    _cooked = Signal(int, str)

    def __init__(
        self, renders: RenderSession, cook: CookClient, pixels: PixelServer, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._renders = renders
        self._cook = cook
        self._pixels = pixels
        self._lives: dict[int, _Live] = {}
        self._sending = threading.Lock()
        """For the state and the revision of each render."""
        self._worker = Worker("live-cooking")
        # Collects all changes of one turn of the event loop into one cook.
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._on_changes_made)
        self._cooked.connect(self._on_cooked)
        renders.render_started.connect(self._on_render_started)
        renders.render_changed.connect(self._on_render_changed)
        pixels.stream_begun.connect(self._on_stream_begun)
        pixels.shown_received.connect(self._on_shown)
        active_scene().observe(self._on_scene_changed)
        active_scene().observe_graph(self._on_graph_changed)

    def is_live(self, render: Render) -> bool:
        """Return whether the render is a live one that has not ended."""
        return render.sequence_id in self._lives

    def revision(self, render: Render) -> int:
        """Return the number of the latest update sent; pictures name the revision that they show."""
        return self._lives[render.sequence_id].revision

    def is_paused(self, render: Render) -> bool:
        """Return whether the artist has paused the render."""
        live = self._lives.get(render.sequence_id)
        return live is not None and live.feed.is_paused

    def set_paused(self, render: Render, is_paused: bool) -> None:
        """Pause a live render, or resume it with the current scene."""
        live = self._lives.get(render.sequence_id)
        if live is None:
            return
        cooks = live.feed.paused(is_paused)
        self._send(live, Update(paused=is_paused))
        if cooks:
            self._ask(live)
        self._renders.render_changed.emit(render)

    def refresh(self, render: Render) -> None:
        """Cook again after a change outside the graph, such as pinning the frame."""
        live = self._lives.get(render.sequence_id)
        if live is not None and live.feed.changed():
            self._ask(live)

    def set_scale(self, render: Render, scale: int) -> None:
        """Render at a reduced resolution: width and height divided by `scale`."""
        self._set_view(render, Update(scale=scale))

    def set_region(self, render: Render, region: tuple[float, ...]) -> None:
        """Render only a region: left, top, right, bottom, from 0 to 1; empty for the whole picture."""
        self._set_view(render, Update(region=region))

    def close(self) -> None:
        """Stop observing and end the worker thread. Close the cook process first, or this waits for it."""
        active_scene().ignore(self._on_scene_changed)
        active_scene().ignore(self._on_graph_changed)
        self._lives.clear()
        self._worker.close()

    # --- Changes ---

    def _on_graph_changed(self, event: GraphEvent) -> None:
        if event.change is Change.NODE_RENAMED:
            for live in self._lives.values():
                if live.render.node == event.detail:
                    live.render.node = event.node.name
        if event.change not in _OF_NO_PICTURE and self._lives:
            self._timer.start()

    def _on_scene_changed(self, change: SceneChange) -> None:
        if change in (SceneChange.FRAME, SceneChange.VARIABLES) and self._lives:
            self._timer.start()
        elif change is SceneChange.REPLACED:
            for live in list(self._lives.values()):
                self._renders.cancel(live.render)

    def _on_changes_made(self) -> None:
        for live in list(self._lives.values()):
            if live.feed.changed():
                self._ask(live)

    def _on_render_started(self, render: Render) -> None:
        if render.method is RenderMethod.LIVE:
            live = self._lives[render.sequence_id] = _Live(render)
            if live.feed.changed():
                self._ask(live)

    def _on_render_changed(self, render: Render) -> None:
        if render.ended and self._lives.pop(render.sequence_id, None) is not None:
            number = render.sequence_id
            self._worker.put(lambda: self._forget(number))

    # --- Cooking ---

    def _ask(self, live: _Live) -> None:
        scene, render = active_scene(), live.render
        item = CatalogAPI.FindCatalogItemBySequenceID(render.sequence_id)
        if item is None or not item.isFramePinned():
            render.frame = scene.frame
            if item is not None:
                item.setFrameRange(frame_text(render.frame))
        pinned = {
            name: value
            for name, value in render.variables.items()
            if item is not None and item.isGSVPinned(name)
        }
        project = with_values(scene.project, pinned)
        render.variables = values_of(project.variables)
        if item is not None:
            item._set("variables", dict(render.variables))
        request = {
            "op": "live",
            "render": render.sequence_id,
            "anew": live.state is None,
            "project": to_document(project),
            "node": render.node,
            "frame": render.frame,
        }
        self.asked.emit(render.sequence_id)
        self._worker.put(lambda: self._cook_one(live, request))

    def _cook_one(self, live: _Live, request: dict[str, Any]) -> None:
        """Send `request` to the cook process, and its answer to the render. Runs on the worker thread."""
        problem = ""
        try:
            answer = self._cook.request(**request)
            self._take_answer(live, answer, request["frame"])
        except SceneError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001  without `_cooked`, it would never be cooked again
            _log.debug("Cooking for a live render failed:", exc_info=True)
            problem = f"Cooking failed unexpectedly: {type(error).__name__}: {error}."
        self._cooked.emit(live.render.sequence_id, problem)

    def _forget(self, number: int) -> None:
        """Free the cooked layers of an ended render in the cook process. Runs on the worker thread."""
        try:
            self._cook.request(op="end_live", render=number)
        except SceneError as error:
            _log.debug("The cook process did not forget a live render: %s", error)

    def _on_cooked(self, number: int, problem: str) -> None:
        live = self._lives.get(number)
        if live is None:
            return
        live.cook_problem = problem
        self._show_problem(live)
        if live.feed.cooked():
            self._ask(live)

    def _take_answer(self, live: _Live, answer: dict[str, Any], frame: float) -> None:
        """Send what an answer changes. On the worker thread: by way of Qt's, the picture would come later."""
        layers = {
            key: LayerText(layer["text"], tuple(layer["beneath"])) for key, layer in answer["layers"].items()
        }
        state = live.state
        if state is None:
            for warning in answer["warnings"]:
                _log.warning("%s", warning)
        elif not layers and (state.root, state.frame) == (answer["root"], frame):
            return  # nothing that is rendered has changed
        self._send(live, Update(root=answer["root"], layers=layers, frame=frame))

    # --- The render ---

    def _set_view(self, render: Render, update: Update) -> None:
        live = self._lives.get(render.sequence_id)
        if live is not None:
            self._send(live, update)

    def _send(self, live: _Live, update: Update) -> None:
        """Send an update, as a new revision if it changes the picture. Qt's thread or the worker."""
        with self._sending:
            if update.changes_picture:
                live.revision += 1
                update = replace(update, revision=live.revision)
            live.state = merged(live.state, update)
            self._pass_on(live, update)
        self.sent.emit(live.render.sequence_id, live.revision)

    def _pass_on(self, live: _Live, update: Update) -> None:
        """Send the process an update, or the whole state if it has none yet. Under `_sending`."""
        if live.state is not None and live.state.root is not None:
            self._pixels.send(live.render.sequence_id, update, live.state)

    def _on_stream_begun(self, number: int) -> None:
        live = self._lives.get(number)
        if live is not None:
            with self._sending:
                self._pass_on(live, Update())

    def _on_shown(self, number: int, shown: Shown) -> None:
        live = self._lives.get(number)
        if live is None:
            return
        live.render_problem = shown.problem
        self._show_problem(live)
        if not shown.problem:
            live.render.has_shown = True
            self._show_facts(live.render, shown)
            self.shown.emit(number, shown.revision)

    def _show_facts(self, render: Render, shown: Shown) -> None:
        """Have the Monitor's header show the camera and the samples of the picture that comes next."""
        if (render.camera, render.samples) != (shown.camera, shown.samples):
            render.camera, render.samples = shown.camera, shown.samples
            self._renders.render_changed.emit(render)

    def _show_problem(self, live: _Live) -> None:
        problem = live.cook_problem or live.render_problem
        if live.render.problem != problem:
            live.render.problem = problem
            if problem:
                _log.warning("The live render of %s: %s", live.render.node, problem)
            self._renders.render_changed.emit(live.render)


_lives: LiveRenders | None = None


def set_active_lives(lives: LiveRenders | None) -> None:
    """Set the live renders that the Monitor controls; None as the desktop closes."""
    global _lives
    _lives = lives


def active_lives() -> LiveRenders:
    """Return the desktop's live renders; raises RuntimeError where there is no desktop."""
    if _lives is None:
        raise RuntimeError("There is no desktop.")
    return _lives
