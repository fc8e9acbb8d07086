"""File access for streaming: appends to logs, receives files, lists and reads folders. Starts no thread."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from .. import messages as m
from ..files import create_file, open_to_read, replace_file
from ..own_files import open_to_append
from .returned_files import RETURNED_FOLDER

__all__ = ["FolderLists", "FreeSpace", "IncomingFiles", "KnownHashes", "append_log", "read_part"]

_FILES_PAGE_SIZE = 500
_MAX_FILES = 50_000
_MAX_LISTS = 10
"""Lists made for one attempt; after that, it gets the last one again."""
_MAX_KNOWN = 200_000
"""Files whose hashes are remembered."""
_TURN_S = 0.05
"""Seconds of work on one list before other requests have their turn."""
_HASH_BLOCK = 1 << 20
_SPACE_KNOWN_S = 1.0
_PART_SUFFIX = ".kq-part"
Page = tuple[tuple[m.FolderEntry, ...], bool]
KnownHashes = dict[Path, tuple[int, m.FolderEntry]]
"""By path: the modification time in ns, and the entry made then."""


class FreeSpace:
    """Keeps a minimum of free disk space for the desktop and the journal. Not thread-safe."""

    def __init__(
        self,
        min_free_bytes: int,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._min_free_bytes = min_free_bytes
        self._free_bytes = free_bytes
        self._clock = clock
        self._known: dict[Path, tuple[float, int]] = {}
        """By folder: monotonic seconds of the last measurement, and the free bytes left since."""

    def claim(self, path: Path, needed: int, written: int) -> None:
        """Reserve space for `written` bytes to be written to `path` now, of `needed` bytes in all.

        Raises:
            OSError: ENOSPC, less than `min_free_bytes` would be left after `needed` bytes.
        """
        now = self._clock()
        asked_at, free = self._known.get(path.parent, (now - _SPACE_KNOWN_S, 0))
        if now - asked_at >= _SPACE_KNOWN_S:
            asked_at, free = now, self._free_bytes(_existing(path.parent))
            if len(self._known) > 1000:
                self._known.clear()
        if free - needed < self._min_free_bytes:
            self._known.pop(path.parent, None)
            raise OSError(
                errno.ENOSPC,
                f"less than {self._min_free_bytes:,} bytes would be left on its disk (KQ_MIN_FREE_BYTES)",
                str(path),
            )
        self._known[path.parent] = asked_at, free - written


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def append_log(path: Path, offset: int, data: bytes) -> int:
    """Append the bytes of `data`, which is from `offset`, that the log lacks. Writes nothing after a gap.

    Returns:
        The size of the log in bytes: the offset from which the Agent should send.

    Raises:
        OSError: it cannot be written.
    """
    fd = open_to_append(path, create_folder=True)
    try:
        size = os.fstat(fd).st_size
        if offset > size:
            return size
        # Bytes before `size` arrived twice, and are the same.
        fresh = data[size - offset :]
        while fresh:
            written = os.write(fd, fresh)
            size, fresh = size + written, fresh[written:]
        return size
    finally:
        os.close(fd)


def read_part(path: Path, offset: int) -> bytes:
    """Up to STREAM_PART_BYTES from `offset` on; empty at the end. Never blocks on a pipe. Raises OSError."""
    with os.fdopen(open_to_read(path), "rb") as file:
        file.seek(max(offset, 0))
        return file.read(m.STREAM_PART_BYTES)


class _Incoming:
    """A file that has been received in part. Raises OSError."""

    def __init__(self, target: Path, agent: str) -> None:
        import hashlib  # imports OpenSSL: a session without remote Agents starts faster

        target.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(target) and not stat.S_ISREG(target.lstat().st_mode) and not target.is_symlink():
            raise OSError(errno.EINVAL, "it is not a regular file", str(target))
        tag = hashlib.sha256(agent.encode()).hexdigest()[:8]
        self.part = target.with_name(f".{target.name[:180]}.{tag}{_PART_SUFFIX}")
        self.file: IO[bytes] = create_file(self.part)
        self.hash = hashlib.sha256()
        self.received = 0

    def drop(self) -> None:
        self.file.close()
        self.part.unlink(missing_ok=True)


class IncomingFiles:
    """Files being received, one per Agent. Each is written beside its target, and renamed when complete."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Path, _Incoming]] = {}

    def take(self, target: Path, message: m.FileUpdate) -> tuple[int, str]:
        """Write one part. Returns the bytes received so far, and an error or "". Raises OSError."""
        agent = message.agent
        if message.offset == 0:
            self.forget(agent)
            self._open[agent] = target, _Incoming(target, agent)
        found, incoming = self._open.get(agent, (target, None))
        if found != target:
            incoming = None
        if incoming is None or message.offset != incoming.received:
            # The file was dropped, or a part was lost: the Agent continues from there, or from the beginning.
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
        """Delete the incomplete file of an Agent, if any."""
        _, incoming = self._open.pop(agent, (None, None))
        if incoming is not None:
            incoming.drop()

    def close(self) -> None:
        """Delete all incomplete files."""
        for agent in list(self._open):
            self.forget(agent)


class FolderLists:
    """Lists of the files in folders, with SHA-256 hashes, which are cached while a file is unchanged."""

    def __init__(self, turn_s: float = _TURN_S, known: KnownHashes | None = None) -> None:
        """
        Args:
            turn_s: the most seconds that one call of `page` may take, plus the time for one block of a file.
            known: hashes made before, and for later; may be shared between threads.
        """
        self._turn_s = turn_s
        self._known: KnownHashes = {} if known is None else known
        self._in_progress: dict[str, tuple[Iterator[m.FolderEntry | None], dict[str, m.FolderEntry]]] = {}
        """By attempt: the rest of a list in progress, and its entries so far."""
        self._lists: dict[str, dict[str, m.FolderEntry]] = {}
        """By attempt: the complete list, by path."""
        self._times_made: dict[str, int] = {}
        """By attempt: how many times its list was made. An Agent asks again when a file has changed."""

    def page(self, attempt: str, folder: Path, first: int, skip: frozenset[str]) -> Page | None:
        """One page of the files in `folder`, from index `first` on, and whether more follow.

        None while the list is in progress: call again with the same arguments. Raises OSError.

        Args:
            attempt: id of the attempt that the list is for; `first=0` makes it again.
            skip: paths to leave out, relative to `folder`, with slashes.
        """
        is_anew = first <= 0 and self._times_made.get(attempt, 0) < _MAX_LISTS
        if (is_anew or attempt not in self._lists) and not self._advance(attempt, folder, skip):
            return None
        entries = list(self._lists[attempt].values())
        first = max(first, 0)
        return tuple(entries[first : first + _FILES_PAGE_SIZE]), first + _FILES_PAGE_SIZE < len(entries)

    def _advance(self, attempt: str, folder: Path, skip: frozenset[str]) -> bool:
        """Work on a list for `turn_s`. Returns whether it is complete. Raises OSError."""
        if attempt not in self._in_progress:
            self._in_progress[attempt] = self._entries(folder, skip), {}
        until = time.monotonic() + self._turn_s
        entries, found = self._in_progress[attempt]
        try:
            for entry in entries:
                if entry is not None:
                    found[entry.path] = entry
                if time.monotonic() >= until:
                    return False
        except OSError:
            del self._in_progress[attempt]
            raise
        del self._in_progress[attempt]
        self._lists[attempt] = found
        self._times_made[attempt] = self._times_made.get(attempt, 0) + 1
        return True

    def has(self, attempt: str, path: str) -> bool:
        """Whether `path` is in the attempt's list, also as a link to a file elsewhere."""
        return path in self._lists.get(attempt, ())

    def forget(self, attempt: str) -> None:
        """Drop the attempt's list."""
        self._in_progress.pop(attempt, None)
        self._lists.pop(attempt, None)
        self._times_made.pop(attempt, None)

    def _entries(self, folder: Path, skip: frozenset[str]) -> Iterator[m.FolderEntry | None]:
        """Yield an entry for each file, and None wherever the work may pause. Raises OSError."""
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
                _check_unicode(relative, folder)
                count += 1
                if count > _MAX_FILES:
                    raise OSError(0, f"it holds more than {_MAX_FILES:,} files", str(folder))
                with suppress(FileNotFoundError):  # a task on this machine has just renamed or removed it
                    yield from self._entry(path, relative)

    def _entry(self, path: Path, relative: str) -> Iterator[m.FolderEntry | None]:
        """Yield None after each hashed block, then the file's entry; from the cache if it is unchanged."""
        status = path.stat()
        known = self._known.get(path)
        if known is not None:
            changed_ns, entry = known
            same = (entry.size, changed_ns, entry.path) == (status.st_size, status.st_mtime_ns, relative)
            if same and entry.executable == bool(status.st_mode & 0o100):
                yield entry
                return
        import hashlib  # see _Incoming

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


def _check_unicode(name: str, folder: Path) -> None:
    """Raise OSError for a name that no message can carry."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise OSError(
            errno.EILSEQ, f"the name {name!a} is not UTF-8, as other machines need it: rename it", str(folder)
        ) from error
