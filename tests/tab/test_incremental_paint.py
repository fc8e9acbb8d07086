"""The list is drawn some rows in a turn of Qt's loop, and in the end all of it; what Qt asks for at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from katana_queue.kq.api import JobState
from katana_queue.plugins.Tabs.KatanaQueue.models.columns import Column
from katana_queue.plugins.Tabs.KatanaQueue.views import incremental_paint
from PySide6.QtCore import QEvent, QItemSelection, QItemSelectionModel, QObject, QRect, Qt
from PySide6.QtGui import QImage

from tests.tab.fake_queue import FakeQueue, make_job
from tests.tab.using import Settle, click_row

_JOBS = 60
_SELECT = QItemSelectionModel.SelectionFlag.ClearAndSelect


class _Drawn(QObject):
    """Which rows each event that draws the list drew."""

    def __init__(self, view: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.events: list[list[int]] = []
        self.header_events = 0
        painter = view._row_painter
        painter.stale_since_s = 1_790_000_000.0  # no time goes on: no text changes
        paint = painter.paint

        def painting(row: int, place: QRect, selected: bool, focused: bool) -> None:
            self.events[-1].append(row)
            paint(row, place, selected, focused)

        monkeypatch.setattr(painter, "paint", painting)
        view.viewport().installEventFilter(self)
        self._header = view.horizontalHeader().viewport()
        self._header.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint:
            if watched is self._header:
                self.header_events += 1
            else:
                self.events.append([])
        return False

    def rows(self) -> set[int]:
        """All of them."""
        return {row for rows in self.events for row in rows}


@pytest.fixture
def drawn(tab: Any, queue: FakeQueue, settle: Settle, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Drawn]:
    """A full list that is drawn; there is time for one row in a part."""
    queue.change([make_job(i, state=JobState.COMPLETED) for i in range(_JOBS)])
    settle(lambda: tab.model.shown == _JOBS and tab.view._parts.is_done)
    monkeypatch.setattr(incremental_paint, "BUDGET_S", 0.0)
    yield _Drawn(tab.view, monkeypatch)


def _in_sight(tab: Any) -> set[int]:
    first, last = tab.view.visible_rows()
    return set(range(first, last + 1))


def _picture(view: Any) -> QImage:
    return view.viewport().grab().toImage()  # type: ignore[no-any-return]  # a QImage


def test_other_rows_are_drawn_a_part_in_a_turn(tab: Any, drawn: _Drawn, settle: Settle) -> None:
    """Sorted otherwise, all rows in sight are others."""
    tab.view.sortByColumn(Column.NAME, Qt.SortOrder.DescendingOrder)
    settle(lambda: tab.view._parts.is_done)

    assert [len(rows) for rows in drawn.events] == [1] * len(_in_sight(tab))
    assert drawn.rows() == _in_sight(tab)


def test_rows_that_come_are_drawn_a_part_in_a_turn(
    tab: Any, queue: FakeQueue, drawn: _Drawn, settle: Settle
) -> None:
    """They stand at the top: all others stand elsewhere now."""
    queue.change([make_job(i, state=JobState.COMPLETED) for i in range(_JOBS, _JOBS + 5)])
    settle(lambda: tab.model.shown == _JOBS + 5 and bool(drawn.events) and tab.view._parts.is_done)

    assert max(map(len, drawn.events)) == 1
    assert drawn.rows() == _in_sight(tab)


def test_rows_that_move_again_and_again_are_all_drawn(tab: Any, drawn: _Drawn, settle: Settle) -> None:
    """Before all are drawn, they move again."""
    for _ in range(len(_in_sight(tab))):
        before = len(drawn.events)
        tab.model.layoutAboutToBeChanged.emit()
        tab.model.layoutChanged.emit()
        settle(lambda before=before: len(drawn.events) > before)  # type: ignore[misc]

    assert drawn.rows() == _in_sight(tab)
    settle(lambda: tab.view._parts.is_done)


def test_what_qt_asks_for_is_drawn_at_once(tab: Any, drawn: _Drawn, settle: Settle) -> None:
    """A picture of the list, or another size, while it is being drawn in parts."""
    tab.view._parts._timer.setInterval(30)
    tab.view.sortByColumn(Column.NAME, Qt.SortOrder.DescendingOrder)
    settle(lambda: len(drawn.events) > 1)
    assert not tab.view._parts.is_done
    amid = _picture(tab.view)

    assert set(drawn.events[-1]) == _in_sight(tab)
    settle(lambda: tab.view._parts.is_done)
    assert amid == _picture(tab.view)


def test_a_new_size_is_drawn_at_once(tab: Any, drawn: _Drawn, settle: Settle) -> None:
    """What Qt uncovers holds no old picture that could stay."""
    tab.resize(tab.width(), tab.height() + 150)
    settle(lambda: bool(drawn.events))

    assert set(drawn.events[0]) == _in_sight(tab)


@pytest.mark.parametrize("how", ["shown again", "smaller"])
def test_what_uncovers_nothing_is_drawn_in_parts(tab: Any, drawn: _Drawn, settle: Settle, how: str) -> None:
    """As when the first jobs come: the list takes another page's place, and gets a scroll bar."""
    if how == "smaller":
        tab.resize(tab.width() - 40, tab.height() - 40)
    else:
        tab.view.hide()
        tab.view.show()
    settle(lambda: bool(drawn.events) and tab.view._parts.is_done)

    assert max(map(len, drawn.events)) == 1
    assert drawn.rows() == _in_sight(tab)


def test_another_page_is_drawn_in_parts(qtbot: Any, tab: Any, drawn: _Drawn, settle: Settle) -> None:
    """Its texts are laid out for the first time."""
    tab.view.setFocus()
    settle(lambda: tab.view.hasFocus() and bool(drawn.events))  # its frame
    drawn.events.clear()
    qtbot.keyClick(tab.view, Qt.Key.Key_End)
    settle(lambda: tab.view._parts.is_done)

    assert max(map(len, drawn.events)) == 1
    assert drawn.rows() >= _in_sight(tab)
    assert _JOBS - 1 in drawn.rows()


def test_a_selection_draws_its_rows_and_no_others(
    qtbot: Any, tab: Any, queue: FakeQueue, drawn: _Drawn, settle: Settle
) -> None:
    """A click selects one row; Ctrl+A, all: some in a turn."""
    rows = len(_in_sight(tab))
    click_row(qtbot, tab, tab.model.job_id(3))
    settle(lambda: 3 in drawn.rows() and tab.view._parts.is_done)
    drawn.events.clear()
    click_row(qtbot, tab, tab.model.job_id(5))
    settle(lambda: tab.view._parts.is_done)
    assert drawn.rows() == {3, 5}

    drawn.events.clear()
    tab.view.selectAll()
    settle(lambda: tab.view._parts.is_done)
    assert drawn.rows() == set(range(rows)) - {5}
    assert max(map(len, drawn.events)) == 1

    drawn.events.clear()
    every_second = QItemSelection()
    for row in range(0, _JOBS, 2):
        every_second.select(tab.model.index(row, 0), tab.model.index(row, len(Column) - 1))
    tab.view.selectionModel().select(every_second, _SELECT)
    settle(lambda: tab.view._parts.is_done)
    assert drawn.rows() == set(range(1, rows, 2))


def test_the_header_is_not_drawn_when_a_row_moves(
    tab: Any, queue: FakeQueue, drawn: _Drawn, settle: Settle
) -> None:
    """It lays itself out and is drawn anew whenever its model's rows move: it has a model without rows."""
    tab.view.sortByColumn(Column.STATE, Qt.SortOrder.AscendingOrder)
    settle(lambda: tab.view._parts.is_done)
    drawn.header_events = 0
    top = tab.model.job_id(0)
    queue.change([make_job(i, state=JobState.FAILED) for i in range(20, 40)])
    settle(lambda: tab.model.job_id(0) != top and tab.view._parts.is_done)

    assert drawn.header_events == 0
    titles = [tab.view.horizontalHeader().model().headerData(i, Qt.Orientation.Horizontal) for i in Column]
    assert titles == [tab.model.headerData(i, Qt.Orientation.Horizontal) for i in Column]
