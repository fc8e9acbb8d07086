"""Clients' requests: each becomes an event for the core, or a question answered from what is known."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from .. import messages as m
from ..core import Core, Instant
from ..core import events as ev
from ..core.instructions import Instruction
from ..errors import BadInput, IllegalTransition, KqError
from ..plain_text import quoted
from ..records import AttemptRecord
from .change_feed import ChangeFeed
from .pagination import pages

__all__ = ["RequestHandler"]

_log = logging.getLogger("kq.server")
_JOBS_PAGE_SIZE = 1000
_TASKS_PAGE_SIZE = 5000


class RequestHandler:
    """Answers requests of clients. What changes something goes through `handle`, the way to the core."""

    def __init__(
        self,
        core: Core,
        change_feed: ChangeFeed,
        handle: Callable[[ev.CoreEvent], list[Instruction]],
        attempts_of: Callable[[str, int | None], list[AttemptRecord]],
        admit: Callable[[m.AdmitHostRequest], str],
        revoke: Callable[[m.RevokeHostRequest], None],
    ) -> None:
        self._core = core
        self._change_feed = change_feed
        self._handle = handle
        self._attempts_of = attempts_of
        self._admit = admit
        self._revoke = revoke

    def answer(self, request: Any, now: Instant) -> Iterator[msgspec.Struct]:
        """The replies to one request."""
        try:
            yield from self._answer(request)
        except KqError as error:
            if isinstance(error, IllegalTransition):
                _log.error("%s: %s", type(request).__name__, error)
            yield m.RefusedReply(request=request.request, kind=type(error).__name__, message=str(error))
        except OSError as error:
            # A connection file that cannot be written is this request's failure, not everybody's.
            yield m.RefusedReply(request=request.request, kind="Refused", message=str(error))

    def _answer(self, request: Any) -> Iterator[msgspec.Struct]:
        number = request.request
        event = _event_of(request)
        if event is not None:
            self._handle(event)
            yield m.DoneReply(request=number)
        elif isinstance(request, m.SnapshotRequest):
            yield from self._snapshot(request)
        elif isinstance(request, m.TasksRequest):
            count = min(max(request.count, 0), _TASKS_PAGE_SIZE)
            records = self._core.task_records(request.job_id, request.first, count)
            # Those that fit: whoever wants more asks from where these end.
            yield m.TasksReply(request=number, tasks=next(pages(records, _TASKS_PAGE_SIZE)))
        elif isinstance(request, m.AttemptsRequest):
            self._core.job_spec(request.job_id)
            latest_first = reversed(self._attempts_of(request.job_id, request.task))
            latest = next(pages(latest_first, _TASKS_PAGE_SIZE))
            yield m.AttemptsReply(request=number, attempts=latest[::-1])
        elif isinstance(request, m.SpecRequest):
            yield m.SpecReply(request=number, spec=self._core.job_spec(request.job_id))
        elif isinstance(request, m.AdmitHostRequest):
            yield m.HostAdmittedReply(request=number, connection=self._admit(request))
        elif isinstance(request, m.RevokeHostRequest):
            self._revoke(request)
            yield m.DoneReply(request=number)
        else:
            raise BadInput(f"{type(request).__name__} is not answered here")

    def _snapshot(self, request: m.SnapshotRequest) -> Iterator[m.SnapshotReply]:
        core = self._core
        records = [
            record
            for record in map(core.job_record, core.job_ids())
            if request.history or not record.from_history
        ]
        agents = tuple(map(core.agent_record, core.agent_ids()))
        divided = list(pages(records, _JOBS_PAGE_SIZE))
        for number, page in enumerate(divided, 1):
            yield m.SnapshotReply(
                request=request.request,
                sequence=self._change_feed.sequence,
                jobs=page,
                agents=agents if number == 1 else (),
                queue=self._change_feed.queue_record(),
                more=number < len(divided),
            )


def _event_of(request: Any) -> ev.CoreEvent | None:
    """The event that the request asks for, or None when it only asks a question."""
    if isinstance(request, m.SubmitRequest):
        return ev.JobSubmitted(request.job_id, request.spec)
    if isinstance(request, m.JobActionRequest):
        events = {"start": ev.JobsStarted, "stop": ev.JobsStopped, "remove": ev.JobsRemoved}
        return _of(events, request.action, "jobs")(request.job_ids)
    if isinstance(request, m.StartTasksRequest):
        return ev.TasksStarted(request.job_id, request.tasks)
    if isinstance(request, m.PriorityRequest):
        return ev.PrioritySet(request.job_ids, request.priority)
    if isinstance(request, m.PauseQueueRequest):
        return ev.QueuePaused(request.paused)
    if isinstance(request, m.SetAgentsRequest):
        return ev.AgentsWanted(request.count)
    if isinstance(request, m.AgentActionRequest):
        agents: dict[str, Callable[[tuple[str, ...]], ev.CoreEvent]] = {
            "drain": lambda ids: ev.AgentsDrained(ids, draining=True),
            "resume": lambda ids: ev.AgentsDrained(ids, draining=False),
            "restart": lambda ids: ev.AgentEndAsked(ids, again=True),
            "end": ev.AgentEndAsked,
        }
        return _of(agents, request.action, "Agents")(request.agent_ids)
    return None


def _of(table: dict[str, Any], action: str, what: str) -> Callable[[tuple[str, ...]], ev.CoreEvent]:
    found: Callable[[tuple[str, ...]], ev.CoreEvent] | None = table.get(action)
    if found is None:
        raise BadInput(f"{what} cannot be told to {quoted(action[:40])}: use {', '.join(table)}")
    return found
