"""The machines that worked before, most recent first: a file of the user's. It holds no secret."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import msgspec

from kq.errors import Refused
from kq.remote.hosts import RemoteHost

__all__ = ["HostBook"]

_MOST = 50


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


class HostBook:
    """Reads and writes the file. Not for a UI's thread: a home may be slow."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or _default_path()

    def hosts(self) -> list[RemoteHost]:
        """All that is remembered; those that worked come first, then the most recent."""
        entries = sorted(self._read().hosts, key=lambda entry: (not entry.worked, -entry.used))
        return [entry.host for entry in entries]

    def find(self, name: str) -> RemoteHost | None:
        """What worked last for the host called `name`."""
        return next((host for host in self.hosts() if name in (host.host, host.label)), None)

    def remember(self, host: RemoteHost, *, worked: bool) -> None:
        """Keep what is asked for, instead of what was kept for the same machine.

        Raises:
            Refused: the file cannot be written.
        """
        content = self._read()
        before = next((each for each in content.hosts if each.host.label == host.label), None)
        entry = _Entry(host, time.time(), worked or (before is not None and before.worked))
        content.hosts = [entry, *(each for each in content.hosts if each is not before)][:_MOST]
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            fresh.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1))
            fresh.replace(self._path)
        except OSError as error:
            raise Refused(f"{self._path} cannot be written: {error.strerror}") from error

    def _read(self) -> _Content:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Content)
        except (OSError, msgspec.DecodeError):
            return _Content()  # none was written yet, or somebody edited it: begun anew
