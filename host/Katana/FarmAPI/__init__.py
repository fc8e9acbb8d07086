"""FarmAPI: what a farm plug-in is built on, and the manager that the desktop calls it through."""

from __future__ import annotations

from ...nodes.scene import active_scene
from . import FarmPluginManager
from .BaseFarmPlugin import (
    BaseFarmPlugin,
    FarmPluginException,
    Job,
    JobNotFoundException,
)

__all__ = [
    "BaseFarmPlugin",
    "FarmPluginException",
    "FarmPluginManager",
    "GetKatanaFileName",
    "GetSceneFrameRange",
    "Job",
    "JobNotFoundException",
]


def GetKatanaFileName() -> str:
    """Return the path of the project file, or an empty string while there is none."""
    path = active_scene().path
    return str(path) if path is not None else ""


def GetSceneFrameRange() -> dict[str, int]:
    """Return the frames worked on, as `start` and `end`."""
    project = active_scene().project
    return {"start": int(project.first_frame), "end": int(project.last_frame)}
