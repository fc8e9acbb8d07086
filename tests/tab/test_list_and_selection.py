"""What is selected in the jobs list, and stays in sight, while it is filtered and sorted; single tasks."""

from __future__ import annotations

import time
from typing import Any

from katana_queue.kq.api import MAX_NOTE, JobState, TaskRecord, TaskState
from katana_queue.plugins.Tabs.KatanaQueue.models.columns import COLUMNS, Column
from katana_queue.plugins.Tabs.KatanaQueue.models.job_order import JobFilter
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QInputDialog, QMessageBox, QPlainTextEdit

from tests.tab.fake_queue import FakeQueue, make_job
from tests.tab.using import Settle, click_row


def test_select_all_of_a_filter_is_no_more_when_the_filter_is_cleared(
    tab: Any, queue: FakeQueue, settle: Settle
) -> None:
    """What was hidden by the filter is never selected: *Stop* and *Remove* would act on it."""
    queue.change(
        [
            make_job(n, JobState.FAILED if n <= 13 else JobState.COMPLETED, submitted=float(n))
            for n in range(1, 60)
        ]
    )
    settle(lambda: tab.model.shown == 59)
    tab.filter_bar._buttons[JobState.FAILED].setChecked(True)
    settle(lambda: tab.model.shown == 13)
    tab.view.selectAll()
    failed = {make_job(n).id for n in range(1, 14)}
    assert set(tab.view.chosen.job_ids()) == failed
    tab.filter_bar.clear()
    settle(lambda: tab.model.shown == 59)
    assert set(tab.view.chosen.job_ids()) == failed
    tab.view.sortByColumn(Column.NAME, Qt.SortOrder.AscendingOrder)
    assert set(tab.view.chosen.job_ids()) == failed


def test_the_selected_row_stays_in_sight_when_rows_move(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """Sorted by a column that changes, the list follows the job that is looked at, and no other."""
    count = 80
    queue.change([make_job(n, JobState.RUNNING, progress=n / 1000) for n in range(count)])
    settle(lambda: tab.model.shown == count)
    tab.view.sortByColumn(Column.PROGRESS, Qt.SortOrder.AscendingOrder)
    tab.view.scrollToTop()
    click_row(qtbot, tab, "job000001")
    queue.set("job000001", progress=0.9)
    settle(lambda: tab.model.row("job000001") == count - 1)
    first, last = tab.view.visible_rows()
    assert first <= count - 1 <= last
    tab.view.scrollToTop()  # the artist looks elsewhere
    queue.set("job000001", progress=0.0)
    queue.set("job000001", progress=0.95)
    settle(lambda: tab.model.job("job000001").progress == 0.95)
    tab.view.scrollToTop()
    queue.set("job000005", progress=0.99)
    settle(lambda: tab.model.row("job000005") == count - 1)
    assert tab.view.visible_rows()[0] == 0


def show_tasks(tab: Any, queue: FakeQueue, settle: Settle, started: float) -> None:
    """A job with three tasks of frames, the second running, expanded."""
    queue.change([make_job(1, JobState.RUNNING, tasks=3, tasks_running=1, tasks_waiting=1), make_job(2)])
    states = (TaskState.COMPLETED, TaskState.RUNNING, TaskState.WAITING)
    queue.tasks_of["job000001"] = [
        TaskRecord(job_id="job000001", index=i, state=state, label=f"frame {i + 7}", started=started)
        for i, state in enumerate(states)
    ]
    settle(lambda: tab.model.shown == 2)
    tab.model.expand("job000001")
    row = tab.model.row("job000001")
    settle(lambda: tab.model.record(row + 3) is not None)


def test_a_single_running_task_is_stopped(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """*Stop* on the row of a task stops that task, and leaves the job's others alone."""
    show_tasks(tab, queue, settle, time.time() - 5)
    row = tab.model.row("job000001")
    tab.view.selectRow(row + 2)
    assert tab.actions_of_jobs.stop.isEnabled()
    tab.actions_of_jobs.stop.trigger()
    assert ("stop_tasks", "job000001", (1,)) in queue.asked
    assert not [asked for asked in queue.asked if asked[0] == "stop_jobs"]
    tab.view.selectRow(row + 1)  # completed
    assert not tab.actions_of_jobs.stop.isEnabled()


def test_stop_of_a_task_that_has_run_long_asks_and_names_it(
    tab: Any, queue: FakeQueue, settle: Settle
) -> None:
    """As of a job."""
    show_tasks(tab, queue, settle, time.time() - 7200)
    tab.view.selectRow(tab.model.row("job000001") + 2)
    tab.actions_of_jobs.stop.trigger()
    box = tab.findChild(QMessageBox)
    assert "frame 8" in box.text()
    box.accept()
    assert ("stop_tasks", "job000001", (1,)) in queue.asked


def test_a_priority_is_typed(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """A number for all selected jobs that are not over."""
    queue.change([make_job(1, JobState.WAITING, priority=3), make_job(2, JobState.WAITING), make_job(3)])
    settle(lambda: tab.model.shown == 3)
    tab.view.selectAll()
    tab.actions_of_jobs.set_priority.trigger()
    dialog = tab.findChild(QInputDialog)
    dialog.setIntValue(-40)
    dialog.accept()
    settle(lambda: any(asked[0] == "set_priority" for asked in queue.asked))
    asked = next(asked for asked in queue.asked if asked[0] == "set_priority")
    assert (set(asked[1]), asked[2]) == ({"job000001", "job000002"}, -40)


def test_a_note_is_edited_found_and_shown(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """Of all selected jobs; its column appears with the first note, unless the artist has hidden it."""
    queue.change([make_job(1), make_job(2, note="for the review"), make_job(3)])
    settle(lambda: tab.model.shown == 3 and tab.view.isVisible())
    assert not tab.view.horizontalHeader().isSectionHidden(Column.NOTE)
    assert tab.model.text(tab.model.row("job000002"), Column.NOTE, 0.0) == "for the review"
    tab.model.set_filter(JobFilter("review"))
    assert tab.model.shown == 1
    tab.model.set_filter(JobFilter())
    tab.view.selectRow(tab.model.row("job000002"))
    tab.actions_of_jobs.edit_note.trigger()
    dialog = tab.findChild(QInputDialog)
    assert dialog.textValue() == "for the review"
    dialog.setTextValue("x" * (MAX_NOTE + 1))
    dialog.accept()

    def opened() -> list[QInputDialog]:
        """Those on screen: outside of Qt's main loop, an old Qt does not delete a closed one."""
        return [each for each in tab.findChildren(QInputDialog) if each.isVisible()]

    settle(lambda: opened() not in ([], [dialog]))
    [dialog] = opened()
    assert len(dialog.textValue()) == MAX_NOTE + 1, "nothing that was typed is lost"
    dialog.setTextValue(" approved\nby Ann ")
    [field] = dialog.findChildren(QPlainTextEdit)
    QTest.keyClick(field, Qt.Key.Key_Tab)
    QTest.keyClick(field, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    asked = ("note", ["job000002"], "approved\nby Ann")
    settle(lambda: asked in queue.asked)


def test_a_hidden_column_of_notes_stays_hidden(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    queue.change([make_job(1)])
    settle(lambda: tab.model.shown == 1 and tab.view.isVisible())
    tab.view.columns._show(Column.NOTE, False)
    queue.change([make_job(2, note="for the review")])
    settle(lambda: tab.model.shown == 2)
    assert tab.view.horizontalHeader().isSectionHidden(Column.NOTE)


def test_elapsed_counts_on_after_the_clock_was_set_back(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """The queue's time counts, which never runs backwards, and not that of the desktop's system."""
    started = time.time()
    queue.ahead_s = 7200.0
    queue.change([make_job(1, JobState.RUNNING, started=started, completed=None)])
    settle(lambda: tab.model.shown == 1)
    assert tab.model.index(0, Column.ELAPSED).data().startswith("2:00:")


def test_a_column_that_is_shown_leaves_the_columns_fitted(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """*Priority* has room made for it; *Fit to Width* stays on, also after a restart."""
    queue.change([make_job(1)])
    settle(lambda: tab.model.shown == 1 and tab.view.isVisible())
    columns, header = tab.view.columns, tab.view.horizontalHeader()
    columns._show(Column.PRIORITY, True)
    assert columns.is_fitted
    assert not header.isSectionHidden(Column.PRIORITY)
    assert header.length() <= tab.view.viewport().width()
    for width in (700, 1500):
        tab.resize(width, 600)
        settle(lambda: header.length() <= tab.view.viewport().width())
        assert not header.isSectionHidden(Column.PRIORITY)
    settings = columns.settings()
    columns._show(Column.PRIORITY, False)
    assert header.isSectionHidden(Column.PRIORITY)
    columns.apply_settings(settings)
    assert columns.is_fitted
    assert not header.isSectionHidden(Column.PRIORITY)
    assert COLUMNS[Column.PRIORITY].key in settings["chosen"]


def test_the_picture_is_revealed_and_its_path_copied(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """As the log is."""
    queue.change([make_job(1, picture="/pics/beauty.exr")])
    settle(lambda: tab.actions_of_jobs.copy_picture_path.isEnabled())
    tab.actions_of_jobs.copy_picture_path.trigger()
    assert QGuiApplication.clipboard().text() == "/pics/beauty.exr"
    tab.actions_of_jobs.reveal_picture.trigger()
    assert "/pics" in tab.notice.text()


def test_selected_tasks_stay_selected_when_the_list_is_sorted(
    tab: Any, queue: FakeQueue, settle: Settle
) -> None:
    """*Stop* and the log's attempts are of the task that was selected, beside a job or alone."""
    show_tasks(tab, queue, settle, time.time())
    job_row = tab.model.row("job000001")
    tab.view.selectRow(job_row + 2)
    assert tab.view.chosen.tasks() == {"job000001": [1]}
    for order in (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder):
        tab.view.sortByColumn(Column.NAME, order)
        assert tab.view.chosen.tasks() == {"job000001": [1]}
        assert tab.view.chosen.job_ids() == []
        assert tab.view.chosen.has_current() and tab.view.current() == ("job000001", 1)
    tab.view.chosen.select(["job000002"], {"job000001": [0, 2]})
    queue.change(queue.jobs(), reset=True)  # as after a lost connection
    settle(lambda: tab.view.chosen.any())
    tab.view.sortByColumn(Column.STATE, Qt.SortOrder.AscendingOrder)
    assert tab.view.chosen.tasks() == {"job000001": [0, 2]}
    assert tab.view.chosen.job_ids() == ["job000002"]
