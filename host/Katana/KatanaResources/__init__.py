"""Resources: the folders of KATANA_RESOURCES, the user's own folder, and icons in them."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["GetIconPath", "GetResourceFile", "GetSearchPaths", "GetUserKatanaPath"]


def GetSearchPaths(subdir: str = "") -> list[str]:
    """Return the folders of KATANA_RESOURCES, in order, or their sub-folders `subdir` that exist."""
    listed = [part for part in os.environ.get("KATANA_RESOURCES", "").split(os.pathsep) if part]
    folders = [str(Path(part) / subdir) for part in dict.fromkeys(listed)]
    return [folder for folder in folders if os.path.isdir(folder)]


def GetUserKatanaPath(subdir: str = "") -> str:
    """Return the user's own folder, or a folder in it, whether it exists yet or not.

    It is KATANA_USER_RESOURCE_DIRECTORY where that is set, else a folder among the user's settings.
    """
    folder = os.environ.get("KATANA_USER_RESOURCE_DIRECTORY")
    if not folder:
        if os.name == "nt":
            base = os.environ.get("APPDATA") or str(Path.home() / "AppData" / "Roaming")
        else:
            base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        folder = str(Path(base) / "katana-queue-desktop")
    return str(Path(folder) / subdir)


def GetResourceFile(resourceName: str) -> str | None:
    """Return the first file of that name, relative to a folder of KATANA_RESOURCES, or None."""
    for root in GetSearchPaths():
        file = str(Path(root) / resourceName)
        if os.path.isfile(file):
            return file
    return None


def GetIconPath(name: str) -> str | None:
    """Return the icon called `name`: an existing path, or a file in a folder `Icons` of KATANA_RESOURCES."""
    if Path(name).is_absolute():
        return name if os.path.isfile(name) else None
    return GetResourceFile(f"Icons/{name}")
