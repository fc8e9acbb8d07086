"""Opens files and folders with the system's default programs."""

from __future__ import annotations

from pathlib import PurePath

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

__all__ = ["open_picture_with_system", "open_with_system"]

_PICTURES = frozenset(
    {"bmp", "cin", "dds", "dpx", "exr", "gif", "hdr", "jpe", "jpeg", "jpg", "jxl", "pbm", "pgm", "pic", "png"}
    | {"pnm", "ppm", "psd", "rat", "rgb", "rgba", "sgi", "sxr", "tex", "tga", "tif", "tiff", "tx", "webp"}
)
"""File name extensions of pictures. The system chooses the program by extension; Windows may run the file."""


def open_picture_with_system(path: str) -> str:
    """Open a picture that a render's log named, if it has the extension of a picture. Qt's thread.

    Without that check a line in a log could make a double-click run a program or a script.

    Args:
        path: of the picture.

    Returns:
        A message for the user about the result.
    """
    if PurePath(path).suffix.lower().removeprefix(".") in _PICTURES:
        return open_with_system(path, "the picture")
    return f"Not opened, because it has no picture's file extension: {path}"


def open_with_system(path: str, what: str) -> str:
    """Open the file or folder at `path` with the system's default program. Qt's thread.

    Args:
        path: of the file or folder.
        what: its name in the message: "the picture".

    Returns:
        A message for the user with the path. Success means only that the request was passed on: on Linux Qt
        starts xdg-open and does not check its result.
    """
    if QDesktopServices.openUrl(QUrl.fromLocalFile(path)):
        return f"Asked the system to open {what}: {path}"
    return f"No program is set up to open {what}: {path}"
