"""Keeps a copy of an unsaved project in the user's folder, and finds those of desktops that crashed.

Copies are written by a thread of its own: the user's folder may lie on a slow share.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from PySide6.QtCore import QObject, QTimer, Signal

from ..Katana import KatanaResources
from ..nodes import project as projects
from ..nodes.errors import ProjectError
from ..nodes.project import Project, from_document, to_document
from ..nodes.scene import SceneChange, active_scene
from .worker import Worker

_log = logging.getLogger("Katana.File")
_INTERVAL_MS = 15_000
_JOIN_S = 2.0
_KEY = "autosave"
_SAME_START = 300
"""In hundredths of a second: they count from the system's start, whose time is set with the clock."""


@dataclass(frozen=True)
class Recovered:
    """The copy of a crashed desktop's project. `path` is the project's own file, or None."""

    copy: Path
    project: Project
    path: Path | None
    saved_at: float


class Autosave(QObject):
    """Copies the open project while it differs from its file. Qt's thread.

    Signals:
        found: the latest copy that a crashed desktop left, as Recovered.
    """

    found = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._folder = Path(KatanaResources.GetUserKatanaPath("autosave"))
        started = round(psutil.Process().create_time() * 100)
        self._file = self._folder / f"{_machine()}-{os.getpid()}-{started}{projects.SUFFIX}"
        self._written: dict[str, Any] | None = None
        self._replaces: Path | None = None
        """An earlier copy with these changes, until they have been written or discarded."""
        self._problem = ""
        """The latest error on the thread; empty where the latest work succeeded."""
        self._worker = Worker("autosave")
        self._timer = QTimer(self)
        self._timer.setInterval(_INTERVAL_MS)
        self._timer.timeout.connect(self.save)
        self._timer.start()
        active_scene().observe(self._on_scene_changed)

    def save(self, replaces: Path | None = None) -> None:
        """Queue a write of the copy, if there are unsaved changes that it lacks. Never waits.

        Args:
            replaces: an earlier copy with these changes, to be deleted when this one has been written.
        """
        scene = active_scene()
        if not scene.dirty or not scene.graph.nodes:
            return
        replaces = self._replaces = replaces or self._replaces
        document = to_document(scene.project)
        if document == self._written:
            return
        self._written = document
        path = str(scene.path) if scene.path is not None else ""
        whole = {**document, _KEY: {"path": path, "time": time.time()}}
        self._put(lambda: self._write(whole, replaces))

    def look_for_crashed(self) -> None:
        """Search for copies of crashed desktops on the thread; `found` is emitted with the latest."""
        self._put(self._look)

    def discard(self, copy: Path) -> None:
        """Delete the file of a copy, on the thread."""
        self._put(lambda: copy.unlink(missing_ok=True))

    def close(self, *, keeps_copy: bool = False) -> None:
        """Delete this session's copy and end the thread, without waiting for an unresponsive file share.

        Args:
            keeps_copy: whether unsaved changes are kept instead, for the next start to offer them.
        """
        self._timer.stop()
        if keeps_copy:
            self.save()
        else:
            self._discard_own()
        self._worker.close(_JOIN_S)

    def _on_scene_changed(self, change: SceneChange) -> None:
        if change in (SceneChange.FILE, SceneChange.REPLACED) and not active_scene().dirty:
            self._discard_own()

    def _discard_own(self) -> None:
        """Delete this session's copy, and the earlier one that it was to replace."""
        earlier, self._replaces, self._written = self._replaces, None, None
        self.discard(self._file)
        if earlier is not None:
            self.discard(earlier)

    def _put(self, work: Callable[[], None]) -> None:
        """Queue `work` for the thread; where it cannot read or write, that is a warning."""

        def attempt() -> None:
            problem = ""
            try:
                work()
            except (OSError, ProjectError) as error:
                problem = str(error)
                # A write is tried again every few seconds.
                level = logging.DEBUG if problem == self._problem else logging.WARNING
                _log.log(level, "The copy for recovery was not written or read: %s", problem)
            self._problem = problem

        self._worker.put(attempt)

    # --- On the thread ---

    def _write(self, document: dict[str, Any], replaces: Path | None) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            projects.write_document(document, self._file)
        except (OSError, ProjectError):
            self._written = None  # the timer tries again
            raise
        if replaces is not None:
            replaces.unlink(missing_ok=True)
            self._replaces = None

    def _look(self) -> None:
        copies = [copy for copy in self._folder.glob(f"*{projects.SUFFIX}") if not _is_alive(copy)]
        for copy in sorted(copies, key=lambda copy: copy.stat().st_mtime, reverse=True):
            try:
                document = json.loads(copy.read_text(encoding="utf-8"))
                path = document[_KEY]["path"]
                saved_at = float(document[_KEY]["time"])
                project = from_document(document)
            except (OSError, ValueError, KeyError, TypeError, ProjectError) as error:
                _log.warning("The copy for recovery %s cannot be read: %s", copy, error)
                continue
            self.found.emit(Recovered(copy, project, Path(path) if path else None, saved_at))
            return


def _machine() -> str:
    """Return this machine's name for file names, because machines may share a home folder."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", socket.gethostname())


def _is_alive(copy: Path) -> bool:
    """Return whether the desktop that writes this copy still runs.

    True also where that is unknown: for a copy of another machine, and for a name of another form.
    """
    process, _, started = copy.stem.rpartition("-")
    machine, _, pid = process.rpartition("-")
    if machine != _machine() or not pid.isdecimal() or not started.isdecimal():
        return True
    try:
        now = round(psutil.Process(int(pid)).create_time() * 100)
        return abs(now - int(started)) <= _SAME_START
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
