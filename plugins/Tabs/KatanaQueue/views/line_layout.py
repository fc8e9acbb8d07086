"""Where the letters of a log's lines are, as they are drawn: a wide letter takes more than one column."""

from __future__ import annotations

import math
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

from PySide6.QtGui import QFont, QFontDatabase, QFontMetricsF
from PySide6.QtWidgets import QApplication

__all__ = ["LineLayout", "log_font"]


def log_font() -> QFont:
    """A font whose letters of ASCII are as wide as each other, of the desktop's size. Qt's thread."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    if QApplication.font().pointSizeF() > 0:  # a size in pixels has no points
        font.setPointSizeF(QApplication.font().pointSizeF())
    return font


class LineLayout:
    """The layout of single lines in `font`, which gives the letters of ASCII one width. Qt's thread.

    A *column* counts letters of a line from 0; x is in pixels from the line's beginning.
    """

    def __init__(self, font: QFont) -> None:
        self._metrics = QFontMetricsF(font)
        self.letter = max(1.0, self._metrics.horizontalAdvance("0" * 100) / 100)
        """Width of a letter of ASCII, in pixels."""
        self._edges = lru_cache(maxsize=512)(self._measured)

    def _measured(self, text: str) -> tuple[float, ...]:
        """The left edge of each letter, and the right edge of the last."""
        widths: dict[str, float] = {}
        for letter in set(text):
            if letter.isascii():
                widths[letter] = self.letter
            elif unicodedata.combining(letter):
                widths[letter] = 0.0
            else:
                widths[letter] = self._metrics.horizontalAdvance(letter)
        return (0.0, *accumulate(widths[letter] for letter in text))

    def x(self, text: str, column: int) -> float:
        """The left edge of the letter in `column`; of one beyond the end, the right edge of the last."""
        if text.isascii():
            return min(column, len(text)) * self.letter
        return self._edges(text)[min(column, len(text))]

    def column(self, text: str, x: float) -> int:
        """The column whose left edge is nearest to `x`."""
        if text.isascii():
            return max(0, min(round(x / self.letter), len(text)))
        edges = self._edges(text)
        at = bisect_left(edges, x)
        if at == 0 or at == len(edges):
            return min(at, len(text))
        return at if edges[at] - x <= x - edges[at - 1] else at - 1

    def cells(self, text: str) -> int:
        """How many letters of ASCII are as wide as `text`."""
        return len(text) if text.isascii() else math.ceil(self.x(text, len(text)) / self.letter - 1e-6)

    def first(self, text: str, cell: int) -> int:
        """The first column that is not wholly left of `cell`, a width in letters of ASCII."""
        if text.isascii():
            return min(cell, len(text))
        return min(bisect_right(self._edges(text), cell * self.letter + 1e-6) - 1, len(text))

    def rows(self, text: str, columns: int) -> Sequence[int]:
        """The first column of each row, when `text` is wrapped to a width of `columns` letters of ASCII."""
        if text.isascii():
            return range(0, max(1, len(text)), columns)
        edges, starts = self._edges(text), [0]
        while True:
            end = bisect_right(edges, edges[starts[-1]] + columns * self.letter + 1e-6) - 1
            if end >= len(text):
                return starts
            starts.append(max(end, starts[-1] + 1))
