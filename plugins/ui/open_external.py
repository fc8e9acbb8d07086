"""Opens files and folders with the system's programs."""

from __future__ import annotations

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

__all__ = ["open_with_system"]


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
