"""Reach by key: where Tab leads, where the keyboard is seen to be, keys that hold beyond their panel."""

from __future__ import annotations

import time
from typing import Any

import pytest
from katana_queue.kq.api import (
    JobState,
)
from katana_queue.plugins.Tabs.KatanaQueue.models.columns import Column
from PySide6.QtCore import QEvent, QItemSelectionModel, QObject, QRect, Qt
from PySide6.QtGui import QFocusEvent, QPaintEvent
from PySide6.QtWidgets import QApplication

from tests.tab.fake_queue import FakeQueue, make_agent, make_job
from tests.tab.using import LEFT, Settle


def test_everything_has_an_accessible_name(tab: Any) -> None:
    """A screen reader names each control."""
    from PySide6.QtWidgets import QAbstractButton, QComboBox, QLineEdit, QSpinBox, QTableView, QToolBar

    for kind in (QAbstractButton, QComboBox, QLineEdit, QSpinBox, QTableView):
        for widget in tab.findChildren(kind):
            inner = widget.objectName().startswith("qt_") or isinstance(
                widget.parentWidget(), QLineEdit | QTableView | QSpinBox | QToolBar
            )
            named = widget.accessibleName() or getattr(widget, "text", lambda: "")()
            assert inner or named, widget


def test_everything_is_reached_by_the_tab_key(tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any) -> None:
    """From the list through all visible controls, from left to right, and back to the list."""
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


def test_the_logs_keys_hold_in_the_list_and_while_one_types(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any, tmp_path: Any
) -> None:
    """F8 in the list goes to the error of the job, whatever page is open; F3 goes on from the typed word."""
    log = tmp_path / "1.log"
    log.write_text(
        "\n".join(["Progress: 1%", *["."] * 80, "Error: no such texture", *["."] * 80, "Progress: 2%"])
    )
    queue.change([make_job(1, JobState.FAILED, log_file=str(log))])
    settle(lambda: tab.log._state.is_scanned and tab.log._state.errors.count == 1)
    tab.activateWindow()
    tab.view.setFocus()
    tab.details.show_page("Picture")
    qtbot.keyClick(tab.view, Qt.Key.Key_F8)
    assert tab.details.current_name() == "Log"
    assert tab.log.view.current_line == 81
    tab.details.show_page("Agents")
    tab.view.setFocus()
    qtbot.keyClick(tab.view, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    field = tab.log._field
    settle(lambda: QApplication.focusWidget() is field)
    qtbot.keyClicks(field, "Progress")
    settle(lambda: tab.log._matches.text().endswith("of 2"))
    first = tab.log.view.current_line
    qtbot.keyClick(field, Qt.Key.Key_F3)
    assert {first, tab.log.view.current_line} == {0, 162}
    qtbot.keyClick(field, Qt.Key.Key_F3, Qt.KeyboardModifier.ShiftModifier)
    assert tab.log.view.current_line == first
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert (field.text(), QApplication.focusWidget()) == ("", field)
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert QApplication.focusWidget() is tab.log.view


def test_the_frame_of_the_current_row_goes_with_it(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """All of the row that had the frame is drawn anew, not its first cell."""
    queue.change([make_job(number) for number in (1, 2, 3)])
    settle(lambda: tab.model.shown == 3 and tab.view.isVisible())
    tab.view.setFocus()
    tab.view.selectRow(0)
    drawn: list[QRect] = []

    class Watch(QObject):
        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            if isinstance(event, QPaintEvent):
                drawn.append(event.region().boundingRect())
            return False

    watch = Watch()
    tab.view.viewport().installEventFilter(watch)
    tab.view.viewport().repaint()
    drawn.clear()
    index = tab.model.index(2, Column.NAME)
    tab.view.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
    settle(lambda: bool(drawn))
    area = QRect()
    for each in drawn:
        area = area.united(each)
    assert area.width() == tab.view.viewport().width()
    assert area.top() <= tab.view.rowViewportPosition(0)
    assert area.bottom() >= tab.view.rowViewportPosition(2) + tab.view.rowHeight(2) - 1


def test_a_click_on_a_page_leaves_no_frame(tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any) -> None:
    """A click shows no frame: only the Tab key does."""
    queue.change([make_job(1)])
    settle(lambda: tab.view.isVisible())
    tab.activateWindow()
    tabs = tab.details._tabs
    tabs.setStyleSheet("QTabBar::tab { padding: 6px 12px; outline: 0; }")  # a host whose style has no frame

    def has_frame() -> bool:
        rect = tabs.tabRect(tabs.currentIndex()).adjusted(2, 4, -3, -4)
        line = tabs.grab(rect).toImage()
        inner = tabs.grab(rect.adjusted(1, 1, -1, -1)).toImage()
        return bool(line.pixelColor(8, 0) != inner.pixelColor(7, 0))

    qtbot.mouseClick(tabs, LEFT, pos=tabs.tabRect(1).center())
    settle(lambda: tab.details.current_name() == "Picture")
    assert not has_frame()
    back_to_the_window = QFocusEvent(QEvent.Type.FocusIn, Qt.FocusReason.ActiveWindowFocusReason)
    QApplication.sendEvent(tabs, back_to_the_window)
    assert not has_frame()
    tab.view.setFocus()
    qtbot.keyClick(tab.view, Qt.Key.Key_Tab)
    settle(tabs.hasFocus)
    assert has_frame()
    QApplication.sendEvent(tabs, back_to_the_window)
    assert has_frame()


@pytest.mark.parametrize("page", ["Log", "Picture", "Agents"])
def test_where_the_keyboard_is_can_be_seen(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any, page: str
) -> None:
    """All that the Tab key reaches looks otherwise while it has the keyboard."""
    queue.change([make_job(1, JobState.RUNNING, started=time.time())], agents=[make_agent(1), make_agent(2)])
    settle(lambda: tab.actions_of_jobs.stop.isEnabled())
    tab.resize(1600, 800)
    tab.activateWindow()
    tab.view.setFocus()
    settle(lambda: QApplication.focusWidget() is tab.view)
    tab.details.show_page(page)
    seen: set[Any] = set()
    while (widget := QApplication.focusWidget()) not in seen:
        seen.add(widget)
        focused = widget.grab().toImage()
        qtbot.keyClick(widget, Qt.Key.Key_Tab)
        assert widget.grab().toImage() != focused, widget.accessibleName()


def test_home_and_end_go_to_the_first_and_last_job(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """Whole rows are chosen: Qt's own Home and End, to the first and last column, would do nothing to see."""
    queue.change([make_job(i) for i in range(60)])
    settle(lambda: tab.model.shown == 60)
    tab.view.show_job(tab.model.job_id(30))

    qtbot.keyClick(tab.view, Qt.Key.Key_End)
    assert tab.view.chosen.job_ids() == [tab.model.job_id(59)]
    qtbot.keyClick(tab.view, Qt.Key.Key_Home, Qt.KeyboardModifier.ShiftModifier)
    assert len(tab.view.chosen.job_ids()) == 60
    qtbot.keyClick(tab.view, Qt.Key.Key_End)
    qtbot.keyClick(tab.view, Qt.Key.Key_Home)
    assert tab.view.chosen.job_ids() == [tab.model.job_id(0)]


def test_a_single_row_is_selected_by_the_keyboard(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """The list that gets the focus selects its row, and so does Down after a click beside it."""
    queue.change([make_job(1, JobState.CANCELLED)])
    settle(lambda: tab.model.total == 1)
    tab.activateWindow()
    tab.log.view.setFocus()
    tab.view.clearSelection()
    tab.view.selectionModel().clearCurrentIndex()
    tab.view.setFocus(Qt.FocusReason.TabFocusReason)
    settle(lambda: QApplication.focusWidget() is tab.view)
    assert tab.view.chosen.any() and tab.actions_of_jobs.start.isEnabled()
    tab.view.clearSelection()
    assert not tab.view.chosen.any()
    qtbot.keyClick(tab.view, Qt.Key.Key_Down)
    assert tab.view.chosen.any()
