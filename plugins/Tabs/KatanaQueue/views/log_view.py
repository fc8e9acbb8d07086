"""Draws the lines of a log that are in sight, and no others: so its size does not matter. Reads no file."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QFontDatabase,
    QFontMetricsF,
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

from ..models.log_file import LogLine
from .log_selection import Position, Selection
from .look import faded, is_dark, severity_colour

__all__ = ["LogView"]

PAGE = 256
MAX_PAGES = 64
_WAIT = LogLine("", "")


class LogView(QAbstractScrollArea):
    """Signals:
    lines_wanted(int, int): lines from a first one on, so many, are in sight and not known.
    follow_changed(bool): the view follows the end of the log, or ceased to, because somebody scrolled.
    copy_wanted(Selection): the selected text is to go to the clipboard.
    line_entered(int): the cursor is in another line.
    """

    lines_wanted = Signal(int, int)
    follow_changed = Signal(bool)
    copy_wanted = Signal(object)
    line_entered = Signal(int)
    menu_wanted = Signal(QPoint)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Log")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.viewport().setCursor(Qt.CursorShape.IBeamCursor)
        self.viewport().setBackgroundRole(QPalette.ColorRole.Base)
        self.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._count = 0
        self._pages: OrderedDict[int, list[LogLine]] = OrderedDict()
        self._asked: range = range(0)  # pages of the latest wish: the reader serves no earlier one
        self._stale: set[int] = set()  # pages whose last line may read otherwise now
        self._size = 0
        self._tail: list[LogLine] | None = None  # the last lines, while the others are not known
        self._message = ""
        self._follow = True
        self._wrap = False
        self._longest = 0
        self._row_in_line = 0  # with wrap: how many rows of the top line are above the view
        self._selection = Selection()
        self._highlight: re.Pattern[str] | None = None
        self._marks: Sequence[tuple[float, str]] = ()
        self._drag = QTimer(self)
        self._drag.setInterval(40)
        self._drag.timeout.connect(self._drag_on)
        self._measure()
        self.verticalScrollBar().valueChanged.connect(self._on_scrolled)
        self.verticalScrollBar().actionTriggered.connect(self._on_scroll_action)

    # --- content -----------------------------------------------------------------------------------------

    def clear(self, message: str = "") -> None:
        """Show no lines, and `message` in their place."""
        self._count = 0
        self._pages.clear()
        self._asked = range(0)
        self._stale.clear()
        self._size = 0
        self._tail = None
        self._message = message
        self._longest = 0
        self._row_in_line = 0
        self._selection = Selection()
        self._update_bars()
        self.viewport().update()

    def set_count(self, count: int, size: int) -> None:
        """There are `count` lines of `size` bytes now. The last one known may read otherwise now."""
        if (count, size) == (self._count, self._size):
            return
        if count:
            self._tail = None
            self._message = ""
        if self._count:
            self._stale.add((self._count - 1) // PAGE)
            self._asked = range(0)
        self._count, self._size = count, size
        self._update_bars()
        if self._follow:
            self._go_to_end()
        self._ask()
        self.viewport().update()

    def set_lines(self, first: int, lines: list[LogLine]) -> None:
        """Lines that were asked for, in whole pages."""
        for at in range(0, len(lines), PAGE):
            page = (first + at) // PAGE
            self._pages[page] = lines[at : at + PAGE]
            self._pages.move_to_end(page)
            self._stale.discard(page)
        self._asked = range(0)
        while len(self._pages) > MAX_PAGES:
            self._pages.popitem(last=False)
        longest = max((len(line.text) for line in lines), default=0)
        if longest > self._longest:
            self._longest = longest
            self._update_bars()
        if self._follow and self._wrap:
            self._go_to_end()  # only now is it known how many rows the last lines take
        self.viewport().update()

    def set_tail(self, lines: list[LogLine]) -> None:
        """The last lines, while it is not known how many there are before them."""
        if not self._count:
            self._tail = lines
            self._message = ""
            self.viewport().update()

    def set_marks(self, marks: Sequence[tuple[float, str]]) -> None:
        """Where errors, warnings and matches are: places from 0 to 1, and their kind."""
        if marks != self._marks:
            self._marks = marks
            self.viewport().update()

    def set_highlight(self, pattern: re.Pattern[str] | None) -> None:
        """What is sought, to be shown in the lines in sight."""
        self._highlight = pattern
        self.viewport().update()

    def line(self, number: int) -> LogLine | None:
        """A line, when it is known."""
        page = self._pages.get(number // PAGE)
        at = number % PAGE
        return page[at] if page is not None and at < len(page) else None

    # --- follow, wrap, places ----------------------------------------------------------------------------

    @property
    def follows(self) -> bool:
        """Whether the view stays at the end while the log grows."""
        return self._follow

    def set_follow(self, follow: bool) -> None:
        """Stay at the end while the log grows, or stay where it is."""
        if follow != self._follow:
            self._follow = follow
            self.follow_changed.emit(follow)
        if follow:
            self._go_to_end()

    def set_wrap(self, wrap: bool) -> None:
        """Break long lines at the edge of the view."""
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
        """The line of the cursor."""
        return self._selection.caret.line

    def top_line(self) -> int:
        """The first line in sight."""
        return self.verticalScrollBar().value()

    def go_to_line(self, line: int, select: bool = True) -> None:
        """Bring a line to the upper third of the view, put the cursor there, and follow no more."""
        if not 0 <= line < self._count:
            return
        self.set_follow(False)
        top, rows = self.top_line(), self._rows_in_view()
        if not top <= line < top + rows - 1:
            self._row_in_line = 0
            self.verticalScrollBar().setValue(line - rows // 3)
        if select:
            self._selection = Selection(Position(line, 0), Position(line, 0), whole_line=True)
            self.line_entered.emit(line)
        self._ask()
        self.viewport().update()

    def select_all(self) -> None:
        """Select every line."""
        if self._count:
            self._selection = Selection(Position(0, 0), Position(self._count - 1, 1 << 30))
            self.viewport().update()

    def selection(self) -> Selection:
        """What is selected."""
        return self._selection

    # --- measures ----------------------------------------------------------------------------------------

    def _measure(self) -> None:
        metrics = QFontMetricsF(self.font())
        self._letter = max(1.0, metrics.horizontalAdvance("0" * 100) / 100)
        self._line_height = max(1, round(metrics.height() + 2))
        self._ascent = metrics.ascent() + 1
        digits = max(4, len(str(max(1, self._count))))
        self._gutter = round(self._letter * digits + 22)

    def _columns(self) -> int:
        """Letters that fit beside the gutter."""
        return max(10, int((self.viewport().width() - self._gutter - 14) / self._letter))

    def _rows_in_view(self) -> int:
        return max(1, self.viewport().height() // self._line_height)

    def _rows_of(self, line: int) -> int:
        known = self.line(line) if self._wrap else None
        return 1 if known is None else max(1, -(-len(known.text) // self._columns()))

    def _update_bars(self) -> None:
        self._measure()
        bar, rows = self.verticalScrollBar(), self._rows_in_view()
        # With wrap the last line may fill the view alone.
        bar.setRange(0, max(0, self._count - 1 if self._wrap else self._count - rows))
        bar.setPageStep(rows)
        across = self.horizontalScrollBar()
        across.setRange(0, 0 if self._wrap else max(0, self._longest + 2 - self._columns()))
        across.setPageStep(self._columns())

    def _go_to_end(self) -> None:
        bar = self.verticalScrollBar()
        self._row_in_line = 0
        if not self._wrap:
            bar.setValue(bar.maximum())
            return
        left, line = self._rows_in_view(), self._count - 1
        while line > 0 and left > self._rows_of(line):
            left -= self._rows_of(line)
            line -= 1
        rows = self._rows_of(line) if line >= 0 else 1
        bar.setValue(max(0, line))
        self._row_in_line = max(0, rows - left)
        self.viewport().update()

    def _ask(self) -> None:
        """Ask for the pages in sight that are not known, or are known in part."""
        if not self._count:
            return
        top = self.top_line()
        last = min(self._count - 1, top + self._rows_in_view() + 1)
        for page in range(top // PAGE, last // PAGE + 1):
            known = self._pages.get(page)
            whole = known is not None and len(known) >= min(PAGE, self._count - page * PAGE)
            if (not whole or page in self._stale) and page not in self._asked:
                # One wish for all that is in sight: the reader keeps only the last.
                self._asked = range(top // PAGE, last // PAGE + 1)
                self.lines_wanted.emit(self._asked.start * PAGE, len(self._asked) * PAGE)
                return

    # --- drawing -----------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the lines in sight."""
        painter = QPainter(self.viewport())
        painter.setFont(self.font())
        palette, rect = self.palette(), self.viewport().rect()
        text = palette.color(QPalette.ColorRole.Text)
        painter.fillRect(rect, palette.brush(QPalette.ColorRole.Base))
        if self._count or self._tail:
            painter.fillRect(QRect(0, 0, self._gutter - 8, rect.height()), faded(text, 0.045))
        if self._tail is not None:
            rows = self._rows_in_view()
            for row, shown in enumerate(self._tail[-rows:]):
                self._paint_line(painter, row * self._line_height, -1, shown, 0, 1)
        elif self._count:
            y, line = -self._row_in_line * self._line_height, self.top_line()
            while y < rect.height() and line < self._count:
                rows = self._rows_of(line)
                self._paint_line(
                    painter, y, line, self.line(line) or _WAIT, self._selection_columns(line), rows
                )
                y += rows * self._line_height
                line += 1
            self._paint_marks(painter, rect)
        if self._message:
            painter.setPen(faded(text, 0.62))
            painter.setFont(QApplication.font())
            flags = int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap)
            painter.drawText(rect.adjusted(40, 12, -40, -12), flags, self._message)

    def _paint_line(
        self,
        painter: QPainter,
        y: int,
        number: int,
        line: LogLine,
        selected: tuple[int, int] | int,
        rows: int,
    ) -> None:
        palette = self.palette()
        width, height = self.viewport().width(), self._line_height
        colour = palette.color(QPalette.ColorRole.Text)
        if line.kind:
            kind = severity_colour(line.kind, palette)
            strength = (0.20 if line.kind == "error" else 0.11) if is_dark(palette) else 0.12
            painter.fillRect(QRect(self._gutter - 8, y, width, height * rows), faded(kind, strength))
            painter.fillRect(QRect(self._gutter - 8, y, 3, height * rows), kind)
        if number >= 0:
            current = number == self._selection.caret.line and self.hasFocus()
            painter.setPen(faded(colour, 0.85 if current else 0.42))
            numbers = QRect(0, y, self._gutter - 14, height)
            painter.drawText(
                numbers, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), str(number + 1)
            )
        columns = self._columns()
        first = 0 if self._wrap else self.horizontalScrollBar().value()
        painter.save()
        painter.setClipRect(QRect(self._gutter - 4, 0, width, self.viewport().height()))
        for row in range(rows):
            start = row * columns if self._wrap else first
            part = line.text[start : start + columns + (0 if self._wrap else 2)]
            top = y + row * height
            if top > self.viewport().height() or top + height < 0:
                continue
            self._paint_matches(painter, line.text, start, len(part), top)
            if isinstance(selected, tuple):
                self._paint_span(painter, selected, start, columns, top, QPalette.ColorRole.Highlight)
            painter.setPen(colour)
            painter.drawText(QPointF(self._gutter, top + self._ascent), part)
        painter.restore()

    def _paint_matches(self, painter: QPainter, text: str, start: int, length: int, top: int) -> None:
        if self._highlight is None or not text:
            return
        colour = faded(severity_colour("warning", self.palette()), 0.45)
        for match in self._highlight.finditer(text):
            left, right = max(match.start(), start), min(match.end(), start + length)
            if left < right:
                x = self._gutter + (left - start) * self._letter
                painter.fillRect(QRectF(x, top, (right - left) * self._letter, self._line_height), colour)

    def _paint_span(
        self,
        painter: QPainter,
        span: tuple[int, int],
        start: int,
        columns: int,
        top: int,
        role: QPalette.ColorRole,
    ) -> None:
        left, right = max(span[0] - start, 0), min(span[1] - start, columns + 2)
        if left < right:
            x = self._gutter + left * self._letter
            area = QRectF(x, top, (right - left) * self._letter, self._line_height)
            # A line that was jumped to keeps the colour of what it is.
            strength = 0.4 if self._selection.whole_line else 0.75
            painter.fillRect(area, faded(self.palette().color(role), strength))

    def _paint_marks(self, painter: QPainter, rect: QRect) -> None:
        for place, kind in self._marks:
            y = min(rect.height() - 3, int(place * rect.height()))
            painter.fillRect(QRect(rect.right() - 5, y, 4, 3), severity_colour(kind, self.palette()))

    def _selection_columns(self, line: int) -> tuple[int, int] | int:
        first, last = self._selection.ordered()
        if self._selection.is_empty or not first.line <= line <= last.line:
            return 0
        if self._selection.whole_line:
            return (0, 1 << 30)
        return (first.column if line == first.line else 0, last.column if line == last.line else 1 << 30)

    # --- mouse, keys, scrolling --------------------------------------------------------------------------

    def _position_at(self, point: QPoint) -> Position:
        y, line = -self._row_in_line * self._line_height, self.top_line()
        columns = self._columns()
        while line < self._count - 1 and y + self._rows_of(line) * self._line_height <= point.y():
            y += self._rows_of(line) * self._line_height
            line += 1
        row = max(0, (point.y() - y) // self._line_height) if self._wrap else 0
        start = row * columns if self._wrap else self.horizontalScrollBar().value()
        column = start + max(0, round((point.x() - self._gutter) / self._letter))
        known = self.line(line)
        return Position(max(0, line), min(column, len(known.text)) if known is not None else column)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Put the cursor; with Shift, extend the selection."""
        if event.button() == Qt.MouseButton.LeftButton and self._count:
            at = self._position_at(event.position().toPoint())
            extend = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self._selection = Selection(self._selection.anchor if extend else at, at)
            self.line_entered.emit(at.line)
            self.viewport().update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Select the whole line."""
        if event.button() == Qt.MouseButton.LeftButton and self._count:
            line = self._position_at(event.position().toPoint()).line
            self._selection = Selection(Position(line, 0), Position(line, 1 << 30))
            self.viewport().update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Select; beyond the edge, scroll on."""
        if event.buttons() & Qt.MouseButton.LeftButton and self._count:
            self._extend_to(event.position().toPoint())
            inside = 0 <= event.position().y() < self.viewport().height()
            if inside:
                self._drag.stop()
            elif not self._drag.isActive():
                self._drag.start()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """The selection is made."""
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
        """The panel offers the menu."""
        self.menu_wanted.emit(event.globalPos())

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll; upwards, somebody wants to read: follow no more."""
        if event.angleDelta().y() > 0:
            self.set_follow(False)
        if self._wrap and event.angleDelta().y():
            rows = -event.angleDelta().y() * 3 // 120
            self._scroll_rows(rows)
            event.accept()
        else:
            super().wheelEvent(event)
        self._follow_at_end()

    def _scroll_rows(self, rows: int) -> None:
        line, row = self.top_line(), self._row_in_line + rows
        while row < 0 and line > 0:
            line -= 1
            row += self._rows_of(line)
        while row >= self._rows_of(line) and line < self._count - 1:
            row -= self._rows_of(line)
            line += 1
        self.verticalScrollBar().setValue(line)
        self._row_in_line = max(0, min(row, self._rows_of(line) - 1))
        self.viewport().update()

    def _follow_at_end(self) -> None:
        bar = self.verticalScrollBar()
        if not self._follow and bar.value() >= bar.maximum() and not self._wrap and bar.maximum():
            self.set_follow(True)

    def _on_scroll_action(self, _action: int) -> None:
        bar = self.verticalScrollBar()
        self.set_follow(bar.sliderPosition() >= bar.maximum())

    def _on_scrolled(self, _value: int) -> None:
        self._row_in_line = 0
        self._ask()
        self.viewport().update()

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """Draw anew: lines are cheap to draw, and the gutter must stand still."""
        self.viewport().update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Other lines are in sight."""
        super().resizeEvent(event)
        self._update_bars()
        if self._follow:
            self._go_to_end()
        self._ask()

    def changeEvent(self, event) -> None:  # type: ignore[no-untyped-def]  # QEvent, whose name Katana's stubs shadow
        """Another font, another measure."""
        super().changeEvent(event)
        if hasattr(self, "_drag"):
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
