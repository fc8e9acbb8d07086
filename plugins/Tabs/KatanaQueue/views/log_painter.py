"""Draws single lines of a log: number, colour of what they are, matches, selection. Which, the view knows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPalette

from ..models.log_file import LogLine
from .look import faded, is_dark, severity_colour

__all__ = ["LinePainter", "LogMetrics"]

_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)


@dataclass(frozen=True)
class LogMetrics:
    """The measures of a log's font, in pixels."""

    letter: float
    """Width of a letter; all are as wide."""
    line_height: int
    ascent: float
    gutter: int
    """Width of the line numbers, with the space to the text."""

    @classmethod
    def of(cls, font: QFont, count: int) -> LogMetrics:
        """Those of `font`, for a log of `count` lines."""
        metrics = QFontMetricsF(font)
        letter = max(1.0, metrics.horizontalAdvance("0" * 100) / 100)
        digits = max(4, len(str(max(1, count))))
        return cls(
            letter, max(1, round(metrics.height() + 2)), metrics.ascent() + 1, round(letter * digits + 22)
        )

    def columns(self, width: int) -> int:
        """Letters that fit into a view of `width`, beside the gutter."""
        return max(10, int((width - self.gutter - 14) / self.letter))


class LinePainter:
    """Draws on `painter`, into `area`. `columns` letters fit; `first` is the leftmost one, without wrap."""

    def __init__(
        self,
        painter: QPainter,
        palette: QPalette,
        metrics: LogMetrics,
        area: QRect,
        first: int,
        wrap: bool,
        highlight: re.Pattern[str] | None,
    ) -> None:
        self._painter, self._palette, self._metrics, self._area = painter, palette, metrics, area
        self._first, self._wrap, self._highlight = first, wrap, highlight
        self._columns = metrics.columns(area.width())
        self._text = palette.color(QPalette.ColorRole.Text)

    def gutter(self) -> None:
        """The ground of the line numbers."""
        ground = QRect(0, 0, self._metrics.gutter - 8, self._area.height())
        self._painter.fillRect(ground, faded(self._text, 0.045))

    def number(self, y: int, number: int, is_current: bool) -> None:
        """A line's number, counted from 0; people count from 1."""
        self._painter.setPen(faded(self._text, 0.85 if is_current else 0.42))
        place = QRect(0, y, self._metrics.gutter - 14, self._metrics.line_height)
        self._painter.drawText(place, _RIGHT, str(number + 1))

    def line(
        self, y: int, line: LogLine, rows: int, selected: tuple[int, int] | None, strength: float
    ) -> None:
        """A line in `rows` rows, its columns `selected` on a ground of `strength`."""
        painter, metrics, area = self._painter, self._metrics, self._area
        height = metrics.line_height
        if line.kind:
            kind = severity_colour(line.kind, self._palette)
            tint = (0.20 if line.kind == "error" else 0.11) if is_dark(self._palette) else 0.12
            left = metrics.gutter - 8
            painter.fillRect(QRect(left, y, area.width(), height * rows), faded(kind, tint))
            painter.fillRect(QRect(left, y, 3, height * rows), kind)
        painter.save()
        painter.setClipRect(QRect(metrics.gutter - 4, 0, area.width(), area.height()))
        for row in range(rows):
            start = row * self._columns if self._wrap else self._first
            part = line.text[start : start + self._columns + (0 if self._wrap else 2)]
            top = y + row * height
            if top > area.height() or top + height < 0:
                continue
            self._matches(line.text, start, len(part), top)
            if selected is not None:
                colour = self._palette.color(QPalette.ColorRole.Highlight)
                first, last = max(selected[0], start), min(selected[1], start + self._columns + 2)
                self._span(first - start, last - start, top, faded(colour, strength))
            painter.setPen(self._text)
            painter.drawText(QPointF(metrics.gutter, top + metrics.ascent), part)
        painter.restore()

    def marks(self, marks: Sequence[tuple[float, str]]) -> None:
        """Where errors and warnings are in the whole log, along the right edge."""
        for place, kind in marks:
            y = min(self._area.height() - 3, int(place * self._area.height()))
            self._painter.fillRect(
                QRect(self._area.right() - 5, y, 4, 3), severity_colour(kind, self._palette)
            )

    def _matches(self, text: str, start: int, length: int, top: int) -> None:
        if self._highlight is None or not text:
            return
        colour = faded(severity_colour("warning", self._palette), 0.45)
        for match in self._highlight.finditer(text):
            first, last = max(match.start(), start), min(match.end(), start + length)
            self._span(first - start, last - start, top, colour)

    def _span(self, first: int, last: int, top: int, colour: QColor) -> None:
        if first < last:
            letter = self._metrics.letter
            x = self._metrics.gutter + first * letter
            area = QRectF(x, top, (last - first) * letter, self._metrics.line_height)
            self._painter.fillRect(area, colour)
