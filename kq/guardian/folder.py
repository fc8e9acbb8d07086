"""The folder that holds a session's journal, taken by one session at a time, and what crashed ones left."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import IO

from .. import process
from ..errors import SessionFailed
from ..files import try_lock
from ..own_folders import OWNER_ONLY, keys_folder, owner_of

__all__ = ["KEY_FILES", "QueueFolder", "end_leftovers", "is_session_alive", "new_session_id"]

_MAX_SESSIONS = 100
KEY_FILES = ("server.json", "client.json", "agent.json")
"""What holds keys, in the folder of the session's keys; there while the session lives."""


class QueueFolder:
    """`<data root>/queues/<host>-<n>`, with a lock that the system drops when its holder dies."""

    def __init__(self, path: Path, lock: IO[bytes]) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def take(cls, data_root: Path, host: str, continued: Path | None = None) -> QueueFolder:
        """The first folder of this host that no live session holds; made when there is none.

        Args:
            continued: the folder whose jobs the session continues: taken when it is free.

        Raises:
            SessionFailed: the data root cannot be written or locked, or all folders are held.
        """
        numbered = [data_root / "queues" / f"{host}-{number}" for number in range(1, _MAX_SESSIONS + 1)]
        in_the_way = ""
        for path in ([continued] if continued is not None else []) + numbered:
            try:
                path.parent.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
                path.mkdir(OWNER_ONLY, exist_ok=True)
                if path.is_symlink() or path.stat().st_uid != path.parent.stat().st_uid:
                    in_the_way = in_the_way or f"; {path} belongs to {owner_of(path)}: remove it"
                    continue
                path.chmod(OWNER_ONLY)
                lock = (path / "lock").open("ab")
                is_ours = try_lock(lock)
                if is_ours:
                    os.write(lock.fileno(), b"\n")  # a full disk is noticed here, not when renders fail
                    os.ftruncate(lock.fileno(), 0)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise SessionFailed.because(error) from error
                raise SessionFailed(
                    f"KQ_DATA_ROOT {data_root} cannot be used ({error.strerror}): "
                    f"set KQ_DATA_ROOT to a folder that you may write, on a disk with file locks"
                ) from error
            if is_ours:
                folder = cls(path, lock)
                folder.clean()
                return folder
            lock.close()
        raise SessionFailed(
            f"{_MAX_SESSIONS} sessions hold {data_root / 'queues'}: end some of them{in_the_way}"
        )

    def clean(self) -> None:
        """Remove the keys that a session left; also where earlier versions kept them."""
        for folder in (keys_folder(self.path), self.path):
            for name in KEY_FILES:
                (folder / name).unlink(missing_ok=True)
        keys = keys_folder(self.path)
        if keys.is_dir() and not any(keys.iterdir()):
            keys.rmdir()

    def release(self) -> None:
        """Let another session have it."""
        self._lock.close()


def new_session_id() -> str:
    """A session's name. It holds the guardian's id, so that any process can check whether that lives."""
    guardian = process.own_id()
    return f"{socket.gethostname()}:{guardian.pid}:{guardian.start_time:.2f}:{os.urandom(4).hex()}"


def is_session_alive(session: str) -> bool | None:
    """Whether the guardian of `session` runs; None when that is another machine's to say."""
    host, _, rest = session.partition(":")
    pid, _, rest = rest.partition(":")
    started, _, _ = rest.partition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return None
    now = process.process_start_time(int(pid))
    return now is not None and f"{now:.2f}" == started


def end_leftovers() -> int:
    """End what sessions left whose guardian is gone too. Returns how many processes were ended."""
    ended = 0
    leftover = [
        each.id
        for each in process.find_marked("KQ_SESSION")
        if each.pid != os.getpid() and is_session_alive(each.value) is False
    ]
    if leftover:
        ended = process.end_tree(leftover).processes
    return ended
