"""Jobs of earlier sessions: loaded in batches once the queue runs, and deleted when too old."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from ..core import Core
from ..own_files import remove_own_tree
from ..settings import Settings
from .journal_writer import JournalWriter

__all__ = ["History"]

_JOBS_A_TURN = 100
_IDS_A_LINE = 100
_SWEEP_EVERY_S = 3600.0
_RETRY_S = 10.0
"""Seconds to the next try to delete rows, after one that the disk refused."""
_OF_THE_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY)
"""Errors that may pass: the disk is full, the quota is used up, or it is mounted read-only or locked."""
_log = logging.getLogger("kq.server")


class History:
    """Loads and deletes jobs of the history. Server thread only; files are deleted on a thread."""

    def __init__(self, core: Core, journal_writer: JournalWriter, settings: Settings) -> None:
        self._core = core
        self._journal_writer = journal_writer
        self._journal = journal_writer.journal
        self._settings = settings
        self._before: int | None = None
        self._swept_at = 0.0
        self._forgotten: list[str] = []
        self._forget_at = 0.0
        """Monotonic seconds from which the rows of forgotten jobs may be deleted; 0.0 after a success."""

    @property
    def is_loading(self) -> bool:
        """Whether `load_more` has work."""
        return self._before is not None or self._is_forgetting_due

    @property
    def _is_forgetting_due(self) -> bool:
        return bool(self._forgotten) and time.monotonic() >= self._forget_at

    def begin(self) -> None:
        """Begin to delete jobs that are too old, and to load the rest: `load_more` does the work."""
        self._before = 1 << 62
        self.sweep()

    @property
    def is_sweep_due(self) -> bool:
        """Whether the last `sweep` was more than _SWEEP_EVERY_S ago."""
        return time.monotonic() - self._swept_at > _SWEEP_EVERY_S

    def sweep(self) -> list[str]:
        """Find the jobs beyond the number or age that is kept, and have `load_more` delete them.

        Returns:
            Ids of those that the core has: it must remove them first.
        """
        self._swept_at = time.monotonic()
        try:
            expired = self._journal.expired_jobs(self._settings.history_jobs, self._settings.history_days)
        except sqlite3.Error as error:
            _log.warning("old jobs stay in the journal: %s", error)
            return []
        self._log_removed(expired)
        known = [job_id for job_id in expired if self._core.has_job(job_id)]
        self._forgotten += [job_id for job_id in expired if not self._core.has_job(job_id)]
        # A job that was just started again has ended only in the journal.
        return [job_id for job_id in known if self._core.job(job_id).is_over]

    def _log_removed(self, job_ids: list[str]) -> None:
        for first in range(0, len(job_ids), _IDS_A_LINE):
            _log.info(
                "removed from the history, of which %d jobs are kept for %g days: %s",
                self._settings.history_jobs, self._settings.history_days,
                " ".join(job_ids[first : first + _IDS_A_LINE]),
            )  # fmt: skip

    def forget(self, job_id: str) -> None:
        """Have `load_more` delete the rows and the logs of a job that was removed."""
        self._forgotten.append(job_id)

    def load_more(self) -> Iterator[str]:
        """Delete the next batch of removed jobs, or else load one. Yields the ids of loaded jobs."""
        try:
            if self._is_forgetting_due:
                self._forget_next()
            elif self._before is not None:
                jobs, self._before = self._journal.jobs_from_history(self._before, _JOBS_A_TURN)
                for job in jobs:
                    if not self._core.has_job(job.id) and job.id not in self._forgotten:
                        self._core.restore_job(job)
                        yield job.id
        except sqlite3.Error as error:
            self._journal_writer.report_unreadable(
                f"the journal cannot be read ({error}): jobs of earlier sessions are missing"
            )
            self._before, self._forgotten = None, []
        self._journal_writer.show_damage()

    def _forget_next(self) -> None:
        """Delete the rows and files of a batch of removed jobs. Raises sqlite3.Error.

        While the journal cannot be written, as on a full disk, the logs alone, which makes room; the rows
        and scenes follow some time later.
        """
        gone, scenes = self._forgotten[:_JOBS_A_TURN], []
        try:
            scenes = self._scenes_of(gone)
            self._journal.forget_jobs(gone)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _OF_THE_DISK:
                raise
            if not self._forget_at:
                _log.warning("removed jobs stay in the journal until it can be written: %s", error)
            scenes, self._forget_at = [], time.monotonic() + _RETRY_S
        else:
            del self._forgotten[:_JOBS_A_TURN]
            self._forget_at = 0.0
        logs = self._settings.data_root / "logs" / "jobs"
        _delete([*(logs / job_id for job_id in gone), *scenes])

    def _scenes_of(self, job_ids: list[str]) -> list[Path]:
        """The temporary folders, with scenes, that only these jobs were submitted with.

        Only folders in `renders` below the data root are returned: others are not ours to delete.
        """
        renders = self._settings.data_root / "renders"
        dropped = {Path(folder) for folder in self._journal.temp_dirs(job_ids) if folder}
        ours = {folder for folder in dropped if folder.parent == renders and folder.name not in ("", "..")}
        if not ours:
            return []
        # A job submitted again shares its folder with the first, which may not be loaded yet.
        kept = {Path(folder) for folder in self._journal.other_temp_dirs(job_ids)}
        return sorted(ours - kept)


def _delete(folders: list[Path]) -> None:
    """Delete folders of removed jobs on a daemon thread: a network share may be slow."""

    def delete() -> None:
        for folder in folders:
            with contextlib.suppress(OSError):  # a folder that cannot be deleted must not stop the others
                remove_own_tree(folder)

    threading.Thread(target=delete, name="kq-delete-logs", daemon=True).start()
