"""The folder of a session's journal, locked by one session at a time; ends processes of crashed sessions."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from .. import process
from ..errors import SessionFailed
from ..files import try_lock
from ..own_files import NotOwn, OwnFolder, open_lock_file, read_own, remove_own, write_private
from ..own_folders import keys_folder, owner_of
from .session_id import is_session_alive

__all__ = ["KEY_FILES", "QueueFolder", "end_leftovers"]

_MAX_SESSIONS = 100
_MACHINE_FILE = "machine"
"""Name of the file with the id of the machine that used the folder last."""
KEY_FILES = ("server.json", "client.json", "agent.json")
"""Files with keys, in the session's keys folder; they exist while the session runs."""


class QueueFolder:
    """`<data root>/queues/<host>-<n>`, with a lock that the system releases when its holder dies."""

    def __init__(self, path: Path, lock: IO[bytes]) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def take(
        cls, data_root: Path, host: str, continued: Path | None = None, *, machine: str = ""
    ) -> QueueFolder:
        """Lock the first folder of this host that no running session holds; make one if there is none.

        Args:
            continued: the folder whose jobs the session continues: tried first.
            machine: the machine's id, to find a folder that it made under another host name.

        Raises:
            SessionFailed: the data root cannot be written or locked, or all folders are held.
        """
        in_the_way = ""
        for path in _candidates(data_root / "queues", host, continued, machine):
            try:
                OwnFolder(path.parent, create=True).close()
                try:
                    with OwnFolder(path, create=True) as folder:
                        folder.make_private()
                except (NotOwn, NotADirectoryError):
                    in_the_way = in_the_way or f"; {path} belongs to {owner_of(path)}: remove it"
                    continue
                lock = open_lock_file(path / "lock")
                is_ours = try_lock(lock)
                if is_ours:
                    os.write(lock.fileno(), b"\n")  # a full disk is noticed here, not when renders fail
                    os.ftruncate(lock.fileno(), 0)
                    _note_machine(path, machine)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise SessionFailed.because(error) from error
                raise SessionFailed(
                    f"KQ_DATA_ROOT {data_root} cannot be used ({error.strerror}): "
                    f"set KQ_DATA_ROOT to a folder that you may write, on a disk with file locks"
                ) from error
            if is_ours:
                taken = cls(path, lock)
                taken.clean()
                return taken
            lock.close()
        raise SessionFailed(
            f"{_MAX_SESSIONS} sessions hold {data_root / 'queues'}: end some of them{in_the_way}"
        )

    def clean(self) -> None:
        """Remove the keys of the previous session, also from where earlier versions kept them."""
        for folder in (keys_folder(self.path), self.path):
            for name in KEY_FILES:
                remove_own(folder / name)
        keys = keys_folder(self.path)
        if keys.is_dir() and not any(keys.iterdir()):
            keys.rmdir()

    def release(self) -> None:
        """Release the lock, so that another session can use the folder."""
        self._lock.close()


def _candidates(queues: Path, host: str, continued: Path | None, machine: str) -> Iterator[Path]:
    """Yield folders in the order of trial: for each number HOST-N, or one made under another host name."""
    if continued is not None:
        yield continued
    renamed: dict[int, Path] | None = None
    for number in range(1, _MAX_SESSIONS + 1):
        path = queues / f"{host}-{number}"
        if renamed is None and not path.exists():
            renamed = _made_by(machine, queues)
        yield path if renamed is None or path.exists() else renamed.get(number, path)


def _made_by(machine: str, queues: Path) -> dict[int, Path]:
    """Return the folders that this machine made, by number; of several with one number the last used."""
    found: dict[int, tuple[float, Path]] = {}
    for noted in queues.glob(f"*/{_MACHINE_FILE}") if machine else ():
        folder = noted.parent
        number = folder.name.rpartition("-")[2]
        try:
            if number.isdecimal() and read_own(noted).strip() == machine.encode():
                used = (folder / "lock").stat().st_mtime
                found[int(number)] = max(found.get(int(number), (used, folder)), (used, folder))
        except (OSError, ValueError):
            continue  # it is being made or removed, or is not a file of kq
    return {number: folder for number, (_, folder) in found.items()}


def _note_machine(folder: Path, machine: str) -> None:
    note = folder / _MACHINE_FILE
    if machine and not (note.is_file() and read_own(note) == machine.encode()):
        write_private(note, machine.encode())


def end_leftovers() -> None:
    """End processes of sessions whose guardian has died."""
    leftover = [
        each.id
        for each in process.find_marked("KQ_SESSION")
        if each.pid != os.getpid() and is_session_alive(each.value) is False
    ]
    if leftover:
        process.end_tree(leftover)
