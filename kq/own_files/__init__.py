"""Opens, replaces and removes files of this user's; no other user can lead kq to another file. A leaf.

The modules _posix and _windows are twins: each has a class OwnFolder with the same methods.
"""

from __future__ import annotations

import contextlib
import os
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import IO

from ._common import NotOwn, write_whole

if sys.platform == "win32":
    from ._windows import OwnFolder
else:
    from ._posix import OwnFolder

__all__ = [
    "NotOwn",
    "OwnFolder",
    "make_room",
    "open_lock_file",
    "open_to_append",
    "read_own",
    "remove_own",
    "remove_own_tree",
    "write_private",
]


def open_to_append(path: str | Path, *, create_folder: bool = False) -> int:
    """Open or create a file for appending, also while other processes append to it.

    The file may be removed while it is open. Does not block on a named pipe. May be called from any thread.

    Args:
        path: the file.
        create_folder: whether to create missing folders, for this user only.

    Returns:
        A descriptor; children do not inherit it unless it is given to them.

    Raises:
        NotOwn: it or its folder is another user's, or may be a link of one; or it is no regular file.
        OSError: it cannot be opened.
        FileNotFoundError: its folder does not exist.
    """
    folder_path, name = os.path.split(path)  # Path takes longer than the system calls
    with OwnFolder(folder_path, create=create_folder) as folder:
        return folder.open_to_append(name)


def open_lock_file(path: Path, *, create_folder: bool = False) -> IO[bytes]:
    """Open a file to be locked by `kq.files.try_lock`; create it if it is missing. Raises OSError."""
    with OwnFolder(path.parent, create=create_folder) as folder:
        return os.fdopen(folder.open_to_update(path.name), "r+b")


def read_own(path: Path) -> bytes:
    """Return the content of a file of this user's. Raises OSError, also if it is larger than 64 MiB."""
    with OwnFolder(path.parent) as folder:
        return folder.read(path.name)


def write_private(path: Path, content: bytes, *, create_folder: bool = False) -> None:
    """Write `path` atomically, readable only by its owner; on a full disk, in place. Raises OSError."""
    with OwnFolder(path.parent, create=create_folder) as folder:
        try:
            folder.write(path.name, content)
        except OSError:
            if path.name not in folder.names():
                raise
            # A full disk has no room for a second file, but a restarted server must not fail: write in place.
            write_whole(folder.open_to_update(path.name), content)


def remove_own(path: Path) -> None:
    """Remove a file, or a link in its place, if it exists. Raises OSError."""
    with contextlib.suppress(FileNotFoundError), OwnFolder(path.parent) as folder:
        folder.remove(path.name)


def remove_own_tree(path: Path) -> None:
    """Remove a folder and its content, following no link; a missing one is ignored. Raises OSError."""
    with contextlib.suppress(FileNotFoundError), OwnFolder(path.parent) as folder:
        folder.remove_tree(path.name)


def make_room(path: Path, pattern: str, most: int) -> None:
    """Remove the oldest files in `path` whose names match `pattern`, until fewer than `most` are left."""
    try:
        with OwnFolder(path) as folder:
            names = [name for name in folder.names() if fnmatch(name, pattern)]
            if len(names) < most:
                return
            names.sort(key=lambda name: folder.status(name).st_mtime, reverse=True)
            for name in names[max(most - 1, 0) :]:
                folder.remove(name)
    except OSError:
        pass  # another session removed it first, or the data root cannot be written: reported elsewhere
