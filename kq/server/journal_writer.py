"""Keeps the journal open and written, and the queue going when it cannot be. Knows no job."""

from __future__ import annotations

import logging
import sqlite3
import time
from pathlib import Path

import msgspec

from ..core.agents import Agent
from ..core.jobs import Job
from ..errors import Refused
from ..records import AttemptRecord
from .change_feed import ChangeFeed
from .journal import Journal
from .journal_schema import NewerJournal

__all__ = ["JournalWriter"]

_RETRY_S = 10.0
_log = logging.getLogger("kq.server")


class JournalWriter:
    """The journal of one server, whatever its disk is like. To be used from the server's thread."""

    def __init__(self, path: Path, session: str, change_feed: ChangeFeed) -> None:
        """Open the journal. A damaged one is kept aside; a newer one, or none, is replaced by memory."""
        self._change_feed = change_feed
        self._lasting = ""
        """What is wrong with it for as long as this process lives."""
        self._is_failing = False
        self._retry_at = 0.0
        self._path = path
        self.journal = self._open(path, session)

    def _open(self, path: Path, session: str) -> Journal:
        cause: Exception
        try:
            return Journal(path, session)
        except (NewerJournal, OSError, sqlite3.Error) as error:
            cause = error
        if isinstance(cause, sqlite3.DatabaseError) and not isinstance(cause, sqlite3.OperationalError):
            # Damaged: kept for whoever can repair it, and begun anew.
            aside = path.with_name(f"{path.name}.unusable-{int(time.time())}")
            try:
                # The log holds what came last. Moved first: SQLite deletes one that is beside no journal.
                for ending in ("-wal", "-shm", ""):
                    if (part := path.with_name(path.name + ending)).exists():
                        part.replace(aside.with_name(aside.name + ending))
                journal = Journal(path, session)
            except (OSError, sqlite3.Error) as error:
                cause = error
            else:
                self.report_lasting(f"the journal could not be used ({cause}): it was kept as {aside}")
                return journal
        self.report_lasting(f"the journal {path} cannot be used ({cause}): jobs are not remembered")
        return Journal(Path(":memory:"), session)

    def report_lasting(self, message: str) -> None:
        """Show users a problem that stays for as long as this process lives."""
        _log.error("%s", message)
        self._lasting = message
        self._change_feed.set_problem(message)

    def check_file(self) -> None:
        """Report a journal whose file was removed: what is written to it is lost with this process."""
        if self._lasting:
            return
        try:
            self._path.stat()
        except FileNotFoundError:
            self.report_lasting(
                f"the journal {self._path} was removed: jobs go on, and are not remembered; "
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
            self.report_failure(error)
            return
        if self._is_failing:
            self._is_failing = False
            _log.warning("the journal can be written again")
            self._change_feed.set_problem(self._lasting)

    def note_agent(self, agent: Agent, role: str) -> None:
        """Remember an Agent and its key's role, at once."""
        try:
            self.journal.note_agent(agent, role)
        except sqlite3.Error as error:
            self.report_failure(error)

    def forget_agent(self, agent_id: str) -> None:
        """Drop an Agent that no longer exists."""
        try:
            self.journal.forget_agent(agent_id)
        except sqlite3.Error as error:
            _log.warning("Agent %s stays in the journal: %s", agent_id, error)

    def note_next_agent(self, number: int) -> None:
        """Remember the number of the next local Agent, at once."""
        try:
            self.journal.note_next_agent(number)
        except sqlite3.Error as error:
            self.report_failure(error)

    def attempts(self, job: Job, task: int | None) -> list[AttemptRecord]:
        """The attempts of a job, or of one of its tasks, oldest first. Raises Refused."""
        self.commit()
        try:
            return self.journal.attempts(job, task)
        except (sqlite3.Error, msgspec.DecodeError) as error:
            raise Refused(f"the journal cannot be read: {error}") from error

    def report_failure(self, error: sqlite3.Error) -> None:
        """Report once that it cannot be written; jobs go on, and writing is tried again later."""
        self._retry_at = time.monotonic() + _RETRY_S
        if not self._is_failing:
            self._is_failing = True
            message = f"the journal cannot be written ({error}): jobs go on, and are not remembered"
            _log.error("%s", message)
            self._change_feed.set_problem(message)
