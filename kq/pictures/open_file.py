"""Opens and reads a picture file that a render's log names, and trusts neither its name nor its size.

It may hang on a share: called in the process that decodes pictures.
"""

from __future__ import annotations

import io
import os
import stat
from typing import IO

from .messages import MAX_FILE_BYTES

__all__ = ["PictureError", "open_regular", "read_bounded", "stamp_of"]

_FLAGS: int = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)  # do not hang if a pipe replaces the file after the check
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
_PART_BYTES = 4 << 20


class PictureError(Exception):
    """A picture cannot be shown. Its text completes "The picture PATH cannot be shown: "."""


def open_regular(path: str) -> IO[bytes]:
    """Open a regular file of limited size. Checked before, too: to open a device may already have an effect.

    Raises:
        PictureError: it is none, or too large.
        OSError, ValueError: it cannot be opened; the path is no valid one.
    """
    _check_regular(os.stat(path))  # noqa: PTH116  # Path would normalise the path
    file = os.fdopen(os.open(path, _FLAGS), "rb", buffering=0)
    try:
        status = os.fstat(file.fileno())
        _check_regular(status)
        if status.st_size > MAX_FILE_BYTES:
            raise PictureError(f"it is larger than {MAX_FILE_BYTES >> 20} MiB")
    except PictureError:
        file.close()
        raise
    return file


def _check_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise PictureError("it is not a regular file")


def stamp_of(file: IO[bytes]) -> tuple[int, int]:
    """Return size and mtime_ns of an open file; it changes when the file is written."""
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def read_bounded(file: IO[bytes], size: int) -> io.BytesIO:
    """Read the file up to its `size` when it was opened, since it may be growing."""
    content = io.BytesIO()
    while part := file.read(max(0, min(_PART_BYTES, size - content.tell()))):
        content.write(part)
    content.seek(0)
    return content
