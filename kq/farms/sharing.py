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
from .job_folder import JobFolder
from .known_job import KnownJob

__all__ = ["find_jobs", "sole_change"]

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
    with (farm_folder / _LOCK).open("ab") as file:
        while not try_lock(file):
            if time.monotonic() >= deadline:
                raise Refused(
                    "another desktop or kq command is changing jobs of this farm: try again in a moment"
                )
            time.sleep(_INTERVAL_S)
        yield


def find_jobs(farm_folder: Path, title: str, known: Container[str]) -> list[KnownJob]:
    """Return the jobs in a farm's folder, newest first, without those that `known` contains.

    Args:
        title: the farm's display name.
        known: names of job folders.
    """
    found = []
    try:
        folders = [path for path in farm_folder.iterdir() if path.name[0] != "." and path.name not in known]
    except OSError:
        return []  # no job was ever submitted
    for path in folders:
        folder = JobFolder(path)
        try:
            kept = folder.load()
        except (NotADirectoryError, FileNotFoundError):
            continue  # a file, or a job that was removed just now
        except (OSError, msgspec.DecodeError) as error:
            _log.warning("the farm job in %s cannot be read: %s", path, error)
            continue
        if kept.submissions or kept.error or time.time() > kept.created + _SUBMITTING_S:
            found.append(KnownJob(title, folder, kept, from_history=True))
    return sorted(found, key=lambda job: -job.kept.created)
