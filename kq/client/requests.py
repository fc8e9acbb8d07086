"""A client's requests, each as a message and a future. QueueClient sends them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from .. import messages as m
from ..records import AttemptRecord, JobSpec, TaskRecord

__all__ = ["ClientRequests"]


class ClientRequests:
    """The requests that change nothing in the client itself. Thread-safe; no method blocks.

    A future raises the server's KqError for a refused request, ConnectionLost when the session is over.
    """

    def _ask(
        self, make: Callable[[int], Any], result: Callable[[Any], Any] = lambda _reply: None
    ) -> Future[Any]:
        """Send the request that `make` returns for a request number; the future gets `result(reply)`."""
        raise NotImplementedError

    def start_jobs(self, job_ids: Sequence[str]) -> Future[None]:
        """Run jobs again: the tasks that are not Completed, or all tasks of a job that is."""
        return self._job_action(m.JobAction.START, job_ids)

    def stop_jobs(self, job_ids: Sequence[str]) -> Future[None]:
        """Stop jobs: cancel their waiting tasks and end their renders."""
        return self._job_action(m.JobAction.STOP, job_ids)

    def remove_jobs(self, job_ids: Sequence[str]) -> Future[None]:
        """Remove jobs from the history and delete their logs. Running renders are ended first."""
        return self._job_action(m.JobAction.REMOVE, job_ids)

    def _job_action(self, action: m.JobAction, job_ids: Sequence[str]) -> Future[None]:
        ids = tuple(job_ids)
        return self._ask(lambda number: m.JobActionRequest(request=number, action=action, job_ids=ids))

    def start_tasks(self, job_id: str, tasks: Sequence[int]) -> Future[None]:
        """Run single tasks of a job again."""
        numbers = tuple(tasks)
        return self._ask(lambda number: m.StartTasksRequest(request=number, job_id=job_id, tasks=numbers))

    def stop_tasks(self, job_id: str, tasks: Sequence[int]) -> Future[None]:
        """Stop single tasks of a job; the others continue."""
        numbers = tuple(tasks)
        return self._ask(lambda number: m.StopTasksRequest(request=number, job_id=job_id, tasks=numbers))

    def set_priority(self, job_ids: Sequence[str], priority: int) -> Future[None]:
        """Change the priority of jobs; higher is first."""
        ids = tuple(job_ids)
        return self._ask(lambda number: m.PriorityRequest(request=number, job_ids=ids, priority=priority))

    def set_note(self, job_ids: Sequence[str], note: str) -> Future[None]:
        """Replace the note of jobs; an empty one removes it."""
        ids = tuple(job_ids)
        return self._ask(lambda number: m.NoteRequest(request=number, job_ids=ids, note=note))

    def pause_queue(self, paused: bool) -> Future[None]:
        """Stop or resume the assignment of tasks to Agents. Running tasks are not affected."""
        return self._ask(lambda number: m.PauseQueueRequest(request=number, paused=paused))

    def set_agent_count(self, count: int) -> Future[None]:
        """Set the number of local Agents."""
        return self._ask(lambda number: m.SetAgentsRequest(request=number, count=count))

    def drain_agents(self, agent_ids: Sequence[str]) -> Future[None]:
        """Let Agents finish their tasks, and assign them no more."""
        return self._agent_action(m.AgentAction.DRAIN, agent_ids)

    def resume_agents(self, agent_ids: Sequence[str]) -> Future[None]:
        """Assign tasks to drained Agents again."""
        return self._agent_action(m.AgentAction.RESUME, agent_ids)

    def restart_agents(self, agent_ids: Sequence[str]) -> Future[None]:
        """End Agents and their renders, and start others in their place. The tasks wait to run again."""
        return self._agent_action(m.AgentAction.RESTART, agent_ids)

    def end_agents(self, agent_ids: Sequence[str]) -> Future[None]:
        """End Agents and their renders. The tasks wait to run again; the number of local Agents falls."""
        return self._agent_action(m.AgentAction.END, agent_ids)

    def _agent_action(self, action: m.AgentAction, agent_ids: Sequence[str]) -> Future[None]:
        ids = tuple(agent_ids)
        return self._ask(lambda number: m.AgentActionRequest(request=number, action=action, agent_ids=ids))

    def tasks(self, job_id: str, first: int = 0, count: int = 1000) -> Future[tuple[TaskRecord, ...]]:
        """Get up to `count` tasks of a job, starting with number `first`."""
        return self._ask(
            lambda number: m.TasksRequest(request=number, job_id=job_id, first=first, count=count),
            lambda reply: reply.tasks,
        )

    def task_states(self, job_id: str) -> Future[bytes]:
        """Get one byte per task of a job: the index of its state among the members of TaskState."""
        return self._ask(
            lambda number: m.TaskStatesRequest(request=number, job_id=job_id), lambda reply: reply.states
        )

    def frame_states(self, job_id: str) -> Future[tuple[bytes, tuple[int, ...]]]:
        """Get the states as `task_states`, and how many frames of each task are written.

        The latter is empty for a job without frames, or with one frame per task. It is 0 for a completed
        task.
        """
        return self._ask(
            lambda number: m.TaskStatesRequest(request=number, job_id=job_id),
            lambda reply: (reply.states, reply.written),
        )

    def attempts(self, job_id: str, task: int | None = None) -> Future[tuple[AttemptRecord, ...]]:
        """Get the finished attempts of a job, or of one of its tasks."""
        return self._ask(
            lambda number: m.AttemptsRequest(request=number, job_id=job_id, task=task),
            lambda reply: reply.attempts,
        )

    def spec(self, job_id: str) -> Future[JobSpec]:
        """Get a job as it was submitted."""
        return self._ask(
            lambda number: m.SpecRequest(request=number, job_id=job_id), lambda reply: reply.spec
        )

    def story(self, job_id: str) -> Future[m.StoryReply]:
        """Get the history of a job's tasks, with times."""
        return self._ask(lambda number: m.StoryRequest(request=number, job_id=job_id), lambda reply: reply)

    def admit_host(self, host: str, bind: str, agents: int, *, by_hand: bool = False) -> Future[str]:
        """Make a key with which up to `agents` Agents of `host` may connect, and listen on `bind`.

        Args:
            bind: local address.
            by_hand: keep the key until `revoke_host`; else it expires some time after the host's last Agent.

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
        """End the Agents of `host` and delete its key. `undo`: keep a key that was made `by_hand`."""
        return self._ask(lambda number: m.RevokeHostRequest(request=number, host=host, undo=undo))
