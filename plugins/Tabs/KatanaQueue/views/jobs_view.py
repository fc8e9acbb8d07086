"""The jobs list as a widget: the current row, opening of tasks. What a job is, the model knows."""

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
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QToolTip, QWidget

from .....kq.api import JobRecord
from ....ui.theme import row_height
from ..models.columns import COLUMNS, Column
from ..models.frame_states import has_frame_bar
from ..models.jobs import JobsModel
from .job_columns import JobColumns
from .job_rows import ARROW_WIDTH, MARGIN, RowPainter
from .job_selection import JobSelection

__all__ = ["JobsView"]

_Index = QModelIndex | QPersistentModelIndex


class JobsView(QTableView):
    """Signals:
    current_changed(): the row with the focus, or what it shows, is another.
    picture_activated(): a picture was double-clicked.
    row_chosen(): the artist chose a row, with the mouse or a key.
    rows_came_into_sight(): other rows may be in sight, or more of them.
    frame_bar_clicked(str, float): the bar of a job's frames, at a fraction of its width.
    """

    current_changed = Signal()
    picture_activated = Signal()
    row_chosen = Signal()
    rows_came_into_sight = Signal()
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
        self._was_in_sight = False  # the current row, before rows moved
        self.setModel(model)
        self.columns = JobColumns(self, model.sort_by)
        self._look = QTimer(self)
        self._look.setSingleShot(True)
        self._look.setInterval(50)
        self._look.timeout.connect(self._ask_for_tasks)
        self._current_later = QTimer(self)  # what follows is drawn in another turn than the list
        self._current_later.setSingleShot(True)
        self._current_later.setInterval(0)
        self._current_later.timeout.connect(self.current_changed)
        self.chosen = JobSelection(self, model)
        """Which rows are selected."""
        model.rearranged.connect(self._on_rearranged)
        model.layoutAboutToBeChanged.connect(self._on_rows_about_to_move)
        model.layoutChanged.connect(self._on_rows_moved)
        model.dataChanged.connect(lambda first, last, _roles: self._on_data_changed(first, last))
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

    # --- The current row ---

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
        self._select(row)
        return True

    def show_task(self, job_id: str, task: int) -> None:
        """Select a task of an expanded job, scroll to it and give it the focus."""
        rows = self._jobs.rows_of_tasks(job_id)
        if task < len(rows):
            self._select(rows[task])
            self._look.start()

    def _select(self, row: int) -> None:
        index = self._jobs.index(row, 0)
        # By itself: with Ctrl still down from a shortcut, Qt would add it to what is selected.
        flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        self.selectionModel().setCurrentIndex(index, flags)
        self.scrollTo(index)

    def _on_rows_about_to_move(self, *_: object) -> None:
        first, last = self.visible_rows()
        self._was_in_sight = first <= self.currentIndex().row() <= last

    def _on_rows_moved(self, *_: object) -> None:
        if self._was_in_sight and self.chosen.has_current():
            self.scrollTo(self.currentIndex())
        self._was_in_sight = False
        self._current_later.start()

    def _on_rearranged(self) -> None:
        self._on_rows_moved()
        self._look.start()

    # --- Tasks ---

    def _on_data_changed(self, first: QModelIndex, last: QModelIndex) -> None:
        if first.row() <= self.currentIndex().row() <= last.row():
            self._current_later.start()
        if self._jobs.expanded_jobs() and not self._look.isActive():
            self._look.start()

    def _place(self, row: int) -> QRect:
        return QRect(0, self.rowViewportPosition(row), self.viewport().width(), self.rowHeight(row))

    def currentChanged(self, current: _Index, previous: _Index) -> None:
        """The frame around the current row leaves one and comes to another: Qt would draw a cell of each."""
        super().currentChanged(current, previous)
        for index in (current, previous):
            if index.isValid():
                self.viewport().update(self._place(index.row()))

    def visible_rows(self) -> tuple[int, int]:
        """The first and last row in sight; last below first when there are none."""
        first = max(self.rowAt(0), 0)
        last = self.rowAt(self.viewport().height() - 1)
        return first, self._jobs.rowCount() - 1 if last < 0 else last

    def _ask_for_tasks(self) -> None:
        self._jobs.want_tasks(*self.visible_rows())
        self.rows_came_into_sight.emit()

    def toggle(self, row: int) -> None:
        """Open or close the tasks of the job in `row`."""
        job_id = self._jobs.job_id(row)
        if self._jobs.is_expanded(job_id):
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

    def _on_frame_bar(self, position: QPoint) -> tuple[str, float] | None:
        """The job whose frames are drawn at `position`, and at which fraction of the bar that is."""
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
        """Over a bar of frames, the tool tip names the frame."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            found = self._on_frame_bar(event.pos())
            text = self._row_painter.frames.tip(*found) if found is not None else ""
            if text:
                QToolTip.showText(event.globalPos(), text, self.viewport())
                return True
        return super().viewportEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click on a job's arrow opens or closes it, and selects nothing."""
        position = event.position().toPoint()
        index = self.indexAt(position)
        if event.button() == Qt.MouseButton.LeftButton and self._is_on_arrow(index, position):
            self.toggle(index.row())
            event.accept()
            return
        super().mousePressEvent(event)
        self.row_chosen.emit()
        plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
        bar = self._on_frame_bar(position)
        if bar is not None and plain and event.button() == Qt.MouseButton.LeftButton:
            self.frame_bar_clicked.emit(*bar)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """On a picture: open it. On a job with tasks: open or close it."""
        position = event.position().toPoint()
        index = self.indexAt(position)
        if index.isValid() and event.button() == Qt.MouseButton.LeftButton:
            if self._is_on_arrow(index, position):
                self.toggle(index.row())
                return
            bar = self._on_frame_bar(position)
            if bar is not None:
                self.frame_bar_clicked.emit(*bar)
                return
            if index.column() == Column.PICTURE:
                self.picture_activated.emit()
                return
            record = self._jobs.record(index.row())
            if isinstance(record, JobRecord) and record.tasks > 1:
                self.toggle(index.row())
                return
        super().mouseDoubleClickEvent(event)

    def uses_key(self, event: QKeyEvent) -> bool:
        """Whether a key is an action's; see plugins/ui/shortcut_override.py."""
        return self._action_of(event) is not None

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
                self.row_chosen.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the rows in sight, each as a whole."""
        region, edge = event.region(), event.rect()
        painter = QPainter(self.viewport())
        palette = self.palette()
        painter.fillRect(edge, palette.brush(QPalette.ColorRole.Base))
        first, last = self.rowAt(edge.top()), self.rowAt(edge.bottom())
        columns = self._columns_between(edge.left(), edge.right())
        if first < 0 or not columns:
            return
        if last < 0:
            last = self._jobs.rowCount() - 1
        # A focus frame only where the selection does not show the focus.
        current = self.currentIndex().row() if self.hasFocus() else -1
        selection = self.selectionModel()
        header = self.horizontalHeader()
        self._row_painter.begin(painter, palette, columns, (-header.offset(), header.length()))
        try:
            for row in range(first, last + 1):
                place = self._place(row)
                if region.intersects(place):
                    selected = selection.isSelected(self._jobs.index(row, 0))
                    self._row_painter.paint(row, place, selected, row == current)
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
        now_s = self._jobs.now_s()
        for row in range(first, last + 1):
            text = self._jobs.text(row, column, now_s)[:300]
            width = max(width, self.fontMetrics().horizontalAdvance(text) + extra + 2)
        return width

    def resizeEvent(self, event: QResizeEvent) -> None:
        """More rows may be in sight, and there may be room for other columns."""
        super().resizeEvent(event)
        self.columns.fit()
        self._look.start()
