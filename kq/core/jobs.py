"""A job and its tasks in memory. A task that never ran takes one byte, its state."""

from __future__ import annotations

import heapq
import math

from ..errors import IllegalTransition
from ..frame_ranges import frames_label
from ..records import JobRecord, JobSpec, StoryEntry, TaskRecord
from ..states import TASK_TRANSITIONS, JobState, TaskState, WaitReason, derive_job_state
from ..wording import story_text
from .task_detail import TaskDetail

__all__ = ["Job"]

_STATES = tuple(TaskState)
_CODE = {state: code for code, state in enumerate(_STATES)}
_FOLLOWING = tuple(frozenset(_CODE[new] for new in TASK_TRANSITIONS[old]) for old in _STATES)
"""By a state's code: the codes of the states that may follow it."""
_WAITING, _RUNNING, _STOPPING = (
    _CODE[state] for state in (TaskState.WAITING, TaskState.RUNNING, TaskState.STOPPING)
)
_COMPLETED, _CANCELLED, _FAILED = (
    _CODE[state] for state in (TaskState.COMPLETED, TaskState.CANCELLED, TaskState.FAILED)
)

_AGENTS_NAMED = 8
_MAX_STORY = 100
"""Entries in a job's story; of more, the oldest are dropped."""
_STORY_IN_ERROR = 10


class Job:
    """A job, the states and details of its tasks, and the choice of its next task. Not thread-safe."""

    __slots__ = (
        "_again",
        "_next",
        "attempts",
        "chunks",
        "completed",
        "counts",
        "cpu_s",
        "details",
        "epoch",
        "exit_code",
        "explained",
        "from_history",
        "id",
        "is_interrupted",
        "latest",
        "listed_age",
        "listed_priority",
        "note",
        "order",
        "peak_memory",
        "picture",
        "priority",
        "ran_s",
        "reason",
        "removing",
        "spec",
        "started",
        "states",
        "story",
        "story_omitted",
        "story_restored",
        "story_since",
        "submitted",
        "total",
        "unmet_dependencies",
        "wait_reason",
        "warning",
        "warnings",
    )

    def __init__(self, job_id: str, spec: JobSpec, order: int, submitted: float) -> None:
        self.id = job_id
        self.spec = spec
        self.order = order
        self.submitted = submitted
        self.priority = spec.priority
        self.chunks = spec.chunks()
        self.total = 1 if self.chunks is None else len(self.chunks)
        self.states = bytearray(self.total)
        self.counts = [0] * len(_STATES)
        self.counts[_WAITING] = self.total
        self.details: dict[int, TaskDetail] = {}
        self.latest: int | None = None
        """The task whose Agent and log the job's record shows: assigned last, or the failed one."""
        self.explained: int | None = None
        """The failed task that `reason` names."""
        self.started: float | None = None
        self.completed: float | None = None
        self.ran_s = 0.0
        """Seconds that the job ran before `started`, in earlier runs."""
        self.attempts = 0
        self.peak_memory: int | None = None
        self.cpu_s: float | None = None
        self.reason = ""
        self.wait_reason = WaitReason.NONE
        """Why the job waits, as an enum; `reason` is the text."""
        self.warning = ""
        self.warnings = 0
        """The sum over its tasks."""
        self.note = ""
        self.picture = ""
        self.exit_code: int | None = None
        self.unmet_dependencies: dict[str, None] = {}
        """Ids of the jobs in `spec.after` that are not Completed, in that order. Used as an ordered set."""
        self.removing = False
        self.from_history = self.is_interrupted = False  # see JobRecord
        self.story: list[StoryEntry] = []
        """Changes of its tasks' states since `story_since`, oldest first."""
        self.story_since = submitted
        """Epoch seconds. Of a restored job, earlier entries are derived from its attempts in the journal."""
        self.story_omitted = 0
        """How many older entries were dropped."""
        self.story_restored = 0
        """How many entries the attempts of a restored job had made before."""
        self.epoch = 0
        """The number of bulk changes of its tasks; see kq/server/journal.py."""
        self.listed_priority: int | None = None
        """The priority of its entry in kq/core/ready.py; None when it has none there."""
        self.listed_age = False
        self._next = 0
        """No task below this index is Waiting, except those in `_again`."""
        self._again: list[int] = []
        """Heap of tasks that became Waiting again; entries may be stale."""

    # --- States ---

    def task_state(self, index: int) -> TaskState:
        """The state of task `index`."""
        return _STATES[self.states[index]]

    def set_task_state(self, index: int, new: TaskState, when: float = 0.0, agent: str = "") -> None:
        """Change the state of task `index`.

        Args:
            when: epoch seconds, for the story.
            agent: id of the Agent that the task is assigned to, for the story.

        Raises:
            IllegalTransition: `new` cannot follow the present state. The message includes the job's story.
        """
        old, code = self.states[index], _CODE[new]
        if code not in _FOLLOWING[old]:
            raise self._illegal(f"task {index + 1}", _STATES[old], new, self.details.get(index))
        detail = self.details.get(index)
        reason = detail.reason if detail is not None and new is not TaskState.RUNNING else ""
        self._add_to_story(StoryEntry(when, new, index, agent=agent, reason=reason))
        self.counts[old] -= 1
        self.counts[code] += 1
        self.states[index] = code
        if code == _WAITING:
            heapq.heappush(self._again, index)

    def _illegal(self, what: str, old: TaskState, new: TaskState, known: object = "") -> IllegalTransition:
        story = "; ".join(map(story_text, self.story[-_STORY_IN_ERROR:])) or "nothing since the queue started"
        return IllegalTransition(
            f"{what} of job {self.id} cannot change from {old} to {new}. Its story: {story}. {known or ''}"
        )

    def _add_to_story(self, entry: StoryEntry) -> None:
        self.story.append(entry)
        self.story_since = min(self.story_since, entry.time)
        if len(self.story) > _MAX_STORY:
            del self.story[0]
            self.story_omitted += 1

    def reset_tasks(
        self, old: frozenset[TaskState], new: TaskState, when: float = 0.0, reason: str = ""
    ) -> int:
        """Change every task in one of the states `old` to `new`.

        Args:
            when: epoch seconds, for the story.
            reason: for the story.

        Returns:
            The number of tasks changed.

        Raises:
            IllegalTransition: `new` cannot follow one of `old`.
        """
        moved = 0
        table = bytearray(range(256))
        for state in old:
            code = _CODE[state]
            if _CODE[new] not in _FOLLOWING[code]:
                raise self._illegal("the tasks", state, new)
            moved += self.counts[code]
            self.counts[_CODE[new]] += self.counts[code]
            self.counts[code] = 0
            table[code] = _CODE[new]
        if moved:
            self._add_to_story(StoryEntry(when, new, None, moved, reason=reason))
            self.epoch += 1
            self.states = self.states.translate(table)
            self._next, self._again = 0, []
        return moved

    def end_with_session(self, when: float) -> bool:
        """Cancel the tasks that an earlier session left unfinished when it ended, at `when` (epoch seconds).

        Returns whether there were any.
        """
        reason = "its session ended before it did"
        self.reset_tasks(frozenset({TaskState.RUNNING}), TaskState.STOPPING, when)
        open_states = frozenset({TaskState.WAITING, TaskState.STOPPING})
        if not self.reset_tasks(open_states, TaskState.CANCELLED, when, reason):
            return False
        self.explain(reason)
        self.is_interrupted = True
        self.completed = self.completed or max(when, self.started or self.submitted)
        return True

    def restore_states(self, states: bytes) -> None:
        """Set the states of all tasks, one byte each (its place in TaskState), from the journal."""
        self.states = bytearray(states)
        self.story_since = math.inf
        self.counts = [self.states.count(code) for code in range(len(_STATES))]
        self.story_restored = 2 * self.attempts - self.on_agents  # a start and an end of each
        self._next, self._again = 0, []

    def lose_task(self, index: int, reason: str) -> None:
        """Cancel a task, of a restored job, whose row in the journal was lost.

        Its number of attempts was lost too: it gets the job's total, so that no attempt number is used twice.
        """
        self.counts[self.states[index]] -= 1
        self.counts[_CANCELLED] += 1
        self.states[index] = _CANCELLED
        self.details[index] = TaskDetail(attempts=self.attempts, reason=reason)

    @property
    def state(self) -> JobState:
        """The job's state, derived from its tasks'."""
        if self.total == 1:
            return _SINGLE[self.states[0]]
        return derive_job_state(dict(zip(_STATES, self.counts, strict=True)))

    @property
    def waiting(self) -> int:
        """The number of Waiting tasks."""
        return self.counts[_WAITING]

    @property
    def on_agents(self) -> int:
        """The number of tasks on Agents: Running or Stopping."""
        return self.counts[_RUNNING] + self.counts[_STOPPING]

    @property
    def is_complete(self) -> bool:
        """Whether every task is Completed."""
        return self.counts[_COMPLETED] == self.total

    @property
    def is_over(self) -> bool:
        """Whether every task is Completed, Cancelled or Failed."""
        return not (self.counts[_WAITING] or self.counts[_RUNNING] or self.counts[_STOPPING])

    @property
    def has_failed_tasks(self) -> bool:
        """Whether at least one task is Failed."""
        return self.counts[_FAILED] > 0

    # --- Reasons ---

    def explain(self, reason: str, wait_reason: WaitReason = WaitReason.NONE) -> bool:
        """Set why the job waits or has ended, unless a task is Failed: then the failure stays the reason.

        Returns:
            Whether anything changed.
        """
        if self.has_failed_tasks or (reason == self.reason and wait_reason is self.wait_reason):
            return False
        self.reason, self.wait_reason = reason, wait_reason
        return True

    def explain_failure(self, index: int) -> None:
        """Set the job's reason to that of the failed task `index`, preceded by its label."""
        self.explained = index
        label = self.task_label(index)
        reason = self.details[index].reason
        self.reason = f"{label}: {reason}" if label else reason
        self.wait_reason = WaitReason.NONE

    def point_to_failure(self) -> None:
        """Of a failed job, set `latest` to the task that its reason names, else to the first failed one."""
        known = self.explained is not None and self.task_state(self.explained) is TaskState.FAILED
        self.latest = self.explained if known else self.first_failed()

    def first_failed(self) -> int | None:
        """The failed task with the lowest number, or None."""
        found = self.states.find(_FAILED)
        return None if found < 0 else found

    def count_warnings(self, detail: TaskDetail, count: int) -> None:
        """Set the number of warnings in a task's `detail`, and correct the job's sum."""
        self.warnings += count - detail.warnings
        detail.warnings = count

    # --- Time ---

    def begin_again(self) -> None:
        """Update the times when ended tasks wait again. `ran_s` restarts at 0 only when all tasks do."""
        if self.completed is not None and self.started is not None:
            self.ran_s += max(self.completed - self.started, 0.0)
            self.started = None
        if self.waiting == self.total:
            self.ran_s = 0.0
        self.completed = None

    # --- Taking tasks ---

    def take_waiting(self) -> int:
        """Index of the first Waiting task, or -1. The caller must change its state before the next call."""
        while self._again and self.states[self._again[0]] != _WAITING:
            heapq.heappop(self._again)
        self._next = found = self.states.find(_WAITING, self._next)
        if found < 0:
            self._next = self.total
        if self._again and (found < 0 or self._again[0] < found):
            return heapq.heappop(self._again)
        return found

    def detail(self, index: int) -> TaskDetail:
        """The details of task `index`, created if missing."""
        detail = self.details.get(index)
        if detail is None:
            detail = self.details[index] = TaskDetail()
        return detail

    def frames(self, index: int) -> range | None:
        """The frames of task `index`; None for a job without frames."""
        return None if self.chunks is None else self.chunks[index]

    # --- Records ---

    def progress(self) -> float | None:
        """The fraction done, 0 to 1, or None when unknown. Cancelled and failed tasks count as not done."""
        if self.total == 1:
            detail = self.details.get(0)
            return 1.0 if self.is_complete else detail.progress if detail else None
        done = float(self.counts[_COMPLETED])
        known = done > 0
        for index in self.running_indices():
            progress = self.details[index].progress
            if progress is not None:
                known = True
                done += progress
        return min(done / self.total, 1.0) if known else None

    def running_indices(self) -> list[int]:
        """Indices of the tasks on Agents (Running or Stopping), ascending."""
        if not self.on_agents:
            return []
        if self.total == 1:
            return [0]
        found: list[int] = []
        for code in (_RUNNING, _STOPPING):
            left, at = self.counts[code], -1
            while left:
                at = self.states.find(code, at + 1)
                found.append(at)
                left -= 1
        return sorted(found)

    def record(self) -> JobRecord:
        """The job as clients see it."""
        counts, spec = self.counts, self.spec
        latest = None if self.latest is None else self.details.get(self.latest)
        running = self.running_indices()
        if running:
            agent = ", ".join(dict.fromkeys(self.details[index].agent for index in running[:_AGENTS_NAMED]))
            if len(running) > _AGENTS_NAMED:
                agent += f" and {len(running) - _AGENTS_NAMED} more"
        else:
            agent = latest.agent if latest else ""
        return JobRecord(
            id=self.id,
            name=spec.name,
            state=self.state,
            submitted=self.submitted,
            order=self.order,
            priority=self.priority,
            started=self.started,
            completed=self.completed,
            ran_s=self.ran_s,
            progress=self.progress(),
            tasks=self.total,
            tasks_waiting=counts[_WAITING],
            tasks_running=counts[_RUNNING] + counts[_STOPPING],
            tasks_completed=counts[_COMPLETED],
            tasks_failed=counts[_FAILED],
            tasks_cancelled=counts[_CANCELLED],
            max_parallel=spec.max_parallel,
            agent=agent,
            attempts=self.attempts,
            log_file=latest.log_file if latest else "",
            exit_code=self.exit_code,
            wait_reason=self.wait_reason,
            reason=self.reason,
            warning=self.warning,
            warnings=self.warnings,
            note=self.note,
            picture=self.picture,
            peak_memory=self.peak_memory,
            cpu_s=self.cpu_s,
            node=spec.node,
            temp_dir=spec.temp_dir,
            stopping=counts[_STOPPING] > 0,
            from_history=self.from_history,
            is_interrupted=self.is_interrupted,
            is_live=spec.is_live,
            needs_desktop=spec.desktop is not None,
        )

    def task_label(self, index: int) -> str:
        """The task's frames for users, as `frame 7` or `frames 1-10`; empty for a job without frames."""
        frames = self.frames(index)
        return "" if frames is None else frames_label(frames)

    def task_record(self, index: int) -> TaskRecord:
        """One task as clients see it."""
        detail = self.details.get(index) or _UNTOUCHED
        return TaskRecord(
            job_id=self.id,
            index=index,
            state=_STATES[self.states[index]],
            label=self.task_label(index),
            attempts=detail.attempts,
            agent=detail.agent,
            started=detail.started,
            ended=detail.ended,
            progress=detail.progress,
            exit_code=detail.exit_code,
            reason=detail.reason,
            warning=detail.warning,
            warnings=detail.warnings,
            log_file=detail.log_file,
            picture=detail.picture,
            peak_memory=detail.peak_memory,
            cpu_s=detail.cpu_s,
            agent_losses=detail.agent_losses,
            retries_used=detail.retries_used,
        )


_UNTOUCHED = TaskDetail()
_SINGLE = tuple(derive_job_state({state: 1}) for state in _STATES)
