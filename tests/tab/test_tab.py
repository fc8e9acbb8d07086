"""The tab as a whole: the queue's own state, the list as filtered, notices, layout."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from katana_queue.kq.api import (
    ConnectionStatus,
    JobState,
    QueueRecord,
)
from katana_queue.plugins.Tabs.KatanaQueue import notifier
from katana_queue.plugins.Tabs.KatanaQueue.models.columns import Column
from katana_queue.plugins.ui.icons import tool_icon
from PySide6.QtCore import QPoint, QRect, Qt, QTimer
from PySide6.QtWidgets import QSystemTrayIcon

from tests.tab.conftest import close_tab
from tests.tab.fake_queue import FakeQueue, make_job
from tests.tab.using import LEFT, Settle, picture_file


def test_empty_list_tells_how_to_start(tab: Any, settle: Settle) -> None:
    """An artist who opens the tab for the first time reads what to do."""
    settle(lambda: tab.empty.isVisible())
    assert "Preview" in tab.empty._text.text()
    assert not tab.banner.isVisible()


def test_empty_list_without_a_queue_tells_no_way_that_leads_nowhere(
    tab: Any, queue: FakeQueue, settle: Settle
) -> None:
    """A queue that could not begin renders nothing, whatever is right-clicked."""
    queue.change(status=ConnectionStatus.ENDED, message="the queue cannot begin (No space left on device)")
    settle(lambda: tab.banner.isVisible())
    assert "Preview" not in tab.empty._text.text()
    assert tab.empty._text.text()


def test_connection_banner_comes_and_goes(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """What is old is shown as old, nothing can be asked for, and it recovers by itself."""
    queue.change([make_job(1)])
    settle(lambda: tab.actions_of_jobs.start.isEnabled())
    queue.change(status=ConnectionStatus.LOST, message="The queue does not answer.")
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
    queue.change(status=ConnectionStatus.STARTING, message="Starting 2 Agents.")
    settle(lambda: tab.banner.text == "Starting 2 Agents.")
    queue.change(status=ConnectionStatus.CONNECTED, queue=QueueRecord(paused=True, agents_wanted=2))
    settle(lambda: "paused" in tab.banner.text)
    pause = tab.actions_of_jobs.pause
    assert pause.text() == "Resume Queue"
    assert pause.toolTip().startswith("Resume Queue")
    assert pause.icon().pixmap(16).toImage() == tool_icon("play", tab.palette()).pixmap(16).toImage()
    pause.trigger()
    settle(lambda: ("pause_queue", False) in queue.asked)
    queue.change(queue=QueueRecord(paused=False, agents_wanted=2))
    settle(lambda: pause.toolTip().startswith("Pause Queue"))
    assert pause.icon().pixmap(16).toImage() == tool_icon("pause", tab.palette()).pixmap(16).toImage()


def test_interrupted_jobs_can_be_started_or_dismissed(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """After a crash; not a live render or a preview, which only its desktop could show."""
    cut = {"state": JobState.CANCELLED, "from_history": True, "is_interrupted": True}
    jobs = [make_job(1, **cut), make_job(2, **cut), make_job(3, **cut, is_live=True), make_job(4)]
    jobs.append(make_job(5, **cut, node="Render", picture="/tmp/preview.png", needs_desktop=True))
    queue.change(status=ConnectionStatus.CONNECTED, jobs=jobs)
    settle(lambda: tab.banner.text.startswith("2 jobs"))
    qtbot.mouseClick(tab.banner.start, LEFT)
    settle(lambda: ("start_jobs", (jobs[0].id, jobs[1].id)) in queue.asked)
    queue.change(jobs=[make_job(1)])
    settle(lambda: tab.banner.text.startswith("1 job ") and jobs[1].name in tab.banner.text)
    qtbot.mouseClick(tab.banner.dismiss, LEFT)
    assert not tab.banner.text
    queue.change(jobs=[make_job(2)])
    settle(lambda: not tab.model.job(jobs[1].id).is_interrupted)
    assert not tab.banner.text


def test_a_paused_queue_is_resumed_where_one_reads_of_it(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """The strip that says why nothing starts has the button that ends it; other strips have none."""
    queue.change(status=ConnectionStatus.CONNECTED, queue=QueueRecord(paused=True, agents_wanted=2))
    settle(lambda: tab.banner.resume.isVisible())
    qtbot.mouseClick(tab.banner.resume, LEFT)
    settle(lambda: ("pause_queue", False) in queue.asked)
    queue.change(status=ConnectionStatus.LOST, message="The queue does not answer.")
    settle(lambda: tab.banner.text.startswith("The queue does not answer."))
    assert not tab.banner.resume.isVisible()


def test_filter_by_word_state_and_back(tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any) -> None:
    """Typing filters; an empty result offers the way back."""
    queue.change([make_job(1, JobState.FAILED), make_job(2)])
    settle(lambda: tab.model.shown == 2)
    qtbot.keyClicks(tab.filter_bar.field, "shot_002")
    settle(lambda: tab.model.shown == 1)
    qtbot.mouseClick(tab.filter_bar._buttons[JobState.FAILED], LEFT)
    settle(lambda: tab.empty.isVisible())
    qtbot.mouseClick(tab.empty._clear, LEFT)
    settle(lambda: tab.model.shown == 2 and tab.view.isVisible())


def test_layout_is_kept(tab: Any, queue: FakeQueue, qtbot: Any) -> None:
    """Columns hidden, moved and sized come back with the layout, whatever else it holds."""
    from katana_queue.plugins.Tabs.KatanaQueue.tab import KatanaQueueTab

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
    other.applySettings({"katanaQueue": {"columns": {"order": 1, "hidden": "state", "sort": ["name"]}}})
    other.applySettings(settings)
    again = other.view.horizontalHeader()
    assert again.visualIndex(Column.REASON) == 1
    assert again.isSectionHidden(Column.AGENT)
    assert again.sectionSize(Column.NAME) == 333
    assert (other.model.sort_by.column, other.model.sort_by.descending) == (Column.NAME, False)
    assert other.details.current_name() == "Agents"
    assert other.getSettings()["katanaQueue"]["wrap"] is True
    close_tab(other)


def test_long_render_that_ends_is_told(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """After a minute and more the artist may not be watching; it can be turned off."""
    start = time.time() - 100
    queue.change([make_job(1, JobState.RUNNING, started=start), make_job(2, JobState.RUNNING, started=start)])
    settle(lambda: tab.model.shown == 2)
    queue.set("job000001", state=JobState.FAILED, completed=start + 100, reason="disk full")
    settle(lambda: tab.notice.text().startswith("shot_001_beauty") and "disk full" in tab.notice.text())
    tab.notify_action.setChecked(False)
    queue.set("job000002", state=JobState.COMPLETED, completed=start + 100)
    settle(lambda: tab.model.count(JobState.COMPLETED) == 1)
    assert "shot_001" in tab.notice.text()


def test_tray_tells_too_where_there_is_one(
    tab: Any, queue: FakeQueue, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another window the system notifies the artist; turned off, it does not."""
    received: list[str] = []
    monkeypatch.setattr(QSystemTrayIcon, "isSystemTrayAvailable", lambda: True)
    monkeypatch.setattr(QSystemTrayIcon, "show", lambda _tray: None)  # off screen there is none
    monkeypatch.setattr(
        QSystemTrayIcon, "showMessage", lambda _tray, _title, text, *_: received.append(text), raising=True
    )
    monkeypatch.setattr(notifier, "MAX_TRAY_POLLS", 1_000_000)
    looked: list[QRect] = []
    place = QRect(0, 0, 22, 22)  # the tray takes its time to place the icon

    def geometry(_tray: QSystemTrayIcon) -> QRect:
        looked.append(place)
        return place

    monkeypatch.setattr(QSystemTrayIcon, "geometry", geometry)
    start = time.time() - 100
    queue.change([make_job(n, JobState.RUNNING, started=start) for n in (1, 2, 3)])
    settle(lambda: tab.model.shown == 3)
    queue.set("job000001", state=JobState.COMPLETED, completed=start + 100)
    settle(lambda: tab.notice.text().startswith("shot_001"))
    settle(lambda: len(looked) > 1)
    queue.set("job000002", state=JobState.FAILED, completed=start + 100)  # before the first could be shown
    settle(lambda: "2 renders" in tab.notice.text() and "shot_002_beauty" in tab.notice.text())
    both = tab.notice.text()
    assert received == []
    place = QRect(1500, 980, 22, 22)
    settle(lambda: received == [both])
    tab.notify_action.setChecked(False)
    queue.set("job000003", state=JobState.COMPLETED, completed=start + 100)
    settle(lambda: tab.model.count(JobState.COMPLETED) == 2)
    assert len(received) == 1


def test_thousands_of_changes_a_second_are_one_a_frame(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """However often the queue speaks, the tab redraws once a frame, and ends at the last word."""
    queue.change([make_job(1, JobState.RUNNING)])
    settle(lambda: tab.model.shown == 1)
    seen: list[object] = []
    tab.bridge.changed.connect(seen.append)
    for number in range(500):
        queue.set("job000001", progress=number / 1000)
    settle(lambda: tab.model.job("job000001").progress == 0.499)
    assert len(seen) < 400


def timers_due_at_once(tab: Any) -> list[QTimer]:
    return [timer for timer in tab.findChildren(QTimer) if timer.isActive() and timer.interval() < 300]


@pytest.mark.parametrize("width", [420, 1600])
def test_narrow_and_wide(tab: Any, queue: FakeQueue, width: int, qtbot: Any) -> None:
    """The tab fits into a narrow panel."""
    queue.change([make_job(1)])
    tab.resize(width, 500)
    qtbot.waitUntil(lambda: tab.width() == width)
    assert tab.minimumSizeHint().width() <= 420


def test_a_switch_that_is_on_is_seen_to_be_on(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """A filter that hides jobs differs visibly from one that does not, in any palette."""
    queue.change([make_job(1), make_job(2, JobState.FAILED)])
    settle(lambda: tab.view.isVisible())
    button = tab.filter_bar._buttons[JobState.FAILED]
    corner = button.rect().topLeft() + QPoint(4, 4)

    def lightness() -> int:
        return int(button.grab().toImage().pixelColor(corner).lightness())

    off = lightness()
    button.setChecked(True)
    assert abs(lightness() - off) > 20


def test_a_part_drawn_anew_looks_as_the_whole_did(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """The frame of the current row has its sides at the row's ends, whichever part of it is drawn."""
    queue.change([make_job(1), make_job(2)])
    settle(lambda: tab.model.shown == 2 and tab.view.isVisible())
    tab.activateWindow()
    tab.view.setFocus()
    settle(lambda: tab.view.hasFocus())
    viewport = tab.view.viewport()
    cell = tab.view.visualRect(tab.model.index(0, Column.STATE))
    whole = viewport.grab(QRect(0, 0, viewport.width(), cell.height())).toImage()
    assert viewport.grab(cell).toImage() == whole.copy(cell)


def test_how_many_jobs_the_words_leave_is_told_beside_them(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """Where there is room for it; never over the words."""
    queue.change([make_job(number) for number in range(1, 31)])
    settle(lambda: tab.model.shown == 30)
    field = tab.filter_bar.field
    tab.resize(1400, 700)
    settle(lambda: field.width() > 250)

    def right_half() -> Any:
        return field.grab(QRect(field.width() - 120, 0, 90, field.height())).toImage()

    qtbot.keyClicks(field, "shot_00")
    settle(lambda: tab.model.shown == 9)
    assert field._found == "9 of 30"
    with_count = right_half()
    field.set_found("")
    assert right_half() != with_count
    field.set_found("9 of 30")
    field.setText("shot_00 and so many words that there is no room for more")
    full = right_half()
    field.set_found("")
    assert right_half() == full


def test_what_happened_while_the_connection_was_lost_is_noticed(
    tab: Any, queue: FakeQueue, settle: Settle, tmp_path: Path
) -> None:
    """The queue's snapshot replaces all jobs: a long job has ended, and its picture is another."""

    def colour() -> Any:
        thumbnail = tab.pictures.thumbnail(path, 1.0)
        return thumbnail and thumbnail.toImage().pixelColor(5, 5).name()

    path = picture_file(tmp_path / "beauty.png", Qt.GlobalColor.red)
    job = make_job(1, JobState.RUNNING, picture=path)
    queue.change([job])
    settle(lambda: colour() == "#ff0000")
    queue.change(status=ConnectionStatus.LOST)
    picture_file(tmp_path / "beauty.png", Qt.GlobalColor.blue)
    os.utime(path, ns=(1, 1))  # another time than before, however coarse the file system's clock is
    ended = make_job(1, JobState.COMPLETED, picture=path, completed=job.submitted + 300)
    queue.change([ended], reset=True, status=ConnectionStatus.CONNECTED)
    settle(lambda: tab.notice.text().startswith("shot_001_beauty: completed"))
    settle(lambda: colour() == "#0000ff")
