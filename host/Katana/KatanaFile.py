"""Project files: new, load, save, with the callbacks that go with each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..nodes import project as projects
from ..nodes.scene import active_scene
from ._callbacks import Callbacks, ExecuteCallbacksForType

__all__ = ["IsFileDirty", "Load", "New", "Save", "SetFileDirty"]


def New() -> None:
    """Open an empty project."""
    active_scene().open_project(projects.Project())
    ExecuteCallbacksForType(Callbacks.Type.onNewScene)


def Load(fileName: str, isCrashFile: bool = False) -> None:
    """Open the project `fileName`; raises ProjectError, and what was open stays open."""
    del isCrashFile
    project = projects.load(fileName)
    ExecuteCallbacksForType(Callbacks.Type.onSceneAboutToLoad, filename=fileName)
    active_scene().open_project(project, Path(fileName).absolute())
    ExecuteCallbacksForType(Callbacks.Type.onSceneLoad, filename=fileName)


def Save(fileNameOrAssetId: str, extraOptionsDict: dict[str, Any] | None = None) -> str:
    """Write the project and return the path it was written to; raises ProjectError."""
    del extraOptionsDict
    path = Path(fileNameOrAssetId).absolute()
    active_scene().save(path)
    ExecuteCallbacksForType(Callbacks.Type.onSceneSave, filename=str(path))
    return str(path)


def IsFileDirty() -> bool:
    """Return whether the project differs from its file."""
    return active_scene().dirty


def SetFileDirty() -> None:
    """Note that the project differs from its file."""
    active_scene().mark_changed()
