"""Renders one node off screen: opens the window, triggers the node's menu action and saves the results."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QAbstractItemView, QApplication, QMenu

from ..Katana.FarmAPI import FarmPluginManager
from ..Katana.UI4.App import Tabs
from ..nodes.errors import SceneError
from ..nodes.frames import frame_text
from ..nodes.graph import Node
from ..nodes.scene import active_scene
from ..nodes.types.render import RENDER_SETTINGS
from ..render_service import RenderMethod
from . import off_screen_fonts, qt_messages, style
from .desktop import Desktop
from .monitor import Monitor
from .node_graph import NodeGraphTab
from .render_state import Phase, Render
from .selected_job import STATES
from .signals import SignalQuitter

_log = logging.getLogger("Katana.Headless")
_SETTLE_MS = 50
_SETTLE_LIMIT_S = 3.0
_ROWS = 20


@dataclass(frozen=True)
class RenderOverrides:
    """Values from the command line that replace the scene's. None keeps the scene's value."""

    width: int | None = None
    height: int | None = None
    samples: int | None = None
    renderer: str | None = None
    denoise: str | None = None

    def apply(self, node: Node) -> None:
        """Set the values on `node` and on its RenderSettings node upstream.

        Raises SceneError for an invalid value or a missing node.
        """
        for name in ("width", "height", "samples", "denoise"):
            value = getattr(self, name)
            if value is None:
                continue
            settings = next((each for each in node.upstream() if each.type is RENDER_SETTINGS), None)
            if settings is None:
                raise SceneError(f"--{name} needs a RenderSettings node upstream of {node.name}.")
            settings.set_value(name, value)
        if self.renderer is not None:
            if not node.type.is_render_node:
                raise SceneError(f"--renderer needs a Render node, and {node.name} is a {node.type.name}.")
            node.set_value("renderer", self.renderer)


class _MainJob(QObject):
    """Renders one node and saves its results to `out`; then sets `code` and ends Qt's event loop."""

    _saved = Signal(str)

    def __init__(
        self,
        desktop: Desktop,
        scene: Path,
        node: str | None,
        frame: float | None,
        overrides: RenderOverrides,
        out: Path,
    ) -> None:
        super().__init__(desktop)
        self._overrides = overrides
        self._desktop = desktop
        self._scene = scene
        self._node = node
        self._frame = frame
        self._out = out
        self._begun = time.monotonic()
        self._ended = 0.0
        self._render: Render | None = None
        self.code = 0
        self._saved.connect(self._on_saved)
        desktop.renders.render_changed.connect(self._on_render_changed)

    def begin(self) -> None:
        """Open the scene and trigger Preview Render of the default farm in the node's context menu."""
        documents = self._desktop.window.documents
        if not documents.open(self._scene):
            self._end(1)
            return
        if active_scene().path is None:
            # A USD file is read on another thread. Its frame is the first of its range.
            self._desktop.queries.query_failed.connect(lambda _node, _logged: self._end(1))
            self._desktop.queries.range_read.connect(lambda _node: self._on_range_read())
        else:
            self._submit()

    def _on_range_read(self) -> None:
        if not self.code:
            self._submit()

    def _submit(self) -> None:
        if self._frame is not None:
            active_scene().set_frame(self._frame)
        try:
            node = self._find_node()
            self._overrides.apply(node)
        except SceneError as error:
            self._fail(str(error))
            return
        tab = Tabs.FindTopTab("Node Graph")
        assert isinstance(tab, NodeGraphTab)
        active_scene().select((node,))
        menu = tab.build_node_menu(node)
        farm = FarmPluginManager.GetDefaultFarm()
        action = _find_action(menu, farm, RenderMethod.PREVIEW.label)
        if action is None:
            self._fail(
                "No farm plug-in offers a Preview Render: KATANA_RESOURCES is "
                f"'{os.environ.get('KATANA_RESOURCES', '')}'; see the messages above."
            )
            return
        _say("Scene", f"{self._scene}, frame {frame_text(active_scene().frame)}")
        _say("Menu", f"{node.name} > {farm} > {action.text()}")
        action.trigger()

    def _find_node(self) -> Node:
        graph = active_scene().graph
        if self._node:
            return graph.node(self._node)
        for node in graph.nodes:
            if node.type.is_render_node:
                return node
        raise SceneError(f"The project {self._scene} has no Render node: name a node with --node.")

    def _on_render_changed(self, render: Render) -> None:
        self._render = render
        if render.phase is Phase.REFUSED:
            self._end(1)
        elif render.phase is Phase.WAITING:
            _say("Job", f"{render.job_id}, submitted after {render.submitted_at - self._begun:.1f} s")
        elif render.ended and not self._ended:
            self._ended = time.monotonic()
            self._settle()

    def _settle(self) -> None:
        """Take the screenshot once the window shows the final state, or after _SETTLE_LIMIT_S."""
        render = self._render
        assert render is not None
        monitor = Tabs.FindTopTab("Monitor")
        picture_shown = isinstance(monitor, Monitor) and monitor.settled
        waited = time.monotonic() - self._ended > _SETTLE_LIMIT_S
        state_shown = _lists_show(self._desktop, render.phase)
        if waited or (state_shown and (picture_shown or render.phase is not Phase.COMPLETED)):
            # One more turn of the event loop, in which the pending updates are painted.
            QTimer.singleShot(_SETTLE_MS, self._take_screenshot)
        else:
            QTimer.singleShot(_SETTLE_MS, self._settle)

    def _take_screenshot(self) -> None:
        pixmap = self._desktop.window.grab()
        image = pixmap.toImage()
        render, out = self._render, self._out
        assert render is not None

        def save() -> None:
            problems = []
            if not image.save(str(out / "screenshot.png")):
                problems.append(f"The screenshot cannot be written to {out / 'screenshot.png'}.")
            if render.picture is not None:
                for suffix in (".png", ".exr"):  # renderboot writes both
                    problems += _copy(render.picture.with_suffix(suffix), out / f"picture{suffix}")
            problems += _copy(Path(render.log_file) if render.log_file else None, out / "render.log")
            self._saved.emit("\n".join(problems))

        threading.Thread(target=save, name="save-results").start()

    def _on_saved(self, problems: str) -> None:
        render = self._render
        assert render is not None
        took = f"rendered in {render.ended_at - (render.started_at or render.submitted_at):.1f} s"
        if (self._out / "picture.png").exists() and render.picture is not None:
            monitor = Tabs.FindTopTab("Monitor")
            size = ""
            if isinstance(monitor, Monitor) and not monitor.view.image.isNull():
                size = f"{monitor.view.image.width()} × {monitor.view.image.height()}, "
            _say("Picture", f"{self._out / 'picture.png'}, {size}{took}")
        if (self._out / "picture.exr").exists():
            _say("EXR", f"{self._out / 'picture.exr'}")
        if render.log_file:
            _say("Log", f"{self._out / 'render.log'}")
        _say("Window", f"{self._out / 'screenshot.png'}")
        _say("Done", f"{render.phase.value.lower()} after {time.monotonic() - self._begun:.1f} s")
        if render.phase is Phase.CANCELLED:
            self._fail(f"The render of {render.node} was cancelled.")
        elif problems:
            self._fail(problems)
        else:
            # The reason of a failure has been logged already.
            self._end(0 if render.phase is Phase.COMPLETED else 1)

    def _fail(self, message: str) -> None:
        _log.error("%s", message)
        self._end(1)

    def _end(self, code: int) -> None:
        self.code = code
        QApplication.exit(code)


def run(
    scene: Path, node: str | None, frame: float | None, overrides: RenderOverrides, out: Path, why: str
) -> int:
    """Render `node` off screen, save its results in `out` and return the program's exit code.

    0: the render completed; 1: it did not; 2: `out` cannot be used; 128 + N: ended by signal N. `node`: None
    for the first Render node. `frame`: None for the scene's. `why`: why there is no window, to be printed.
    """
    problem = _prepare(out)
    if problem:
        print(f"katana-queue: {problem}", file=sys.stderr)
        return 2
    qt_messages.install()
    if sys.platform == "win32":
        off_screen_fonts.use_windows_fonts(os.environ)
    application = QApplication(sys.argv[:1])
    application.setQuitOnLastWindowClosed(False)
    style.apply(application)
    print(f"Katana Queue Desktop, off screen: {why}.", flush=True)
    desktop = Desktop(keeps_settings=False, asks=False)
    signalled: list[int] = []

    def end(number: int) -> None:
        signalled.append(number)
        application.exit(128 + number)

    quitter = SignalQuitter(end)
    application.aboutToQuit.connect(desktop.close)
    job = _MainJob(desktop, scene, node, frame, overrides, out)
    desktop.start()
    # Queued after onStartupComplete, which start() has queued: plug-ins are ready then.
    QTimer.singleShot(0, job.begin)
    application.exec()
    desktop.close()
    quitter.close()
    if signalled:
        print(f"katana-queue: ended by signal {signalled[0]} before the render did.", file=sys.stderr)
        return 128 + signalled[0]
    return job.code


def _prepare(out: Path) -> str:
    """Make the results folder, delete earlier results in it; return an error message or an empty string."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"The folder {out} for results cannot be made: {error.strerror}."
    if not os.access(out, os.W_OK | os.X_OK):
        return f"The folder {out} for results is not writable."
    for name in ("picture.png", "picture.exr", "render.log", "screenshot.png"):
        # An earlier run's file would be taken for this run's.
        try:
            (out / name).unlink(missing_ok=True)
        except OSError as error:
            return f"The earlier result {out / name} cannot be replaced: {error.strerror}."
    return ""


def _find_action(menu: QMenu, *path: str) -> QAction | None:
    found: QAction | None = None
    current: QMenu | None = menu
    for text in path:
        if current is None:
            return None
        found = next((action for action in current.actions() if action.text().replace("&", "") == text), None)
        submenu = found.menu() if found is not None else None
        current = submenu if isinstance(submenu, QMenu) else None
    return found


def _lists_show(desktop: Desktop, ended: Phase) -> bool:
    """Return whether the visible lists contain a render in phase `ended`, and none that waits or runs.

    True where there is no list. All cells are searched, as the columns are up to the plug-in's tab.
    """
    views = [view for view in desktop.window.findChildren(QAbstractItemView) if view.isVisible()]
    texts: set[str] = set()
    found = False
    for view in views:
        model = view.model()
        if model is None or model.columnCount() < 2:
            continue
        found = True
        for row in range(min(model.rowCount(), _ROWS)):
            texts.update(str(model.index(row, column).data() or "") for column in range(model.columnCount()))
    shown = {phase for text, phase in STATES.items() if text in texts}
    return not found or (ended in shown and not shown & {Phase.WAITING, Phase.RUNNING})


def _copy(source: Path | None, target: Path) -> list[str]:
    if source is None or not os.path.isfile(source):
        return []
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        return [f"{source} cannot be copied to {target}: {error.strerror}."]
    return []


def _say(what: str, text: str) -> None:
    print(f"  {what:<8} {text}", flush=True)
