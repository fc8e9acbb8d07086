"""A queue in this process with kq.api's interface, for tests of what the tab shows. It runs nothing.

Tests that a click truly stops a render use a real kq instead: see test_real_queue.py.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

import msgspec
from katana_queue.kq.api import (
    AgentRecord,
    AgentState,
    AttemptRecord,
    ConnectionStatus,
    JobRecord,
    JobSpec,
    JobState,
    NotFound,
    QueueChange,
    QueueRecord,
    TaskRecord,
    TaskState,
)


def make_job(number: int = 1, state: JobState = JobState.COMPLETED, **fields: Any) -> JobRecord:
    """A job record with likely values."""
    values: dict[str, Any] = {
        "id": f"job{number:06}",
        "name": f"shot_{number:03}_beauty",
        "state": state,
        "submitted": 1_760_000_000.0 + number,
        "order": number,
    }
    if state != JobState.WAITING:
        values["started"] = values["submitted"] + 1
        values["attempts"] = 1
    if state.is_terminal:
        values["completed"] = values["submitted"] + 31
    if state == JobState.COMPLETED:
        values["progress"] = 1.0
    return JobRecord(**{**values, **fields})


def make_agent(number: int = 0, state: AgentState = AgentState.IDLE, **fields: Any) -> AgentRecord:
    """An Agent record with likely values."""
    values: dict[str, Any] = {
        "id": f"workstation-{number}",
        "host": "workstation",
        "pid": 4000 + number,
        "local": True,
        "state": state,
        "since": 1_760_000_000.0,
    }
    return AgentRecord(**{**values, **fields})


class FakeQueue:
    """Answers as a QueueClient does, from what a test gives it; writes down what it is asked.

    Listeners are called on a thread of their own, as kq's are.
    """

    def __init__(self) -> None:
        self.saves = True
        """Whether submissions reach the journal."""
        self.asked: list[tuple[Any, ...]] = []
        self.refusal: Exception | None = None
        """What every request fails with, when set."""
        self.tasks_of: dict[str, list[TaskRecord]] = {}
        self.written_of: dict[str, tuple[int, ...]] = {}
        """How many frames of each task are written."""
        self.attempts_of: dict[str, list[AttemptRecord]] = {}
        self.specs: dict[str, JobSpec] = {}
        self.status = ConnectionStatus.CONNECTED
        self.message = ""
        self.ahead_s = 0.0
        """By how much its clock is ahead of the system's, which was set back."""
        self._jobs: dict[str, JobRecord] = {}
        self._agents: dict[str, AgentRecord] = {}
        self._queue = QueueRecord(agents_wanted=2)
        self._listeners: list[Callable[[QueueChange], None]] = []

    # --- what tests do ---

    def change(
        self,
        jobs: Iterable[JobRecord] = (),
        removed: Iterable[str] = (),
        agents: Iterable[AgentRecord] = (),
        removed_agents: Iterable[str] = (),
        queue: QueueRecord | None = None,
        status: ConnectionStatus | None = None,
        message: str = "",
        reset: bool = False,
    ) -> None:
        """Something happened in the queue: tell everybody."""
        jobs, agents = tuple(jobs), tuple(agents)
        if reset:
            self._jobs.clear()
        self._jobs.update((job.id, job) for job in jobs)
        self._agents.update((agent.id, agent) for agent in agents)
        for job_id in removed:
            self._jobs.pop(job_id, None)
        for agent_id in removed_agents:
            self._agents.pop(agent_id, None)
        if queue is not None:
            self._queue = queue
        if status is not None:
            self.status, self.message = status, message
        self._tell(
            QueueChange(
                status=self.status,
                message=self.message,
                jobs=jobs,
                removed_jobs=tuple(removed),
                agents=agents,
                removed_agents=tuple(removed_agents),
                queue=queue,
                reset=reset,
            )
        )

    def set(self, job_id: str, **fields: Any) -> None:
        """A job changed."""
        self.change([msgspec.structs.replace(self._jobs[job_id], **fields)])

    def _tell(self, change: QueueChange) -> None:
        def call() -> None:
            for listener in list(self._listeners):
                listener(change)

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()

    # --- what a QueueClient does ---

    def jobs(self) -> list[JobRecord]:
        return list(self._jobs.values())

    def job(self, job_id: str) -> JobRecord | None:
        return self._jobs.get(job_id)

    def agents(self) -> list[AgentRecord]:
        return list(self._agents.values())

    def queue(self) -> QueueRecord:
        return self._queue

    def add_listener(self, listener: Callable[[QueueChange], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        listener(
            QueueChange(
                status=self.status,
                message=self.message,
                jobs=tuple(self._jobs.values()),
                removed_jobs=(),
                agents=tuple(self._agents.values()),
                removed_agents=(),
                queue=self._queue,
                reset=True,
            )
        )
        return lambda: self._listeners.remove(listener)

    def submit(self, spec: JobSpec, job_id: str | None = None) -> tuple[str, Future[bool]]:
        return f"new{len(self.asked):04}", self._answer("submit", spec, result=self.saves)

    def start_jobs(self, ids: Sequence[str]) -> Future[None]:
        return self._answer("start_jobs", tuple(ids))

    def stop_jobs(self, ids: Sequence[str]) -> Future[None]:
        return self._answer("stop_jobs", tuple(ids))

    def stop_all_jobs(self) -> Future[None]:
        return self._answer("stop_all_jobs")

    def remove_jobs(self, ids: Sequence[str]) -> Future[None]:
        return self._answer("remove_jobs", tuple(ids))

    def start_tasks(self, job_id: str, tasks: Sequence[int]) -> Future[None]:
        return self._answer("start_tasks", job_id, tuple(tasks))

    def stop_tasks(self, job_id: str, tasks: Sequence[int]) -> Future[None]:
        return self._answer("stop_tasks", job_id, tuple(tasks))

    def set_priority(self, ids: Sequence[str], priority: int) -> Future[None]:
        return self._answer("set_priority", tuple(ids), priority)

    def set_note(self, ids: Sequence[str], note: str) -> Future[None]:
        return self._answer("note", list(ids), note)

    def now_s(self) -> float:
        return time.time() + self.ahead_s

    def pause_queue(self, paused: bool) -> Future[None]:
        return self._answer("pause_queue", paused)

    def set_agent_count(self, count: int) -> Future[None]:
        return self._answer("set_agent_count", count)

    def drain_agents(self, ids: Sequence[str]) -> Future[None]:
        return self._answer("drain_agents", tuple(ids))

    def resume_agents(self, ids: Sequence[str]) -> Future[None]:
        return self._answer("resume_agents", tuple(ids))

    def restart_agents(self, ids: Sequence[str]) -> Future[None]:
        return self._answer("restart_agents", tuple(ids))

    def end_agents(self, ids: Sequence[str]) -> Future[None]:
        return self._answer("end_agents", tuple(ids))

    def tasks(self, job_id: str, first: int = 0, count: int = 1000) -> Future[tuple[TaskRecord, ...]]:
        self.asked.append(("tasks", job_id, first, count))
        return _done(tuple(self.tasks_of.get(job_id, ())[first : first + count]))

    def task_states(self, job_id: str) -> Future[bytes]:
        self.asked.append(("task_states", job_id))
        states = tuple(TaskState)
        return _done(bytes(states.index(task.state) for task in self.tasks_of.get(job_id, ())))

    def frame_states(self, job_id: str) -> Future[tuple[bytes, tuple[int, ...]]]:
        return _done((self.task_states(job_id).result(), self.written_of.get(job_id, ())))

    def attempts(self, job_id: str, task: int | None = None) -> Future[tuple[AttemptRecord, ...]]:
        return _done(tuple(self.attempts_of.get(job_id, ())))

    def spec(self, job_id: str) -> Future[JobSpec]:
        if job_id in self.specs:
            return _done(self.specs[job_id])
        return _failed(NotFound(f"there is no job {job_id}"))

    def close(self) -> None:
        self._listeners.clear()

    def _answer(self, *asked: Any, result: Any = None) -> Future[Any]:
        self.asked.append(asked)
        return _failed(self.refusal) if self.refusal is not None else _done(result)


def _done(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


def _failed(error: Exception) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(error)
    return future
