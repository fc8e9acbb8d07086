"""What OwnFolder has in common on all systems: its error, and how a small file is written."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Protocol

__all__ = ["MAX_BYTES", "NotOwn", "write_atomically", "write_whole"]

MAX_BYTES = 64 << 20
"""The size of the largest file that is read."""


class NotOwn(PermissionError):
    """A file or folder is another user's, or may lead to one: `strerror` has the reason."""

    def __init__(self, reason: str, path: str | Path) -> None:
        super().__init__(errno.EPERM, reason, str(path))


class _Folder(Protocol):
    def create(self, name: str) -> int: ...
    def replace(self, draft: str, name: str) -> None: ...
    def remove(self, name: str) -> None: ...


def write_atomically(folder: _Folder, name: str, content: bytes) -> None:
    """Write a file such that a reader gets the old or the new content. Raises OSError: it is unchanged."""
    draft = f".{name}.{os.getpid()}"
    try:
        write_whole(folder.create(draft), content)
        folder.replace(draft, name)
    except OSError:
        with contextlib.suppress(OSError):
            folder.remove(draft)
        raise


def write_whole(fd: int, content: bytes) -> None:
    """Make `content` that of an open file, and close it. Raises OSError."""
    try:
        length = len(content)
        while content:
            content = content[os.write(fd, content) :]
        os.ftruncate(fd, length)
    finally:
        os.close(fd)
