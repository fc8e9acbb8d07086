"""OwnFolder on Linux and macOS: a directory handle, to which every path is relative."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import sys
from pathlib import Path
from types import TracebackType

from ._common import MAX_BYTES, NotOwn, write_atomically

assert sys.platform != "win32"  # so that mypy checks this file for the systems that it is for

__all__ = ["OwnFolder"]

# With O_PATH, folders on the way need no right to list them, and a share is not asked to open them. With
# O_DIRECTORY, one that an automounter provides is mounted, which O_PATH alone does not do.
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OTHERS_WRITE = 0o022
_MAX_LINKS = 40

_owners: dict[int, int] = {}
"""By device: the owner of files that this process creates there. Some shares map all users to one."""


class OwnFolder:
    """A folder of this user's, open until `close`; may be used as a context manager. For one thread.

    Each folder on the way to it is opened by the handle of the one above. A link is followed only if no other
    user can have put it there. Names passed to the methods have no slash.
    """

    def __init__(self, path: str | Path, *, create: bool = False) -> None:
        """
        Args:
            path: the folder.
            create: whether to create missing folders, for this user only.

        Raises:
            NotOwn: it belongs to another user, or is reached by a link that another may have made.
            OSError: it cannot be opened.
        """
        self._path = os.fspath(path)
        self._fd = _open_folder(self._path, create=create)
        try:
            found = os.fstat(self._fd)
            self._uid = _own_uid(self._fd, found)
            _check_owner(found, self._uid, self._path)
        except OSError:
            os.close(self._fd)
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
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # --- Open ---

    def open_to_read(self, name: str) -> int:
        """Open a regular file of this user's. Returns a descriptor. Raises OSError."""
        return self._open(name, os.O_RDONLY)

    def open_to_append(self, name: str) -> int:
        """Open or create a file to add to its end. Returns a descriptor. Raises OSError."""
        return self._open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def open_to_update(self, name: str) -> int:
        """Open or create a file to read and write. Returns a descriptor. Raises OSError."""
        return self._open(name, os.O_RDWR | os.O_CREAT)

    def create(self, name: str) -> int:
        """Create a file to write, in the place of what was there. Returns a descriptor. Raises OSError."""
        self.remove(name)
        return self._open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)

    def _open(self, name: str, flags: int) -> int:
        try:
            fd = os.open(name, flags | _FILE, 0o600, dir_fd=self._fd)
        except OSError as error:
            raise OSError(error.errno, error.strerror, f"{self._path}/{name}") from None
        try:
            _check_file(os.fstat(fd), self._uid, f"{self._path}/{name}")
            os.set_blocking(fd, True)
        except OSError:
            os.close(fd)
            raise
        return fd

    # --- Read, write, remove ---

    def read(self, name: str, max_bytes: int = MAX_BYTES) -> bytes:
        """Return a file's content. Raises OSError, also if it is larger than `max_bytes`."""
        with open(self.open_to_read(name), "rb") as file:
            content = file.read(max_bytes + 1)
        if len(content) > max_bytes:
            raise OSError(errno.EFBIG, f"Larger than {max_bytes:,} bytes", f"{self._path}/{name}")
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a file atomically, for this user only. Raises OSError: it is unchanged."""
        write_atomically(self, name, content)

    def replace(self, draft: str, name: str) -> None:
        """Rename `draft` to `name`, in the place of what was there, atomically. Raises OSError."""
        os.replace(draft, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def remove(self, name: str) -> None:
        """Remove a file, or a link in its place, if it exists. Raises OSError."""
        try:
            os.unlink(name, dir_fd=self._fd)
        except FileNotFoundError:
            pass

    def remove_tree(self, name: str) -> None:
        """Remove a folder and its content, following no link. Raises OSError."""
        import shutil  # slow to import, and most programs remove nothing

        shutil.rmtree(name, dir_fd=self._fd)

    def names(self) -> list[str]:
        """Return the names of the folder's entries. Raises OSError."""
        with _Listable(self._fd) as fd:
            return os.listdir(fd)  # noqa: PTH208  # Path has no descriptors

    def status(self, name: str) -> os.stat_result:
        """Return the status of an entry, of a link itself. Raises OSError."""
        return os.stat(name, dir_fd=self._fd, follow_symlinks=False)

    def check(self, name: str) -> None:
        """Raise NotOwn unless an entry, if there is one, is a regular file of this user's with one name."""
        try:
            _check_file(self.status(name), self._uid, f"{self._path}/{name}")
        except FileNotFoundError:
            pass

    @property
    def is_in_place(self) -> bool:
        """Whether its path still leads to it: it was not moved, and nothing else is in its place."""
        try:
            return os.path.samestat(Path(self._path).stat(), os.fstat(self._fd))
        except OSError:
            return False

    def make_private(self) -> None:
        """Keep other users from entering the folder. Raises OSError."""
        with _Listable(self._fd) as fd:
            if stat.S_IMODE(os.fstat(fd).st_mode) & 0o077:
                os.fchmod(fd, 0o700)


class _Listable:
    """A descriptor by which an open folder can be listed and its mode set, which O_PATH does not allow."""

    def __init__(self, folder: int) -> None:
        self._fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)

    def __enter__(self) -> int:
        return self._fd

    def __exit__(self, *error: object) -> None:
        os.close(self._fd)


# --- The way to a folder ---


def _open_folder(path: str, *, create: bool) -> int:
    # Without pathlib, which takes longer than the system calls: an Agent opens a log for each task.
    whole = path if path.startswith("/") else f"{os.getcwd()}/{path}"  # noqa: PTH109
    rest = [name for name in reversed(whole.split("/")) if name not in ("", ".")]
    links = 0
    fd = os.open("/", _FOLDER)
    try:
        while rest:
            name = rest.pop()
            try:
                below = os.open(name, _FOLDER, dir_fd=fd)
            except FileNotFoundError:
                if not create:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
                try:
                    os.mkdir(name, 0o700, dir_fd=fd)
                except FileExistsError:
                    pass  # another process has just made it
                except OSError as error:
                    raise OSError(error.errno, error.strerror, path) from None
                rest.append(name)
                continue
            except OSError as error:
                # For a link, Linux returns ENOTDIR, other systems ELOOP.
                links += 1
                if error.errno not in (errno.ENOTDIR, errno.ELOOP) or links > _MAX_LINKS:
                    raise OSError(error.errno, error.strerror, path) from error
                target = Path(_followed(name, fd, path))
                rest.extend(reversed(target.parts[1:] if target.is_absolute() else target.parts))
                if not target.is_absolute():
                    continue
                below = os.open("/", _FOLDER)
            os.close(fd)
            fd = below
    except BaseException:
        os.close(fd)
        raise
    return fd


def _followed(name: str, parent: int, path: str) -> str:
    """Return where a link leads, if only root or this user can have put it into the folder `parent`.

    Raises:
        NotADirectoryError: it is no link.
        NotOwn: another user may have put it there.
    """
    found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if not stat.S_ISLNK(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    above = os.fstat(parent)
    trusted = (0, os.geteuid())
    # In a folder with the sticky bit others may add links, and cannot move or replace one.
    is_safe = above.st_uid in trusted and (
        not above.st_mode & _OTHERS_WRITE or (above.st_mode & stat.S_ISVTX and found.st_uid in trusted)
    )
    if not is_safe:
        raise NotOwn(f"{name} is a link that another user may have made", path)
    return os.readlink(name, dir_fd=parent)


def _own_uid(folder: int, found: os.stat_result) -> int:
    """Return the owner of files that this process creates in an open folder, whose status is `found`."""
    own = os.geteuid()
    if found.st_uid == own:
        return own
    if found.st_dev not in _owners:
        name = f".kq-{secrets.token_hex(8)}"
        try:
            probe = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE, 0o600, dir_fd=folder)
        except OSError:
            return own
        try:
            _owners[found.st_dev] = os.fstat(probe).st_uid
        finally:
            os.close(probe)
            os.unlink(name, dir_fd=folder)
    return _owners[found.st_dev]


def _check_file(found: os.stat_result, uid: int, path: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise NotOwn("Not a regular file", path)
    if found.st_nlink > 1:
        raise NotOwn("Has a second name (a hard link)", path)
    _check_owner(found, uid, path)


def _check_owner(found: os.stat_result, uid: int, path: str) -> None:
    if found.st_uid != uid:
        raise NotOwn(f"Belongs to user {found.st_uid}", path)
