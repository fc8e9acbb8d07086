"""OwnFolder on Windows, which has no paths relative to a handle: a folder cannot be moved while it is open.

What others may read and write is decided by access lists, which files inherit from their folder.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import msvcrt
import os
import sys
from ctypes import wintypes
from pathlib import Path
from types import TracebackType

from .. import files
from . import _windows_access
from ._common import MAX_BYTES, NotOwn, write_atomically

assert sys.platform == "win32"  # so that mypy checks this file for the system that it is for

__all__ = ["OwnFolder"]

_READ, _WRITE, _APPEND = 0x1, 0x2, 0x4
_SHARE_READ_WRITE, _SHARE_ALL = 0x3, 0x7
_CREATE_NEW, _OPEN_EXISTING, _OPEN_ALWAYS = 1, 3, 4
_BACKUP_SEMANTICS, _OPEN_REPARSE_POINT = 0x0200_0000, 0x0020_0000
_DIRECTORY, _REPARSE_POINT = 0x10, 0x400
_NAME_SURROGATE = 0x2000_0000
"""Bit of the tag of links and junctions. Other reparse points are files that are kept elsewhere."""
_FILE_ATTRIBUTE_TAG_INFO = 9
_FILE_TYPE_DISK = 1


class OwnFolder:
    """A folder of this user's, open until `close`; may be used as a context manager. For one thread.

    Neither it nor a file in it may be a link or junction. While it is open, neither it nor a folder above it
    can be renamed or removed. Names passed to the methods have no slash.
    """

    def __init__(self, path: str | Path, *, create: bool = False) -> None:
        """
        Args:
            path: the folder.
            create: whether to create missing folders.

        Raises:
            NotOwn: it is a link or junction.
            OSError: it cannot be opened.
        """
        self._path = path = Path(path)
        if create:
            path.mkdir(parents=True, exist_ok=True)
        # Without a right to its content, the handle would not keep others from moving the folder.
        flags = _BACKUP_SEMANTICS | _OPEN_REPARSE_POINT
        self._handle = files.open_handle(str(path), _READ, _OPEN_EXISTING, flags, _SHARE_READ_WRITE)
        try:
            if not _attributes(self._handle, path) & _DIRECTORY:
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
        except OSError:
            self.close()
            raise

    def __enter__(self) -> OwnFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the handle. Files that were opened stay open."""
        if self._handle:
            _kernel32.CloseHandle(self._handle)
            self._handle = 0

    # --- Open ---

    def open_to_read(self, name: str) -> int:
        """Open a file. Returns a descriptor. Raises OSError."""
        return self._open(name, _READ, _OPEN_EXISTING)

    def open_to_append(self, name: str) -> int:
        """Open or create a file to add to its end. Returns a descriptor. Raises OSError.

        The C library's O_APPEND works within one process only, and is not inherited with the handle. With a
        handle that may only append, the system itself writes at the end.
        """
        return self._open(name, _APPEND, _OPEN_ALWAYS)

    def open_to_update(self, name: str) -> int:
        """Open or create a file to read and write. Returns a descriptor. Raises OSError."""
        return self._open(name, _READ | _WRITE, _OPEN_ALWAYS)

    def create(self, name: str) -> int:
        """Create a file to write, in the place of what was there. Returns a descriptor. Raises OSError."""
        self.remove(name)
        return self._open(name, _WRITE, _CREATE_NEW)

    def _open(self, name: str, access: int, disposition: int) -> int:
        path = self._path / name
        handle = files.open_handle(str(path), access, disposition, _OPEN_REPARSE_POINT)
        try:
            _check_file(handle, path)
        except OSError:
            _kernel32.CloseHandle(handle)
            raise
        return msvcrt.open_osfhandle(handle, 0)

    # --- Read, write, remove ---

    def read(self, name: str, max_bytes: int = MAX_BYTES) -> bytes:
        """Return a file's content. Raises OSError, also if it is larger than `max_bytes`."""
        with open(self.open_to_read(name), "rb") as file:
            content = file.read(max_bytes + 1)
        if len(content) > max_bytes:
            raise OSError(errno.EFBIG, f"Larger than {max_bytes:,} bytes", str(self._path / name))
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a file atomically. Raises OSError: it is unchanged."""
        write_atomically(self, name, content)

    def replace(self, draft: str, name: str) -> None:
        """Rename `draft` to `name`, in the place of what was there, atomically. Raises OSError."""
        files.replace_file(self._path / draft, self._path / name)

    def remove(self, name: str) -> None:
        """Remove a file, or a link in its place, if it exists. Raises OSError."""
        (self._path / name).unlink(missing_ok=True)

    def remove_tree(self, name: str) -> None:
        """Remove a folder and its content, following no link. Raises OSError."""
        import shutil  # slow to import, and most programs remove nothing

        shutil.rmtree(self._path / name)

    def names(self) -> list[str]:
        """Return the names of the folder's entries. Raises OSError."""
        return [each.name for each in self._path.iterdir()]

    def status(self, name: str) -> os.stat_result:
        """Return the status of an entry, of a link itself. Raises OSError."""
        return (self._path / name).lstat()

    def check(self, name: str) -> None:
        """Raise NotOwn unless an entry, if there is one, is a regular file with one name."""
        with contextlib.suppress(FileNotFoundError):
            os.close(self._open(name, 0, _OPEN_EXISTING))

    @property
    def is_in_place(self) -> bool:
        """Whether its path still leads to it: always, because nothing that is open can be moved."""
        return True

    def make_private(self) -> None:
        """Keep other users but administrators from the folder, on a disk with access lists.

        On others, such as some shares, it keeps the rights of the folder above.
        """
        with contextlib.suppress(OSError):
            _windows_access.restrict(self._path)


def _attributes(handle: int, path: Path) -> int:
    """Return the attributes of an open file or folder. Raises NotOwn if it is a link or junction; OSError."""
    found = (wintypes.DWORD * 2)()
    size = ctypes.sizeof(found)
    if not _kernel32.GetFileInformationByHandleEx(handle, _FILE_ATTRIBUTE_TAG_INFO, found, size):
        code = ctypes.get_last_error()
        raise OSError(0, ctypes.FormatError(code), str(path), code)
    attributes, tag = found
    if attributes & _REPARSE_POINT and tag & _NAME_SURROGATE:
        raise NotOwn("Is a link or junction", path)
    return int(attributes)


def _check_file(handle: int, path: Path) -> None:
    if _kernel32.GetFileType(handle) != _FILE_TYPE_DISK or _attributes(handle, path) & _DIRECTORY:
        raise NotOwn("Not a regular file", path)
    found = _ByHandleFileInformation()
    if _kernel32.GetFileInformationByHandle(handle, ctypes.byref(found)) and found.links > 1:
        raise NotOwn("Has a second name (a hard link)", path)


class _ByHandleFileInformation(ctypes.Structure):
    """BY_HANDLE_FILE_INFORMATION."""

    _fields_ = (
        ("attributes", wintypes.DWORD),
        ("times", wintypes.FILETIME * 3),
        ("volume", wintypes.DWORD),
        ("size", wintypes.DWORD * 2),
        ("links", wintypes.DWORD),
        ("index", wintypes.DWORD * 2),
    )


_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
_kernel32.GetFileType.argtypes = (wintypes.HANDLE,)
_kernel32.GetFileInformationByHandle.argtypes = (wintypes.HANDLE, ctypes.POINTER(_ByHandleFileInformation))
_kernel32.GetFileInformationByHandleEx.argtypes = (
    wintypes.HANDLE,
    ctypes.c_int,
    ctypes.c_void_p,
    wintypes.DWORD,
)
