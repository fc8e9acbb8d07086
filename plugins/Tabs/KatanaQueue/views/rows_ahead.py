"""Rows of the jobs list drawn ahead where nobody sees them, some in a turn of Qt's loop.

The first time that a row is drawn its texts are laid out, which takes several times as long as drawing it
again: all rows in sight of a new list at once, with whatever else changes in the window, took over a frame.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter, QPixmap
from PySide6.QtWidgets import QWidget

from .job_rows import RowPainter

__all__ = ["RowsAhead"]

BUDGET_S = 0.002
"""How long one turn may take."""


class RowsAhead:
    """Qt's thread."""

    def __init__(self, painter: RowPainter) -> None:
        self._painter = painter
        self._next: int | None = None

    def begin(self) -> None:
        """All rows in sight are others now."""
        self._next = 0

    def go_on(self, widget: QWidget, columns: Sequence[tuple[int, int, int]], rows: tuple[int, int]) -> bool:
        """Draw some more of them; returns whether any are left.

        Args:
            widget: in whose font, palette and resolution.
            columns: column, left edge and width of each.
            rows: the first and last row in sight.
        """
        first, last = rows
        if self._next is None or not columns or first + self._next > last:
            self._next = None
            return False
        end_s = time.perf_counter() + BUDGET_S
        ratio = widget.devicePixelRatioF()
        unseen = QPixmap(widget.size() * ratio)
        unseen.setDevicePixelRatio(ratio)
        unseen.fill(Qt.GlobalColor.transparent)
        painter = QPainter(unseen)
        painter.setFont(widget.font())
        self._painter.begin(painter, widget.palette(), columns, (0, widget.width()))
        try:
            for row in range(first + self._next, last + 1):
                self._painter.paint(row, 0, selected=False, focused=False)
                self._next += 1
                if time.perf_counter() > end_s:
                    return True
        finally:
            self._painter.end()
        self._next = None
        return False
