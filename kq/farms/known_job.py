"""One farm job in this process: its state, and its records for display. No engine is called here."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import NamedTuple

import msgspec

from ..patterns import OutputPatterns, load_patterns
from ..plain_text import one_line
from ..records import AttemptRecord, JobRecord, TaskRecord
from ..states import Outcome, Severity, TaskState, derive_job_state
from .decide import AttemptFile, EngineStatus, Poll, TaskView, decide_task
from .job_folder import FarmJob, JobFolder, Submission

__all__ = ["KnownJob", "StatusesByToken"]

StatusesByToken = Mapping[str, Mapping[int, EngineStatus]]
"""An engine's list, by the submission's token and the task's number minus its offset."""

_UNKNOWN = TaskView(TaskState.WAITING)
_STATE_INDEX = {state: place for place, state in enumerate(TaskState)}
_MAX_PICTURES = 20
"""Most attempts whose logs are searched for the job's picture."""
_MAX_NODES = 3
"""Most nodes that are listed by name; more are counted."""


class KnownJob:
    """A job of a farm: its folder, saved state, and the views of its tasks.

    Changed on the farm's thread. `views` and `attempts` are replaced, never modified, because other threads
    read them through `task_record`.
    """

    def __init__(self, farm: str, folder: JobFolder, kept: FarmJob, *, from_history: bool = False) -> None:
        self.farm = farm
        self.folder = folder
        self.kept = kept
        self.from_history = from_history
        """Whether an earlier session submitted it."""
        self.is_stop_unsent = False
        """Whether the engine has not yet confirmed a stop that the user requested."""
        self.stopped_before: frozenset[int] = frozenset()
        """Tasks of the last submissions that the user had stopped: they stay so if these are refused."""
        self.views: Mapping[int, TaskView] = {}
        self.attempts: Mapping[int, Sequence[AttemptFile]] = {}
        self._patterns = load_patterns(kept.renderer)
        self._log_ends: dict[tuple[int, int, Outcome | None], _LogEnd] = {}

    @property
    def is_stop_wanted(self) -> bool:
        """Whether the user stopped the whole job."""
        return self.kept.stopped_at > 0

    @property
    def is_live(self) -> bool:
        """Whether the job is not over, so that its state may change."""
        return len(self.views) < len(self.kept.labels) or any(
            not view.state.is_terminal for view in self.views.values()
        )

    def reload(self) -> bool:
        """Take the state that another process has saved, if any. Returns whether there was one.

        Raises FileNotFoundError if the job was removed, OSError, msgspec.DecodeError.
        """
        kept = self.folder.load_if_changed()
        if kept is None:
            return False
        before = self.latest_submissions()
        self.kept = kept
        again = [
            task
            for task, each in self.latest_submissions().items()
            if task not in before or before[task].token != each.token
        ]
        self.forget_views(again)
        self.is_stop_unsent = self.is_stop_unsent or self.is_stop_wanted or bool(kept.stopped_tasks)
        return True

    @property
    def is_unsettled(self) -> bool:
        """Whether a submission or a stop has still to be sent to the engine, or to be found there."""
        return self.is_stop_unsent or any(not each.engine_id for each in self.kept.submissions)

    def latest_submissions(self) -> dict[int, Submission]:
        """Return the latest submission of each task."""
        return {task: each for each in self.kept.submissions for task in each.tasks}

    def decide(self, rows: StatusesByToken, poll: Poll | None) -> bool:
        """Update the views of all tasks from the engine's list and the records. Returns whether any changed.

        Raises OSError.
        """
        attempts = self.folder.attempts()
        latest = self.latest_submissions()
        stopped = set(self.kept.stopped_tasks)
        views = {}
        for task in range(len(self.kept.labels)):
            submission = latest.get(task)
            if submission is None:
                state = TaskState.FAILED if self.kept.error else TaskState.CANCELLED
                views[task] = TaskView(state, self.kept.error)
                continue
            views[task] = decide_task(
                rows.get(submission.token, {}).get(task - submission.offset),
                attempts.get(task, ()),
                token=submission.token,
                submitted=submission.at,
                poll=poll,
                is_stop_wanted=self.is_stop_wanted or task in stopped,
                is_confirmed=bool(submission.engine_id),
                previous=self.views.get(task),
            )
        is_changed = views != self.views or attempts is not self.attempts
        self.views, self.attempts = views, attempts
        return is_changed

    def running_attempts(self) -> list[AttemptFile]:
        """Return the attempts that run now, whose logs grow."""
        found = (
            _attempt_of(view, self.attempts.get(task, ()))
            for task, view in self.views.items()
            if view.state.is_on_agent
        )
        return [each for each in found if each is not None and each.outcome is None]

    def note_tail(self, attempt: AttemptFile, tail: str) -> bool:
        """Take progress and picture of a running attempt from its log's end. Returns whether they changed."""
        key = (attempt.task, attempt.attempt, attempt.outcome)
        before = self._log_ends.get(key)
        ended = msgspec.structs.replace(attempt, tail=tail)
        self._log_ends[key] = found = _log_end(ended, self._patterns, self.kept.cwd)
        return found != before

    def unseen_outputs(self) -> dict[str, tuple[str, float]]:
        """Return folders of pictures that a farm machine did not find: the machine, and the time."""
        tries = (each for attempts in self.attempts.values() for each in attempts)
        return {each.unseen: (each.node or each.host, each.started) for each in tries if each.unseen}

    def forget_views(self, tasks: Sequence[int]) -> None:
        """Discard the views of tasks that are submitted again."""
        chosen = set(tasks)
        self.views = {task: view for task, view in self.views.items() if task not in chosen}

    # --- Records ---

    def record(self, silence: str) -> JobRecord:
        """Return the job's record. `silence`: why it may be out of date; or empty."""
        kept, count = self.kept, len(self.kept.labels)
        known = [self.views.get(task, _UNKNOWN) for task in range(count)]
        counts = Counter(view.state for view in known)
        state = derive_job_state(counts)
        tries = [
            (task, each)
            for task, attempts in sorted(self.attempts.items())  # files are found in any order
            if (each := _attempt_of(known[task], attempts)) is not None
        ]
        latest = max(tries, key=lambda each: each[1].started, default=None)
        ended = [each for each in tries if each[1].ended is not None]
        last = max(ended, key=lambda each: each[1].ended or 0.0, default=None)
        explained = self._task_with_reason(known, counts)
        reason = "" if explained is None else self.task_record(explained).reason
        is_failed = explained is not None and known[explained].state is TaskState.FAILED
        shown = explained if is_failed else None if latest is None else latest[0]
        at_work = {view.node for view in known if view.state.is_on_agent}
        return JobRecord(
            id=kept.id,
            name=kept.name,
            state=state,
            submitted=kept.created,
            order=0,
            started=min((each.started for _task, each in tries), default=None),
            completed=last[1].ended if last is not None and state.is_terminal else None,
            progress=self._progress(known, counts[TaskState.COMPLETED]),
            tasks=count,
            tasks_waiting=counts[TaskState.WAITING],
            tasks_running=counts[TaskState.RUNNING] + counts[TaskState.STOPPING],
            tasks_completed=counts[TaskState.COMPLETED],
            tasks_failed=counts[TaskState.FAILED],
            tasks_cancelled=counts[TaskState.CANCELLED],
            agent=_nodes(at_work or ({known[latest[0]].node} if latest else set())),
            attempts=sum(map(len, self.attempts.values())),
            log_file="" if shown is None else self.task_record(shown).log_file,
            exit_code=None if last is None else last[1].exit_code,
            reason=reason if state.is_terminal else silence or reason,
            picture=self._latest_picture(ended) or self._latest_picture(tries),
            peak_memory=max((each.peak_memory or 0 for _task, each in ended), default=0) or None,
            cpu_s=sum(each.cpu_s or 0.0 for _task, each in ended) or None,
            warning=kept.warning,
            node=kept.node,
            stopping=self.is_stop_wanted and not state.is_terminal,
            from_history=self.from_history,
            farm=self.farm,
        )

    def _task_with_reason(self, known: Sequence[TaskView], counts: Mapping[TaskState, int]) -> int | None:
        """Return the task whose reason is the job's: a failed one, or a waiting one if none runs."""
        states = [TaskState.FAILED, TaskState.CANCELLED]
        if not counts[TaskState.RUNNING]:
            states.insert(1, TaskState.WAITING)
        for state in states:
            found = next(
                (task for task, view in enumerate(known) if view.state is state and view.reason), None
            )
            if found is not None:
                return found
        return None

    def _progress(self, known: Sequence[TaskView], completed: int) -> float | None:
        """Return the fraction done, as the queue does for its jobs; None when it is not known."""
        running = [task for task, view in enumerate(known) if view.state.is_on_agent]
        parts = [part for task in running if (part := self._task_progress(task, known[task])) is not None]
        return min((completed + sum(parts)) / len(known), 1.0) if completed or parts else None

    def _task_progress(self, task: int, view: TaskView) -> float | None:
        if view.state is TaskState.COMPLETED:
            return 1.0
        last = _attempt_of(view, self.attempts.get(task, ()))
        return None if last is None or view.state is TaskState.WAITING else self._read_end(last).progress

    def _latest_picture(self, tries: Sequence[tuple[int, AttemptFile]]) -> str:
        """Return the picture of the latest attempt that has one, of the last 20; else empty."""
        latest = sorted(tries, key=lambda each: -(each[1].ended or each[1].started))
        for _task, attempt in latest[:_MAX_PICTURES]:
            if picture := self._read_end(attempt).picture:
                return picture
        return ""

    def states(self) -> bytes:
        """Return one byte per task: the index of its state among the members of TaskState. Any thread."""
        views, waiting = self.views, _STATE_INDEX[TaskState.WAITING]
        return bytes(
            _STATE_INDEX[views[task].state] if task in views else waiting
            for task in range(len(self.kept.labels))
        )

    def task_record(self, task: int) -> TaskRecord:
        """Return the record of a task. Any thread."""
        view = self.views.get(task, _UNKNOWN)
        attempts = self.attempts.get(task, ())
        last = _attempt_of(view, attempts)
        reason = view.reason
        ran = None if view.state is TaskState.WAITING else last  # its times are not those of an earlier run
        if ran is not None and ran.unseen:
            reason = f"{view.node} does not see the folder {ran.unseen}: write pictures to a file share"
        elif last is not None and last.outcome is Outcome.FAILED and view.state is TaskState.FAILED:
            reason = self._read_end(last).reason or reason
        return TaskRecord(
            job_id=self.kept.id,
            index=task,
            state=view.state,
            label=self.kept.labels[task],
            attempts=len(attempts),
            agent=view.node,
            started=ran.started if ran else None,
            ended=ran.ended if ran else None,
            progress=self._task_progress(task, view),
            exit_code=ran.exit_code if ran else None,
            reason=reason,
            log_file=str(self.folder.log_file(task, last.attempt)) if last else "",
            picture=self._read_end(last).picture if last else "",
            peak_memory=last.peak_memory if last else None,
            cpu_s=last.cpu_s if last else None,
        )

    def attempt_records(self, task: int | None) -> Iterator[AttemptRecord]:
        """Yield the finished attempts of a task; None: of all tasks. Any thread."""
        attempts = self.attempts
        for index in sorted(attempts) if task is None else [task]:
            tries = attempts.get(index, ())
            for place, each in enumerate(tries):
                if each.outcome is None and place == len(tries) - 1:
                    continue  # it may still run
                yield AttemptRecord(
                    job_id=self.kept.id,
                    task=index,
                    attempt=each.attempt,
                    agent=each.node or each.host,
                    host=each.host,
                    started=each.started,
                    ended=each.ended or each.started,
                    outcome=each.outcome or Outcome.AGENT_LOST,
                    exit_code=each.exit_code,
                    reason=each.reason if each.outcome is not None else "its node was lost",
                    log_file=str(self.folder.log_file(index, each.attempt)),
                    peak_memory=each.peak_memory,
                    cpu_s=each.cpu_s,
                )

    def _read_end(self, attempt: AttemptFile) -> _LogEnd:
        """Return what the end of an attempt's log says. Cached, because there may be thousands. Of a running
        attempt: as of the last `note_tail`.
        """
        key = (attempt.task, attempt.attempt, attempt.outcome)
        known = self._log_ends.get(key)
        if known is None:
            known = self._log_ends[key] = _log_end(attempt, self._patterns, self.kept.cwd)
        return known


class _LogEnd(NamedTuple):
    picture: str
    """The last picture in the log, else the expected one if it existed at the end."""
    reason: str
    """How the attempt ended, with the last error line of its log."""
    progress: float | None
    """0 to 1; None when the log's end has none."""


def _log_end(attempt: AttemptFile, patterns: OutputPatterns, folder: str) -> _LogEnd:
    lines = attempt.tail.splitlines()[::-1]
    raw = [line.encode("utf-8", "replace") for line in lines]
    picture = next((each for each in map(patterns.picture, raw) if each is not None), "")
    progress = next((each for each in map(patterns.progress, raw) if each is not None), None)
    if picture:
        picture = os.path.normpath(os.path.join(folder, picture))  # noqa: PTH118  # Path keeps `..`
    failed = attempt.outcome is Outcome.FAILED
    error = next((line for line in lines if failed and patterns.classify(line) is Severity.ERROR), "").strip()
    reason = f"{attempt.reason}: {one_line(error)[:200]}" if error else attempt.reason
    return _LogEnd(picture or attempt.picture, reason, progress)


def _attempt_of(view: TaskView, attempts: Sequence[AttemptFile]) -> AttemptFile | None:
    """Return the attempt with the number of `view.attempt`, or None."""
    return next((each for each in reversed(attempts) if each.attempt == view.attempt), None)


def _nodes(nodes: Set[str]) -> str:
    names = sorted(node for node in nodes if node)
    return ", ".join(names) if len(names) <= _MAX_NODES else f"{len(names)} nodes"
