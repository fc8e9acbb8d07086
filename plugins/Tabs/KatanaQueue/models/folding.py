"""Converts between the numbers of all lines of a log and of those shown while some are folded. Pure; no Qt.

A *place* counts shown lines, a *line* counts all lines, both from 0.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

__all__ = ["Folding"]


class Folding:
    """Hides some lines of a log, but never the last one, which shows the progress of a running render."""

    def __init__(self) -> None:
        self._hidden = array("Q")
        self._shown_before = array("Q")  # for each hidden line: how many lines before it are shown
        self._used = 0  # how many of the hidden lines are before the last line
        self.shown = 0
        """The number of shown lines."""

    def update(self, hidden: Sequence[int], count: int) -> None:
        """Set the lines to hide.

        Args:
            hidden: in ascending order. Since the last call only its last may differ, and more may follow.
            count: of all lines in the log.
        """
        keep = max(0, min(len(self._hidden), len(hidden)) - 1)  # the last may differ, if that line has grown
        del self._hidden[keep:], self._shown_before[keep:]
        for line in hidden[keep:]:
            self._shown_before.append(line - len(self._hidden))
            self._hidden.append(line)
        self._used = bisect_left(self._hidden, max(0, count - 1))
        self.shown = count - self._used

    @property
    def hidden(self) -> int:
        """The number of hidden lines."""
        return self._used

    def line(self, place: int) -> int:
        """Return the line that is shown in `place`."""
        return place + bisect_right(self._shown_before, place, 0, self._used)

    def place(self, line: int) -> int:
        """Return the place of `line`; for a hidden one, that of the next shown line."""
        return line - bisect_left(self._hidden, line, 0, self._used)

    def hides(self, line: int) -> bool:
        """Whether `line` is hidden."""
        at = bisect_left(self._hidden, line, 0, self._used)
        return at < self._used and self._hidden[at] == line
