"""Progress and pictures of running tasks, read from the ends of their logs. A poll reads a bounded amount."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ..files import open_to_read
from .known_job import KnownJob

__all__ = ["MAX_LOGS", "RunningLogs"]

MAX_LOGS = 16
"""Most logs that are read in one poll, of all jobs together: the share's load has a limit, too."""
_TAIL_BYTES = 4096


class RunningLogs:
    """Reads the logs of running attempts in turn. To be used from one thread, not Qt's."""

    def __init__(self) -> None:
        self._poll = 0
        self._read_in: dict[tuple[str, int, int], int] = {}
        """The poll in which each running attempt's log was read last."""

    def read(self, jobs: Iterable[KnownJob]) -> list[KnownJob]:
        """Read the ends of up to MAX_LOGS logs, starting with those that were not read for longest.

        Returns:
            The jobs whose progress or picture has changed. A log that cannot be read changes nothing.
        """
        self._poll += 1
        running = {
            (job.kept.id, each.task, each.attempt): (job, each)
            for job in jobs
            for each in job.running_attempts()
        }
        chosen = sorted(running, key=lambda key: self._read_in.get(key, 0))[:MAX_LOGS]
        self._read_in = {key: poll for key, poll in self._read_in.items() if key in running}
        changed = []
        for key in chosen:
            job, attempt = running[key]
            self._read_in[key] = self._poll
            tail = _tail(job.folder.log_file(attempt.task, attempt.attempt))
            if tail and job.note_tail(attempt, tail) and job not in changed:
                changed.append(job)
        return changed


def _tail(path: Path) -> str:
    """Return the end of a log; empty if it cannot be read."""
    try:
        with open(open_to_read(path), "rb") as file:
            skipped = max(os.fstat(file.fileno()).st_size - _TAIL_BYTES, 0)
            file.seek(skipped)
            tail = file.read(_TAIL_BYTES).decode("utf-8", "replace")
            return tail.partition("\n")[2] if skipped else tail  # not from the middle of a line
    except OSError:
        return ""
