"""The list of jobs and their tasks: mouse, keys, current row, drawing. Its content is JobsModel's."""

from __future__ import annotations

from PySide6.QtCore import (
    QEvent,
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
    QAction,
    QHelpEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QToolTip, QWidget

from .....kq.api import JobRecord
from ....ui.theme import row_height
from ..models.columns import COLUMNS, Column
from ..models.frame_states import ChosenFrame, has_frame_bar
from ..models.jobs import JobsModel
from .job_columns import JobColumns
from .job_rows import ARROW_WIDTH, MARGIN, RowPainter
from .job_selection import JobSelection
from .row_table import RowTable

__all__ = ["JobsView"]

_Index = QModelIndex | QPersistentModelIndex


class JobsView(RowTable):
    """The table of jobs; an expanded job has a row for each of its tasks beneath it. Qt's thread.

    Signals:
        current_changed(): another row is the current one, or the current row's data changed.
        picture_activated(): a picture was double-clicked.
        row_chosen(): the user chose a row, with the mouse or a key; not emitted when code selects one.
        visible_rows_changed(): the rows in the viewport may be others; emitted at most every 50 ms.
        frame_bar_clicked(str, float): job id, and where its frame bar was clicked: 0 left, 1 right.

    Attributes:
        columns: order, widths and visibility of the columns.
        chosen: the selected jobs and tasks.
    """

    current_changed = Signal()
    picture_activated = Signal()
    row_chosen = Signal()
    visible_rows_changed = Signal()
    frame_bar_clicked = Signal(str, float)

    def __init__(self, model: JobsModel, row_painter: RowPainter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._jobs = model
        self.setAccessibleName("Jobs")
        self._row_painter = row_painter
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
        self._was_current_visible = False
        """Whether the current row was in the viewport before the model moved rows."""
        self._frame: tuple[str, ChosenFrame | None] = ("", None)
        """The frame that was clicked last in a frame bar, after the id of its job."""
        self.setModel(model)
        self.columns = JobColumns(self, model.sort_by)
        self._rows_timer = QTimer(self)
        self._rows_timer.setSingleShot(True)
        self._rows_timer.setInterval(50)
        self._rows_timer.timeout.connect(self._on_rows_timeout)
        # Delays current_changed to the event loop's next turn: the list is drawn before its row's details.
        self._current_timer = QTimer(self)
        self._current_timer.setSingleShot(True)
        self._current_timer.setInterval(0)
        self._current_timer.timeout.connect(self.current_changed)
        self.chosen = JobSelection(self, model)
        model.rearranged.connect(self._on_rearranged)
        model.layoutAboutToBeChanged.connect(self._on_rows_about_to_move)
        model.layoutChanged.connect(self._on_rows_moved)
        model.dataChanged.connect(lambda first, last, _roles: self._on_data_changed(first, last))
        for moved in (model.rowsInserted, model.rowsRemoved, model.layoutChanged):
            moved.connect(lambda *_: self._announce_rows())
        self.verticalScrollBar().valueChanged.connect(lambda _value: self._rows_timer.start())
        self.selectionModel().currentRowChanged.connect(self._on_current_row_changed)

    def _fit_rows(self) -> None:
        """Set the height of all rows from the font."""
        height = row_height(self.font())
        self.verticalHeader().setMinimumSectionSize(height)
        self.verticalHeader().setDefaultSectionSize(height)

    def changeEvent(self, event: QEvent) -> None:
        """Fit rows and columns to a changed font."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit_rows()
            self.columns.fit()

    # --- The current row ---

    def current(self) -> tuple[str, int | None]:
        """Return the current row's job id and task index; the id is empty without a current row, and the
        index None in a job's own row."""
        return self.chosen.current()

    def show_job(self, job_id: str) -> bool:
        """Select a job, scroll to it and give it the focus; returns whether it is shown."""
        row = self._jobs.row(job_id)
        if row is None:
            return False
        self._select(row)
        return True

    def show_frame(self, job_id: str, chosen: ChosenFrame) -> None:
        """Select the task of a frame of an expanded job, scroll to it and give it the focus."""
        rows = self._jobs.rows_of_tasks(job_id)
        if chosen.task < len(rows):
            self._frame = (job_id, chosen)
            self._select(rows[chosen.task])
            self._rows_timer.start()
            self.current_changed.emit()  # not emitted by the selection if the task is the current one

    def chosen_frame(self) -> ChosenFrame | None:
        """Return the frame that was clicked last, if it has a picture file of its own and its task is the
        current row."""
        job_id, chosen = self._frame
        has_own = chosen is not None and chosen.picture and self.current() == (job_id, chosen.task)
        return chosen if has_own else None

    def _select(self, row: int) -> None:
        index = self._jobs.index(row, 0)
        # With explicit flags: while Ctrl is held for a shortcut, Qt would extend the selection instead.
        flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        self.selectionModel().setCurrentIndex(index, flags)
        self.scrollTo(index)

    def _on_current_row_changed(self) -> None:
        if self.chosen_frame() is None:
            self._frame = ("", None)
        self.current_changed.emit()

    def _on_rows_about_to_move(self, *_: object) -> None:
        first, last = self.visible_rows()
        self._was_current_visible = first <= self.currentIndex().row() <= last

    def _on_rows_moved(self, *_: object) -> None:
        if self._was_current_visible and self.chosen.has_current():
            self.scrollTo(self.currentIndex())
        self._was_current_visible = False
        self._current_timer.start()

    def _on_rearranged(self) -> None:
        self._on_rows_moved()
        self._rows_timer.start()

    # --- Tasks ---

    def _on_data_changed(self, first: QModelIndex, last: QModelIndex) -> None:
        if first.row() <= self.currentIndex().row() <= last.row():
            self._current_timer.start()
        if self._jobs.expanded_jobs():
            self._announce_rows()

    def _announce_rows(self) -> None:
        """Emit `visible_rows_changed` soon. A running timer goes on: jobs may come faster than it ends."""
        if not self._rows_timer.isActive():
            self._rows_timer.start()

    def _row_rect(self, row: int) -> QRect:
        """The rectangle of `row` in the viewport, over all columns."""
        return QRect(0, self.rowViewportPosition(row), self.viewport().width(), self.rowHeight(row))

    def currentChanged(self, current: _Index, previous: _Index) -> None:
        """Repaint both rows, for the focus frame around the current one: Qt repaints one cell of each."""
        super().currentChanged(current, previous)
        for index in (current, previous):
            if index.isValid():
                self.viewport().update(self._row_rect(index.row()))

    def visible_rows(self) -> tuple[int, int]:
        """Return the first and last row in the viewport; the last is -1 when there are no rows."""
        first = max(self.rowAt(0), 0)
        last = self.rowAt(self.viewport().height() - 1)
        return first, self._jobs.rowCount() - 1 if last < 0 else last

    def _on_rows_timeout(self) -> None:
        self._jobs.request_tasks(*self.visible_rows())
        self.visible_rows_changed.emit()

    def toggle_expanded(self, row: int) -> None:
        """Expand or collapse the job that `row` belongs to."""
        job_id = self._jobs.job_id(row)
        if self._jobs.is_expanded(job_id):
            self._jobs.collapse(job_id)
        else:
            self._jobs.expand(job_id)

    def _is_on_arrow(self, index: _Index, position: QPoint) -> bool:
        """Whether `position`, in the viewport, is on the arrow that expands the job at `index`."""
        if not index.isValid() or index.column() != Column.NAME:
            return False
        record = self._jobs.record(index.row())
        left = self.columnViewportPosition(Column.NAME)
        return (
            isinstance(record, JobRecord) and record.tasks > 1 and 0 <= position.x() - left < ARROW_WIDTH + 2
        )

    def _frame_bar_at(self, position: QPoint) -> tuple[str, float] | None:
        """Return the job id of the frame bar at `position`, and where in the bar that is: 0 left, 1 right.

        None where there is no frame bar.
        """
        index = self.indexAt(position)
        if not index.isValid() or index.column() != Column.PROGRESS:
            return None
        job = self._jobs.record(index.row())
        left, width = self._row_painter.bar(
            self.columnViewportPosition(Column.PROGRESS), self.columnWidth(Column.PROGRESS)
        )
        if (
            not isinstance(job, JobRecord)
            or not has_frame_bar(job)
            or not left <= position.x() < left + width
        ):
            return None
        return job.id, (position.x() - left + 0.5) / width

    # --- Events ---

    def viewportEvent(self, event: QEvent) -> bool:
        """Show a tool tip with the frame when the mouse is over a frame bar."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            bar = self._frame_bar_at(event.pos())
            text = self._row_painter.frames.tip(*bar) if bar is not None else ""
            if text:
                QToolTip.showText(event.globalPos(), text, self.viewport())
                return True
        return super().viewportEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Expand or collapse a job whose arrow is clicked; elsewhere, select as usual."""
        position = event.position().toPoint()
        index = self.indexAt(position)
        if event.button() == Qt.MouseButton.LeftButton and self._is_on_arrow(index, position):
            self.toggle_expanded(index.row())
            event.accept()
            return
        super().mousePressEvent(event)
        self.row_chosen.emit()
        no_modifiers = event.modifiers() == Qt.KeyboardModifier.NoModifier
        bar = self._frame_bar_at(position)
        if bar is not None and no_modifiers and event.button() == Qt.MouseButton.LeftButton:
            self.frame_bar_clicked.emit(*bar)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Open a double-clicked picture, select in a frame bar, or expand or collapse the job."""
        position = event.position().toPoint()
        index = self.indexAt(position)
        if index.isValid() and event.button() == Qt.MouseButton.LeftButton:
            if self._is_on_arrow(index, position):
                self.toggle_expanded(index.row())
                return
            bar = self._frame_bar_at(position)
            if bar is not None:
                self.frame_bar_clicked.emit(*bar)
                return
            if index.column() == Column.PICTURE:
                self.picture_activated.emit()
                return
            record = self._jobs.record(index.row())
            if isinstance(record, JobRecord) and record.tasks > 1:
                self.toggle_expanded(index.row())
                return
        super().mouseDoubleClickEvent(event)

    def uses_key(self, event: QKeyEvent) -> bool:
        """Whether `event` is the shortcut of one of this list's actions: Katana must not take it then."""
        return self._action_of(event) is not None

    def _action_of(self, event: QKeyEvent) -> QAction | None:
        """Return the action of this list whose shortcut was pressed."""
        keys = QKeySequence(event.keyCombination())
        return next((each for each in self.actions() if each.shortcut() == keys), None)

    def moveCursor(
        self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier
    ) -> QModelIndex:
        """Make Home and End move to the first and last row; in Qt they move to the first and last column."""
        actions = QAbstractItemView.CursorAction
        target_rows = {actions.MoveHome: 0, actions.MoveEnd: self._jobs.rowCount() - 1}
        if action in target_rows and self.currentIndex().isValid():
            return self._jobs.index(target_rows[action], self.currentIndex().column())
        return super().moveCursor(action, modifiers)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Trigger an action by its shortcut; expand a job with Right, collapse it with Left."""
        action = self._action_of(event)
        if action is not None:
            # Also when the action is disabled: passed on, Delete could remove nodes in the host.
            if action.autoRepeat() or not event.isAutoRepeat():
                action.trigger()
            return
        job_id, task = self.current()
        no_modifiers = event.modifiers() in (
            Qt.KeyboardModifier.NoModifier,
            Qt.KeyboardModifier.KeypadModifier,
        )
        if job_id and no_modifiers and event.key() == Qt.Key.Key_Right and task is None:
            self._jobs.expand(job_id)
        elif job_id and no_modifiers and event.key() == Qt.Key.Key_Left:
            self._jobs.collapse(job_id)
            if task is not None:
                self.show_job(job_id)
        else:
            before = self.currentIndex()
            super().keyPressEvent(event)
            if self.currentIndex() != before:
                self.row_chosen.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the rows in the region to repaint, each over all its columns."""
        region, bounds = event.region(), event.rect()
        painter = QPainter(self.viewport())
        palette = self.palette()
        painter.fillRect(bounds, palette.brush(QPalette.ColorRole.Base))
        first, last = self.rowAt(bounds.top()), self.rowAt(bounds.bottom())
        columns = self._columns_between(bounds.left(), bounds.right())
        if first < 0 or not columns:
            return
        if last < 0:
            last = self._jobs.rowCount() - 1
        # The focus frame is drawn around this row, and only while the list has the focus.
        current = self.currentIndex().row() if self.hasFocus() else -1
        selection = self.selectionModel()
        header = self.horizontalHeader()
        self._row_painter.begin(painter, palette, columns, (-header.offset(), header.length()))
        try:
            for row in range(first, last + 1):
                rect = self._row_rect(row)
                if region.intersects(rect):
                    selected = selection.isSelected(self._jobs.index(row, 0))
                    self._row_painter.paint(row, rect, selected, row == current)
        finally:
            self._row_painter.end()

    def _columns_between(self, left: int, right: int) -> list[tuple[int, int, int]]:
        """Return column, left edge and width of each shown column between two x of the viewport (pixels)."""
        header = self.horizontalHeader()
        columns = []
        for visual_index in range(header.count()):
            column = header.logicalIndex(visual_index)
            x, width = header.sectionViewportPosition(column), header.sectionSize(column)
            if not header.isSectionHidden(column) and x <= right and x + width > left:
                columns.append((column, x, width))
        return columns

    def sizeHintForColumn(self, column: int) -> int:
        """Return the width in pixels that fits the visible rows' texts, for Qt's resize to contents."""
        first, last = self.visible_rows()
        width = COLUMNS[column].width if column in (Column.PROGRESS, Column.PICTURE) else 48
        extra = {Column.NAME: ARROW_WIDTH + MARGIN, Column.STATE: 20 + 2 * MARGIN}.get(
            Column(column), 2 * MARGIN
        )
        now_s = self._jobs.now_s()
        for row in range(first, last + 1):
            text = self._jobs.text(row, column, now_s)[:300]
            width = max(width, self.fontMetrics().horizontalAdvance(text) + extra + 2)
        return width

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the columns to the new size, and announce the visible rows."""
        super().resizeEvent(event)
        self.columns.fit()
        self._rows_timer.start()
