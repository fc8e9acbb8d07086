"""Opens and saves projects and opens USD files, with their dialogs and error messages."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget

from ..Katana import KatanaFile
from ..Katana._callbacks import Callbacks, ExecuteCallbacksForType
from ..nodes import project as projects
from ..nodes.errors import ProjectError
from ..nodes.scene import active_scene
from ..nodes.types.usd_in import USD_FILES
from .field_input import finish_typing
from .scene_queries import SceneQueries
from .user_settings import UserSettings

_log = logging.getLogger("Katana.File")
_USD = (".usd", ".usda", ".usdc", ".usdz")
_PROJECTS = f"Projects (*{projects.SUFFIX})"


class DocumentError(Exception):
    """A file that cannot be opened or saved; its text is shown to the artist."""


class Documents(QObject):
    """Opens and saves the desktop's project. Qt's thread.

    Signals:
        opened: the path of a file that was opened.
        failed: the error message where a file could not be opened or saved, or its scene cannot be cooked.
        recent_changed: the list of recent files has changed.
    """

    opened = Signal(str)
    failed = Signal(str)
    recent_changed = Signal()

    def __init__(
        self, settings: UserSettings, queries: SceneQueries, window: QWidget | None, asks: bool
    ) -> None:
        super().__init__(window)
        self._settings = settings
        self._queries = queries
        self._window = window
        self._asks = asks
        self._range_asked_at: tuple[float, float] | None = None
        """The working range when that of the file was asked for."""
        queries.range_found.connect(self._on_range_found)
        queries.query_failed.connect(lambda _node, message: self._fail(message))

    def new(self) -> bool:
        """Open an empty project; return False where the artist cancelled."""
        if not self.confirm_discard():
            return False
        KatanaFile.New()
        return True

    def open(self, path: str | Path) -> bool:
        """Open a project or a USD file; return False where it failed or the artist cancelled."""
        if not self.confirm_discard():
            return False
        try:
            open_scene(path)
        except (DocumentError, ProjectError) as error:
            self._fail(str(error))
            return False
        absolute = str(Path(path).absolute())
        self._settings.add_recent(absolute)
        self.recent_changed.emit()
        self.opened.emit(absolute)
        self._show_what_matters()
        return True

    def _show_what_matters(self) -> None:
        """Select the first Render node, edit its RenderSettings, and query whether the scene cooks."""
        scene = active_scene()
        render = next((node for node in scene.graph.nodes if node.type.is_render_node), None)
        if render is None:
            return
        scene.select((render,))
        settings = next((node for node in render.upstream() if node.type.name == "RenderSettings"), render)
        scene.edit(settings)
        self._range_asked_at = scene.project.first_frame, scene.project.last_frame
        self._queries.ask_for_range(render.name)

    def choose_and_open(self) -> bool:
        """Open a file chosen in a dialog; return False where it failed or the artist cancelled."""
        filters = f"Scenes (*{projects.SUFFIX} *.usd *.usda *.usdc *.usdz);;{_PROJECTS};;{USD_FILES}"
        path, _ = QFileDialog.getOpenFileName(self._window, "Open", self._folder(), filters)
        return bool(path) and self.open(path)

    def save(self) -> bool:
        """Save to the project's file, or as save_as where it has none; return whether it was saved."""
        path = active_scene().path
        return self.save_to(path) if path is not None else self.save_as()

    def save_as(self) -> bool:
        """Save to a file chosen in a dialog; return whether it was saved."""
        path, _ = QFileDialog.getSaveFileName(self._window, "Save As", self._folder(), _PROJECTS)
        if not path:
            return False
        file = Path(path)
        # The dialog has asked about one that exists. Not pathlib's, which raises: saving says what is wrong.
        if file.suffix == projects.SUFFIX or os.path.isfile(file):
            return self.save_to(file)
        # Also shot.v012: the dialog to open files would not list it.
        file = file.with_name(file.name + projects.SUFFIX)
        return self._may_replace(file) and self.save_to(file)

    def _may_replace(self, file: Path) -> bool:
        """Return whether `file` does not exist, or the artist lets it be replaced."""
        if not os.path.exists(file):  # as in `save_as`
            return True
        buttons = QMessageBox.StandardButton
        text = f"{file.name} exists already. Do you want to replace it?"
        answer = QMessageBox.question(self._window, "Save As", text, buttons.Yes | buttons.No, buttons.No)
        return bool(answer == buttons.Yes)

    def save_to(self, path: Path) -> bool:
        """Save to `path`; return whether it was saved. An error is emitted as `failed`."""
        finish_typing()
        try:
            KatanaFile.Save(str(path))
        except ProjectError as error:
            self._fail(str(error))
            return False
        self._settings.add_recent(str(path))
        self.recent_changed.emit()
        return True

    def confirm_discard(self) -> bool:
        """Return whether unsaved changes may be discarded; asks the artist where there are any."""
        finish_typing()
        if not self._asks or not active_scene().dirty or not active_scene().graph.nodes:
            return True
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.question(
            self._window,
            "Unsaved changes",
            "The project has changed since it was saved. Save it first?",
            buttons.Save | buttons.Discard | buttons.Cancel,
            buttons.Save,
        )
        if answer == buttons.Save:
            return self.save()
        return bool(answer == buttons.Discard)

    def _folder(self) -> str:
        path = active_scene().path or (Path(self._settings.recent[0]) if self._settings.recent else None)
        return str(path.parent) if path is not None else ""

    def _on_range_found(self, node: str, first: float, last: float) -> None:
        del node
        scene = active_scene()
        if scene.path is not None:
            return  # a project has a range of its own
        if self._range_asked_at not in (None, (scene.project.first_frame, scene.project.last_frame)):
            return  # the artist has set one while the file was read
        try:
            scene.set_range(first, last)
        except ValueError as error:
            _log.warning("The frame range of the file is not used: %s.", error)
            return
        if not first <= scene.frame <= last:
            scene.set_frame(first)

    def _fail(self, message: str) -> None:
        _log.error("%s", message)
        self.failed.emit(message)


def open_scene(path: str | Path) -> None:
    """Open a project, or a USD file as a project of three nodes. Raises DocumentError, ProjectError."""
    file = Path(path).absolute()
    try:
        if file.is_dir():
            raise DocumentError(f"{file} is a folder: choose a USD file or a project in it.")
        if not file.exists():
            raise DocumentError(f"There is no file {file}.")
        with file.open("rb") as stream:
            start = stream.read(64).lstrip()
    except OSError as error:
        raise DocumentError(f"The file {file} cannot be read: {error.strerror}.") from error
    if file.suffix.lower() not in _USD and (start.startswith(b"{") or file.suffix == projects.SUFFIX):
        KatanaFile.Load(str(file))
        return
    if not start.startswith((b"#usda", b"PXR-USDC", b"PK")):
        raise DocumentError(f"The file {file} is neither a USD file nor a project of this desktop.")
    ExecuteCallbacksForType(Callbacks.Type.onSceneAboutToLoad, filename=str(file))
    active_scene().open_project(projects.usd_project(file))
    ExecuteCallbacksForType(Callbacks.Type.onSceneLoad, filename=str(file))
