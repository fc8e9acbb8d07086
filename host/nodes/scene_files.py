"""Names of the files that a render's scene has beside it. Loads no USD."""

from __future__ import annotations

__all__ = ["ASSETS", "FILE_LIST"]

ASSETS = "assets"
"""Name of the folder beside the stage for the copies, each in a sub-folder named by its content's hash."""

FILE_LIST = ".kq-scene-files.json"
"""Name of the file beside the stage that lists what the scene names elsewhere, for `kq export`."""
