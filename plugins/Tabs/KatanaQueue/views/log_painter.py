"""Draws lines of a log with their numbers, severity, search matches and selection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRect, QRectF
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPalette

from .....kq.api import Severity
from ....ui.theme import faded, is_dark, state_colour
from ..models.log_file import LogLine
from ..models.log_scan import Search
from .line_layout import LineLayout
from .log_selection import Selection

__all__ = ["LinePainter", "LogMetrics"]

_MARK_HEIGHT = 3


@dataclass(frozen=True)
class LogMetrics:
    """The dimensions of a log's font, in pixels."""

    letter: float
    """The width of an ASCII character."""
    line_height: int
    ascent: float
    gutter: int
    """The width of the line numbers, with the space before the text."""

    @classmethod
    def of(cls, font: QFont, letter: float, count: int) -> LogMetrics:
        """Measure `font`, whose ASCII characters are `letter` pixels wide, for a log of `count` lines."""
        metrics = QFontMetricsF(font)
        digits = max(4, len(str(max(1, count))))
        return cls(
            letter, max(1, round(metrics.height() + 2)), metrics.ascent() + 1, round(letter * digits + 22)
        )

    def columns(self, width: int) -> int:
        """Return how many ASCII characters fit beside the gutter in a view of `width` pixels."""
        return max(10, int((width - self.gutter - 14) / self.letter))


class LinePainter:
    """Draws visible lines: first backgrounds and numbers of all, then, after `texts_only`, their texts.

    So clip and pen are set once; for each line that would take as long as to draw its text.

    Args:
        painter: draws; its font is the log's.
        palette: for the colours.
        metrics: of the log's font.
        layout: of the log's lines.
        area: the view's rectangle.
        first: without wrap, the leftmost visible cell.
        wrap: whether lines are wrapped.
        highlight: matches of it are highlighted; None: nothing.
    """

    def __init__(
        self,
        painter: QPainter,
        palette: QPalette,
        metrics: LogMetrics,
        layout: LineLayout,
        area: QRect,
        first: int,
        wrap: bool,
        highlight: Search | None,
    ) -> None:
        self._painter, self._palette, self._metrics, self._area = painter, palette, metrics, area
        self._layout = layout
        self._first, self._wrap, self._highlight = first, wrap, highlight
        self._columns = metrics.columns(area.width())
        self._text = palette.color(QPalette.ColorRole.Text)
        self._dim, self._bright = faded(self._text, 0.42), faded(self._text, 0.85)
        self._found = faded(state_colour(Severity.WARNING, palette), 0.45)

    def lines(
        self,
        shown: Sequence[tuple[int, int, LogLine, int]],
        selection: Selection | None,
        has_focus: bool,
    ) -> None:
        """Draw all visible lines.

        Args:
            shown: top edge in pixels, number, content and number of rows of each line.
            selection: None while the line numbers are unknown; then none are drawn.
            has_focus: whether to highlight the number of the cursor's line.
        """
        self.gutter()
        caret = selection.caret.line if selection is not None and has_focus else -1
        visited = selection.caret.line if selection is not None and selection.whole_line else -1
        for y, line, known, rows in shown:
            self.ground(y, known.severity, rows, line == visited)
            if selection is not None:
                self.number(y, line, line == caret)
        self.texts_only()
        strength = 0.22 if visited >= 0 else 0.75
        for y, line, known, _rows in shown:
            # An error or a warning that was jumped to keeps its own colour, without the selection's.
            is_plain = selection is not None and not (line == visited and known.severity)
            columns = selection.columns(line) if selection is not None and is_plain else None
            self.line(y, known.text, columns, strength)
        self._painter.setClipping(False)

    def gutter(self) -> None:
        """Draw the background of the line numbers."""
        ground = QRect(0, 0, self._metrics.gutter - 8, self._area.height())
        self._painter.fillRect(ground, faded(self._text, 0.045))
        self._painter.setPen(self._dim)

    def number(self, y: int, number: int, is_current: bool) -> None:
        """Draw a line's number, which is given from 0 and shown from 1."""
        text, metrics = str(number + 1), self._metrics
        at = QPointF(metrics.gutter - 14 - len(text) * metrics.letter, y + metrics.ascent)
        if is_current:
            self._painter.setPen(self._bright)
        self._painter.drawText(at, text)
        if is_current:
            self._painter.setPen(self._dim)

    def ground(self, y: int, severity: Severity | None, rows: int, is_visited: bool) -> None:
        """Draw the background of an error or a warning of `rows` rows; stronger if it was jumped to."""
        if severity is None:
            return
        colour = state_colour(severity, self._palette)
        tint = (0.20 if severity is Severity.ERROR else 0.11) if is_dark(self._palette) else 0.12
        tint *= 2 if is_visited else 1
        left, height = self._metrics.gutter - 8, self._metrics.line_height * rows
        self._painter.fillRect(QRect(left, y, self._area.width(), height), faded(colour, tint))
        self._painter.fillRect(QRect(left, y, 3, height), colour)

    def texts_only(self) -> None:
        """Clip to the area beside the gutter, and set the pen for texts."""
        self._painter.setClipRect(QRect(self._metrics.gutter - 4, 0, self._area.width(), self._area.height()))
        self._painter.setPen(self._text)

    def line(self, y: int, text: str, selected: tuple[int, int] | None, strength: float) -> None:
        """Draw a line's text, and the background of its columns `selected` with opacity `strength`."""
        metrics, layout, height = self._metrics, self._layout, self._area.height()
        if self._wrap:
            starts = layout.rows(text, self._columns)
            ends = [*starts[1:], len(text)]
        else:
            starts = [layout.first(text, self._first)]
            ends = [min(len(text), layout.first(text, self._first + self._columns + 2) + 1)]
        matches = [] if self._highlight is None else [each.span() for each in self._highlight.matches(text)]
        for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
            top = y + row * metrics.line_height
            if top > height or top + metrics.line_height < 0:
                continue
            left = layout.x(text, start) if self._wrap else self._first * metrics.letter
            for first, last in matches:
                self._span(text, max(first, start), min(last, end), left, top, self._found)
            if selected is not None:
                colour = self._palette.color(QPalette.ColorRole.Highlight)
                is_whole = selected[1] > len(text) and end == len(text)  # the line's end is selected, too
                last = end + 2 if is_whole else min(selected[1], end)
                self._span(text, max(selected[0], start), last, left, top, faded(colour, strength))
            if start < end:
                x = metrics.gutter + layout.x(text, start) - left
                self._painter.drawText(QPointF(x, top + metrics.ascent), text[start:end])

    def marks(self, marks: Sequence[tuple[float, Severity]]) -> None:
        """Draw the positions of errors and warnings in the whole log, along the right edge."""
        height = self._area.height()
        # Of several at the same height, only the last one is drawn.
        seen: dict[int, Severity] = {}
        for place, severity in marks:
            y = min(height - 1, int(place * height)) // _MARK_HEIGHT * _MARK_HEIGHT
            seen.pop(y, None)
            seen[y] = severity
        colours = {each: state_colour(each, self._palette) for each in set(seen.values())}
        left = self._area.right() - 5
        for y, severity in seen.items():
            self._painter.fillRect(left, y, 4, _MARK_HEIGHT, colours[severity])

    def _span(self, text: str, first: int, last: int, left: float, top: int, colour: QColor) -> None:
        """Draw a background from column `first` to `last`, in a row that begins at x `left`."""
        if first < last:
            x, beyond = self._layout.x(text, first), max(0, last - len(text)) * self._metrics.letter
            width = self._layout.x(text, last) + beyond - x
            area = QRectF(self._metrics.gutter + x - left, top, width, self._metrics.line_height)
            self._painter.fillRect(area, colour)
