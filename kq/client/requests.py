"""What a client may request, each as a message and a future. How it reaches the server is not known here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from .. import messages as m
from ..records import AttemptRecord, JobSpec, TaskRecord

__all__ = ["ClientRequests"]


class ClientRequests:
    """The requests that change nothing in the client itself. Thread-safe; none of them waits."""

    def _ask(
        self, make: Callable[[int], Any], result: Callable[[Any], Any] = lambda _reply: None
    ) -> Future[Any]:
        """Send what `make` makes of a request's number; the future gets `result` of the reply."""
        raise NotImplementedError

    def start_jobs(self, job_ids: Sequence[str]) -> Future[None]:
        """Run jobs again: what of them is not Completed, or all when all is."""
        return self._job_action(m.JobAction.START, job_ids)

    def stop_jobs(self, job_ids: Sequence[str]) -> Future[None]:
        """Cancel what waits, end what runs."""
        return self._job_action(m.JobAction.STOP, job_ids)

    def remove_jobs(self, job_ids: Sequence[str]) -> Future[None]:
        """Forget jobs and delete their logs; what runs is ended first."""
        return self._job_action(m.JobAction.REMOVE, job_ids)

    def _job_action(self, action: m.JobAction, job_ids: Sequence[str]) -> Future[None]:
        ids = tuple(job_ids)
        return self._ask(lambda number: m.JobActionRequest(request=number, action=action, job_ids=ids))

    def start_tasks(self, job_id: str, tasks: Sequence[int]) -> Future[None]:
        """Run single tasks of a job again."""
        numbers = tuple(tasks)
        return self._ask(lambda number: m.StartTasksRequest(request=number, job_id=job_id, tasks=numbers))

    def stop_tasks(self, job_id: str, tasks: Sequence[int]) -> Future[None]:
        """Stop single tasks of a job; its others go on."""
        numbers = tuple(tasks)
        return self._ask(lambda number: m.StopTasksRequest(request=number, job_id=job_id, tasks=numbers))

    def set_priority(self, job_ids: Sequence[str], priority: int) -> Future[None]:
        """Change the priority of jobs; higher is first."""
        ids = tuple(job_ids)
        return self._ask(lambda number: m.PriorityRequest(request=number, job_ids=ids, priority=priority))

    def set_note(self, job_ids: Sequence[str], note: str) -> Future[None]:
        """Write a note to jobs, instead of the one that they have; empty: none."""
        ids = tuple(job_ids)
        return self._ask(lambda number: m.NoteRequest(request=number, job_ids=ids, note=note))

    def pause_queue(self, paused: bool) -> Future[None]:
        """Give no more work to Agents, or give it again. What runs is not affected."""
        return self._ask(lambda number: m.PauseQueueRequest(request=number, paused=paused))

    def set_agent_count(self, count: int) -> Future[None]:
        """How many local Agents to keep."""
        return self._ask(lambda number: m.SetAgentsRequest(request=number, count=count))

    def drain_agents(self, agent_ids: Sequence[str]) -> Future[None]:
        """Let Agents finish what they run, and take nothing more."""
        return self._agent_action(m.AgentAction.DRAIN, agent_ids)

    def resume_agents(self, agent_ids: Sequence[str]) -> Future[None]:
        """Let drained Agents work again."""
        return self._agent_action(m.AgentAction.RESUME, agent_ids)

    def restart_agents(self, agent_ids: Sequence[str]) -> Future[None]:
        """End Agents, with what they run, which waits again; others take their place."""
        return self._agent_action(m.AgentAction.RESTART, agent_ids)

    def end_agents(self, agent_ids: Sequence[str]) -> Future[None]:
        """End Agents, with what they run, which waits again; of local ones so many fewer are kept."""
        return self._agent_action(m.AgentAction.END, agent_ids)

    def _agent_action(self, action: m.AgentAction, agent_ids: Sequence[str]) -> Future[None]:
        ids = tuple(agent_ids)
        return self._ask(lambda number: m.AgentActionRequest(request=number, action=action, agent_ids=ids))

    def tasks(self, job_id: str, first: int = 0, count: int = 1000) -> Future[tuple[TaskRecord, ...]]:
        """The tasks of a job from `first` on."""
        return self._ask(
            lambda number: m.TasksRequest(request=number, job_id=job_id, first=first, count=count),
            lambda reply: reply.tasks,
        )

    def task_states(self, job_id: str) -> Future[bytes]:
        """For each task of a job, the place of its state among the members of TaskState."""
        return self._ask(
            lambda number: m.TaskStatesRequest(request=number, job_id=job_id), lambda reply: reply.states
        )

    def attempts(self, job_id: str, task: int | None = None) -> Future[tuple[AttemptRecord, ...]]:
        """The attempts that are over, of a job or of one of its tasks."""
        return self._ask(
            lambda number: m.AttemptsRequest(request=number, job_id=job_id, task=task),
            lambda reply: reply.attempts,
        )

    def spec(self, job_id: str) -> Future[JobSpec]:
        """What was submitted."""
        return self._ask(
            lambda number: m.SpecRequest(request=number, job_id=job_id), lambda reply: reply.spec
        )

    def story(self, job_id: str) -> Future[m.StoryReply]:
        """What became of a job's tasks, with times."""
        return self._ask(lambda number: m.StoryRequest(request=number, job_id=job_id), lambda reply: reply)

    def admit_host(self, host: str, bind: str, agents: int, *, by_hand: bool = False) -> Future[str]:
        """Make a key for `agents` Agents of `host` at a time, and open the ports on the local address `bind`.

        The queue forgets it some time after the last of them was heard; `by_hand`: not before `revoke_host`.

        Returns:
            Their connection file, as JSON. It holds a secret key.
        """
        return self._ask(
            lambda number: m.AdmitHostRequest(
                request=number, host=host, bind=bind, agents=agents, by_hand=by_hand
            ),
            lambda reply: reply.connection,
        )

    def revoke_host(self, host: str, *, undo: bool = False) -> Future[None]:
        """End the Agents of `host` and forget its key; `undo`: unless that was given to a person."""
        return self._ask(lambda number: m.RevokeHostRequest(request=number, host=host, undo=undo))
