"""The machines that worked before, most recent first: a file of the user's. It holds no secret."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from ..errors import Refused
from ..files import replace_file, try_lock
from .hosts import RemoteHost

__all__ = ["HostStore"]

_MOST = 50
_TIMEOUT_S, _POLL_INTERVAL_S = 5.0, 0.01
"""For how long another process may be at the file, which takes it milliseconds; how often it is looked."""


class _Entry(msgspec.Struct):
    host: RemoteHost
    used: float
    """Wall clock."""
    worked: bool = False


class _Content(msgspec.Struct):
    hosts: list[_Entry] = []


def _default_path() -> Path:
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Preferences"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "katana-queue" / "hosts.json"


class HostStore:
    """Reads and writes the file. Not for a UI's thread: a home may be slow. Thread-safe.

    Attributes:
        trouble: why `hosts` knew fewer than it might, the last time; a sentence, or empty.
    """

    _writing = threading.Lock()
    """One for all: a machine that is remembered while another is would be lost. See `_alone`, too."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or _default_path()
        self.problem = ""

    def hosts(self) -> list[RemoteHost]:
        """All that is remembered; those that worked come first, then the most recent. See `trouble`."""
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
        """What worked last for the host called `name`."""
        return next((host for host in self.hosts() if name in (host.host, host.label)), None)

    def has_worked(self, host: RemoteHost) -> bool:
        """Whether Agents ran on the machine, as it is remembered."""
        return any(each.worked and each.host.label == host.label for each in self._entries())

    def remember(self, host: RemoteHost, *, worked: bool) -> str:
        """Keep what is asked for, instead of what was kept for the same machine.

        A file that makes no sense, as one that somebody edited may, is kept beside the new one.

        Returns:
            What there is to know about that: a sentence, or empty.

        Raises:
            Refused: the file cannot be read or written. It is as it was.
        """
        with self._writing, self._alone():
            content, damage = self._read()
            before = next((each for each in content.hosts if each.host.label == host.label), None)
            entry = _Entry(host, time.time(), worked or (before is not None and before.worked))
            content.hosts = [entry, *(each for each in content.hosts if each is not before)][:_MOST]
            aside = self._path.with_name(f"{self._path.name}.unusable-{time.time_ns() // 1_000_000}")
            draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            try:
                draft.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1))
                if damage:
                    shutil.copyfile(self._path, aside)  # it stays whole until the new one takes its place
                replace_file(draft, self._path)
            except OSError as error:
                _remove(draft)
                raise Refused(f"{self._path} cannot be written: {error.strerror}") from error
        return f"{damage}: it is kept as {aside.name}, and a new list is begun" if damage else ""

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep the user's other desktops from writing meanwhile. Raises Refused: one of them stands still."""
        lock = self._path.with_name(f".{self._path.name}.lock")
        give_up = time.monotonic() + _TIMEOUT_S
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = lock.open("ab")
        except OSError as error:
            raise Refused(f"{self._path} cannot be written: {error.strerror}") from error
        with file:
            while not _has_lock(file):
                if time.monotonic() > give_up:
                    raise Refused(
                        f"{self._path} is not written: another desktop of yours stands still while it does so"
                    )
                time.sleep(_POLL_INTERVAL_S)
            yield

    def _read(self) -> tuple[_Content, str]:
        """What is in the file, and what is wrong with that. Raises Refused: nobody knows what is in it."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Content), ""
        except FileNotFoundError:
            return _Content(), ""  # none was written yet
        except OSError as error:
            raise Refused(f"{self._path} cannot be read: {error.strerror}") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _Content(), f"{self._path} makes no sense ({error})"


def _has_lock(file: IO[bytes]) -> bool:
    try:
        return try_lock(file)
    except OSError:
        return True  # a disk without locks: the last one who writes wins, as anywhere on such a disk


def _remove(draft: Path) -> None:
    try:
        draft.unlink(missing_ok=True)
    except OSError:
        pass  # the disk is beyond help; why is told by what led here
