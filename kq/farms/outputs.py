"""Detects folders of pictures that a farm's machines do not share, by name and by their tasks' reports.

Before a task renders, it checks for the job's mark in that folder. Missing folders are remembered here.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import msgspec

from ..errors import Refused
from ..own_files import OwnFolder, read_own
from ..records import JobSpec

__all__ = ["UnseenOutputs", "is_local", "local_output"]

_REMEMBERED_S = 3600.0
"""For how long jobs with a missing folder are refused; then a share may have been mounted there."""
_LOCAL = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # noqa: S108  # only compared


class UnseenOutputs:
    """The missing folders, saved in a file next to the jobs. To be used from one thread, not Qt's."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, tuple[str, float]] | None = None

    def note(self, found: dict[str, tuple[str, float]]) -> None:
        """Add missing folders, each with a machine on which it was missing, and the time."""
        known = self._load()
        limit = time.time() - _REMEMBERED_S
        news = {folder: each for folder, each in found.items() if folder not in known and each[1] > limit}
        if not news:
            return
        known.update(news)
        try:
            with OwnFolder(self._path.parent) as folder:
                folder.write(self._path.name, msgspec.json.encode(known))
        except OSError:
            pass  # later tasks will report it again

    def check(self, spec: JobSpec) -> None:
        """Raise Refused if a farm machine did not find the job's folder of pictures in the last hour."""
        folder = _output(spec)
        node, at = self._load().get(folder, ("", 0.0))
        if node and time.time() < at + _REMEMBERED_S:
            when = time.strftime("%H:%M", time.localtime(at))
            raise Refused(f"{node} did not see the folder {folder} at {when}: write pictures to a file share")

    def _load(self) -> dict[str, tuple[str, float]]:
        if self._known is None:
            try:
                self._known = msgspec.json.decode(read_own(self._path), type=dict[str, tuple[str, float]])
            except (OSError, msgspec.DecodeError):
                self._known = {}
        now = time.time()
        for folder in [each for each, (_node, at) in self._known.items() if now > at + _REMEMBERED_S]:
            del self._known[folder]
        return self._known


def is_local(folder: Path) -> bool:
    """Whether a folder is below a temporary one, which each machine has on its own disk."""
    return any(folder.is_relative_to(each) for each in (*_LOCAL, tempfile.gettempdir()))


def local_output(spec: JobSpec) -> str:
    """Return a warning if the job's pictures are written to a local folder; else empty."""
    folder = _output(spec)
    if not folder or not is_local(Path(folder)):
        return ""
    return f"pictures are written to {folder}, which is local to each machine: write them to a file share"


def _output(spec: JobSpec) -> str:
    """Return the job's folder of pictures; empty if it is not known."""
    return str(Path(spec.cwd or spec.temp_dir, spec.picture).parent) if spec.picture else ""
