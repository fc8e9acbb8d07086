"""Streaming's files: logs that grow, files that appear whole, folders that are read. No thread."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from .. import messages as m
from ..files import create_file, open_to_append, open_to_read, replace_file
from .returned_files import RETURNED_FOLDER

__all__ = ["FolderLists", "FreeSpace", "IncomingFiles", "append_log", "read_part"]

_FILES_PAGE_SIZE = 500
_MAX_FILES = 50_000
_MAX_LISTS = 10
"""Of one attempt: after that it is the last one that was made."""
_MAX_KNOWN = 200_000
"""Files whose hashes are remembered."""
_TURN_S = 0.05
"""How long a list is worked on before others have their turn."""
_HASH_BLOCK = 1 << 20
_SPACE_KNOWN_S = 1.0
_PART_SUFFIX = ".kq-part"
Page = tuple[tuple[m.FolderEntry, ...], bool]


class FreeSpace:
    """Room on the disks that are written to: there is to be some left for the desktop and its journal."""

    def __init__(
        self,
        min_free_bytes: int,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._least = min_free_bytes
        self._free_bytes = free_bytes
        self._clock = clock
        self._known: dict[Path, tuple[float, int]] = {}
        """By folder: when it was asked for, and how much there is since."""

    def claim(self, path: Path, needed: int, written: int) -> None:
        """Count `written` bytes that go to `path` now, of `needed` that will.

        Raises:
            OSError: less than the least that is to be left would be.
        """
        now = self._clock()
        asked_at, free = self._known.get(path.parent, (now - _SPACE_KNOWN_S, 0))
        if now - asked_at >= _SPACE_KNOWN_S:
            asked_at, free = now, self._free_bytes(_existing(path.parent))
            if len(self._known) > 1000:
                self._known.clear()
        if free - needed < self._least:
            self._known.pop(path.parent, None)
            raise OSError(
                errno.ENOSPC,
                f"less than {self._least:,} bytes would be left on its disk (KQ_MIN_FREE_BYTES)",
                str(path),
            )
        self._known[path.parent] = asked_at, free - written


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def append_log(path: Path, offset: int, data: bytes) -> int:
    """Write `data` where it belongs in the log, unless there is a gap before it.

    Returns:
        How long the log is now: from there on it is to be sent.

    Raises:
        OSError: it cannot be written.
    """
    try:
        fd = open_to_append(path)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = open_to_append(path)
    try:
        size = os.fstat(fd).st_size
        if offset > size:
            return size
        # What is there already came twice, and is the same.
        fresh = data[size - offset :]
        while fresh:
            written = os.write(fd, fresh)
            size, fresh = size + written, fresh[written:]
        return size
    finally:
        os.close(fd)


def read_part(path: Path, offset: int) -> bytes:
    """The next bytes of a file; none at its end. Never waits for a pipe in its place. Raises OSError."""
    with os.fdopen(open_to_read(path), "rb") as file:
        file.seek(max(offset, 0))
        return file.read(m.STREAM_PART_BYTES)


class _Incoming:
    """A file of which some parts have come."""

    def __init__(self, target: Path, agent: str) -> None:
        import hashlib  # brings OpenSSL along: a session that stays on its machine starts without

        target.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(target) and not stat.S_ISREG(target.lstat().st_mode) and not target.is_symlink():
            raise OSError(errno.EINVAL, "it is no regular file", str(target))
        tag = hashlib.sha256(agent.encode()).hexdigest()[:8]
        self.part = target.with_name(f".{target.name[:180]}.{tag}{_PART_SUFFIX}")
        self.file: IO[bytes] = create_file(self.part)
        self.hash = hashlib.sha256()
        self.received = 0

    def drop(self) -> None:
        self.file.close()
        self.part.unlink(missing_ok=True)


class IncomingFiles:
    """Files on their way in: one of each Agent. Each is written beside its target until it is whole."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Path, _Incoming]] = {}

    def take(self, target: Path, message: m.FileUpdate) -> tuple[int, str]:
        """Take a part. Returns how much there is now, and why no more is taken, if so. Raises OSError."""
        agent = message.agent
        if message.offset == 0:
            self.forget(agent)
            self._open[agent] = target, _Incoming(target, agent)
        found, incoming = self._open.get(agent, (target, None))
        if found != target:
            incoming = None
        if incoming is None or message.offset != incoming.received:
            # It was dropped, or a part was lost: from where we are, or from the beginning.
            return (incoming.received if incoming is not None else 0), ""
        try:
            incoming.file.write(message.data)
        except OSError:
            self.forget(agent)
            raise
        incoming.hash.update(message.data)
        incoming.received += len(message.data)
        if incoming.received < message.size:
            return incoming.received, ""
        incoming.file.close()
        del self._open[agent]
        if incoming.received > message.size or incoming.hash.hexdigest() != message.digest:
            incoming.drop()
            return 0, f"{target} did not arrive as it was sent"
        try:
            replace_file(incoming.part, target)
        except OSError:
            incoming.drop()
            raise
        return incoming.received, ""

    def forget(self, agent: str) -> None:
        """Drop what is not whole of an Agent's."""
        _, incoming = self._open.pop(agent, (None, None))
        if incoming is not None:
            incoming.drop()

    def close(self) -> None:
        """Drop what is not whole."""
        for agent in list(self._open):
            self.forget(agent)


class FolderLists:
    """What is in folders, with hashes, which are not made again while a file stays as it is."""

    def __init__(self, turn_s: float = _TURN_S) -> None:
        """
        Args:
            turn_s: how long one call of `page` may take, in seconds, but for one block of one file.
        """
        self._turn_s = turn_s
        self._known: dict[Path, tuple[int, m.FolderEntry]] = {}
        """By path: the time of its last change, and what was found then."""
        self._begun: dict[str, tuple[Iterator[m.FolderEntry | None], dict[str, m.FolderEntry]]] = {}
        """By attempt: lists that are being made."""
        self._lists: dict[str, dict[str, m.FolderEntry]] = {}
        """By attempt."""
        self._made: dict[str, int] = {}
        """By attempt: how often its list was made. An Agent asks anew where a file has changed since."""

    def page(self, attempt: str, folder: Path, first: int, skip: frozenset[str]) -> Page | None:
        """Files of `folder` from the one numbered `first` on, and whether there are more.

        None: the list takes longer, and the same is to be asked for again. Raises OSError.
        """
        is_anew = first <= 0 and self._made.get(attempt, 0) < _MAX_LISTS
        if (is_anew or attempt not in self._lists) and not self._goes_on(attempt, folder, skip):
            return None
        entries = list(self._lists[attempt].values())
        first = max(first, 0)
        return tuple(entries[first : first + _FILES_PAGE_SIZE]), first + _FILES_PAGE_SIZE < len(entries)

    def _goes_on(self, attempt: str, folder: Path, skip: frozenset[str]) -> bool:
        """Work on a list for a turn. Returns whether it is whole. Raises OSError."""
        if attempt not in self._begun:
            self._begun[attempt] = self._entries(folder, skip), {}
        until = time.monotonic() + self._turn_s
        entries, found = self._begun[attempt]
        try:
            for entry in entries:
                if entry is not None:
                    found[entry.path] = entry
                if time.monotonic() >= until:
                    return False
        except OSError:
            del self._begun[attempt]
            raise
        del self._begun[attempt]
        self._lists[attempt] = found
        self._made[attempt] = self._made.get(attempt, 0) + 1
        return True

    def has(self, attempt: str, path: str) -> bool:
        """Whether `path` was in the list of the attempt's folder: a link to a file elsewhere, too."""
        return path in self._lists.get(attempt, ())

    def forget(self, attempt: str) -> None:
        """Drop the attempt's list."""
        self._begun.pop(attempt, None)
        self._lists.pop(attempt, None)
        self._made.pop(attempt, None)

    def _entries(self, folder: Path, skip: frozenset[str]) -> Iterator[m.FolderEntry | None]:
        """Each file, and None wherever others may have their turn before."""
        if not folder.is_dir():
            raise FileNotFoundError(0, "the folder does not exist", str(folder))
        count = 0
        for parent, folders, names in os.walk(folder):
            folders.sort()
            if Path(parent) == folder and RETURNED_FOLDER in folders:
                folders.remove(RETURNED_FOLDER)
            for name in sorted(names):
                yield None
                path = Path(parent, name)
                relative = path.relative_to(folder).as_posix()
                if name.endswith(_PART_SUFFIX) or relative in skip or not path.is_file():
                    continue
                count += 1
                if count > _MAX_FILES:
                    raise OSError(0, f"it holds more than {_MAX_FILES:,} files", str(folder))
                yield from self._entry(path, relative)

    def _entry(self, path: Path, relative: str) -> Iterator[m.FolderEntry | None]:
        status = path.stat()
        known = self._known.get(path)
        if known is not None:
            changed_ns, entry = known
            same = (entry.size, changed_ns, entry.path) == (status.st_size, status.st_mtime_ns, relative)
            if same and entry.executable == bool(status.st_mode & 0o100):
                yield entry
                return
        import hashlib  # see above

        digest = hashlib.sha256()
        with os.fdopen(open_to_read(path), "rb", buffering=0) as file:
            while block := file.read(_HASH_BLOCK):
                digest.update(block)
                yield None
        entry = m.FolderEntry(
            path=relative,
            size=status.st_size,
            digest=digest.hexdigest(),
            executable=bool(status.st_mode & 0o100),
        )
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[path] = status.st_mtime_ns, entry
        yield entry
