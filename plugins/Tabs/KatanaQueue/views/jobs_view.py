"""The jobs list as a widget: the current row, opening of tasks. What a job is, the model knows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import chain

from PySide6.QtCore import (
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import (
    QAccessible,
    QAction,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from .....kq.api import JobRecord
from ....gil_yield import gil_yield
from ..models.columns import COLUMNS, Column
from ..models.jobs import JobsModel
from .incremental_paint import IncrementalPaint
from .job_columns import JobColumns
from .job_rows import ARROW_WIDTH, MARGIN, RowPainter
from .job_selection import JobSelection
from .shortcut_override import OwnKeys
from .theme import row_height

__all__ = ["JobsView"]

_Index = QModelIndex | QPersistentModelIndex
MAX_CHANGED = 50
"""Of a selection that changed in more places than this all rows in sight are drawn."""


class JobsView(QTableView):
    """Signals:
    current_changed(): the row with the focus, or what it shows, is another.
    picture_activated(): a picture was double-clicked.
    picked_by_hand(): somebody chose a row, with the mouse or a key.
    """

    current_changed = Signal()
    picture_activated = Signal()
    picked_by_hand = Signal()

    def __init__(self, model: JobsModel, row_painter: RowPainter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._jobs = model
        self.setAccessibleName("Jobs")
        self._row_painter = row_painter
        self._parts = IncrementalPaint(self.viewport())
        self._next_row = 0  # where the drawing goes on
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)  # Tab leaves the list, as in the host's other panels
        self.setCornerButtonEnabled(False)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        rows = self.verticalHeader()
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self._fit_rows()
        self.setModel(model)
        self.columns = JobColumns(self, model.sort_by)
        OwnKeys(self, lambda event: self._action_of(event) is not None)
        self._look = QTimer(self)
        self._look.setSingleShot(True)
        self._look.setInterval(50)
        self._look.timeout.connect(self._ask_for_tasks)
        self._tell_current = QTimer(self)  # what follows is drawn in another turn than the list
        self._tell_current.setSingleShot(True)
        self._tell_current.setInterval(0)
        self._tell_current.timeout.connect(self.current_changed)
        self.chosen = JobSelection(self, model)
        """Which rows are selected."""
        model.about_to_rearrange.connect(self._parts.ask_for_all)
        model.rearranged.connect(self._on_rearranged)
        model.layoutChanged.connect(self._on_rows_moved)
        model.rowsInserted.connect(lambda *_: self._look.start())
        self.verticalScrollBar().valueChanged.connect(lambda _value: self._look.start())
        self.selectionModel().currentRowChanged.connect(lambda *_: self.current_changed.emit())

    def _fit_rows(self) -> None:
        height = row_height(self.font())
        self.verticalHeader().setMinimumSectionSize(height)
        self.verticalHeader().setDefaultSectionSize(height)

    def changeEvent(self, event: QEvent) -> None:
        """Another font, another height of rows."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit_rows()
            self.columns.fit()

    # --- the current row ---------------------------------------------------------------------------------

    def current(self) -> tuple[str, int | None]:
        """Job and task of the row with the focus; an empty id when there is none."""
        row = self.currentIndex().row()
        if not 0 <= row < self._jobs.rowCount():
            return "", None
        return self._jobs.job_id(row), self._jobs.task(row)

    def show_job(self, job_id: str) -> bool:
        """Select a job, scroll to it and give it the focus; returns whether it is shown."""
        row = self._jobs.row(job_id)
        if row is None:
            return False
        index = self._jobs.index(row, 0)
        # By itself: with Ctrl still down from a shortcut, Qt would add it to what is selected.
        flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        self.selectionModel().setCurrentIndex(index, flags)
        self.scrollTo(index)
        return True

    def doItemsLayout(self) -> None:
        """Rows came, went or moved: Qt would draw all that are in sight at once."""
        self._parts.ask_for_all()
        super().doItemsLayout()

    def _on_rows_moved(self, *_: object) -> None:
        self._tell_current.start()

    def _on_rearranged(self) -> None:
        self._on_rows_moved()
        self._look.start()

    # --- tasks -------------------------------------------------------------------------------------------

    def dataChanged(
        self,
        first: _Index,
        last: _Index,
        roles: Sequence[int] = (),
    ) -> None:
        """Draw anew what is in sight of it: Qt would draw all that is in sight."""
        if QAccessible.isActive():
            super().dataChanged(first, last, list(roles))
        seen_first, seen_last = self.visible_rows()
        top, bottom = max(first.row(), seen_first), min(last.row(), seen_last)
        rows, current = self._jobs.changed_rows, self.currentIndex().row()
        if rows is None:
            self._draw_again(top, bottom)
            is_current = first.row() <= current <= last.row()
        else:
            for row in rows:
                if top <= row <= bottom:
                    self._draw_again(row, row)
            is_current = current in rows
        if is_current:
            self._tell_current.start()
        if self._jobs.open_jobs() and not self._look.isActive():
            self._look.start()

    def draw_again(self) -> None:
        """Draw all rows in sight anew: what they say is another, as time goes on."""
        self._parts.ask(self.viewport().rect())

    def _draw_again(self, top: int, bottom: int) -> None:
        if top <= bottom:
            self._parts.ask(self._place(top) | self._place(bottom))

    def _place(self, row: int) -> QRect:
        return QRect(0, self.rowViewportPosition(row), self.viewport().width(), self.rowHeight(row))

    def currentChanged(self, current: _Index, previous: _Index) -> None:
        """The frame around the current row leaves one and comes to another: Qt would draw a cell of each."""
        super().currentChanged(current, previous)
        for index in (current, previous):
            if index.isValid():
                self._draw_again(index.row(), index.row())

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        """Draw anew what is in sight of it: Qt would draw it at once, and look at each of 100,000 rows."""
        if QAccessible.isActive():
            super().selectionChanged(selected, deselected)
        first, last = self.visible_rows()
        if selected.count() + deselected.count() > MAX_CHANGED:
            self._draw_again(first, last)
            return
        for changed in (selected, deselected):
            for stretch in (changed.at(place) for place in range(changed.count())):
                self._draw_again(max(first, stretch.top()), min(last, stretch.bottom()))

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """Qt would draw what comes into sight at once, though it is a whole page."""
        if abs(dy) > self.viewport().height() // 3:
            self._parts.ask_for_all()
        super().scrollContentsBy(dx, dy)

    def visible_rows(self) -> tuple[int, int]:
        """The first and last row in sight; last below first when there are none."""
        first = max(self.rowAt(0), 0)
        last = self.rowAt(self.viewport().height() - 1)
        return first, self._jobs.rowCount() - 1 if last < 0 else last

    def _ask_for_tasks(self) -> None:
        self._jobs.want_tasks(*self.visible_rows())

    def toggle(self, row: int) -> None:
        """Open or close the tasks of the job in `row`."""
        job_id = self._jobs.job_id(row)
        if self._jobs.is_open(job_id):
            self._jobs.collapse(job_id)
        else:
            self._jobs.expand(job_id)

    def _is_on_arrow(self, index: _Index, position: QPoint) -> bool:
        if not index.isValid() or index.column() != Column.NAME:
            return False
        record = self._jobs.record(index.row())
        left = self.columnViewportPosition(Column.NAME)
        return (
            isinstance(record, JobRecord) and record.tasks > 1 and 0 <= position.x() - left < ARROW_WIDTH + 2
        )

    # --- events ------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click on a job's arrow opens or closes it, and selects nothing."""
        position = event.position().toPoint()
        index = self.indexAt(position)
        if event.button() == Qt.MouseButton.LeftButton and self._is_on_arrow(index, position):
            self.toggle(index.row())
            event.accept()
            return
        super().mousePressEvent(event)
        self.picked_by_hand.emit()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """On a picture: open it. On a job with tasks: open or close it."""
        position = event.position().toPoint()
        index = self.indexAt(position)
        if index.isValid() and event.button() == Qt.MouseButton.LeftButton:
            if self._is_on_arrow(index, position):
                self.toggle(index.row())
                return
            if index.column() == Column.PICTURE:
                self.picture_activated.emit()
                return
            record = self._jobs.record(index.row())
            if isinstance(record, JobRecord) and record.tasks > 1:
                self.toggle(index.row())
                return
        super().mouseDoubleClickEvent(event)

    def _action_of(self, event: QKeyEvent) -> QAction | None:
        keys = QKeySequence(event.keyCombination())
        return next((each for each in self.actions() if each.shortcut() == keys), None)

    def moveCursor(
        self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier
    ) -> QModelIndex:
        """Home and End go to the first and last row: Qt would go to the first and last column."""
        actions = QAbstractItemView.CursorAction
        ends = {actions.MoveHome: 0, actions.MoveEnd: self._jobs.rowCount() - 1}
        if action in ends and self.currentIndex().isValid():
            return self._jobs.index(ends[action], self.currentIndex().column())
        return super().moveCursor(action, modifiers)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Right opens a job, Left closes it, actions have theirs; all else as in every list."""
        action = self._action_of(event)
        if action is not None:
            # One that does not apply does nothing: else the host might remove nodes at Delete.
            if action.autoRepeat() or not event.isAutoRepeat():
                action.trigger()
            return
        job_id, task = self.current()
        plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
        if job_id and plain and event.key() == Qt.Key.Key_Right and task is None:
            self._jobs.expand(job_id)
        elif job_id and plain and event.key() == Qt.Key.Key_Left:
            self._jobs.collapse(job_id)
            if task is not None:
                self.show_job(job_id)
        else:
            before = self.currentIndex()
            super().keyPressEvent(event)
            if self.currentIndex() != before:
                self.picked_by_hand.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the rows in sight, each at once."""
        with gil_yield:
            self._paint(event)
            self._jobs.put_off()

    def _paint(self, event: QPaintEvent) -> None:
        region, edge = event.region(), event.rect()
        end_s = self._parts.begin(region)
        painter = QPainter(self.viewport())
        palette = self.palette()
        first, last = self.rowAt(edge.top()), self.rowAt(edge.bottom())
        columns = self._columns_between(edge.left(), edge.right())
        if first < 0 or not columns:
            painter.fillRect(edge, palette.brush(QPalette.ColorRole.Base))
            return
        if last < 0:
            last = self._jobs.rowCount() - 1
            below = QRect(edge)
            below.setTop(self._place(last).bottom() + 1)
            painter.fillRect(below, palette.brush(QPalette.ColorRole.Base))
            region -= below
        # A focus frame only when it tells more than the selection does.
        current = self.currentIndex().row() if self.hasFocus() else -1
        selection = self.selectionModel()
        header = self.horizontalHeader()
        self._row_painter.begin(painter, palette, columns, (-header.offset(), header.length()))
        try:
            # Rows that move again and again are all drawn in the end.
            start = self._next_row if first < self._next_row <= last else first
            for row in chain(range(start, last + 1), range(first, start)):
                place = self._place(row)
                if not region.intersects(place):
                    continue  # between two that changed
                selected = selection.isSelected(self._jobs.index(row, 0))
                self._row_painter.paint(row, place, selected, row == current)
                region -= place
                if time.perf_counter() > end_s:
                    self._next_row = row + 1
                    self._parts.leave(region)
                    break
        finally:
            self._row_painter.end()

    def _columns_between(self, left: int, right: int) -> list[tuple[int, int, int]]:
        """Column, left edge and width of each that is in sight there."""
        header = self.horizontalHeader()
        columns = []
        for place in range(header.count()):
            column = header.logicalIndex(place)
            x, width = header.sectionViewportPosition(column), header.sectionSize(column)
            if not header.isSectionHidden(column) and x <= right and x + width > left:
                columns.append((column, x, width))
        return columns

    def sizeHintForColumn(self, column: int) -> int:
        """The width that the rows in sight want."""
        first, last = self.visible_rows()
        width = COLUMNS[column].width if column in (Column.PROGRESS, Column.PICTURE) else 48
        extra = {Column.NAME: ARROW_WIDTH + MARGIN, Column.STATE: 20 + 2 * MARGIN}.get(
            Column(column), 2 * MARGIN
        )
        now_s = time.time()
        for row in range(first, last + 1):
            text = self._jobs.text(row, column, now_s)[:300]
            width = max(width, self.fontMetrics().horizontalAdvance(text) + extra + 2)
        return width

    def showEvent(self, event: QShowEvent) -> None:
        """All rows in sight are new, and their texts not laid out."""
        super().showEvent(event)
        self._parts.ask_for_all()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """More rows may be in sight, and there may be room for other columns."""
        if event.size() == event.size().boundedTo(event.oldSize()):
            self._parts.ask_for_all()  # nothing is uncovered: a scroll bar came, say
        super().resizeEvent(event)
        self.columns.fit()
        self._look.start()
