"""Opens files and folders with the system's programs."""

from __future__ import annotations

from pathlib import PurePath

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

__all__ = ["open_picture_with_system", "open_with_system"]

_PICTURES = frozenset(
    {"bmp", "cin", "dds", "dpx", "exr", "gif", "hdr", "jpe", "jpeg", "jpg", "jxl", "pbm", "pgm", "pic", "png"}
    | {"pnm", "ppm", "psd", "rat", "rgb", "rgba", "sgi", "sxr", "tex", "tga", "tif", "tiff", "tx", "webp"}
)
"""How pictures' names end. By it the system chooses the program, and Windows whether it is one itself."""


def open_picture_with_system(path: str) -> str:
    """Have the system open the picture that a render named, unless its name is that of another kind of file.

    A log line must not make a double-click run a program or a script. Qt's thread.

    Args:
        path: of the picture.

    Returns:
        As `open_with_system`.
    """
    if PurePath(path).suffix.lower().removeprefix(".") in _PICTURES:
        return open_with_system(path, "the picture")
    return f"Not opened, because its name does not end as that of a picture: {path}"


def open_with_system(path: str, what: str) -> str:
    """Have the system open the file or folder at `path`; Qt's thread.

    Args:
        path: of the file or folder.
        what: its name in the message: "the picture".

    Returns:
        A message, which names the path, since whether a program came up is not known: on Linux Qt
        hands it to xdg-open, and looks no further. To look for a program first would not tell: xdg-open tries
        more than xdg-mime has, a mailcap for one.
    """
    if QDesktopServices.openUrl(QUrl.fromLocalFile(path)):
        return f"Asked the system to open {what}: {path}"
    return f"No program here opens {what}: {path}"
