"""What is known of one farm job in this process, and how it is shown. Nothing is asked or decided here."""

from __future__ import annotations

from ..records import JobRecord, TaskRecord
from ..states import TaskState, derive_job_state
from .decide import AttemptFile, TaskView
from .job_folder import FarmJob, JobFolder, Submission

__all__ = ["KnownJob"]


class KnownJob:
    """A job of a farm: its folder, what was kept, what was decided. Guarded by the farm's lock."""

    def __init__(self, folder: JobFolder, kept: FarmJob) -> None:
        self.folder = folder
        self.kept = kept
        self.views: dict[int, TaskView] = {}
        self.attempts: dict[int, list[AttemptFile]] = {}

    def submission_of(self, task: int) -> Submission | None:
        """The latest one that holds the task."""
        return next((each for each in reversed(self.kept.submissions) if task in each.tasks), None)

    @property
    def is_stop_wanted(self) -> bool:
        return self.kept.stopped_at > 0

    @property
    def is_live(self) -> bool:
        """Whether anything may still change by itself."""
        return not self.kept.error and (
            len(self.views) < len(self.kept.labels)
            or any(not view.state.is_terminal for view in self.views.values())
        )

    def record(self, silence: str) -> JobRecord:
        """The job as the tab and `kq` show jobs; `silence`: why what is known may be old, or empty."""
        kept, views = self.kept, self.views
        counts = dict.fromkeys(TaskState, 0)
        for task in range(len(kept.labels)):
            counts[views[task].state if task in views else TaskState.WAITING] += 1
        state = derive_job_state(counts)
        tasks = [self.task_record(task) for task in range(len(kept.labels))]
        started = min((task.started for task in tasks if task.started is not None), default=None)
        ended = max((task.ended for task in tasks if task.ended is not None), default=None)
        reasons = {task.state: task.reason for task in reversed(tasks) if task.reason}
        states = (TaskState.FAILED, TaskState.WAITING, TaskState.CANCELLED)
        first_reason = next((reasons[each] for each in states if each in reasons), "")
        return JobRecord(
            id=kept.id,
            name=kept.name,
            state=state,
            submitted=kept.created,
            order=0,
            started=started,
            completed=ended if state.is_terminal else None,
            progress=counts[TaskState.COMPLETED] / len(kept.labels),
            tasks=len(kept.labels),
            tasks_waiting=counts[TaskState.WAITING],
            tasks_running=counts[TaskState.RUNNING] + counts[TaskState.STOPPING],
            tasks_completed=counts[TaskState.COMPLETED],
            tasks_failed=counts[TaskState.FAILED],
            tasks_cancelled=counts[TaskState.CANCELLED],
            attempts=sum(task.attempts for task in tasks),
            log_file=next((task.log_file for task in reversed(tasks) if task.log_file), ""),
            reason=first_reason if state.is_terminal else silence or first_reason,
            stopping=self.is_stop_wanted and not state.is_terminal,
        )

    def task_record(self, task: int) -> TaskRecord:
        """One task as the tab and `kq` show tasks."""
        view = self.views.get(task, TaskView(TaskState.WAITING))
        attempts = self.attempts.get(task, [])
        last = next((each for each in reversed(attempts) if each.attempt == view.attempt), None)
        return TaskRecord(
            job_id=self.kept.id,
            index=task,
            state=view.state,
            label=self.kept.labels[task],
            attempts=len(attempts),
            agent=view.node,
            started=last.started if last else None,
            ended=last.ended if last else None,
            exit_code=last.exit_code if last else None,
            reason=view.reason,
            log_file=str(self.folder.log_file(task, last.attempt)) if last else "",
            peak_memory=last.peak_memory if last else None,
            cpu_s=last.cpu_s if last else None,
        )
