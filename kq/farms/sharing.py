"""What desktops and `kq farm` commands of one user share: a farm's folder, and how they change its jobs."""

from __future__ import annotations

import logging
import time
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ..errors import Refused
from ..files import try_lock
from ..own_files import open_lock_file
from .job_folder import JobFolder
from .known_job import KnownJob

__all__ = ["JobFinder", "sole_change"]

_LOCK = ".lock"
_INTERVAL_S = 0.1
_SUBMITTING_S = 120.0
"""For how long a job without a submission counts as one that another desktop is just submitting."""
_log = logging.getLogger("kq.farms")


@contextmanager
def sole_change(farm_folder: Path, wait_s: float) -> Iterator[None]:
    """Keep other processes from changing jobs of this farm meanwhile. Readers are not affected.

    The lock is the system's, on a file in the farm's folder: it ends with the process that holds it, on NFS 4
    also with its machine. Raises Refused if another process has it for longer than `wait_s` seconds; OSError.
    """
    deadline = time.monotonic() + wait_s
    with open_lock_file(farm_folder / _LOCK) as file:
        while not try_lock(file):
            if time.monotonic() >= deadline:
                raise Refused(
                    "another desktop or kq command is changing jobs of this farm: try again in a moment"
                )
            time.sleep(_INTERVAL_S)
        yield


class JobFinder:
    """Finds jobs of earlier sessions and of other desktops. To be used from one thread, not Qt's.

    Args:
        farm_folder: contains the jobs' folders.
        title: the farm's display name.
    """

    def __init__(self, farm_folder: Path, title: str) -> None:
        self._folder = farm_folder
        self._title = title
        self._unreadable: set[Path] = set()

    def find(self, known: Container[str]) -> list[KnownJob]:
        """Return the jobs, newest first, without those whose folders' names `known` contains.

        One that cannot be read is tried again each time, and logged the first time.
        """
        try:
            names = [path for path in self._folder.iterdir() if path.name[0] != "."]
        except OSError:
            return []  # no job was ever submitted
        read = [self._read(path) for path in names if path.name not in known]
        found = [job for job in read if job is not None]
        return sorted(found, key=lambda job: -job.kept.created)

    def _read(self, path: Path) -> KnownJob | None:
        folder = JobFolder(path)
        try:
            kept = folder.load()
        except (NotADirectoryError, FileNotFoundError):
            return None  # a file, or a job that was removed just now
        except (OSError, msgspec.DecodeError) as error:
            if path not in self._unreadable:
                self._unreadable.add(path)
                _log.warning("the farm job in %s cannot be read: %s", path, error)
            return None
        if not (kept.submissions or kept.error) and time.time() < kept.created + _SUBMITTING_S:
            return None
        return KnownJob(self._title, folder, kept, from_history=True)
