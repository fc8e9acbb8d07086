"""Folders that must belong to the user: in a shared data root, and for a session's keys. A leaf.

On Windows folders inherit their permissions from the parent, so there is nothing to check.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from .errors import BadSetting, SessionFailed
from .own_files import OwnFolder

__all__ = [
    "OWNER_ONLY",
    "is_own",
    "is_taken_over",
    "keys_folder",
    "local_user",
    "own_data_root",
    "owner_of",
    "sessions_folder",
]

OWNER_ONLY = 0o700
_OTHERS_WRITE = 0o022
_MAX_FOLDERS = 100


def own_data_root(root: Path, *, create: bool = True) -> Path:
    """Return the folder of this user's files: `root` itself, or a folder in it named after the user.

    A root that belongs to another user, or to which others may write, contains a folder for each user. May
    block on a file share: not for Qt's thread.

    Args:
        root: KQ_DATA_ROOT.
        create: whether to create missing folders, `root` included.

    Raises:
        SessionFailed: it cannot be created, or all its names are taken by other users.
    """
    if sys.platform == "win32":
        if create:
            _make(root)
        return root
    try:
        found = root.stat()
    except FileNotFoundError:
        if create:
            _make(root)
        return root
    except OSError as error:
        if not create:
            return root
        raise _unusable(root, error) from error
    if found.st_uid == os.geteuid() and not found.st_mode & _OTHERS_WRITE:
        return root
    in_the_way = []
    uid = _own_uid_on(root)
    for folder in _candidates_in(root):
        if create:
            try:
                folder.mkdir(OWNER_ONLY)
            except FileExistsError:
                pass
            except OSError as error:
                raise _unusable(root, error) from error
        if is_own(folder, uid):
            return folder
        if not create and not folder.exists():
            return folder
        in_the_way.append(f"{folder} belongs to {owner_of(folder)}")
    raise SessionFailed(f"KQ_DATA_ROOT {root} has no room for {_own_name()}: {in_the_way[0]}; remove it")


def is_own(folder: Path, uid: int | None = None) -> bool:
    """Whether `folder` is a directory, not a link, of this user, and no other user may write to it.

    Args:
        uid: the user's id on that disk; None: this process's.
    """
    try:
        found = folder.lstat()
    except OSError:
        return False
    if not stat.S_ISDIR(found.st_mode):
        return False
    if sys.platform == "win32":
        return True
    owner = os.geteuid() if uid is None else uid
    return found.st_uid == owner and not found.st_mode & _OTHERS_WRITE


def is_taken_over(folder: Path, uid: int) -> bool:
    """Whether something else has the place of a folder of user `uid`: another user's folder, or a link.

    Where others may write to the folder above it without the sticky bit, they may move it away.
    """
    try:
        found = folder.lstat()
    except OSError:
        return False  # removed, or on a share that does not respond
    return sys.platform != "win32" and (not stat.S_ISDIR(found.st_mode) or found.st_uid != uid)


def owner_of(path: Path) -> str:
    """Return the name of the owner of `path`, `user-UID` without an account, or "an unknown user"."""
    try:
        uid = path.lstat().st_uid
    except OSError:
        return "an unknown user"
    return _user_name(uid)


def local_user() -> str:
    """Return the name of the user of this process; empty if it has none, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # the last on Windows
        return ""


def _own_name() -> str:
    if sys.platform == "win32":
        return "this user"  # not used on Windows
    return _user_name(os.geteuid())


def _user_name(uid: int) -> str:
    if sys.platform != "win32":
        import pwd

        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            pass  # a container's user may have no account
    return f"user-{uid}"


def sessions_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder of keys and connection files of this user's sessions on this machine.

    It is in `$XDG_RUNTIME_DIR`, `/run/user/UID` or the home folder, and created if missing, accessible only
    to its owner. Never in KQ_DATA_ROOT, which may be shared.

    Raises:
        BadSetting: no such folder belongs to this user.
    """
    env = os.environ if environment is None else environment
    for base in _runtime_folders(env):
        folder = base / "katana-queue"
        try:
            with OwnFolder(folder, create=True) as found:
                found.make_private()
        except OSError:
            continue
        if is_own(folder):
            return folder
    raise BadSetting(
        "no folder for the queue's keys belongs to this user alone: set XDG_RUNTIME_DIR to one of mode 0700"
    )


def keys_folder(queue_dir: Path) -> Path:
    """Return the keys folder of the session that uses `queue_dir`; not created here. Raises BadSetting."""
    digest = hashlib.sha256(os.fsencode(queue_dir.absolute())).hexdigest()[:16]
    return sessions_folder() / f"{queue_dir.name}-{digest}"


def _runtime_folders(env: Mapping[str, str]) -> Iterator[Path]:
    if sys.platform == "win32":
        if env.get("LOCALAPPDATA"):
            yield Path(env["LOCALAPPDATA"]) / "katana-queue" / "run"
        return
    uid = os.geteuid()
    candidates = [Path(given)] if (given := env.get("XDG_RUNTIME_DIR", "")) else []
    for folder in [*candidates, Path(f"/run/user/{uid}")]:
        # After `su` it may be another user's, and without systemd it may not exist.
        if folder.is_absolute() and is_own(folder):
            yield folder
    try:
        home = Path.home()
    except RuntimeError:
        return
    # With the host name, because machines may share a home folder.
    yield home / ".cache" / "katana-queue" / socket.gethostname()


def _candidates_in(root: Path) -> Iterator[Path]:
    user = _own_name()
    yield root / user
    for number in range(2, _MAX_FOLDERS + 1):
        yield root / f"{user}-{number}"


def _own_uid_on(folder: Path) -> int:
    """Return the uid of files that this process creates in `folder`: some shares map all users to one."""
    if sys.platform == "win32":
        return 0  # not used on Windows
    uid = os.geteuid()
    try:
        if folder.stat().st_uid == uid:
            return uid
        with tempfile.TemporaryDirectory(prefix=".kq-", dir=folder) as probe:
            return Path(probe).lstat().st_uid
    except OSError:
        return uid


def _make(root: Path) -> None:
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        root.mkdir(OWNER_ONLY, exist_ok=True)
    except OSError as error:
        raise _unusable(root, error) from error


def _unusable(root: Path, error: OSError) -> SessionFailed:
    return SessionFailed(
        f"KQ_DATA_ROOT {root} cannot be used ({error.strerror}): "
        f"set KQ_DATA_ROOT to a folder that you may write, on a disk with file locks"
    )
