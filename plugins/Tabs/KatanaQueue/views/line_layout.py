"""Computes the positions of characters in a log's lines, which may have characters of different widths."""

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
    """Return a monospaced font of the desktop's size. Qt's thread."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    if QApplication.font().pointSizeF() > 0:  # a size in pixels has no points
        font.setPointSizeF(QApplication.font().pointSizeF())
    return font


class LineLayout:
    """The layout of single lines in a monospaced `font`, where only non-ASCII widths differ. Qt's thread.

    A *column* is the index of a character in its line; x is in pixels from the line's start; a *cell* is as
    wide as an ASCII character.
    """

    def __init__(self, font: QFont) -> None:
        self._metrics = QFontMetricsF(font)
        self.letter = max(1.0, self._metrics.horizontalAdvance("0" * 100) / 100)
        """The width of a cell, in pixels."""
        self._edges = lru_cache(maxsize=512)(self._measured)

    def _measured(self, text: str) -> tuple[float, ...]:
        """Return the left edge of each character, and the right edge of the last, in pixels."""
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
        """Return the left edge of `column`; beyond the end, the right edge of the last character."""
        if text.isascii():
            return min(column, len(text)) * self.letter
        return self._edges(text)[min(column, len(text))]

    def column(self, text: str, x: float) -> int:
        """Return the column whose left edge is nearest to `x`."""
        if text.isascii():
            return max(0, min(round(x / self.letter), len(text)))
        edges = self._edges(text)
        at = bisect_left(edges, x)
        if at == 0 or at == len(edges):
            return min(at, len(text))
        return at if edges[at] - x <= x - edges[at - 1] else at - 1

    def cells(self, text: str) -> int:
        """Return the width of `text` in cells, rounded up."""
        return len(text) if text.isascii() else math.ceil(self.x(text, len(text)) / self.letter - 1e-6)

    def first(self, text: str, cell: int) -> int:
        """Return the first column that is not wholly left of `cell`, counted from 0."""
        if text.isascii():
            return min(cell, len(text))
        return min(bisect_right(self._edges(text), cell * self.letter + 1e-6) - 1, len(text))

    def rows(self, text: str, columns: int) -> Sequence[int]:
        """Return the first column of each row when `text` is wrapped to a width of `columns` cells."""
        if text.isascii():
            return range(0, max(1, len(text)), columns)
        edges, starts = self._edges(text), [0]
        while True:
            end = bisect_right(edges, edges[starts[-1]] + columns * self.letter + 1e-6) - 1
            if end >= len(text):
                return starts
            starts.append(max(end, starts[-1] + 1))
