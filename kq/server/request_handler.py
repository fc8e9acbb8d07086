"""Handles clients' requests: converts each into an event for the core, or answers a query.

The table at the end maps each request to its method. Replies are sent after the journal was written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from .. import messages as m
from ..clock import Clock
from ..core import Core
from ..core import events as ev
from ..errors import IllegalTransition, KqError
from .agent_links import AgentLinks
from .change_feed import ChangeFeed
from .client_outbox import ClientOutbox
from .journal_writer import JournalWriter
from .pagination import pages
from .remote_hosts import RemoteHosts
from .scheduler import Scheduler
from .story import story_of

__all__ = ["RequestHandler"]

_log = logging.getLogger("kq.server")
_JOBS_PAGE_SIZE = 1000
_TASKS_PAGE_SIZE = 5000


class RequestHandler:
    """Handles the requests of clients. Server thread only."""

    def __init__(
        self,
        clock: Clock,
        core: Core,
        scheduler: Scheduler,
        outbox: ClientOutbox,
        change_feed: ChangeFeed,
        journal_writer: JournalWriter,
        links: AgentLinks,
        hosts: RemoteHosts,
    ) -> None:
        self._clock = clock
        self._core = core
        self._scheduler = scheduler
        self._outbox = outbox
        self._change_feed = change_feed
        self._journal_writer = journal_writer
        self._links = links
        self._hosts = hosts

    def take(self, peer: bytes, request: m.ClientRequest) -> None:
        """Carry out a request from `peer`. Its replies, also refusals, are put into the outbox."""
        for reply in self._replies(request):
            self._outbox.reply(peer, reply)

    def _replies(self, request: m.ClientRequest) -> list[msgspec.Struct]:
        """The replies to a request, or the reply that it was refused."""
        try:
            return _HANDLERS[type(request)](self, request)
        except KqError as error:
            if isinstance(error, IllegalTransition):
                _log.error("%s: %s", type(request).__name__, error)
            return [m.RefusedReply(request=request.request, kind=type(error).__name__, message=str(error))]
        except OSError as error:
            # A connection file that cannot be written fails this request alone.
            return [m.RefusedReply(request=request.request, kind="Refused", message=str(error))]

    # --- Requests that change something ---

    def _handle(self, request: m.ClientRequest, event: ev.CoreEvent) -> list[msgspec.Struct]:
        self._scheduler.handle(event)
        return [m.DoneReply(request=request.request)]

    def _submit(self, request: m.SubmitRequest) -> list[msgspec.Struct]:
        return self._handle(request, ev.JobSubmitted(request.job_id, request.spec))

    def _job_action(self, request: m.JobActionRequest) -> list[msgspec.Struct]:
        return self._handle(request, _JOB_EVENTS[request.action](request.job_ids))

    def _start_tasks(self, request: m.StartTasksRequest) -> list[msgspec.Struct]:
        return self._handle(request, ev.TasksStarted(request.job_id, request.tasks))

    def _stop_tasks(self, request: m.StopTasksRequest) -> list[msgspec.Struct]:
        return self._handle(request, ev.TasksStopped(request.job_id, request.tasks))

    def _set_priority(self, request: m.PriorityRequest) -> list[msgspec.Struct]:
        return self._handle(request, ev.PrioritySet(request.job_ids, request.priority))

    def _set_note(self, request: m.NoteRequest) -> list[msgspec.Struct]:
        return self._handle(request, ev.NoteSet(request.job_ids, request.note))

    def _pause_queue(self, request: m.PauseQueueRequest) -> list[msgspec.Struct]:
        return self._handle(request, ev.QueuePaused(request.paused))

    def _set_agents(self, request: m.SetAgentsRequest) -> list[msgspec.Struct]:
        return self._handle(request, ev.AgentCountSet(request.count))

    def _agent_action(self, request: m.AgentActionRequest) -> list[msgspec.Struct]:
        return self._handle(request, _AGENT_EVENTS[request.action](request.agent_ids))

    def _admit_host(self, request: m.AdmitHostRequest) -> list[msgspec.Struct]:
        connection = self._hosts.admit(request.host, request.bind, request.agents, by_hand=request.by_hand)
        return [m.HostAdmittedReply(request=request.request, connection=connection)]

    def _revoke_host(self, request: m.RevokeHostRequest) -> list[msgspec.Struct]:
        if not (request.undo and self._hosts.is_by_hand(request.host)):
            agent_ids = self._links.agents_of(self._hosts.revoke(request.host))
            known = tuple(each for each in agent_ids if self._core.agent(each) is not None)
            if known:
                self._scheduler.handle(ev.AgentEndRequested(known))
        return [m.DoneReply(request=request.request)]

    # --- Queries ---

    def _snapshot(self, request: m.SnapshotRequest) -> list[msgspec.Struct]:
        core = self._core
        records = [
            record
            for record in map(core.job_record, core.job_ids())
            if request.history or not record.from_history
        ]
        agents = tuple(map(core.agent_record, core.agent_ids()))
        divided = list(pages(records, _JOBS_PAGE_SIZE))
        return [
            m.SnapshotReply(
                request=request.request,
                sequence=self._change_feed.sequence,
                jobs=page,
                agents=agents if number == 1 else (),
                queue=self._change_feed.queue_record(),
                now=self._clock.wall(),
                more=number < len(divided),
            )
            for number, page in enumerate(divided, 1)
        ]

    def _tasks(self, request: m.TasksRequest) -> list[msgspec.Struct]:
        count = min(max(request.count, 0), _TASKS_PAGE_SIZE)
        records = self._core.task_records(request.job_id, request.first, count)
        # As many as fit into one message: the client requests the rest from there.
        return [m.TasksReply(request=request.request, tasks=next(pages(records, _TASKS_PAGE_SIZE)))]

    def _task_states(self, request: m.TaskStatesRequest) -> list[msgspec.Struct]:
        states = self._core.task_states(request.job_id)
        written = tuple(self._core.frames_written(request.job_id))
        return [m.TaskStatesReply(request=request.request, states=states, written=written)]

    def _attempts(self, request: m.AttemptsRequest) -> list[msgspec.Struct]:
        self._core.job_spec(request.job_id)
        attempts = self._journal_writer.attempts(self._core.job(request.job_id), request.task)
        latest = next(pages(reversed(attempts), _TASKS_PAGE_SIZE))
        return [m.AttemptsReply(request=request.request, attempts=latest[::-1])]

    def _spec(self, request: m.SpecRequest) -> list[msgspec.Struct]:
        return [m.SpecReply(request=request.request, spec=self._core.job_spec(request.job_id))]

    def _story(self, request: m.StoryRequest) -> list[msgspec.Struct]:
        self._core.job_spec(request.job_id)
        job = self._core.job(request.job_id)
        entries, omitted = story_of(job, self._journal_writer.attempts(job, None))
        return [m.StoryReply(request=request.request, entries=entries, omitted=omitted)]


_JOB_EVENTS: dict[m.JobAction, Callable[[tuple[str, ...]], ev.CoreEvent]] = {
    m.JobAction.START: ev.JobsStarted,
    m.JobAction.STOP: ev.JobsStopped,
    m.JobAction.REMOVE: ev.JobsRemoved,
}
_AGENT_EVENTS: dict[m.AgentAction, Callable[[tuple[str, ...]], ev.CoreEvent]] = {
    m.AgentAction.DRAIN: lambda ids: ev.AgentsDrained(ids, draining=True),
    m.AgentAction.RESUME: lambda ids: ev.AgentsDrained(ids, draining=False),
    m.AgentAction.RESTART: lambda ids: ev.AgentEndRequested(ids, restart=True),
    m.AgentAction.END: ev.AgentEndRequested,
}
_HANDLERS: dict[type[m.ClientRequest], Callable[[RequestHandler, Any], list[msgspec.Struct]]] = {
    m.SubmitRequest: RequestHandler._submit,
    m.JobActionRequest: RequestHandler._job_action,
    m.StartTasksRequest: RequestHandler._start_tasks,
    m.StopTasksRequest: RequestHandler._stop_tasks,
    m.PriorityRequest: RequestHandler._set_priority,
    m.NoteRequest: RequestHandler._set_note,
    m.PauseQueueRequest: RequestHandler._pause_queue,
    m.SetAgentsRequest: RequestHandler._set_agents,
    m.AgentActionRequest: RequestHandler._agent_action,
    m.AdmitHostRequest: RequestHandler._admit_host,
    m.RevokeHostRequest: RequestHandler._revoke_host,
    m.SnapshotRequest: RequestHandler._snapshot,
    m.TasksRequest: RequestHandler._tasks,
    m.TaskStatesRequest: RequestHandler._task_states,
    m.AttemptsRequest: RequestHandler._attempts,
    m.SpecRequest: RequestHandler._spec,
    m.StoryRequest: RequestHandler._story,
}
