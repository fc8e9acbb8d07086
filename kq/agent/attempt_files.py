"""Files of an attempt: its log, its working folder and its picture.

The commands write to the log directly; the Agent adds lines of its own.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..messages import AssignOrder

__all__ = ["absolute_picture", "file_state", "log_size", "working_folder", "write_note"]


def write_note(descriptor: int, text: str) -> None:
    """Write a line of the Agent's own, with the prefix "[kq]". Ignores errors, for example of a full disk."""
    try:
        os.write(descriptor, f"[kq] {text}\n".encode("utf-8", "replace"))
    except OSError:
        pass


def log_size(descriptor: int) -> int:
    """Return the size of the log in bytes; 0 when it is not open, which is a negative descriptor."""
    return os.fstat(descriptor).st_size if descriptor >= 0 else 0


def working_folder(order: AssignOrder) -> str:
    """Return the working folder of the commands."""
    # If the user has no home folder, "~" is returned unchanged, and the start fails with a clear error.
    return order.cwd or order.temp_dir or os.path.expanduser("~")  # noqa: PTH111  # Path.home raises an error then


def file_state(path: str) -> tuple[int, int, int] | None:
    """Return what changes when a file is written or replaced; None if `path` is empty or names no file."""
    if not path:
        return None
    try:
        status = os.stat(path)  # noqa: PTH116  # Path costs as much as the call
    except (OSError, ValueError):
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino) if stat.S_ISREG(status.st_mode) else None


def absolute_picture(picture: str, order: AssignOrder) -> str:
    """Return `picture` as an absolute path; empty when it is not valid UTF-8, which a message requires."""
    try:
        picture.encode()
    except UnicodeEncodeError:
        return ""
    return os.path.normpath(Path(working_folder(order), picture)) if picture else ""
