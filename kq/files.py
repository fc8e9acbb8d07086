"""Opens, replaces and locks files that several processes use. A leaf.

Windows differs in all of these, so other modules open by descriptor and replace files only through them.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import time
from pathlib import Path
from typing import IO

__all__ = [
    "free_bytes",
    "is_safe_relative_path",
    "open_to_read",
    "replace_file",
    "try_lock",
]

_TIMEOUT_S = 1.0
_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 0.001, 0.05


def is_safe_relative_path(path: str, *, windows: bool = sys.platform == "win32") -> bool:
    """Whether a relative path with slashes, from another machine, stays below the folder it is joined to.

    On Windows a colon is refused, which would select a drive or an alternate data stream.
    """
    if set(path) & set("\\\0") or (windows and ":" in path):
        return False
    return all(part not in ("", ".", "..") for part in path.split("/"))


def free_bytes(path: str | Path) -> int | None:
    """Return the free space on the disk of a file, in bytes; None when it cannot be determined."""
    try:
        return shutil.disk_usage(Path(path).parent).free
    except OSError:
        return None


def create_file(path: Path) -> IO[bytes]:
    """Create a file and open it for writing, after removing one that a killed program left behind.

    Removed and not overwritten: Windows does not overwrite hidden files, and shares hide names with a dot.

    Raises:
        OSError: it cannot be created.
    """
    path.unlink(missing_ok=True)
    return path.open("xb")


def replace_file(draft: Path, path: Path) -> None:
    """Replace `path` by `draft` atomically: a reader gets the old or the new content, never a mixture.

    Windows refuses that while another program, such as a virus scanner, has either file open: there it is
    retried for up to a second. May be called from any thread but Qt's.

    Args:
        draft: a complete, closed file in the folder of `path`. It is not removed after a failure.
        path: the file to be replaced; it need not exist.

    Raises:
        OSError: the file cannot be replaced.
    """
    give_up = time.monotonic() + _TIMEOUT_S
    wait_s = _SHORTEST_WAIT_S
    while True:
        try:
            draft.replace(path)
        except PermissionError:
            if os.name != "nt" or path.is_dir() or time.monotonic() >= give_up:
                raise
        else:
            return
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, _LONGEST_WAIT_S)


def open_to_read(path: str | Path) -> int:
    """Open a file for reading, which others may write, remove or replace while it is open.

    May be called from any thread. Does not block on a named pipe.

    Returns:
        A descriptor; children do not inherit it unless it is given to them.

    Raises:
        OSError: it cannot be opened, or is a pipe or a device.
        FileNotFoundError: it does not exist.
    """
    if sys.platform == "win32":
        return msvcrt.open_osfhandle(open_handle(str(path), _FILE_READ_DATA, _OPEN_EXISTING), 0)
    else:  # noqa: RET505  # mypy takes the line for other systems to be unreachable otherwise
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if stat.S_ISFIFO(os.fstat(fd).st_mode) or stat.S_ISCHR(os.fstat(fd).st_mode):
            os.close(fd)
            raise PermissionError(errno.EPERM, "Not a regular file", str(path))
        return fd


def try_lock(file: IO[bytes]) -> bool:
    """Lock an open file until it is closed. Does not block. May be called from any thread.

    Returns:
        Whether it was locked; False: another process has the lock.

    Raises:
        OSError: the disk does not support file locks.
    """
    if sys.platform == "win32":
        file.seek(0)
        try:
            # One byte, for as long as the handle is open; the system unlocks it when the process ends.
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
    else:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


if sys.platform != "win32":
    import fcntl
else:
    import ctypes
    import msvcrt

    _FILE_READ_DATA, _FILE_READ_ATTRIBUTES, _SYNCHRONIZE = 0x1, 0x80, 0x10_0000
    _SHARE_READ_WRITE_DELETE = 0x7
    _OPEN_EXISTING = 3
    _FILE_ATTRIBUTE_NORMAL = 0x80
    _NO_HANDLE = ctypes.c_void_p(-1).value

    _CreateFileW = ctypes.WinDLL("kernel32", use_last_error=True).CreateFileW
    _CreateFileW.restype = ctypes.c_void_p
    _CreateFileW.argtypes = (
        ctypes.c_wchar_p,  # lpFileName
        ctypes.c_uint32,  # dwDesiredAccess
        ctypes.c_uint32,  # dwShareMode
        ctypes.c_void_p,  # lpSecurityAttributes
        ctypes.c_uint32,  # dwCreationDisposition
        ctypes.c_uint32,  # dwFlagsAndAttributes
        ctypes.c_void_p,  # hTemplateFile
    )

    def open_handle(
        path: str, access: int, disposition: int, flags: int = 0, share: int = _SHARE_READ_WRITE_DELETE
    ) -> int:
        """Call CreateFileW, by default such that others may write, rename and remove the file meanwhile.

        Returns:
            A handle. Children do not inherit it.

        Raises:
            OSError: it cannot be opened.
        """
        access |= _FILE_READ_ATTRIBUTES | _SYNCHRONIZE
        handle = _CreateFileW(path, access, share, None, disposition, flags or _FILE_ATTRIBUTE_NORMAL, None)
        if handle is None or handle == _NO_HANDLE:
            code = ctypes.get_last_error()
            raise OSError(0, ctypes.FormatError(code), path, code)
        return int(handle)
