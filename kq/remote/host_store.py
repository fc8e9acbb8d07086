"""The list of recent remote machines, in a file of the user's. It holds no secrets."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from ..errors import Refused
from ..files import try_lock
from ..own_files import OwnFolder, open_lock_file
from .hosts import RemoteHost

__all__ = ["HostStore"]

_VERSION = 2
"""File format version. For a change that an older kq cannot read, raise it and extend `_MIGRATIONS`."""
MAX_HOSTS = 50
_MAX_BYTES = 4 << 20
_TIMEOUT_S, _POLL_INTERVAL_S = 5.0, 0.01
"""How long to wait for the lock, and how often to try."""


class _Entry(msgspec.Struct):
    host: RemoteHost
    used: float
    """Time of last use, in seconds since the epoch."""
    worked: bool = False


class _Content(msgspec.Struct):
    version: int = _VERSION
    hosts: list[_Entry] = []


def _add_version(content: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had no version number."""
    return {"version": 2, **content}


_MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _add_version}
"""By version: a function that converts decoded content to the next version."""


def _default_path() -> Path:
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Preferences"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "katana-queue" / "hosts.json"


class HostStore:
    """Reads and writes the list. Not for a UI's thread, because a home folder may be slow. Thread-safe.

    Attributes:
        problem: why the last read returned no or too few hosts, as a message; empty if it did not.
    """

    _writing = threading.Lock()
    """One lock for all instances: of two hosts written at once one would be lost. See also `_locked`."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or _default_path()
        self.problem = ""

    def hosts(self) -> list[RemoteHost]:
        """Return all hosts, most recent first: those on which Agents ran, then the others. Sets `problem`."""
        entries = sorted(self._entries(), key=lambda entry: (not entry.worked, -entry.used))
        return [entry.host for entry in entries]

    def _entries(self) -> list[_Entry]:
        try:
            content, damage = self._read()
            self.problem = f"{damage}: correct it, or remove it" if damage else ""
        except Refused as error:
            content, self.problem = _Content(), str(error)
        return content.hosts

    def find(self, name: str) -> RemoteHost | None:
        """Return the entry of the host called `name` (as typed, or its label), or None."""
        return next((host for host in self.hosts() if name in (host.host, host.label)), None)

    def has_worked(self, host: RemoteHost) -> bool:
        """Whether Agents have run on the machine before, by the list."""
        return any(each.worked and each.host.label == host.label for each in self._entries())

    def remember(self, host: RemoteHost, *, worked: bool) -> str:
        """Add a host, or replace the entry of the same machine.

        A file that cannot be decoded, for instance after an edit by hand, is kept under another name.

        Args:
            worked: whether Agents ran there.

        Returns:
            A warning if the file could not be decoded, else "".

        Raises:
            Refused: the file cannot be read or written, or has a newer version. It is unchanged.
        """
        with self._writing, self._locked():
            content, damage = self._read()
            before = next((each for each in content.hosts if each.host.label == host.label), None)
            entry = _Entry(host, time.time(), worked or (before is not None and before.worked))
            content.hosts = [entry, *(each for each in content.hosts if each is not before)][:MAX_HOSTS]
            aside = self._path.with_name(f"{self._path.name}.unusable-{time.time_ns() // 1_000_000}")
            try:
                with OwnFolder(self._path.parent) as folder:
                    if damage:
                        self._keep_aside(folder, aside.name)
                    folder.write(self._path.name, msgspec.json.format(msgspec.json.encode(content), indent=1))
            except OSError as error:
                raise Refused(f"{self._path} cannot be written: {error.strerror}") from error
        return f"{damage}: it was kept as {aside.name}, and a new list was started" if damage else ""

    def _keep_aside(self, folder: OwnFolder, name: str) -> None:
        """Copy the list: the original stays in place until it is replaced. Raises OSError."""
        with (
            open(folder.open_to_read(self._path.name), "rb") as source,
            open(folder.create(name), "wb") as copy,
        ):
            shutil.copyfileobj(source, copy)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the list against the user's other desktops. Raises Refused when it stays locked for 5 s."""
        lock = self._path.with_name(f".{self._path.name}.lock")
        give_up = time.monotonic() + _TIMEOUT_S
        try:
            file = open_lock_file(lock, create_folder=True)
        except OSError as error:
            raise Refused(f"{self._path} cannot be written: {error.strerror}") from error
        with file:
            while not _has_lock(file):
                if time.monotonic() > give_up:
                    raise Refused(
                        f"{self._path} was not written: another desktop of yours has locked it for "
                        f"{_TIMEOUT_S:.0f} s"
                    )
                time.sleep(_POLL_INTERVAL_S)
            yield

    def _read(self) -> tuple[_Content, str]:
        """Return the content, and the error if it cannot be decoded.

        Raises:
            Refused: it cannot be read, has a newer version, or another user may have written it.
        """
        try:
            with (
                OwnFolder(self._path.parent) as folder,
                open(folder.open_to_read(self._path.name), "rb") as file,
            ):
                text = file.read(_MAX_BYTES + 1)
        except FileNotFoundError:
            return _Content(), ""  # none was written yet
        except OSError as error:
            raise Refused(f"{self._path} cannot be read: {error.strerror}") from error
        if len(text) > _MAX_BYTES:
            return _Content(), f"{self._path} is larger than {_MAX_BYTES >> 20} MiB"
        try:
            return self._migrated(msgspec.json.decode(text, type=dict[str, Any])), ""
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return _Content(), f"{self._path} is not a valid list of hosts ({error})"

    def _migrated(self, content: dict[str, Any]) -> _Content:
        """Convert decoded content to the current version. Raises Refused for a newer one, ValidationError."""
        version = msgspec.convert(content.get("version", 1), int)
        if version > _VERSION:
            raise Refused(
                f"{self._path} was written by a newer Katana Queue (version {version} of the file, known are "
                f"1 to {_VERSION}): it stays untouched. Update Katana Queue, or move the file away"
            )
        for step in range(version, _VERSION):
            if step not in _MIGRATIONS:
                raise msgspec.ValidationError(f"unknown version {version}")
            content = _MIGRATIONS[step](content)
        return msgspec.convert(content, _Content)


def _has_lock(file: IO[bytes]) -> bool:
    try:
        return try_lock(file)
    except OSError:
        return True  # a disk without locks: the last writer wins
