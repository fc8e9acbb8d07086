"""Commits the journal, and keeps the queue running when it cannot be opened, read or written."""

from __future__ import annotations

import logging
import sqlite3
import time
from enum import Enum, auto
from pathlib import Path

from ..core.agents import Agent
from ..core.jobs import Job
from ..errors import Refused
from ..records import AttemptRecord
from .change_feed import ChangeFeed
from .journal import Journal
from .last_commit import IN_MEMORY

__all__ = ["JournalWriter"]

_RETRY_S = 10.0
"""Seconds from a failed commit to the next try."""
_log = logging.getLogger("kq.server")


class _Problem(Enum):
    """A kind of problem that stays until the server ends. Of each kind, the latest message is shown."""

    UNUSABLE = auto()
    REMOVED = auto()
    DAMAGED = auto()
    UNREADABLE = auto()


class JournalWriter:
    """Wraps the journal of one server, and shows its problems to users. Server thread only."""

    def __init__(self, path: Path, session: str, change_feed: ChangeFeed) -> None:
        """Open the journal. If it cannot be used, an in-memory journal takes its place."""
        self._change_feed = change_feed
        self._problems: dict[_Problem, str] = {}
        """By kind: the problem, as shown to users."""
        self._failure = ""
        """Why the last commit failed; empty when it succeeded."""
        self._retry_at = 0.0
        self._path = path
        self.journal = self._open(path, session)
        self.show_damage()

    def _open(self, path: Path, session: str) -> Journal:
        try:
            return Journal(path, session)
        except Exception as error:  # noqa: BLE001  # whatever is wrong with the file, the queue must work without it
            self.report_permanent(
                _Problem.UNUSABLE,
                f"the journal {path} cannot be used ({error}): jobs are not saved",
            )
        return Journal(IN_MEMORY, session)

    @property
    def is_durable(self) -> bool:
        """Whether all that was noted is in the journal's file."""
        is_in_memory = not self._problems.keys().isdisjoint((_Problem.UNUSABLE, _Problem.REMOVED))
        return not (is_in_memory or self._failure or self.journal.is_dirty)

    def show_damage(self) -> None:
        """Show users the damage found in the journal so far."""
        text = self.journal.damage.text()
        if text and text != self._problems.get(_Problem.DAMAGED):
            self.report_permanent(_Problem.DAMAGED, text)

    def report_unreadable(self, message: str) -> None:
        """Show users that a part of the journal could not be read."""
        self.report_permanent(_Problem.UNREADABLE, message)

    def report_permanent(self, kind: _Problem, message: str) -> None:
        """Show users a problem that stays until the server ends."""
        _log.error("%s", message)
        self._problems[kind] = message
        self._show()

    def _show(self) -> None:
        self._change_feed.set_problem("; ".join(filter(None, (self._failure, *self._problems.values()))))

    def check_file(self) -> None:
        """Report it if the journal's file was removed: what is written to it is lost when the server ends."""
        if _Problem.UNUSABLE in self._problems or _Problem.REMOVED in self._problems:
            return
        try:
            self._path.stat()
        except FileNotFoundError:
            self.report_permanent(
                _Problem.REMOVED,
                f"the journal {self._path} was removed: jobs continue, and are not saved; "
                f"start a new session when they are done",
            )
        except OSError:
            pass  # a share that does not answer may still have the file

    def commit(self) -> None:
        """Commit what was noted, unless a commit failed just before. Errors are shown to users."""
        if not self.journal.is_dirty or time.monotonic() < self._retry_at:
            return
        try:
            self.journal.commit()
        except sqlite3.Error as error:
            self.report_failure(error)
            return
        if self._failure:
            self._failure = ""
            _log.warning("the journal can be written again")
            self._show()

    def close(self) -> None:
        """Commit what was noted, and close the file."""
        self.commit()
        self.journal.close(is_whole=not self._problems and not self._failure)

    def note_agent(self, agent: Agent, role: str) -> None:
        """Store an Agent and its key's role at once."""
        try:
            self.journal.note_agent(agent, role)
        except sqlite3.Error as error:
            self.report_failure(error)

    def forget_agent(self, agent_id: str) -> None:
        """Delete an Agent's row at once."""
        try:
            self.journal.forget_agent(agent_id)
        except sqlite3.Error as error:
            _log.warning("Agent %s stays in the journal: %s", agent_id, error)

    def note_next_agent(self, number: int) -> None:
        """Store the number of the next local Agent at once."""
        try:
            self.journal.note_next_agent(number)
        except sqlite3.Error as error:
            self.report_failure(error)

    def attempts(self, job: Job, task: int | None) -> list[AttemptRecord]:
        """The attempts of a job, or of one of its tasks, as `Journal.attempts`. Raises Refused."""
        self.commit()
        try:
            return self.journal.attempts(job, task)
        except sqlite3.Error as error:
            raise Refused(f"the journal cannot be read: {error}") from error
        finally:
            self.show_damage()

    def report_failure(self, error: sqlite3.Error) -> None:
        """Show users, once, that the journal cannot be written, and schedule the next try."""
        self._retry_at = time.monotonic() + _RETRY_S
        if not self._failure:
            self._failure = f"the journal cannot be written ({error}): jobs continue, and are not saved"
            _log.error("%s", self._failure)
            self._show()
