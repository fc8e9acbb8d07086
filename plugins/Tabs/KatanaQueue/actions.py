"""The actions on jobs: their shortcuts, when they are enabled, and the requests that they make."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from itertools import islice
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QInputDialog, QWidget

from ....kq.api import (
    MAX_NOTE,
    MAX_PRIORITY,
    JobRecord,
    JobSpec,
    JobState,
    QueueClient,
    TaskRecord,
    join_command_line,
    task_commands,
)
from ...ui.icons import tool_icon
from ...ui.open_external import open_picture_with_system, open_with_system
from ...ui.shortcut_override import accept_own_keys
from .bridge import QueueBridge
from .job_requests import JobRequests
from .job_sources import JobSources, start_tasks, stop_tasks
from .missing_tasks import MissingTasks
from .models.jobs import JobsModel
from .views.jobs_view import JobsView
from .views.question import REMOVE_MANY, STOP_ALL, ask_first, ask_text, question_about

__all__ = ["JobActions"]

MANY = 200
"""How many jobs of a larger selection are checked to decide which actions are enabled."""
MANY_TO_REMOVE = 10
"""From this number on, Remove asks first, since it deletes the jobs' logs, too."""


class JobActions(QObject):
    """The actions, as attributes. Qt's thread; nothing waits.

    Signals:
        noticed(str): a message about what was done.
        refused(str): an error message; empty when the last one no longer matters.
    """

    noticed = Signal(str)
    refused = Signal(str)

    def __init__(
        self, view: JobsView, model: JobsModel, bridge: QueueBridge, sources: JobSources, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._view, self._model, self._bridge, self._widget = view, model, bridge, parent
        self._sources = sources
        self._requests = JobRequests(sources, bridge, self)
        self._requests.noticed.connect(self.noticed)
        self._requests.refused.connect(self.refused)
        self._paused = False
        self._icons: dict[QAction, str] = {}
        act = self._action
        self.start = act("Start", "play", "Ctrl+Return", self._start, "Start the selected jobs again")
        self.stop = act("Stop", "stop", "Ctrl+.", self._stop, "Stop the selected jobs")
        tip = "Stop every job that waits or runs"
        self.stop_all = act("Stop All", "stop_all", "Ctrl+Shift+K", self._stop_all, tip)
        tip = "Remove the selected jobs, with their logs"
        self.remove = act("Remove", "remove", "Delete", self._remove, tip)
        self.pause = act("Pause Queue", "pause", "Ctrl+Shift+P", self._pause)
        self.pause.setCheckable(True)
        self.start_tasks = act(
            "Start Task", "play_one", "Ctrl+Shift+Return", self._start_tasks, "Start the selected tasks again"
        )
        tip = "Render again the frames that failed, were stopped, or whose files are missing"
        self.start_missing = act("Start Missing", "missing", "Ctrl+Alt+Return", self._start_missing, tip)
        self.raise_priority = act(
            "Raise Priority", "up", "Ctrl+Up", lambda: self._change_priority(1), "Start these jobs earlier"
        )
        self.lower_priority = act(
            "Lower Priority", "down", "Ctrl+Down", lambda: self._change_priority(-1), "Start these jobs later"
        )
        self.set_priority = act(
            "Set Priority …", "priority", "Ctrl+Shift+Up", self._ask_priority, "Higher ones start earlier"
        )
        tip = "Submit the same job again, with the scene as it was then"
        self.submit_again = act("Submit Again", "again", "Ctrl+D", self._submit_again, tip)
        self.edit_note = act("Edit Note …", "", "F2", self._edit_note, "Write a note about the selected jobs")
        for action in (self.raise_priority, self.lower_priority):
            action.setAutoRepeat(True)
        self.reveal_log = act("Reveal Log", "folder", "Ctrl+Shift+R", self._reveal_log)
        self.copy_log_path = act("Copy Log Path", "copy", "Ctrl+Shift+C", self._copy_log_path)
        self.copy_command = act("Copy Command", "command", "Ctrl+Shift+X", self._copy_command)
        self.open_picture = act("Open Picture", "picture", "Ctrl+O", self._open_picture)
        self.reveal_picture = act("Reveal Picture", "", "Ctrl+Shift+O", self._reveal_picture)
        self.copy_picture_path = act("Copy Picture Path", "", "Ctrl+Shift+I", self._copy_picture_path)
        self.missing = MissingTasks(model, bridge, sources, self)
        self.missing.noticed.connect(self.noticed)
        self.missing.refused.connect(self.refused)
        self.set_paused(False)
        self.follow_palette()
        self.update_enabled()

    def _action(self, text: str, glyph: str, keys: str, call: Callable[[], None], tip: str = "") -> QAction:
        action = QAction(text, self)
        action.setAutoRepeat(False)  # else a key that is held down would submit many jobs
        if keys:
            action.setShortcut(QKeySequence(keys))
            action.setShortcutContext(
                Qt.ShortcutContext.WidgetShortcut
            )  # Delete in a text field deletes text
        _set_tip(action, f"{text}: {tip[:1].lower()}{tip[1:]}" if tip else text)
        action.triggered.connect(lambda _checked=False: self._begin(call))
        self._view.addAction(action)
        if glyph:
            self._icons[action] = glyph
        return action

    def _begin(self, call: Callable[[], None]) -> None:
        """Call `call` for the artist; the error of an earlier action no longer matters."""
        self.refused.emit("")
        call()

    @property
    def groups(self) -> list[list[QAction]]:
        """The actions of the bar above the list, in their order, as groups with separators between them."""
        return [
            [self.start, self.stop],
            [self.submit_again, self.remove],
            [self.pause, self.stop_all],
            [self.start_missing, self.start_tasks],
            [self.raise_priority, self.lower_priority, self.set_priority],
            [self.open_picture, self.reveal_log, self.copy_log_path, self.copy_command],
        ]

    def follow_palette(self) -> None:
        """Draw the icons in the palette's colours."""
        for action, glyph in self._icons.items():
            action.setIcon(tool_icon(glyph, self._widget.palette()))

    def set_paused(self, paused: bool) -> None:
        """Show whether the queue is paused."""
        self._paused = paused
        self.pause.setChecked(paused)
        self.pause.setText("Resume Queue" if paused else "Pause Queue")
        _set_tip(
            self.pause,
            "Resume Queue: start waiting tasks"
            if paused
            else "Pause Queue: start no more tasks until it is resumed",
        )
        self._icons[self.pause] = "play" if paused else "pause"
        self.follow_palette()

    def update_enabled(self) -> None:
        """Enable the actions that apply to the current selection, and disable the others."""
        sources, live = self._sources, self._sources.is_live
        jobs = [job for job in self.selected(MANY) if sources.takes_requests(job)]
        tasks = self._selected_tasks()
        current, shown = self._current(), self._current_record()
        log = bool(shown is not None and shown.log_file)
        unfinished = self._unfinished()
        # The unchecked rest of a larger selection may contain any job of the list.
        many = len(jobs) >= MANY
        over = any(job.state.is_terminal for job in jobs) or (many and unfinished < self._model.total)
        open_ = any(_can_stop(job) for job in jobs) or (many and unfinished > 0)
        self.start.setEnabled(over)
        records = [record for _job, _index, record in islice(self._task_records(tasks), MANY)]
        stops_tasks = any(each is None or not each.state.is_terminal for each in records)
        self.start_missing.setEnabled(live and any(job.state.is_terminal and not job.farm for job in jobs))
        self.stop.setEnabled(open_ or stops_tasks)
        self.stop_all.setEnabled(unfinished > 0 and (live or bool(sources.unfinished_on_farms())))
        self.remove.setEnabled(bool(jobs))
        self.pause.setEnabled(live)
        held = any(each is not None and sources.holds_back(each) for each in records)
        over = any(each is None or each.state.is_terminal for each in records)
        self.start_tasks.setEnabled(over or held)
        self.start_tasks.setText("Start Now" if held and not over else "Start Task")
        ordered = live and any(not job.state.is_terminal and not job.farm for job in jobs)
        for action in (self.raise_priority, self.lower_priority, self.set_priority):
            action.setEnabled(ordered or (live and many and unfinished > 0))
        self.edit_note.setEnabled(live and any(not job.farm for job in jobs))
        self.submit_again.setEnabled(bool(jobs))
        self.copy_command.setEnabled(current is not None and sources.takes_requests(current))
        self.reveal_log.setEnabled(log)
        self.copy_log_path.setEnabled(log)
        for action in (self.open_picture, self.reveal_picture, self.copy_picture_path):
            action.setEnabled(bool(self._picture()))

    def selected(self, at_most: int | None = None) -> list[JobRecord]:
        """Return the selected jobs that still exist: one may be removed while its menu is open."""
        found = (self._model.job(job_id) for job_id in self._view.chosen.job_ids(at_most))
        return [job for job in found if job is not None]

    def _selected_tasks(self) -> dict[str, list[int]]:
        """Return the selected tasks of jobs that take requests now, by job id."""
        return {
            job_id: tasks
            for job_id, tasks in self._view.chosen.tasks().items()
            if (job := self._model.job(job_id)) is not None and self._sources.takes_requests(job)
        }

    def _unfinished(self) -> int:
        """Return how many jobs are waiting or running, without a loop over all jobs."""
        return self._model.count(JobState.WAITING) + self._model.count(JobState.RUNNING)

    def _current(self) -> JobRecord | None:
        """Return the job of the current row, if selected: else the row only took a removed job's place."""
        return self._model.job(self._view.current()[0]) if self._view.chosen.has_current() else None

    def _current_record(self) -> JobRecord | TaskRecord | None:
        row = self._view.currentIndex().row()
        return self._model.record(row) if self._current() is not None else None

    def _task_records(self, tasks: dict[str, list[int]]) -> Iterator[tuple[str, int, TaskRecord | None]]:
        """Yield job id, index and record of each task; the record is None if it was never visible."""
        for job_id, indexes in tasks.items():
            first = self._model.rows_of_tasks(job_id).start
            for index in indexes:
                record = self._model.record(first + index)
                yield job_id, index, record if isinstance(record, TaskRecord) else None

    # --- On the queue ---

    def _start(self) -> None:
        self.start_jobs([job for job in self.selected() if job.state.is_terminal])

    def start_jobs(self, jobs: list[JobRecord]) -> None:
        """Start jobs that are over again, selected or not."""
        self._begin(partial(self._requests.start, jobs))

    def _stop(self) -> None:
        """Stop the selected jobs, and the selected tasks of other jobs; ask first if one has run for long."""
        jobs = [job for job in self.selected() if _can_stop(job)]
        ids = [job.id for job in jobs]
        tasks = {job_id: each for job_id, each in self._view.chosen.tasks().items() if job_id not in ids}
        named = _named(jobs)
        open_tasks: dict[str, list[int]] = {}
        for job_id, task, record in self._task_records(tasks):
            job = self._model.job(job_id)
            if job is not None and (record is None or not record.state.is_terminal):
                open_tasks.setdefault(job_id, []).append(task)
                if record is not None:
                    named.append((f"{job.name}, {record.label or f'task {task + 1}'}", record))

        def stop() -> None:
            self._requests.ask_each("Stop", jobs, lambda source, ids: source.stop_jobs(ids))
            for job_id, indexes in open_tasks.items():
                self._requests.ask_each("Stop", self._jobs_of(job_id), partial(stop_tasks, indexes))

        count = len(ids) + sum(map(len, open_tasks.values()))
        what = "jobs" if not open_tasks else "jobs and tasks" if ids else "tasks"
        self._after_question(
            question_about("Stop", named, count, self._model.now_s(), what=what), "Stop", stop, count
        )

    def _stop_all(self) -> None:
        client, on_farms = self._sources.client, self._sources.unfinished_on_farms()
        agents = client.agents() if client is not None else ()
        at_work = (client.job(agent.job) for agent in agents if client is not None and agent.job)
        running = [*(job for job in at_work if job is not None), *on_farms]
        count = self._unfinished()

        def stop() -> None:
            self._requests.ask_each("Stop", on_farms, lambda source, ids: source.stop_jobs(ids))
            if count > len(on_farms):
                self._requests.ask_queue("Stop", lambda queue: queue.stop_all_jobs())

        otherwise = STOP_ALL.format(count=count) if count > 1 else ""
        question = question_about("Stop", _named(running), count, self._model.now_s(), otherwise)
        self._after_question(question, "Stop", stop, count)

    def _remove(self) -> None:
        jobs = self.selected()
        otherwise = REMOVE_MANY.format(count=len(jobs)) if len(jobs) >= MANY_TO_REMOVE else ""
        self._after_question(
            question_about("Remove", _named(jobs), len(jobs), self._model.now_s(), otherwise),
            "Remove",
            lambda: self._requests.ask_each("Remove", jobs, lambda source, ids: source.remove_jobs(ids)),
            len(jobs),
        )

    def _after_question(self, question: str, verb: str, call: Callable[[], None], count: int) -> None:
        """Call `call`, after a non-blocking dialog if `question` is not empty; nothing if `count` is 0."""
        if count and question:
            ask_first(self._widget, question, verb, partial(self._begin, call))
        elif count:
            call()

    def _pause(self) -> None:
        wanted = not self._paused
        self.pause.setChecked(self._paused)  # undo the click; `set_paused` follows the queue's state
        self._requests.ask_queue("Pause Queue", lambda client: client.pause_queue(wanted))

    def _start_tasks(self) -> None:
        for job_id, tasks in self._view.chosen.tasks().items():
            self._requests.ask_each("Start Task", self._jobs_of(job_id), partial(start_tasks, tasks))

    def _start_missing(self) -> None:
        over = [job for job in self.selected() if job.state.is_terminal and not job.farm]
        again = [job for job in over if job.needs_desktop and job.state is not JobState.COMPLETED]
        self._requests.start(again)
        self.missing.start([job for job in over if job not in again])

    def _change_priority(self, by: int) -> None:
        verb = "Raised" if by > 0 else "Lowered"
        groups: dict[int, list[str]] = defaultdict(list)
        jobs = self._orderable()
        for job in jobs:
            groups[job.priority + by].append(job.id)
        for priority, ids in groups.items():
            # A message is needed: the Priority column is hidden by default, and rows do not move.
            one = f"{verb} the priority of {jobs[0].name} to {priority}."
            done = one if len(jobs) == 1 else f"{verb} the priority of {len(jobs):,} jobs."
            self._requests.ask_queue("Priority", partial(_set_priority, ids, priority), done)

    def _ask_priority(self) -> None:
        """Ask for the priority of the selected jobs in a non-blocking dialog."""
        jobs = self._orderable()
        if not jobs:
            return
        ids = [job.id for job in jobs]
        dialog = QInputDialog(self._widget)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle("Set Priority")
        dialog.setInputMode(QInputDialog.InputMode.IntInput)
        dialog.setIntRange(-MAX_PRIORITY, MAX_PRIORITY)
        dialog.setIntValue(jobs[0].priority)
        which = jobs[0].name if len(jobs) == 1 else f"{len(jobs):,} jobs"
        dialog.setLabelText(f"Priority of {which}; a higher one starts earlier:")

        def write(priority: int) -> None:
            self.refused.emit("")
            done = f"Priority of {which}: {priority}."
            self._requests.ask_queue("Priority", partial(_set_priority, ids, priority), done)

        dialog.intValueSelected.connect(write)
        accept_own_keys(dialog)
        dialog.open()

    def _edit_note(self) -> None:
        jobs = [job for job in self.selected() if not job.farm]
        if not jobs:
            return
        ids = [job.id for job in jobs]
        which = jobs[0].name if len(jobs) == 1 else f"{len(jobs):,} jobs"
        # Empty for notes that differ: OK without a change must not overwrite them with the first one.
        known = jobs[0].note if len({job.note for job in jobs}) == 1 else ""

        def ask(text: str) -> None:
            label = f"Note of {which}, saved by Ctrl+Return; the list's filter finds it:"
            ask_text(self._widget, "Edit Note", label, text, write)

        def write(note: str) -> None:
            self.refused.emit("")
            note = note.strip()
            if len(note) > MAX_NOTE:
                self.refused.emit(f"Edit Note: it has {len(note):,} characters, the limit is {MAX_NOTE:,}.")
                ask(note)
            elif note != known:
                done = f"Saved the note of {which}." if note else f"Removed the note of {which}."
                self._requests.ask_queue("Edit Note", lambda client: client.set_note(ids, note), done)

        ask(known)

    def _submit_again(self) -> None:
        for job in self.selected():
            self._requests.submit_again(job)

    def _orderable(self) -> list[JobRecord]:
        """Return the selected jobs whose priority can be set: unfinished, and not on a farm."""
        return [job for job in self.selected() if not job.state.is_terminal and not job.farm]

    def _jobs_of(self, job_id: str) -> list[JobRecord]:
        job = self._model.job(job_id)
        return [] if job is None else [job]

    # --- On files ---

    def _task_logs(self) -> list[str]:
        """Return the log paths of the selected tasks."""
        records = self._task_records(self._view.chosen.tasks())
        return [record.log_file for _job, _index, record in records if record is not None and record.log_file]

    def _reveal_log(self) -> None:
        paths = [*(job.log_file for job in self.selected(MANY) if job.log_file), *self._task_logs()]
        for folder in {str(Path(path).parent) for path in paths[:5]}:
            self.noticed.emit(open_with_system(folder, "the log's folder"))

    def _copy_log_path(self) -> None:
        paths = [job.log_file for job in self.selected() if job.log_file]
        self._to_clipboard([*paths, *self._task_logs()], "path", "paths")

    def _copy_command(self) -> None:
        job = self._current()
        if job is not None:
            _job_id, task = self._view.current()
            self._requests.with_spec("Copy Command", job, partial(self._copy_commands_of, task))

    def _copy_commands_of(self, task: int | None, spec: JobSpec) -> None:
        chunks = spec.chunks()
        frames = None if task is None or chunks is None else chunks[task]
        commands = task_commands(spec, frames)
        self._to_clipboard([join_command_line(command) for command in commands], "command", "commands")

    def _to_clipboard(self, lines: Iterable[str], one: str, many: str) -> None:
        found = list(lines)
        if found:
            QGuiApplication.clipboard().setText("\n".join(found))
            self.noticed.emit(f"Copied the {one}." if len(found) == 1 else f"Copied {len(found):,} {many}.")

    def _picture(self) -> str:
        latest = "" if (shown := self._current_record()) is None else shown.picture
        return latest if (frame := self._view.chosen_frame()) is None else frame.shown_picture(latest)

    def _open_picture(self) -> None:
        if picture := self._picture():
            self.noticed.emit(open_picture_with_system(picture))

    def _reveal_picture(self) -> None:
        if picture := self._picture():
            self.noticed.emit(open_with_system(str(Path(picture).parent), "the picture's folder"))

    def _copy_picture_path(self) -> None:
        if picture := self._picture():
            self._to_clipboard([picture], "path", "paths")


def _set_tip(action: QAction, text: str) -> None:
    """Set the tool tip of `action` to `text` and its shortcut."""
    keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
    action.setToolTip(f"{text} ({keys})" if keys else text)


def _named(jobs: Iterable[JobRecord]) -> list[tuple[str, JobRecord | TaskRecord]]:
    return [(job.name, job) for job in jobs]


def _set_priority(ids: list[str], priority: int, client: QueueClient) -> Future[None]:
    return client.set_priority(ids, priority)


def _can_stop(job: JobRecord) -> bool:
    return not job.state.is_terminal and not job.stopping
