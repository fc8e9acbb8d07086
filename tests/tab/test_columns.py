"""The columns of the list: fitted to its width until the artist sizes one, then as arranged."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from katana_queue.kq.api import JobState, TaskRecord, TaskState
from katana_queue.plugins.Tabs.KatanaQueue.models.column_fit import fitted_widths
from katana_queue.plugins.Tabs.KatanaQueue.models.columns import COLUMNS, Column, bytes_text, remaining_s
from katana_queue.plugins.Tabs.KatanaQueue.views.filter_bar import FilterBar
from katana_queue.plugins.ui.theme import HEADER_PADDING
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtWidgets import QApplication, QMenu

from tests.tab.conftest import close_tab
from tests.tab.fake_queue import FakeQueue, make_job
from tests.tab.using import LEFT, Settle

READABLE = 226
"""Pixels in which most reasons can be read."""


def shown(tab: Any) -> list[Column]:
    header = tab.view.horizontalHeader()
    return [column for column in Column if not header.isSectionHidden(column)]


def test_bytes_have_two_or_three_digits() -> None:
    """Those that are rounded to 10 look like 10."""
    counts = (999, 9_940_000, 9_960_000, 10_400_000, 999_600_000)
    assert [bytes_text(each) for each in counts] == ["999 B", "9.9 MB", "10 MB", "10 MB", "1.0 GB"]


def in_sight(tab: Any, column: Column) -> int:
    """How many pixels of a column can be seen without scrolling."""
    left = tab.view.columnViewportPosition(column)
    right = left + tab.view.columnWidth(column)
    return int(max(0, min(right, tab.view.viewport().width()) - max(left, 0)))


def menu_entry(menu: QMenu, text: str) -> Any:
    """An entry of an open menu, and a click on it."""
    return next(action for action in menu.actions() if action.text() == text)


def open_header_menu(qtbot: Any, tab: Any) -> QMenu:
    """The menu that the header shows for a click with the right button."""
    header = tab.view.horizontalHeader()
    header.customContextMenuRequested.emit(QPoint(20, 5))
    qtbot.waitUntil(lambda: isinstance(QApplication.activePopupWidget(), QMenu))
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    return menu


def choose(qtbot: Any, menu: QMenu, text: str) -> None:
    qtbot.mouseClick(menu, LEFT, pos=menu.actionGeometry(menu_entry(menu, text)).center())


@pytest.mark.parametrize("room", range(620, 2700, 40))
def test_they_fill_the_list_and_reason_is_readable(room: int) -> None:
    """Whatever the width from a small panel on: no empty stretch, nothing beyond the edge."""
    widths = fitted_widths(room, 1.0, {})
    assert sum(widths.values()) == room
    assert widths[Column.REASON] >= READABLE
    assert {Column.NAME, Column.STATE, Column.PROGRESS} < widths.keys()
    assert Column.PRIORITY not in widths


def test_all_are_there_when_there_is_room_and_the_least_needed_leave_first() -> None:
    """The log's path, which two actions copy and open, goes before the picture. Without a farm, no column."""
    usual = [column for column in Column if not COLUMNS[column].hidden]
    assert list(fitted_widths(1700, 1.0, {})) == usual
    usual.remove(Column.FARM)

    def fitted(room: int) -> list[Column]:
        return list(fitted_widths(room, 1.0, {}, absent={Column.FARM}))

    assert fitted(1600) == usual
    assert set(usual) - set(fitted(1080)) <= {Column.LOG_FILE, Column.MEMORY}
    assert Column.COMPLETED in fitted(1060)
    assert Column.PICTURE in fitted(800)
    narrow = fitted_widths(200, 1.0, {})
    assert list(narrow) == [Column.NAME, Column.STATE, Column.PROGRESS, Column.REASON]
    assert sum(narrow.values()) > 200


def test_no_title_is_cut_short() -> None:
    """A column is as wide as its title, in any font."""
    widths = fitted_widths(1600, 1.0, dict.fromkeys(Column, 150))
    assert min(widths.values()) >= 150


@pytest.mark.parametrize("width", [800, 1080, 1600])
def test_why_it_failed_is_read_without_scrolling(
    tab: Any, queue: FakeQueue, settle: Settle, width: int
) -> None:
    """In a panel of any usual width, and as it is made narrower or wider."""
    tab.resize(width, 500)
    queue.change([make_job(1, JobState.FAILED, reason="Error: no such texture")])
    settle(lambda: tab.view.isVisible() and tab.view.viewport().width() > width - 60)
    assert in_sight(tab, Column.REASON) >= READABLE
    assert tab.view.horizontalScrollBar().maximum() == 0
    tab.resize(width + 150, 500)
    settle(lambda: tab.view.viewport().width() > width + 90)
    assert in_sight(tab, Column.REASON) >= READABLE
    assert tab.view.horizontalHeader().length() == tab.view.viewport().width()


def test_what_somebody_arranged_stays(tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any) -> None:
    """After a column was sized, shown or hidden by hand, a wider panel changes nothing."""
    queue.change([make_job(1)])
    settle(lambda: tab.view.isVisible())
    header = tab.view.horizontalHeader()
    edge = QPoint(
        header.sectionViewportPosition(Column.NAME) + header.sectionSize(Column.NAME) - 1,
        header.height() // 2,
    )
    before = header.sectionSize(Column.NAME)
    qtbot.mousePress(header.viewport(), LEFT, pos=edge)
    qtbot.mouseMove(header.viewport(), edge + QPoint(20, 0))
    qtbot.mouseMove(header.viewport(), edge + QPoint(57, 0))
    qtbot.mouseRelease(header.viewport(), LEFT, pos=edge + QPoint(57, 0))
    assert header.sectionSize(Column.NAME) == before + 57
    sizes = [header.sectionSize(column) for column in Column]
    tab.resize(1700, 500)
    settle(lambda: tab.view.viewport().width() > 1600)
    assert [header.sectionSize(column) for column in Column] == sizes


def test_the_headers_menu_shows_hides_and_fits_again(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """Columns that had no room are offered; so is the way back to columns that fit."""
    tab.resize(1080, 500)
    queue.change([make_job(1)])
    settle(lambda: tab.view.isVisible() and Column.LOG_FILE not in shown(tab))
    menu = open_header_menu(qtbot, tab)
    assert menu_entry(menu, "Fit to Width").isChecked()
    assert not menu_entry(menu, "Log File").isChecked()
    choose(qtbot, menu, "Log File")
    assert Column.LOG_FILE in shown(tab)
    assert tab.view.columns.is_fitted  # the others have made room
    header = tab.view.horizontalHeader()
    assert header.length() == tab.view.viewport().width()
    header.resizeSection(Column.NAME, 400)
    menu = open_header_menu(qtbot, tab)
    assert menu_entry(menu, "Log File").isChecked()
    assert not menu_entry(menu, "Fit to Width").isChecked()
    choose(qtbot, menu, "Fit to Width")
    assert Column.LOG_FILE in shown(tab)
    assert header.length() == tab.view.viewport().width()
    choose(qtbot, open_header_menu(qtbot, tab), "Log File")
    assert Column.LOG_FILE not in shown(tab)
    assert header.length() == tab.view.viewport().width()


def test_reason_takes_the_room_of_a_hidden_column_and_gives_it_back(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """No blank is left beside a reason that is cut short; beyond its least the list scrolls."""
    tab.resize(1080, 500)
    queue.change([make_job(1)])
    settle(lambda: tab.view.isVisible() and Column.LOG_FILE not in shown(tab))
    header = tab.view.horizontalHeader()
    tab.view.columns._set_fitted(False)
    before, freed = header.sectionSize(Column.REASON), header.sectionSize(Column.PICTURE)
    for is_hidden, width in ((True, before + freed), (False, before)):
        choose(qtbot, open_header_menu(qtbot, tab), "Picture")
        assert header.isSectionHidden(Column.PICTURE) is is_hidden
        assert header.sectionSize(Column.REASON) == width
        assert header.length() == tab.view.viewport().width()
    header.resizeSection(Column.NAME, 600)  # by hand: the list scrolls now, and hiding one leaves no blank
    choose(qtbot, open_header_menu(qtbot, tab), "Agent")
    assert header.sectionSize(Column.REASON) == before


def test_columns_that_were_moved_go_on_fitting(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """Who drags *Reason* to the left still wants it readable in a narrower panel."""
    queue.change([make_job(1)])
    settle(lambda: tab.view.isVisible())
    header = tab.view.horizontalHeader()
    grip = QPoint(header.sectionViewportPosition(Column.REASON) + 20, header.height() // 2)
    target = QPoint(header.sectionViewportPosition(Column.STATE) + 20, header.height() // 2)
    qtbot.mousePress(header.viewport(), LEFT, pos=grip)
    qtbot.mouseMove(header.viewport(), (grip + target) / 2)
    qtbot.mouseMove(header.viewport(), target)
    qtbot.mouseRelease(header.viewport(), LEFT, pos=target)
    assert header.visualIndex(Column.REASON) == 1
    tab.resize(800, 500)
    settle(lambda: tab.view.viewport().width() <= 800)
    assert header.visualIndex(Column.REASON) == 1
    assert header.length() == tab.view.viewport().width()


def test_view_menu_reads_as_the_header_does(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """*View > Columns* is made once; its ticks follow what is shown now."""
    queue.change([make_job(1)])
    settle(lambda: tab.view.isVisible())
    menu = next(menu for menu in tab.findChildren(QMenu) if menu.title() == "Columns")
    for hidden in (True, False):
        tab.view.horizontalHeader().setSectionHidden(Column.AGENT, hidden)
        menu.aboutToShow.emit()
        assert menu_entry(menu, "Agent").isChecked() is not hidden


def test_a_kept_layout_is_not_fitted(tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any) -> None:
    """One that was arranged comes back as it was, in any width; one that fitted goes on fitting."""
    from katana_queue.plugins.Tabs.KatanaQueue.tab import KatanaQueueTab

    queue.change([make_job(1)])
    settle(lambda: tab.view.isVisible())
    tab.view.horizontalHeader().moveSection(0, 1)
    fitted = tab.getSettings()
    tab.view.horizontalHeader().resizeSection(Column.REASON, 777)
    tab.view.sortByColumn(Column.NAME, Qt.SortOrder.AscendingOrder)
    arranged = tab.getSettings()
    old = {key: value for key, value in arranged["katanaQueue"]["columns"].items() if key != "fitted"}
    for columns, reason_width in (
        (arranged["katanaQueue"]["columns"], 777),
        (old, 777),
        (fitted["katanaQueue"]["columns"], None),
    ):
        other = KatanaQueueTab(None)
        qtbot.addWidget(other)
        other.applySettings({"katanaQueue": {"columns": columns}})
        other.resize(800, 500)
        other.attach(queue)
        with qtbot.waitExposed(other):
            other.show()
        header = other.view.horizontalHeader()
        settle(lambda other=other: other.view.isVisible())
        assert header.visualIndex(Column.NAME) == 1
        if reason_width is None:
            assert header.length() == other.view.viewport().width()
        else:
            assert header.sectionSize(Column.REASON) == reason_width
            assert other.model.sort_by.column == Column.NAME
        close_tab(other)


def test_the_arrow_of_the_order_covers_no_title(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """A title is right-aligned over its numbers, or at the left of the arrow: whole both times."""
    queue.change([make_job(1)])
    settle(lambda: tab.view.isVisible())
    header = tab.view.horizontalHeader()
    width = header.fontMetrics().horizontalAdvance("Remaining")

    def left_end() -> Any:
        """The pixels of the title beside the arrow."""
        left = header.sectionViewportPosition(Column.REMAINING) + HEADER_PADDING
        return header.viewport().grab(QRect(left, 0, width, header.height())).toImage()

    without = left_end()
    tab.view.sortByColumn(Column.REMAINING, Qt.SortOrder.AscendingOrder)
    settle(lambda: left_end() != without)
    ascending = left_end()
    tab.view.sortByColumn(Column.REMAINING, Qt.SortOrder.DescendingOrder)
    assert left_end() == ascending  # the arrow is another, and not there

    tab.view.sortByColumn(Column.ELAPSED, Qt.SortOrder.DescendingOrder)
    settle(lambda: left_end() == without)


def test_no_other_title_is_cut_where_one_has_the_arrow(
    tab: Any, queue: FakeQueue, settle: Settle, qtbot: Any
) -> None:
    """They stand as they did."""
    queue.change([make_job(1)])
    settle(lambda: tab.view.isVisible())
    header = tab.view.horizontalHeader()
    tab.view.columns.apply_settings(
        {"fitted": False, "widths": {COLUMNS[Column.MEMORY].key: 120}, "hidden": []}
    )

    def title(column: Column) -> Any:
        place = QRect(header.sectionViewportPosition(column), 0, header.sectionSize(column), header.height())
        return header.viewport().grab(place).toImage()

    before = {column: title(column) for column in (Column.STATE, Column.PICTURE, Column.COMPLETED)}
    tab.view.sortByColumn(Column.ELAPSED, Qt.SortOrder.DescendingOrder)
    assert {column: title(column) for column in before} == before


def test_the_counts_are_there_in_a_panel_of_usual_width(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """How many failed is seen, and filtered by, from 800 pixels on."""
    queue.change([make_job(1, JobState.FAILED)])
    settle(lambda: tab.view.isVisible())
    tab.resize(800, 500)
    settle(lambda: tab.width() == 800 and tab.filter_bar._buttons[JobState.FAILED].isVisible())


def test_a_narrow_panel_hides_the_least_urgent_counts_first(qtbot: Any) -> None:
    """That of a filter in use stays."""
    bar = FilterBar()
    qtbot.addWidget(bar)
    bar.resize(bar.full_width(), 30)
    bar.show()

    def hidden() -> list[JobState]:
        return [state for state, button in bar._buttons.items() if button.isHidden()]

    assert hidden() == []
    bar.resize(bar.full_width() - 1, 30)
    assert hidden() == [JobState.CANCELLED]
    bar.resize(bar.full_width(), 30)
    bar._buttons[JobState.CANCELLED].setChecked(True)
    bar.resize(bar.full_width() - 1, 30)
    assert hidden() == [JobState.COMPLETED]


def test_tasks_have_a_remaining_time_while_they_run() -> None:
    """As jobs have, though the states of tasks are of another enum."""
    task = TaskRecord(job_id="a", index=0, state=TaskState.RUNNING, started=100.0, progress=0.25)
    assert remaining_s(task, 110.0) == pytest.approx(30.0)
    assert remaining_s(msgspec.structs.replace(task, state=TaskState.STOPPING), 110.0) is None
