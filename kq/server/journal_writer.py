"""Keeps the journal open and written, and the queue going when it cannot be. Knows no job."""

from __future__ import annotations

import logging
import sqlite3
import time
from pathlib import Path

from .change_feed import ChangeFeed
from .journal import Journal

__all__ = ["JournalWriter"]

_RETRY_S = 10.0
_log = logging.getLogger("kq.server")


class JournalWriter:
    """The journal of one server, whatever its disk is like. To be used from the server's thread."""

    def __init__(self, path: Path, session: str, change_feed: ChangeFeed) -> None:
        """Open the journal. A damaged one is kept aside; where there can be none, memory takes its place."""
        self._change_feed = change_feed
        self._lasting = ""
        """What is wrong with it for as long as this process lives."""
        self._is_failing = False
        self._retry_at = 0.0
        self._path = path
        self.journal = self._open(path, session)

    def _open(self, path: Path, session: str) -> Journal:
        try:
            return Journal(path, session)
        except (OSError, sqlite3.Error) as error:
            cause = error
        if isinstance(cause, sqlite3.DatabaseError) and not isinstance(cause, sqlite3.OperationalError):
            # Damaged, or of another layout: kept for whoever can read it, and begun anew.
            aside = path.with_name(f"{path.name}.unusable-{int(time.time())}")
            try:
                # The log holds what came last. It goes first: SQLite deletes one that is beside no journal.
                for ending in ("-wal", "-shm", ""):
                    if (part := path.with_name(path.name + ending)).exists():
                        part.replace(aside.with_name(aside.name + ending))
                journal = Journal(path, session)
            except (OSError, sqlite3.Error) as error:
                cause = error
            else:
                self.say_lasting(f"the journal could not be used ({cause}): it was kept as {aside}")
                return journal
        self.say_lasting(f"the journal {path} cannot be used ({cause}): jobs are not remembered")
        return Journal(Path(":memory:"), session)

    def say_lasting(self, message: str) -> None:
        """Show people a trouble that stays."""
        _log.error("%s", message)
        self._lasting = message
        self._change_feed.set_problem(message)

    def look(self) -> None:
        """Say so when somebody removed the journal: what is written to it ends with this process."""
        if self._lasting:
            return
        try:
            self._path.stat()
        except FileNotFoundError:
            self.say_lasting(
                f"somebody removed the journal {self._path}: jobs go on, and are not remembered; "
                f"start a new session when they are done"
            )
        except OSError:
            pass  # a share that does not answer now has it still

    def commit(self) -> None:
        """Write what was noted, unless the last try failed a moment ago."""
        if not self.journal.is_dirty or time.monotonic() < self._retry_at:
            return
        try:
            self.journal.commit()
        except sqlite3.Error as error:
            self.failed(error)
            return
        if self._is_failing:
            self._is_failing = False
            _log.warning("the journal can be written again")
            self._change_feed.set_problem(self._lasting)

    def failed(self, error: sqlite3.Error) -> None:
        """Say that it cannot be written, once; jobs go on, and writing is tried again later."""
        self._retry_at = time.monotonic() + _RETRY_S
        if not self._is_failing:
            self._is_failing = True
            message = f"the journal cannot be written ({error}): jobs go on, and are not remembered"
            _log.error("%s", message)
            self._change_feed.set_problem(message)
