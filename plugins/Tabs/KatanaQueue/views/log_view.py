"""The log's text view. It requests and draws only the visible lines, so a log can have any size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from PySide6.QtCore import QPoint, Qt, QTimer, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QApplication, QFrame, QWidget

from .....kq.api import Severity
from ....ui.theme import draw_message
from ..models.folding import Folding
from ..models.log_file import LogLine
from ..models.log_pages import LogPages
from ..models.log_scan import Search
from .line_layout import LineLayout, log_font
from .log_painter import LinePainter, LogMetrics
from .log_selection import Position, Selection

__all__ = ["LogView"]

WHEEL_STEP = 120
"""The wheel's angleDelta for QApplication.wheelScrollLines() lines."""


class LogView(QAbstractScrollArea):
    """Signals:
    lines_wanted(int, int): load visible lines: the first line, and how many.
    follow_changed(bool): whether the view follows the end of the log, which scrolling changes.
    copy_wanted(Selection): copy the selected text to the clipboard.
    line_entered(int): the cursor is in another line.
    unfold_wanted(): show all folded lines; the receiver must do so at once.
    """

    lines_wanted = Signal(int, int)
    follow_changed = Signal(bool)
    copy_wanted = Signal(object)
    line_entered = Signal(int)
    menu_wanted = Signal(QPoint)
    unfold_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Log")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.viewport().setCursor(Qt.CursorShape.IBeamCursor)
        self.viewport().setBackgroundRole(QPalette.ColorRole.Base)
        self.setFont(log_font())
        self._layout = LineLayout(self.font())
        self._lines = LogPages(self._layout.cells)
        self._tail: list[LogLine] | None = None  # the last lines, until the log is indexed
        self._message = ""
        self._follow = True
        self._wrap = False
        self._row_in_line = 0  # with wrap: how many rows of the top line are scrolled out of view
        self._selection = Selection()
        self._highlight: Search | None = None
        self._marks: Sequence[tuple[float, Severity]] = ()
        self._drag = QTimer(self, interval=40)
        self._drag.timeout.connect(self._drag_on)
        self.folding = Folding()
        self._hidden: Sequence[int] = ()
        self._metrics = LogMetrics.of(self.font(), self._layout.letter, 0)
        self._wheel = 0  # the rest of the wheel's movement that is less than a row
        self.verticalScrollBar().valueChanged.connect(self._on_scrolled)
        self.verticalScrollBar().actionTriggered.connect(self._on_scroll_action)

    # --- Content ---

    def clear(self, message: str = "") -> None:
        """Remove all lines, and show `message` instead."""
        self._lines = LogPages(self._layout.cells)
        self._tail = None
        self._message = message
        self._row_in_line = 0
        self._selection = Selection()
        self.folding, self._hidden = Folding(), ()
        self._update_bars()
        self.viewport().update()

    def set_count(self, count: int, size: int) -> None:
        """Set the number of lines and bytes of the log."""
        if not self._lines.update(count, size):
            return
        if count:
            self._tail = None
            self._message = ""
        self.set_hidden(self._hidden)

    def set_hidden(self, lines: Sequence[int]) -> None:
        """Fold these lines, in ascending order. The top line stays, unless the view follows the end."""
        top, self._hidden = self.top_line(), lines
        self.folding.update(lines, self._lines.count)
        self._update_bars()
        if self._follow:
            self._go_to_end()
        elif self.top_line() != top:
            self.verticalScrollBar().setValue(self.folding.place(top))
        self._ask()
        self.viewport().update()

    def set_lines(self, first: int, lines: list[LogLine]) -> None:
        """Add requested lines, from line `first` on."""
        longest = self._lines.longest
        self._lines.put(first, lines)
        if self._lines.longest > longest:
            self._update_bars()
        if self._follow and self._wrap:
            self._go_to_end()  # again, now that the rows of the last lines are known
        self._ask()
        self.viewport().update()

    def set_tail(self, lines: list[LogLine]) -> None:
        """Show the last lines, without numbers, until the log is indexed."""
        if not self._lines.count:
            self._tail = lines
            self._message = ""
            self.viewport().update()

    def set_marks(self, marks: Sequence[tuple[float, Severity]]) -> None:
        """Set the marks of errors and warnings: relative position in the log, 0 to 1, and severity."""
        if marks != self._marks:
            self._marks = marks
            self.viewport().update()

    def set_highlight(self, search: Search | None) -> None:
        """Highlight the matches of `search`; None: nothing."""
        self._highlight = search
        self.viewport().update()

    def line(self, number: int) -> LogLine | None:
        """Return a line, or None while it is not loaded."""
        return self._lines.line(number)

    # --- Follow, wrap, places ---

    @property
    def follows(self) -> bool:
        """Whether the view stays at the end while the log grows."""
        return self._follow

    def set_follow(self, follow: bool) -> None:
        """Set whether the view stays at the end while the log grows."""
        if follow != self._follow:
            self._follow = follow
            self.follow_changed.emit(follow)
        if follow:
            self._go_to_end()

    def set_wrap(self, wrap: bool) -> None:
        """Set whether long lines are wrapped at the edge of the view."""
        if wrap != self._wrap:
            self._wrap = wrap
            self._row_in_line = 0
            self.horizontalScrollBar().setValue(0)
            self._update_bars()
            if self._follow:
                self._go_to_end()
            self.viewport().update()

    @property
    def current_line(self) -> int:
        """The number of the cursor's line, counted from 0."""
        return self._selection.caret.line

    def top_line(self) -> int:
        """Return the first visible line."""
        return self.folding.line(self.verticalScrollBar().value())

    def go_to_line(self, line: int, select: bool = True) -> None:
        """Scroll a line into view, put the cursor there if `select`, and stop following the end."""
        if not 0 <= line < self._lines.count:
            return
        self.set_follow(False)
        if self.folding.hides(line):
            self.unfold_wanted.emit()
        top, rows, place = self.verticalScrollBar().value(), self._rows_in_view(), self.folding.place(line)
        if not top <= place < top + rows - 1:
            self._row_in_line = 0
            self.verticalScrollBar().setValue(place - rows // 3)
        if select:
            self._selection = Selection(Position(line, 0), Position(line, 0), whole_line=True)
            self.line_entered.emit(line)
        self._ask()
        self.viewport().update()

    def select_all(self) -> None:
        """Select every line."""
        if self._lines.count:
            self._selection = Selection(Position(0, 0), Position(self._lines.count - 1, 1 << 30))
            self.viewport().update()

    def selection(self) -> Selection:
        """Return the selection."""
        return self._selection

    # --- Geometry ---

    def _columns(self) -> int:
        return self._metrics.columns(self.viewport().width())

    def _rows_in_view(self) -> int:
        return max(1, self.viewport().height() // self._metrics.line_height)

    def _rows_of(self, place: int) -> int:
        known = self.line(self.folding.line(place)) if self._wrap else None
        return 1 if known is None else len(self._layout.rows(known.text, self._columns()))

    def _update_bars(self) -> None:
        self._metrics = LogMetrics.of(self.font(), self._layout.letter, self._lines.count)
        bar, rows = self.verticalScrollBar(), self._rows_in_view()
        # With wrap a single line may fill the view, so that the last line must be able to reach the top.
        bar.setRange(0, max(0, self.folding.shown - (1 if self._wrap else rows)))
        bar.setPageStep(rows)
        across = self.horizontalScrollBar()
        across.setRange(0, 0 if self._wrap else max(0, self._lines.longest + 2 - self._columns()))
        across.setPageStep(self._columns())

    def _go_to_end(self) -> None:
        place, row = self._end()
        self.verticalScrollBar().setValue(place)
        self._row_in_line = row
        self.viewport().update()

    def _end(self) -> tuple[int, int]:
        """Return the top place, and how many of its rows are scrolled out, when scrolled to the end."""
        if not self._wrap:
            return self.verticalScrollBar().maximum(), 0
        left, place = self._rows_in_view(), self.folding.shown - 1
        while place > 0 and left > self._rows_of(place):
            left -= self._rows_of(place)
            place -= 1
        return max(0, place), max(0, (self._rows_of(place) if place >= 0 else 1) - left)

    def _ask(self) -> None:
        """Request the visible lines that are not loaded."""
        top = self.verticalScrollBar().value()
        places = range(top, min(top + self._rows_in_view() + 2, self.folding.shown))
        wanted = self._lines.wanted([self.folding.line(place) for place in places])
        if wanted is not None:
            self.lines_wanted.emit(*wanted)

    # --- Drawing ---

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the visible lines."""
        painter = QPainter(self.viewport())
        try:
            self._paint(painter)
        finally:
            painter.end()  # else an error's traceback would keep it alive, and Qt would crash

    def _rows_in_sight(self) -> Iterator[tuple[int, int, LogLine, int]]:
        """Yield top edge in pixels, number, content and number of rows of each visible line."""
        height = self._metrics.line_height
        if self._tail is not None:
            for row, known in enumerate(self._tail[-self._rows_in_view() :]):
                yield row * height, row, known, 1
            return
        y, end = -self._row_in_line * height, self.viewport().height()
        place = self.verticalScrollBar().value()
        while y < end and place < self.folding.shown:
            line, rows = self.folding.line(place), self._rows_of(place)
            yield y, line, self.line(line) or LogLine(""), rows
            y += rows * height
            place += 1

    def _paint(self, painter: QPainter) -> None:
        painter.setFont(self.font())
        palette, rect = self.palette(), self.viewport().rect()
        painter.fillRect(rect, palette.brush(QPalette.ColorRole.Base))
        first = 0 if self._wrap else self.horizontalScrollBar().value()
        draw = LinePainter(
            painter, palette, self._metrics, self._layout, rect, first, self._wrap, self._highlight
        )
        shown = list(self._rows_in_sight())
        if shown:
            numbered = self._tail is None
            draw.lines(shown, self._selection if numbered else None, self.hasFocus() and numbered)
            draw.marks(self._marks if numbered else ())
        if self.hasFocus():
            painter.setPen(palette.color(QPalette.ColorRole.Highlight))
            painter.drawRect(rect.adjusted(0, 0, -1, -1))
        if self._message:
            painter.setFont(QApplication.font())
            draw_message(painter, palette, rect, self._message)

    # --- Mouse, keys, scrolling ---

    def _position_at(self, point: QPoint) -> Position:
        height, place = self._metrics.line_height, self.verticalScrollBar().value()
        y = -self._row_in_line * height
        while place < self.folding.shown - 1 and y + self._rows_of(place) * height <= point.y():
            y += self._rows_of(place) * height
            place += 1
        line = self.folding.line(place)
        known, x = self.line(line), max(0.0, point.x() - self._metrics.gutter)
        text = "" if known is None else known.text
        if self._wrap:
            starts = self._layout.rows(text, self._columns())
            row = max(0, min((point.y() - y) // self._metrics.line_height, len(starts) - 1))
            x += self._layout.x(text, starts[row])
        else:
            x += self.horizontalScrollBar().value() * self._metrics.letter
        return Position(max(0, line), self._layout.column(text, x))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Put the cursor; with Shift, extend the selection."""
        if event.button() == Qt.MouseButton.LeftButton and self._lines.count:
            at = self._position_at(event.position().toPoint())
            extend = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self._selection = Selection(self._selection.anchor if extend else at, at)
            self.line_entered.emit(at.line)
            self.viewport().update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Select the whole line."""
        if event.button() == Qt.MouseButton.LeftButton and self._lines.count:
            line = self._position_at(event.position().toPoint()).line
            self._selection = Selection(Position(line, 0), Position(line, 1 << 30))
            self.viewport().update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Extend the selection; beyond the edge of the view, scroll, too."""
        if event.buttons() & Qt.MouseButton.LeftButton and self._lines.count:
            self._extend_to(event.position().toPoint())
            if 0 <= event.position().y() < self.viewport().height():
                self._drag.stop()
            elif not self._drag.isActive():
                self._drag.start()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the selection."""
        self._drag.stop()
        super().mouseReleaseEvent(event)

    def _extend_to(self, point: QPoint) -> None:
        self._selection = Selection(self._selection.anchor, self._position_at(point))
        self.viewport().update()

    def _drag_on(self) -> None:
        point = self.viewport().mapFromGlobal(self.cursor().pos())
        self.set_follow(False)
        bar = self.verticalScrollBar()
        bar.setValue(bar.value() + (-2 if point.y() < 0 else 2))
        self._extend_to(point)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Emit `menu_wanted`: the panel shows the menu."""
        self.menu_wanted.emit(event.globalPos())

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll; upwards, also stop following the end."""
        if event.angleDelta().y() > 0:
            self.set_follow(False)
        if self._wrap and event.angleDelta().y():
            # A touchpad scrolls by less than a row at a time: the rest is added to the next event.
            self._wheel -= event.angleDelta().y() * QApplication.wheelScrollLines()
            rows = int(self._wheel / WHEEL_STEP)
            self._wheel -= rows * WHEEL_STEP
            self._scroll_rows(rows)
            event.accept()
        else:
            super().wheelEvent(event)
        self._follow_at_end()

    def _scroll_rows(self, rows: int) -> None:
        place, row = self.verticalScrollBar().value(), self._row_in_line + rows
        while row < 0 and place > 0:
            place -= 1
            row += self._rows_of(place)
        while row >= self._rows_of(place) and place < self.folding.shown - 1:
            row -= self._rows_of(place)
            place += 1
        place, row = min((place, max(0, min(row, self._rows_of(place) - 1))), self._end())
        self.verticalScrollBar().setValue(place)
        self._row_in_line = row
        self.viewport().update()

    def _follow_at_end(self) -> None:
        top = (self.verticalScrollBar().value(), self._row_in_line)
        if not self._follow and self.verticalScrollBar().maximum() and top >= self._end():
            self.set_follow(True)

    def _on_scroll_action(self, _action: int) -> None:
        bar = self.verticalScrollBar()
        self.set_follow(bar.sliderPosition() >= bar.maximum())

    def _on_scrolled(self, _value: int) -> None:
        self._row_in_line = 0
        self._ask()
        self.viewport().update()

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """Redraw the whole view instead of moving pixels, since the gutter must not scroll sideways."""
        self.viewport().update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Update the scroll bars, and request lines that have become visible."""
        super().resizeEvent(event)
        self._update_bars()
        if self._follow:
            self._go_to_end()
        self._ask()

    def changeEvent(self, event) -> None:  # type: ignore[no-untyped-def]  # QEvent, whose name Katana's stubs shadow
        """Measure again, since the font may have changed."""
        super().changeEvent(event)
        if hasattr(self, "_drag"):
            self._layout = LineLayout(self.font())
            self._lines.measure = self._layout.cells
            self._update_bars()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Scroll, select, copy."""
        bar, key = self.verticalScrollBar(), event.key()
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy_wanted.emit(self._selection)
        elif event.matches(QKeySequence.StandardKey.SelectAll):
            self.select_all()
        elif key == Qt.Key.Key_End:
            self.set_follow(True)
        elif key == Qt.Key.Key_Home:
            self.set_follow(False)
            bar.setValue(0)
        elif key in (Qt.Key.Key_Up, Qt.Key.Key_PageUp):
            self.set_follow(False)
            rows = 1 if key == Qt.Key.Key_Up else self._rows_in_view() - 1
            self._scroll_rows(-rows) if self._wrap else bar.setValue(bar.value() - rows)
        elif key in (Qt.Key.Key_Down, Qt.Key.Key_PageDown):
            rows = 1 if key == Qt.Key.Key_Down else self._rows_in_view() - 1
            self._scroll_rows(rows) if self._wrap else bar.setValue(bar.value() + rows)
            self._follow_at_end()
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right) and not self._wrap:
            across = self.horizontalScrollBar()
            across.setValue(across.value() + (-8 if key == Qt.Key.Key_Left else 8))
        else:
            super().keyPressEvent(event)
