"""Streaming's files: logs that grow, files that appear whole, folders that are read. No thread."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from .. import messages as m
from ..files import BINARY, create_file, replace_file

__all__ = ["FolderLists", "IncomingFiles", "append_log", "read_part"]

_FILES_PAGE_SIZE = 500
_MAX_FILES = 50_000
_MAX_OPEN = 64
_PART_SUFFIX = ".kq-part"


def append_log(path: Path, offset: int, data: bytes) -> int:
    """Write `data` where it belongs in the log, unless there is a gap before it.

    Returns:
        How long the log is now: from there on it is to be sent.

    Raises:
        OSError: it cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | BINARY
    try:
        fd = os.open(path, flags, 0o644)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, flags, 0o644)
    try:
        size = os.fstat(fd).st_size
        if offset > size:
            return size
        # What is there already came twice, and is the same.
        fresh = data[size - offset :]
        while fresh:
            written = os.pwrite(fd, fresh, size) if hasattr(os, "pwrite") else _write_at(fd, fresh, size)
            size, fresh = size + written, fresh[written:]
        return size
    finally:
        os.close(fd)


def _write_at(fd: int, data: bytes, offset: int) -> int:
    os.lseek(fd, offset, os.SEEK_SET)
    return os.write(fd, data)


def read_part(path: Path, offset: int) -> bytes:
    """The next bytes of a file; none at its end. Raises OSError."""
    with path.open("rb") as file:
        file.seek(max(offset, 0))
        return file.read(m.STREAM_PART_BYTES)


class _Incoming:
    """A file of which some parts have come."""

    def __init__(self, target: Path, agent: str) -> None:
        import hashlib  # brings OpenSSL along: a session that stays on its machine starts without

        target.parent.mkdir(parents=True, exist_ok=True)
        tag = hashlib.sha256(agent.encode()).hexdigest()[:8]
        self.part = target.with_name(f".{target.name[:180]}.{tag}{_PART_SUFFIX}")
        self.file: IO[bytes] = create_file(self.part)
        self.hash = hashlib.sha256()
        self.received = 0

    def drop(self) -> None:
        self.file.close()
        self.part.unlink(missing_ok=True)


class IncomingFiles:
    """Files on their way in. Each is written beside its target, and takes its place when it is whole."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, Path], _Incoming] = {}

    def take(self, target: Path, message: m.FileUpdate) -> tuple[int, str]:
        """Take a part. Returns how much there is now, and why no more is taken, if so. Raises OSError."""
        key = (message.agent, target)
        if message.offset == 0:
            self._drop(key)
            while len(self._open) >= _MAX_OPEN:
                self._drop(next(iter(self._open)))
            self._open[key] = _Incoming(target, message.agent)
        incoming = self._open.get(key)
        if incoming is None or message.offset != incoming.received:
            # It was dropped, or a part was lost: from where we are, or from the beginning.
            return (incoming.received if incoming is not None else 0), ""
        try:
            incoming.file.write(message.data)
        except OSError:
            self._drop(key)
            raise
        incoming.hash.update(message.data)
        incoming.received += len(message.data)
        if incoming.received < message.size:
            return incoming.received, ""
        incoming.file.close()
        del self._open[key]
        if incoming.received > message.size or incoming.hash.hexdigest() != message.digest:
            incoming.drop()
            return 0, f"{target} did not arrive as it was sent"
        try:
            replace_file(incoming.part, target)
        except OSError:
            incoming.drop()
            raise
        return incoming.received, ""

    def _drop(self, key: tuple[str, Path]) -> None:
        incoming = self._open.pop(key, None)
        if incoming is not None:
            incoming.drop()

    def close(self) -> None:
        """Drop what is not whole."""
        for key in list(self._open):
            self._drop(key)


class FolderLists:
    """What is in folders, with hashes, which are not made again while a file stays as it is."""

    def __init__(self) -> None:
        self._digests: dict[Path, tuple[int, int, str]] = {}
        self._folders: dict[Path, dict[str, m.FolderEntry]] = {}

    def page(self, folder: Path, first: int, skip: frozenset[str]) -> tuple[tuple[m.FolderEntry, ...], bool]:
        """Files of `folder` from the one numbered `first` on, and whether there are more. Raises OSError."""
        if first == 0 or folder not in self._folders:
            if len(self._folders) > 100:
                self._folders.clear()
                self._digests.clear()
            self._folders[folder] = {entry.path: entry for entry in self._entries(folder, skip)}
        entries = list(self._folders[folder].values())
        return tuple(entries[first : first + _FILES_PAGE_SIZE]), first + _FILES_PAGE_SIZE < len(entries)

    def has(self, folder: Path, path: str) -> bool:
        """Whether `path` was in the folder's list: a link to a file elsewhere, too."""
        return path in self._folders.get(folder, ())

    def _entries(self, folder: Path, skip: frozenset[str]) -> Iterator[m.FolderEntry]:
        if not folder.is_dir():
            raise FileNotFoundError(0, "the folder does not exist", str(folder))
        count = 0
        for parent, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                path = Path(parent, name)
                relative = path.relative_to(folder).as_posix()
                if name.endswith(_PART_SUFFIX) or relative in skip or not path.is_file():
                    continue
                count += 1
                if count > _MAX_FILES:
                    raise OSError(0, f"it holds more than {_MAX_FILES:,} files", str(folder))
                status = path.stat()
                yield m.FolderEntry(
                    path=relative,
                    size=status.st_size,
                    digest=self._digest(path, status),
                    executable=bool(status.st_mode & 0o100),
                )

    def _digest(self, path: Path, status: os.stat_result) -> str:
        known = self._digests.get(path)
        if known is None or known[:2] != (status.st_size, status.st_mtime_ns):
            import hashlib  # see above

            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            known = self._digests[path] = (status.st_size, status.st_mtime_ns, digest)
        return known[2]
