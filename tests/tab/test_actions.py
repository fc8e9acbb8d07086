"""What the tab asks of the queue, by mouse, key and menu, and what it asks back first."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest
from katana_queue.kq.api import (
    AgentState,
    ConnectionStatus,
    DesktopRender,
    JobSpec,
    JobState,
    Refused,
    TaskRecord,
    TaskState,
)
from katana_queue.plugins.Tabs.KatanaQueue import job_requests
from katana_queue.plugins.Tabs.KatanaQueue.models.columns import Column
from katana_queue.plugins.Tabs.KatanaQueue.views import banner
from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtGui import QAction, QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QApplication, QMenu, QMessageBox, QPushButton, QToolBar, QToolButton

from tests.tab.fake_queue import FakeQueue, make_agent, make_job
from tests.tab.using import LEFT, Settle, click_row


def test_start_and_stop_by_button_and_key(tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any) -> None:
    """Start applies to what is over, Stop to what is not."""
    queue.change([make_job(1, JobState.FAILED), make_job(2, JobState.RUNNING, started=time.time())])
    acts = tab.actions_of_jobs
    settle(lambda: tab.model.shown == 2)
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


def test_each_action_is_in_bar_menu_and_keys(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """By bar, menu and key; and no key means two things."""
    queue.tasks_of["job000001"] = [TaskRecord(job_id="job000001", index=0, state=TaskState.FAILED)]
    queue.change([make_job(1, JobState.FAILED, tasks=2)])
    settle(lambda: tab.view.current()[0] == "job000001")
    tab.model.expand("job000001")
    settle(lambda: tab.model.record(1) is not None)
    tab.view.selectRow(1)
    acts = tab.actions_of_jobs
    settle(acts.start_tasks.isEnabled)
    tab.view.customContextMenuRequested.emit(QPoint(30, 10))
    menu = next(each for each in tab.findChildren(QMenu) if each.isVisible())
    every = set(acts.findChildren(QAction))
    assert len(every) == 18
    in_menu_alone = {acts.reveal_picture, acts.copy_picture_path, acts.edit_note}
    assert every - in_menu_alone <= set(tab.top.findChild(QToolBar).actions())
    assert every <= set(menu.actions())
    keys = [act.shortcut().toString() for act in (*every, *tab.log.search_actions, tab.find_action)]
    assert "" not in keys
    assert len(set(keys)) == len(keys)
    menu.close()


def test_in_a_narrow_bar_the_rest_stands_behind_a_button(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """Nothing is out of reach for want of room; and it is greyed there as elsewhere."""
    queue.change([make_job(1, JobState.WAITING)])
    settle(lambda: tab.view.current()[0] == "job000001")
    bar, acts = tab.top.findChild(QToolBar), tab.actions_of_jobs
    more = bar.findChild(QToolButton, "qt_toolbar_ext_button")
    last = bar.widgetForAction(acts.copy_command)
    settle(last.isVisible)
    assert not more.isVisible()
    for width in (600, 800):
        tab.resize(width, 700)
        settle(lambda width=width: tab.width() == width and more.isVisible())
        assert not last.isVisible()
        assert bar.widgetForAction(acts.stop_all).isVisible()
    behind: dict[str, bool] = {}

    def look() -> None:
        menu = QApplication.activePopupWidget()
        behind.update({act.text(): act.isEnabled() for act in menu.actions() if act.text()})
        menu.close()

    QTimer.singleShot(0, look)
    more.showMenu()
    assert behind["Raise Priority"]
    assert behind["Copy Command"]
    assert not behind["Open Picture"]


def test_counts_are_read_whole_in_a_narrow_bar(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """More digits take their room from the actions that come last, then from the count that matters least."""
    tab.resize(800, 700)
    settle(lambda: tab.width() == 800)
    queue.change(
        [make_job(n, JobState.FAILED if n % 10 else JobState.COMPLETED) for n in range(9000)], reset=True
    )
    buttons = tab.filter_bar.switches

    def whole() -> list[str]:
        """The counts in sight; empty while one of them is cut off."""
        shown = [button for button in buttons if button.isVisible()]
        is_cut = any(button.width() < button.sizeHint().width() for button in shown)
        return [] if is_cut else [button.text() for button in shown]

    settle(lambda: {"8,100", "900"} <= set(whole()))
    tab.resize(1000, 700)
    settle(lambda: whole() == ["0", "0", "8,100", "0", "900"])


def test_stop_of_a_long_render_asks(tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any) -> None:
    """Hours of rendering are not lost by a slip; and the question holds nothing up."""
    queue.change([make_job(1, JobState.RUNNING, started=time.time() - 7200)])
    settle(lambda: tab.view.current()[0] == "job000001")
    tab.actions_of_jobs.stop.trigger()
    box = tab.findChild(QMessageBox)
    assert "2:00:0" in box.text()
    queue.set("job000001", progress=0.9)  # the queue goes on while the question is open
    settle(lambda: tab.model.job("job000001").progress == 0.9)
    cancel = next(button for button in box.findChildren(QPushButton) if button.text() == "Cancel")
    qtbot.mouseClick(cancel, LEFT)
    assert not [asked for asked in queue.asked if asked[0] == "stop_jobs"]
    tab.actions_of_jobs.stop.trigger()
    box = next(each for each in tab.findChildren(QMessageBox) if each.isVisible())
    yes = next(button for button in box.findChildren(QPushButton) if button.text() == "Stop")
    qtbot.mouseClick(yes, LEFT)
    settle(lambda: ("stop_jobs", ("job000001",)) in queue.asked)


def test_stop_all_asks_by_what_is_known_of_the_agents(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """The longest render is named; jobs that are over do not count."""
    long_ago, just_now = time.time() - 7200, time.time() - 5
    queue.change(
        [
            make_job(1, JobState.RUNNING, started=just_now),
            make_job(2, JobState.RUNNING, started=long_ago, name="the_long_one"),
            make_job(3, JobState.WAITING),
            make_job(4, JobState.COMPLETED),
        ],
        agents=[make_agent(i, AgentState.BUSY, job=f"job{i:06}") for i in (1, 2)],
    )
    settle(lambda: tab.model.shown == 4)
    tab.actions_of_jobs.stop_all.trigger()
    box = tab.findChild(QMessageBox)
    assert box.text().startswith("the_long_one ")
    assert " 2:00:0" in box.text() and " 3 jobs?" in box.text()
    qtbot.mouseClick(next(b for b in box.findChildren(QPushButton) if b.text() == "Stop"), LEFT)
    settle(lambda: ("stop_all_jobs",) in queue.asked)


def test_queue_lost_while_a_question_stands(tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any) -> None:
    """An answer given when the queue is gone does no harm, and a message says so."""
    queue.change([make_job(1, JobState.RUNNING, started=time.time() - 7200)])
    settle(lambda: tab.view.current()[0] == "job000001")
    tab.actions_of_jobs.stop.trigger()
    queue.change(status=ConnectionStatus.LOST, message="The queue does not answer.")
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
    assert tab.notice.isVisible()


@pytest.mark.parametrize("end", ["another request", "another job", "connected again"])
def test_a_refusal_goes_when_it_no_longer_matters(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any, end: str
) -> None:
    """What was refused of this job a moment ago would be read as of what is done now."""
    queue.refusal = Refused("the job is being removed")
    queue.change([make_job(1), make_job(2)])
    settle(lambda: tab.model.shown == 2)
    click_row(qtbot, tab, "job000001")
    tab.actions_of_jobs.start.trigger()
    settle(lambda: tab.notice.text() == "Start: the job is being removed")
    settle(tab.notice.isVisible)
    queue.refusal = None
    if end == "another request":
        tab.actions_of_jobs.start.trigger()
    elif end == "another job":
        click_row(qtbot, tab, "job000002")
    else:
        queue.change(status=ConnectionStatus.LOST, message="The queue does not answer.")
        settle(lambda: tab.banner.isVisible())
        assert tab.notice.isVisible()
        queue.change(status=ConnectionStatus.CONNECTED)
    settle(lambda: not tab.notice.isVisible())


def test_a_long_notice_widens_no_panel(tab: Any, settle: Settle) -> None:
    """A path may be longer than the panel is wide: its end is still read, and all of it in the tool tip."""
    least = tab.minimumSizeHint().width()
    tab.notice.show_message("Asked the system to open the picture: /show/" + "x" * 400 + "/beauty.png")
    settle(tab.notice.isVisible)
    assert tab.minimumSizeHint().width() == least
    assert tab.notice.toolTip().endswith("/beauty.png")


def test_where_it_is_is_told_beside_opening_it(
    tab: Any, queue: FakeQueue, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a program comes up is not known to the tab: the message has the path."""
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda _url: True)
    queue.change([make_job(1, log_file="/logs/1/0.1.log", picture="/pics/1.png")])
    settle(lambda: tab.actions_of_jobs.open_picture.isEnabled())
    tab.actions_of_jobs.open_picture.trigger()
    assert tab.notice.text().endswith(": /pics/1.png")
    tab.actions_of_jobs.reveal_log.trigger()
    assert tab.notice.text().endswith(": /logs/1")
    tab.log.open_in_editor()
    assert tab.notice.text().endswith(": /logs/1/0.1.log")


def test_job_removed_while_its_menu_is_open(tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any) -> None:
    """A menu chosen from too late asks for nothing and breaks nothing."""
    queue.change([make_job(1)])
    settle(lambda: tab.view.current()[0] == "job000001")
    tab.view.customContextMenuRequested.emit(QPoint(30, 10))
    menu = next(each for each in tab.findChildren(QMenu) if each.isVisible())
    queue.change(removed=["job000001"])
    settle(lambda: tab.model.shown == 0)
    before = list(queue.asked)
    for action in (tab.actions_of_jobs.start, tab.actions_of_jobs.remove, tab.actions_of_jobs.copy_log_path):
        action.trigger()
    assert queue.asked == before
    menu.close()


def test_a_job_that_goes_leaves_nothing_of_its_neighbour_chosen(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """Its menu is open, another client removes it: the action is not done with the next job."""
    queue.change([make_job(n, log_file=f"/logs/{n}.log", picture=f"/pics/{n}.png") for n in (1, 2, 3)])
    settle(lambda: tab.model.shown == 3)
    click_row(qtbot, tab, "job000002")
    acts = tab.actions_of_jobs
    QGuiApplication.clipboard().setText("before")
    queue.change(removed=["job000002"])
    settle(lambda: tab.model.shown == 2)
    assert tab.view.current()[0] in ("job000001", "job000003")
    settle(lambda: not acts.copy_log_path.isEnabled())
    assert not any(act.isEnabled() for act in (acts.reveal_log, acts.open_picture, acts.copy_command))
    acts._copy_log_path()  # from a menu that was shown before
    acts._copy_command()
    assert QGuiApplication.clipboard().text() == "before"


def test_several_are_selected_and_removed_by_key(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """Delete removes all selected jobs; in the filter field it deletes a letter."""
    queue.change([make_job(n) for n in range(1, 5)])
    settle(lambda: tab.model.shown == 4)
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
    assert " 12 jobs" in box.text()
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


def test_priority_of_jobs_with_different_priorities(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """Raised together, jobs keep their order among each other."""
    queue.change([make_job(1, JobState.WAITING, priority=5), make_job(2, JobState.WAITING)])
    settle(lambda: tab.model.shown == 2)
    tab.view.setFocus()
    tab.view.selectAll()
    qtbot.keyClick(tab.view, Qt.Key.Key_Up, Qt.KeyboardModifier.ControlModifier)
    settle(lambda: len([asked for asked in queue.asked if asked[0] == "set_priority"]) == 2)
    assert ("set_priority", ("job000001",), 6) in queue.asked
    assert ("set_priority", ("job000002",), 1) in queue.asked
    settle(lambda: "2 jobs" in tab.notice.text())


def test_another_priority_is_told_where_no_column_shows_it(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """Rows stay and the column is hidden at first: a message says what the key did."""
    queue.change([make_job(1, JobState.WAITING)])
    settle(lambda: tab.view.current()[0] == "job000001")
    tab.view.setFocus()
    qtbot.keyClick(tab.view, Qt.Key.Key_Down, Qt.KeyboardModifier.ControlModifier)
    settle(lambda: "shot_001_beauty to -1" in tab.notice.text())


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


def test_a_submission_that_is_not_saved_says_so(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """On a full disk, say: the job is queued, and is lost with the queue."""
    queue.specs["job000001"] = JobSpec(name="beauty", commands=(("render",),))
    queue.saves = False
    queue.change([make_job(1)])
    settle(lambda: tab.view.current()[0] == "job000001")
    tab.actions_of_jobs.submit_again.trigger()
    settle(lambda: "beauty is queued, but not saved" in tab.notice.text())


def test_copy_command_and_log_path(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """What is copied can be pasted into a shell."""
    queue.specs["job000001"] = JobSpec(name="beauty", commands=(("render", "a b.usda", "it's"),))
    queue.change([make_job(1, log_file="/data/logs/1.log")])
    settle(lambda: tab.view.current()[0] == "job000001")
    tab.actions_of_jobs.copy_command.trigger()
    quoted = "render 'a b.usda' 'it'\"'\"'s'" if sys.platform != "win32" else 'render "a b.usda" it\'s'
    settle(lambda: QGuiApplication.clipboard().text() == quoted)
    tab.actions_of_jobs.copy_log_path.trigger()
    assert QGuiApplication.clipboard().text() == "/data/logs/1.log"


def test_of_a_task_its_own_log_picture_and_command(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is copied and opened is the selected frame's, not that of the frame which ran last."""
    opened: list[str] = []
    monkeypatch.setattr(
        QDesktopServices, "openUrl", lambda url: bool(opened.append(url.toLocalFile())) or True
    )
    states = (TaskState.FAILED, TaskState.COMPLETED, TaskState.RUNNING)
    queue.tasks_of["job000001"] = [
        TaskRecord(
            job_id="job000001", index=i, state=state, log_file=f"/logs/{i}.1.log", picture=f"/pics/{i}.png"
        )
        for i, state in enumerate(states)
    ]
    queue.specs["job000001"] = JobSpec(name="beauty", commands=(("render", "{frame}"),), frames="11-13")
    queue.change([make_job(1, JobState.RUNNING, tasks=3, log_file="/logs/2.1.log", picture="/pics/2.png")])
    settle(lambda: tab.view.current()[0] == "job000001")
    acts = tab.actions_of_jobs
    tab.model.expand("job000001")
    settle(lambda: tab.model.record(1) is not None)

    def click(row: int) -> None:
        place = tab.view.visualRect(tab.model.index(row, Column.NAME)).center()
        qtbot.mouseClick(tab.view.viewport(), LEFT, pos=place)

    click(1)
    acts.copy_log_path.trigger()
    assert QGuiApplication.clipboard().text() == "/logs/0.1.log"
    acts.open_picture.trigger()
    assert opened == ["/pics/0.png"]
    acts.copy_command.trigger()
    settle(lambda: QGuiApplication.clipboard().text() == "render 11")
    assert acts.start_tasks.isEnabled()
    click(3)
    settle(lambda: not acts.start_tasks.isEnabled())  # it runs: there is nothing to start


@pytest.mark.parametrize("action", ["start", "start_missing", "submit_again"])
def test_what_needs_its_desktop_is_rendered_again_by_katana(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    """The queue is asked for nothing; where Katana cannot, the notice has the reason."""
    asked: list[tuple[str, DesktopRender]] = []
    refusal: list[Refused] = []

    def render_again(job: Any, render: DesktopRender) -> None:
        asked.append((job.id, render))
        if refusal:
            raise refusal[0]

    monkeypatch.setattr(job_requests, "render_again", render_again)
    render = DesktopRender(method="previewRender", frame=12)
    job = make_job(1, JobState.FAILED, needs_desktop=True)
    queue.specs[job.id] = JobSpec(name=job.name, commands=(("renderboot",),), desktop=render)
    queue.change(jobs=(job,))
    settle(lambda: tab.model.total == 1)
    click_row(qtbot, tab, job.id)
    getattr(tab.actions_of_jobs, action).trigger()
    settle(lambda: "by Katana" in tab.notice.text())
    refusal.append(Refused("open its scene"))
    getattr(tab.actions_of_jobs, action).trigger()
    settle(lambda: "open its scene" in tab.notice.text())
    assert asked == [(job.id, render)] * 2
    assert not {"start_jobs", "start_tasks", "submit"} & {each[0] for each in queue.asked}


def test_a_menu_acts_on_the_job_that_it_was_opened_on(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """Though a newer one, which is selected once the menu is closed, comes meanwhile."""
    queue.change([make_job(number, JobState.WAITING) for number in (1, 2)])
    settle(lambda: tab.view.current()[0] == "job000002")
    menu = QMenu(tab)
    menu.addAction(tab.actions_of_jobs.stop)
    menu.popup(tab.mapToGlobal(QPoint(20, 20)))
    qtbot.waitUntil(menu.isVisible)
    queue.change([make_job(3, JobState.WAITING)])
    settle(lambda: tab.model.total == 3)
    qtbot.wait(300)  # three times as long as until it is tried again
    tab.actions_of_jobs.stop.trigger()
    settle(lambda: ("stop_jobs", ("job000002",)) in queue.asked)
    menu.close()
    settle(lambda: tab.view.current()[0] == "job000003")


@pytest.mark.parametrize("end", ["another job", "another action", "Start Missing", "long ago"])
def test_an_error_of_one_of_several_jobs_stays_in_sight(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """The others were submitted, and the newest is selected: their messages come beside it."""
    submit = queue.submit

    def submit_and_add(spec: JobSpec) -> Any:
        answer = submit(spec)
        queue.change([make_job(3 + len(submitted()))])
        return answer

    def submitted() -> list[Any]:
        return [each for each in queue.asked if each[0] == "submit"]

    if end == "long ago":
        monkeypatch.setattr(banner, "SHOWN_MS", 0)
    monkeypatch.setattr(queue, "submit", submit_and_add)
    for number in (1, 3):
        queue.specs[f"job{number:06}"] = JobSpec(name=f"beauty {number}", commands=(("render",),))
    queue.change([make_job(number, log_file="/logs/1.log") for number in (1, 2, 3)])
    settle(lambda: tab.view.current()[0] == "job000003")
    tab.view.selectAll()
    tab.actions_of_jobs.submit_again.trigger()
    settle(lambda: len(submitted()) == 2 and tab.view.chosen.job_ids() == ["job000005"])
    settle(lambda: "beauty 1" in tab.notice.text())
    assert tab.notice.isVisible()
    assert ("job000002" in tab.notice.text()) == (end != "long ago")
    if end == "another job":
        click_row(qtbot, tab, "job000001")
        assert not tab.notice.isVisible()
    elif end == "another action":
        click_row(qtbot, tab, "job000001")
        tab.notice.refuse("Submit Again: there is no job job000002")
        tab.actions_of_jobs.copy_log_path.trigger()
        assert tab.notice.text() == "Copied the path."
    elif end == "Start Missing":
        tab.actions_of_jobs.start_missing.trigger()
        settle(lambda: "no job job000005" in tab.notice.text())
        assert "job000002" not in tab.notice.text()


def test_an_error_is_not_hidden_by_the_next_request_of_the_same_action(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """Of a farm, one of several that are asked in turn: that it takes no requests now is known at once."""
    queue.change([make_job(1), make_job(2, needs_desktop=True)])
    queue.specs["job000002"] = JobSpec(name="preview", commands=(("renderboot",),))
    settle(lambda: tab.model.total == 2)
    tab.view.selectAll()
    tab.sources.is_live = False
    tab.actions_of_jobs.start.trigger()
    assert "not connected" in tab.notice.text() and tab.notice.isVisible()
