"""The tab as somebody uses it: mouse and keys in, what it shows and what it asks the queue for out."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shiboken6
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage
from PySide6.QtWidgets import QApplication, QMenu, QMessageBox, QPushButton, QSystemTrayIcon

from kq.api import (
    AttemptRecord,
    ConnectionStatus,
    JobSpec,
    JobState,
    QueueRecord,
    Refused,
    TaskRecord,
    TaskState,
)
from plugins.Tabs.KatanaQueue.models.columns import Column
from tests.tab.conftest import close_tab
from tests.tab.fake_queue import FakeQueue, make_job

LEFT = Qt.MouseButton.LeftButton
Settle = Callable[[Callable[[], bool]], None]


def click_row(qtbot: Any, tab: Any, job_id: str, column: Column = Column.NAME, modifier: Any = None) -> None:
    """Click a job's row as a mouse does."""
    rect = tab.view.visualRect(tab.model.index(tab.model.row(job_id), column))
    modifiers = Qt.KeyboardModifier.NoModifier if modifier is None else modifier
    qtbot.mouseClick(tab.view.viewport(), LEFT, modifiers, rect.center())


def log_text(tab: Any) -> list[str]:
    """What the log shows."""
    view = tab.log.view
    lines = (view.line(number) for number in range(10_000))
    found = []
    for line in lines:
        if line is None:
            break
        found.append(line.text)
    return found


def test_empty_list_tells_how_to_start(tab: Any, settle: Settle) -> None:
    """Somebody who opens the tab for the first time reads what to do."""
    settle(lambda: tab.empty.isVisible())
    assert "Preview" in tab.empty._text.text()
    assert not tab.banner.isVisible()


def test_new_job_is_selected_and_its_log_shown(
    tab: Any, queue: FakeQueue, tmp_path: Path, settle: Settle
) -> None:
    """Whoever starts a render sees its log, live, without a click."""
    log = tmp_path / "render.log"
    log.write_text("first line\n")
    queue.change([make_job(1, JobState.RUNNING, log_file=str(log))])
    settle(lambda: log_text(tab) == ["first line"])
    with log.open("a") as out:
        out.write("Error: second line\n")
    settle(lambda: log_text(tab) == ["first line", "Error: second line"])
    settle(lambda: tab.log._state.errors.count == 1)
    assert tab.log.view.line(1).kind == "error"


def test_selection_by_hand_stays_when_jobs_come(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """Somebody who looks at an older job is not torn away from it."""
    queue.change([make_job(1), make_job(2), make_job(3)])
    settle(lambda: tab.view.current()[0] == "job000003")
    click_row(qtbot, tab, "job000001")
    queue.change([make_job(4)])
    settle(lambda: tab.model.total == 4)
    assert tab.view.current()[0] == "job000001"
    click_row(qtbot, tab, "job000004")
    queue.change([make_job(5)])
    settle(lambda: tab.view.current()[0] == "job000005")


def test_start_and_stop_by_button_and_key(tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any) -> None:
    """Start applies to what is over, Stop to what is not."""
    queue.change([make_job(1, JobState.FAILED), make_job(2, JobState.RUNNING, started=time.time())])
    acts = tab.actions_of_jobs
    settle(lambda: tab.model.total == 2)
    click_row(qtbot, tab, "job000001")
    assert acts.start.isEnabled()
    assert not acts.stop.isEnabled()
    qtbot.keyClick(tab.view, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    click_row(qtbot, tab, "job000002")
    assert not acts.start.isEnabled()
    assert acts.stop.isEnabled()
    qtbot.keyClick(tab.view, Qt.Key.Key_Period, Qt.KeyboardModifier.ControlModifier)
    settle(lambda: ("stop_jobs", ("job000002",)) in queue.asked)
    assert ("start_jobs", ("job000001",)) in queue.asked


def test_stop_of_a_long_render_asks(tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any) -> None:
    """Hours of rendering are not lost by a slip; and the question holds nothing up."""
    queue.change([make_job(1, JobState.RUNNING, started=time.time() - 7200)])
    settle(lambda: tab.view.current()[0] == "job000001")
    tab.actions_of_jobs.stop.trigger()
    box = tab.findChild(QMessageBox)
    assert "2:00:0" in box.text()
    queue.set("job000001", progress=0.9)  # the queue goes on while the question stands
    settle(lambda: tab.model.job("job000001").progress == 0.9)
    cancel = next(button for button in box.findChildren(QPushButton) if button.text() == "Cancel")
    qtbot.mouseClick(cancel, LEFT)
    assert not [asked for asked in queue.asked if asked[0] == "stop_jobs"]
    tab.actions_of_jobs.stop.trigger()
    box = next(each for each in tab.findChildren(QMessageBox) if each.isVisible())
    yes = next(button for button in box.findChildren(QPushButton) if button.text() == "Stop")
    qtbot.mouseClick(yes, LEFT)
    settle(lambda: ("stop_jobs", ("job000001",)) in queue.asked)


def test_queue_lost_while_a_question_stands(tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any) -> None:
    """An answer given when the queue is gone does no harm, and is told."""
    queue.change([make_job(1, JobState.RUNNING, started=time.time() - 7200)])
    settle(lambda: tab.view.current()[0] == "job000001")
    tab.actions_of_jobs.stop.trigger()
    queue.change(status=ConnectionStatus.LOST, sentence="The queue does not answer.")
    settle(lambda: tab.banner.isVisible())
    box = tab.findChild(QMessageBox)
    qtbot.mouseClick(next(b for b in box.findChildren(QPushButton) if b.text() == "Stop"), LEFT)
    assert not [asked for asked in queue.asked if asked[0] == "stop_jobs"]
    assert "Stop" in tab.notice.text()


def test_refusal_is_told_where_one_looks(tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any) -> None:
    """What the queue will not do it says in the tab."""
    queue.refusal = Refused("the job is being removed")
    queue.change([make_job(1)])
    settle(lambda: tab.view.current()[0] == "job000001")
    tab.actions_of_jobs.start.trigger()
    settle(lambda: tab.notice.text() == "Start: the job is being removed")


def test_job_removed_while_its_menu_is_open(tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any) -> None:
    """A menu chosen from too late asks for nothing and breaks nothing."""
    queue.change([make_job(1)])
    settle(lambda: tab.view.current()[0] == "job000001")
    tab.view.customContextMenuRequested.emit(QPoint(30, 10))
    menu = next(each for each in tab.findChildren(QMenu) if each.isVisible())
    queue.change(removed=["job000001"])
    settle(lambda: tab.model.total == 0)
    before = list(queue.asked)
    for action in (tab.actions_of_jobs.start, tab.actions_of_jobs.remove, tab.actions_of_jobs.copy_log_path):
        action.trigger()
    assert queue.asked == before
    menu.close()


def test_several_are_selected_and_removed_by_key(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """Delete removes all selected jobs; in the filter field it deletes a letter."""
    queue.change([make_job(n) for n in range(1, 5)])
    settle(lambda: tab.model.total == 4)
    click_row(qtbot, tab, "job000001")
    click_row(qtbot, tab, "job000003", modifier=Qt.KeyboardModifier.ControlModifier)
    tab.filter_bar.field.setFocus()
    tab.filter_bar.field.setText("shot")
    qtbot.keyClick(tab.filter_bar.field, Qt.Key.Key_Delete)
    assert not [asked for asked in queue.asked if asked[0] == "remove_jobs"]
    tab.view.setFocus()
    qtbot.keyClick(tab.view, Qt.Key.Key_Delete)
    settle(lambda: any(asked[0] == "remove_jobs" for asked in queue.asked))
    assert {*queue.asked[-1][1]} == {"job000001", "job000003"}


def test_removing_many_asks(tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any) -> None:
    """All selected and Delete pressed by a slip: the logs of ten jobs and more do not go without a word."""
    queue.change([make_job(n) for n in range(12)])
    settle(lambda: tab.model.rowCount() == 12)
    tab.view.setFocus()
    qtbot.keyClick(tab.view, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(tab.view, Qt.Key.Key_Delete)
    settle(lambda: tab.findChild(QMessageBox) is not None)
    box = tab.findChild(QMessageBox)
    assert box.text() == "Remove 12 jobs, with their logs and preview pictures?"
    assert not queue.asked
    qtbot.mouseClick(box.buttons()[0], LEFT)
    settle(lambda: any(asked[0] == "remove_jobs" and len(asked[1]) == 12 for asked in queue.asked))


def test_tasks_open_by_arrow_and_key_and_start_again(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """A click on the arrow, or Right, opens a job; a failed task is started again alone."""
    queue.tasks_of["job000001"] = [
        TaskRecord(
            job_id="job000001",
            index=i,
            state=TaskState.FAILED if i == 1 else TaskState.COMPLETED,
            label=f"frame {i}",
        )
        for i in range(3)
    ]
    queue.change([make_job(1, JobState.FAILED, tasks=3)])
    settle(lambda: tab.view.current()[0] == "job000001")
    qtbot.keyClick(tab.view, Qt.Key.Key_Right)
    assert tab.model.rowCount() == 4
    settle(lambda: tab.model.index(2, Column.NAME).data() == "frame 1")
    qtbot.keyClick(tab.view, Qt.Key.Key_Left)
    assert tab.model.rowCount() == 1
    rect = tab.view.visualRect(tab.model.index(0, Column.NAME))
    qtbot.mouseClick(tab.view.viewport(), LEFT, pos=QPoint(rect.left() + 8, rect.center().y()))
    assert tab.model.rowCount() == 4
    rect = tab.view.visualRect(tab.model.index(2, Column.NAME))
    qtbot.mouseClick(tab.view.viewport(), LEFT, pos=rect.center())
    assert tab.actions_of_jobs.start_tasks.isEnabled()
    tab.actions_of_jobs.start_tasks.trigger()
    settle(lambda: ("start_tasks", "job000001", (1,)) in queue.asked)


def test_connection_banner_comes_and_goes(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """What is old is shown as old, nothing can be asked for, and it recovers by itself."""
    queue.change([make_job(1)])
    settle(lambda: tab.actions_of_jobs.start.isEnabled())
    queue.change(status=ConnectionStatus.LOST, sentence="The queue does not answer.")
    settle(lambda: tab.banner.isVisible())
    assert tab.banner.text.startswith("The queue does not answer.")
    assert not tab.actions_of_jobs.start.isEnabled()
    assert tab.rows.stale_since_s is not None
    queue.change(status=ConnectionStatus.CONNECTED)
    settle(lambda: not tab.banner.isVisible())
    assert tab.actions_of_jobs.start.isEnabled()
    assert tab.rows.stale_since_s is None


def test_starting_and_pausing_are_shown(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """A queue that starts, or is paused, says so; the button resumes."""
    queue.change(status=ConnectionStatus.STARTING, sentence="Starting 2 Agents.")
    settle(lambda: tab.banner.text == "Starting 2 Agents.")
    queue.change(status=ConnectionStatus.CONNECTED, queue=QueueRecord(paused=True, agents_wanted=2))
    settle(lambda: "paused" in tab.banner.text)
    assert tab.actions_of_jobs.pause.text() == "Resume Queue"
    tab.actions_of_jobs.pause.trigger()
    settle(lambda: ("pause_queue", False) in queue.asked)


def test_filter_by_word_state_and_back(tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any) -> None:
    """Typing filters; an empty result offers the way back."""
    queue.change([make_job(1, JobState.FAILED), make_job(2)])
    settle(lambda: tab.model.total == 2)
    qtbot.keyClicks(tab.filter_bar.field, "shot_002")
    settle(lambda: tab.model.shown == 1)
    qtbot.mouseClick(tab.filter_bar._buttons[JobState.FAILED], LEFT)
    settle(lambda: tab.empty.isVisible())
    qtbot.mouseClick(tab.empty._clear, LEFT)
    settle(lambda: tab.model.shown == 2 and tab.view.isVisible())


def test_priority_of_jobs_with_different_priorities(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """Raised together, jobs keep their order among each other."""
    queue.change([make_job(1, JobState.WAITING, priority=5), make_job(2, JobState.WAITING)])
    settle(lambda: tab.model.total == 2)
    tab.view.setFocus()
    tab.view.selectAll()
    qtbot.keyClick(tab.view, Qt.Key.Key_Up, Qt.KeyboardModifier.ControlModifier)
    settle(lambda: len([asked for asked in queue.asked if asked[0] == "set_priority"]) == 2)
    assert ("set_priority", ("job000001",), 6) in queue.asked
    assert ("set_priority", ("job000002",), 1) in queue.asked


def test_submit_again_sends_what_was_submitted(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """The same command with the same scene snapshot becomes a new job."""
    spec = JobSpec(
        name="beauty", commands=(("render", "a b.usda"),), temp_dir="/data/renders/a b", priority=3
    )
    queue.specs["job000001"] = spec
    queue.change([make_job(1)])
    settle(lambda: tab.view.current()[0] == "job000001")
    tab.actions_of_jobs.submit_again.trigger()
    settle(lambda: ("submit", spec) in queue.asked)
    settle(lambda: "submitted again" in tab.notice.text())


def test_copy_command_and_log_path(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """What is copied can be pasted into a shell."""
    queue.specs["job000001"] = JobSpec(name="beauty", commands=(("render", "a b.usda", "it's"),))
    queue.change([make_job(1, log_file="/data/logs/1.log")])
    settle(lambda: tab.view.current()[0] == "job000001")
    tab.actions_of_jobs.copy_command.trigger()
    settle(lambda: QGuiApplication.clipboard().text() == "render 'a b.usda' 'it'\"'\"'s'")
    tab.actions_of_jobs.copy_log_path.trigger()
    assert QGuiApplication.clipboard().text() == "/data/logs/1.log"


def test_attempts_are_choices(tab: Any, queue: FakeQueue, tmp_path: Path, settle: Settle) -> None:
    """The log of an earlier attempt can be read; a new attempt does not throw one out of it."""
    for number in (1, 2):
        (tmp_path / f"{number}.log").write_text(f"attempt {number}\n")
    queue.attempts_of["job000001"] = [
        AttemptRecord(
            job_id="job000001",
            task=0,
            attempt=1,
            agent="a1",
            host="here",
            started=1.0,
            ended=2.0,
            outcome="failed",
            log_file=str(tmp_path / "1.log"),
        )
    ]
    queue.change([make_job(1, JobState.RUNNING, attempts=2, log_file=str(tmp_path / "2.log"))])
    settle(lambda: log_text(tab) == ["attempt 2"])
    settle(lambda: tab.log._attempts.count() == 2)
    tab.log._attempts.setCurrentIndex(1)
    settle(lambda: log_text(tab) == ["attempt 1"])
    tab.log._attempts.setCurrentIndex(0)
    settle(lambda: log_text(tab) == ["attempt 2"])


def test_layout_is_kept(tab: Any, queue: FakeQueue, qtbot: Any) -> None:
    """Columns hidden, moved and sized come back with the layout, whatever else it holds."""
    from plugins.Tabs.KatanaQueue.tab import KatanaQueueTab

    header = tab.view.horizontalHeader()
    header.moveSection(header.visualIndex(Column.REASON), 1)
    header.setSectionHidden(Column.AGENT, True)
    header.resizeSection(Column.NAME, 333)
    tab.view.sortByColumn(Column.NAME, Qt.SortOrder.AscendingOrder)
    tab.details.show_page("Agents")
    tab.log.wrap_action.setChecked(True)
    settings = tab.getSettings()
    other = KatanaQueueTab(None)
    qtbot.addWidget(other)
    other.applySettings({"katanaQueue": "nonsense", "someoneElse": 1})
    other.applySettings(
        {"katanaQueue": {"columns": {"order": ["no such"], "widths": {"name": -4}, "sort": 7}}}
    )
    other.applySettings(settings)
    again = other.view.horizontalHeader()
    assert again.visualIndex(Column.REASON) == 1
    assert again.isSectionHidden(Column.AGENT)
    assert again.sectionSize(Column.NAME) == 333
    assert (other.model.sort_by.column, other.model.sort_by.descending) == (Column.NAME, False)
    assert other.details.current_name() == "Agents"
    assert other.getSettings()["katanaQueue"]["wrap"] is True
    close_tab(other)


def test_thumbnail_and_picture(tab: Any, queue: FakeQueue, tmp_path: Path, settle: Settle) -> None:
    """The latest picture is in the row and in the Picture page, and follows the file."""
    path = tmp_path / "picture.png"
    image = QImage(64, 36, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.red)
    assert image.save(str(path))
    queue.change([make_job(1, JobState.RUNNING, picture=str(path))])
    settle(lambda: tab.pictures.thumbnail(str(path), 1.0) is not None)
    tab.details.show_page("Picture")
    settle(lambda: tab.picture.canvas.has_picture)
    bigger = QImage(128, 72, QImage.Format.Format_RGB32)
    bigger.fill(Qt.GlobalColor.green)
    assert bigger.save(str(path))
    queue.set("job000001", progress=0.5)
    settle(lambda: "128 × 72" in tab.picture.title)


def test_monitors_are_told_what_is_selected(tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any) -> None:
    """Through Katana's own events a monitor can follow the selected job and its picture."""
    from Katana import Utils

    from plugins.Tabs.KatanaQueue.selected import JOB_SELECTED_EVENT

    told: list[dict[str, Any]] = []

    def handle(_type: str, _id: object, **arguments: Any) -> None:
        told.append(arguments)

    Utils.EventModule.ProcessAllEvents()  # what other tests queued
    Utils.EventModule.RegisterEventHandler(handle, JOB_SELECTED_EVENT)
    try:
        queue.change([make_job(1), make_job(2, JobState.RUNNING, picture="/a.png")])
        settle(lambda: tab.view.current()[0] == "job000002")
        click_row(qtbot, tab, "job000001")
        queue.set("job000001", picture="/b.png")
        settle(lambda: tab.model.job("job000001").picture == "/b.png")
        Utils.EventModule.ProcessAllEvents()
    finally:
        Utils.EventModule.UnregisterEventHandler(handle, JOB_SELECTED_EVENT)
    assert told == [
        {"jobId": "job000002", "picture": "/a.png", "name": "shot_002_beauty"},
        {"jobId": "job000001", "picture": "", "name": "shot_001_beauty"},
        {"jobId": "job000001", "picture": "/b.png", "name": "shot_001_beauty"},
    ]


def test_long_render_that_ends_is_told(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """After a minute and more somebody has looked away; it can be turned off."""
    start = time.time() - 100
    queue.change([make_job(1, JobState.RUNNING, started=start), make_job(2, JobState.RUNNING, started=start)])
    settle(lambda: tab.model.total == 2)
    queue.set("job000001", state=JobState.FAILED, completed=start + 100, reason="disk full")
    settle(lambda: tab.notice.text() == "shot_001_beauty: failed after 1:40: disk full")
    tab.notify_action.setChecked(False)
    queue.set("job000002", state=JobState.COMPLETED, completed=start + 100)
    settle(lambda: tab.model.count(JobState.COMPLETED) == 1)
    assert "shot_001" in tab.notice.text()


def test_tray_tells_too_where_there_is_one(
    tab: Any, queue: FakeQueue, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks at another window is told by the system; turned off, nobody is."""
    told: list[str] = []
    monkeypatch.setattr(QSystemTrayIcon, "isSystemTrayAvailable", lambda: True)
    monkeypatch.setattr(QSystemTrayIcon, "show", lambda _tray: None)  # off screen there is none
    monkeypatch.setattr(
        QSystemTrayIcon, "showMessage", lambda _tray, _title, text, *_: told.append(text), raising=True
    )
    start = time.time() - 100
    queue.change([make_job(n, JobState.RUNNING, started=start) for n in (1, 2)])
    settle(lambda: tab.model.total == 2)
    queue.set("job000001", state=JobState.COMPLETED, completed=start + 100)
    settle(lambda: told == ["shot_001_beauty: completed after 1:40."])
    tab.notify_action.setChecked(False)
    queue.set("job000002", state=JobState.COMPLETED, completed=start + 100)
    settle(lambda: tab.model.count(JobState.COMPLETED) == 2)
    assert len(told) == 1


def picture_file(path: Path, colour: Qt.GlobalColor) -> str:
    """A picture of one colour."""
    image = QImage(320, 180, QImage.Format.Format_RGB32)
    image.fill(colour)
    assert image.save(str(path))
    return str(path)


def test_two_selected_jobs_are_compared(
    tab: Any, queue: FakeQueue, tmp_path: Path, settle: Settle, qtbot: Any
) -> None:
    """The older job's picture is left of a line that the mouse and the arrow keys move."""
    red = picture_file(tmp_path / "before.png", Qt.GlobalColor.red)
    blue = picture_file(tmp_path / "after.png", Qt.GlobalColor.blue)
    queue.change([make_job(1, picture=red), make_job(2, picture=blue), make_job(3)])
    settle(lambda: tab.model.total == 3)
    tab.details.show_page("Picture")
    canvas = tab.picture.canvas
    click_row(qtbot, tab, "job000002")
    assert not canvas.compares
    click_row(qtbot, tab, "job000001", modifier=Qt.KeyboardModifier.ControlModifier)
    settle(lambda: canvas.compares)
    assert "shot_001_beauty" in canvas.accessibleName()

    def colour(part: float) -> QColor:
        shown = canvas.grab().toImage()
        return shown.pixelColor(int(shown.width() * part), shown.height() // 3)

    assert (colour(0.4), colour(0.6)) == (QColor(Qt.GlobalColor.red), QColor(Qt.GlobalColor.blue))
    middle = canvas.rect().center()
    qtbot.mousePress(canvas, LEFT, pos=middle)
    qtbot.mouseMove(canvas, QPoint(int(canvas.width() * 0.35), middle.y()))
    qtbot.mouseRelease(canvas, LEFT, pos=middle)
    assert canvas.wipe < 0.45
    qtbot.keyClick(canvas, Qt.Key.Key_Home)
    assert colour(0.4) == QColor(Qt.GlobalColor.blue)
    qtbot.keyClick(canvas, Qt.Key.Key_End)
    assert colour(0.6) == QColor(Qt.GlobalColor.red)
    qtbot.keyClick(canvas, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert canvas.wipe == pytest.approx(0.9)
    picture_file(tmp_path / "before.png", Qt.GlobalColor.green)
    queue.set("job000001", progress=0.9)
    settle(lambda: colour(0.4) == QColor(Qt.GlobalColor.green))
    click_row(qtbot, tab, "job000003")
    assert not canvas.compares


def test_thousands_of_changes_a_second_are_one_a_frame(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """However often the queue speaks, the tab redraws once a frame, and ends at the last word."""
    queue.change([make_job(1, JobState.RUNNING)])
    settle(lambda: tab.model.total == 1)
    seen: list[object] = []
    tab.bridge.changed.connect(seen.append)
    for number in range(500):
        queue.set("job000001", progress=number / 1000)
    settle(lambda: tab.model.job("job000001").progress == 0.499)
    assert len(seen) < 400


def test_hidden_tab_reads_nothing(
    tab: Any, queue: FakeQueue, tmp_path: Path, settle: Settle, qtbot: Any
) -> None:
    """Logs are looked at only while somebody sees them, and caught up with then."""
    log = tmp_path / "render.log"
    log.write_text("one\n")
    queue.change([make_job(1, JobState.RUNNING, log_file=str(log))])
    settle(lambda: log_text(tab) == ["one"])
    tab.hide()
    assert not tab.log.reader._is_active
    assert not tab._clock.isActive()
    log.write_text("one\ntwo\n")
    tab.show()
    settle(lambda: log_text(tab) == ["one", "two"])


def test_closed_tab_leaves_no_thread_and_opens_again(
    tab: Any, queue: FakeQueue, tmp_path: Path, settle: Settle
) -> None:
    """Closing ends what the tab started; shown again, it takes up where it was."""
    log = tmp_path / "render.log"
    log.write_text("one\n")
    queue.change([make_job(1, JobState.RUNNING, log_file=str(log))])
    settle(lambda: log_text(tab) == ["one"])
    close_tab(tab)
    queue.change([make_job(2)])
    tab.show()
    settle(lambda: tab.model.total == 2)


def test_tab_closed_shown_and_closed_at_once_leaves_no_thread(
    tab: Any, queue: FakeQueue, tmp_path: Path, settle: Settle, qtbot: Any
) -> None:
    """What waits to take up again, until its thread has ended, gives up when the tab is closed once more."""
    log = tmp_path / "render.log"
    log.write_text("line\n" * 5)
    queue.change([make_job(1, JobState.RUNNING, log_file=str(log))])
    settle(lambda: len(log_text(tab)) > 0)
    for _ in range(10):
        tab.close()
        tab.show()
        tab.close()
        assert not tab.log.reader._resume_soon.isActive()
        assert not tab.pictures._resume_soon.isActive()
        tab.show()


def test_tab_deleted_while_its_threads_speak(
    qtbot: Any, queue: FakeQueue, tmp_path: Path, settle: Settle
) -> None:
    """Katana may delete a tab at any moment, without closing it: no thread speaks to what is gone."""
    from plugins.Tabs.KatanaQueue.tab import KatanaQueueTab

    log = tmp_path / "render.log"
    log.write_text("line\n" * 20_000)
    picture = tmp_path / "picture.png"
    image = QImage(640, 360, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.red)
    assert image.save(str(picture))
    queue.change([make_job(n, JobState.RUNNING, log_file=str(log), picture=str(picture)) for n in range(5)])
    for _ in range(25):
        tab = KatanaQueueTab(None)
        tab.attach(queue)  # type: ignore[arg-type]  # a stand-in
        tab.show()
        settle(lambda tab=tab: tab.log._state.path != "")
        reader, pictures = tab.log.reader, tab.pictures
        shiboken6.delete(tab)
        assert not queue._listeners
        queue.set("job000001", progress=0.5)
        assert reader.wait(5)
        assert pictures.wait(5)


@pytest.mark.parametrize("width", [420, 1600])
def test_narrow_and_wide(tab: Any, queue: FakeQueue, width: int, qtbot: Any) -> None:
    """The tab fits into a narrow panel."""
    queue.change([make_job(1)])
    tab.resize(width, 500)
    qtbot.waitUntil(lambda: tab.width() == width)
    assert tab.minimumSizeHint().width() <= 420


def test_everything_has_an_accessible_name(tab: Any) -> None:
    """Whoever cannot see the tab is told what each control is."""
    from PySide6.QtWidgets import QAbstractButton, QComboBox, QLineEdit, QSpinBox, QTableView

    for kind in (QAbstractButton, QComboBox, QLineEdit, QSpinBox, QTableView):
        for widget in tab.findChildren(kind):
            inner = widget.objectName().startswith(
                "qt_"
            ) or widget.parentWidget().metaObject().className() in (
                "QLineEdit",
                "QTableView",
                "QSpinBox",
                "QToolBar",
            )
            named = widget.accessibleName() or getattr(widget, "text", lambda: "")()
            assert inner or named, widget


def test_everything_is_reached_by_the_tab_key(tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any) -> None:
    """From the list on through all that is in sight, as it stands, and round to the list again."""
    queue.change([make_job(1, JobState.RUNNING, started=time.time())])
    settle(lambda: tab.actions_of_jobs.stop.isEnabled())
    tab.resize(1600, 800)
    tab.activateWindow()
    tab.setFocus()
    settle(lambda: QApplication.focusWidget() is tab.view)
    reached: list[Any] = []
    while (widget := QApplication.focusWidget()) not in reached:
        reached.append(widget)
        qtbot.keyClick(widget, Qt.Key.Key_Tab)
    assert widget is tab.view is reached[0]
    names = [each.accessibleName() for each in reached]
    order = ["Jobs", "Details", "Search the log", "Follow the End", "Log", "Stop", "Pause Queue"]
    assert [name for name in names if name in order] == order
    assert names[-1] == "View options"
    assert names[-2] == "Filter jobs by words"
