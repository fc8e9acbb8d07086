"""Notes at once what the core decided: for the journal, for clients, or for when the journal is written."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from typing import Any

from ..core import Core
from ..core import instructions as do
from .agent_messages import AgentMessages
from .change_feed import ChangeFeed
from .history import History
from .journal import Journal
from .streams import Streams
from .telling import tell_of_attempt

__all__ = ["Notes"]

_log = logging.getLogger("kq.server")


class Notes:
    """Where each kind of instruction goes. To be used from the server's thread."""

    def __init__(
        self,
        core: Core,
        journal: Journal,
        change_feed: ChangeFeed,
        history: History,
        streams: Streams,
        agent_messages: AgentMessages,
        *,
        later: Callable[[do.Instruction], object],
        attempt_over: Callable[[], object],
    ) -> None:
        """
        Args:
            later: takes what may be carried out only when the journal is written.
            attempt_over: called when an attempt has ended.
        """
        self._core = core
        self._journal = journal
        self._change_feed = change_feed
        self._history = history
        self._streams = streams
        self._agent_messages = agent_messages
        self._later = later
        self._attempt_over = attempt_over

    def take(self, told: do.Instruction) -> None:
        """Note one instruction."""
        _NOTES[type(told)](self, told)

    def _task(self, told: do.TaskChanged) -> None:
        if self._core.has_job(told.job_id):
            self._journal.note_task(self._core.job_entry(told.job_id), told.task)
            self._change_feed.job_changed(told.job_id)

    def _job(self, told: do.JobChanged | do.TasksReset) -> None:
        if self._core.has_job(told.job_id):
            reset = isinstance(told, do.TasksReset)
            self._journal.note_job(self._core.job_entry(told.job_id), tasks_reset=reset)
            self._change_feed.job_changed(told.job_id)

    def _removed(self, told: do.JobRemoved) -> None:
        self._change_feed.job_removed(told.job_id)
        self._history.forget(told.job_id)
        self._streams.forget(told.job_id)

    def _attempt(self, told: do.AttemptOver) -> None:
        if told.record.outcome not in ("completed", "stopped"):
            tell_of_attempt(told.record)
        if self._core.has_job(told.record.job_id):
            self._journal.note_attempt(self._core.job_entry(told.record.job_id), told.record)
        self._attempt_over()

    def _agent(self, told: do.AgentChanged) -> None:
        self._change_feed.agent_changed(told.agent)

    def _agent_removed(self, told: do.AgentRemoved) -> None:
        self._change_feed.agent_removed(told.agent)
        self._agent_messages.forget(told.agent)
        try:
            self._journal.forget_agent(told.agent)
        except sqlite3.Error as error:
            _log.warning("Agent %s stays in the journal: %s", told.agent, error)

    def _queue(self, _told: do.QueueChanged) -> None:
        self._change_feed.queue_changed()

    def _order(self, told: do.Instruction) -> None:
        self._later(told)


_NOTES: dict[type[do.Instruction], Callable[[Notes, Any], None]] = {
    do.TaskChanged: Notes._task,
    do.JobChanged: Notes._job,
    do.TasksReset: Notes._job,
    do.JobRemoved: Notes._removed,
    do.AttemptOver: Notes._attempt,
    do.AgentChanged: Notes._agent,
    do.AgentRemoved: Notes._agent_removed,
    do.QueueChanged: Notes._queue,
    do.LaunchAgent: Notes._order,
    do.EndAgent: Notes._order,
    do.Assign: Notes._order,
    do.AskStop: Notes._order,
    do.AskToRegister: Notes._order,
    do.Acknowledge: Notes._order,
}
