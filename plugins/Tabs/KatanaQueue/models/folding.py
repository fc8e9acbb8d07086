"""Which lines of a log are shown while lines of progress are folded away. Pure; no Qt, no file.

A *place* counts the lines that are shown, a *line* counts all, both from 0.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

__all__ = ["Folding"]


class Folding:
    """Hides some lines of a log, but never its last: while a render goes on, that is its progress."""

    def __init__(self) -> None:
        self._hidden = array("Q")
        self._shown_before = array("Q")  # for each hidden line: how many lines before it are shown
        self._used = 0  # so many of them count
        self.shown = 0
        """How many lines are shown."""

    def update(self, hidden: Sequence[int], count: int) -> None:
        """Hide these lines of a log of `count`; in ascending order, as before but for new ones at the end."""
        keep = max(0, min(len(self._hidden), len(hidden)) - 1)  # the last may be another: it may have grown
        del self._hidden[keep:], self._shown_before[keep:]
        for line in hidden[keep:]:
            self._shown_before.append(line - len(self._hidden))
            self._hidden.append(line)
        self._used = bisect_left(self._hidden, max(0, count - 1))
        self.shown = count - self._used

    @property
    def hidden(self) -> int:
        """How many lines are folded away."""
        return self._used

    def line(self, place: int) -> int:
        """The line that is shown in `place`."""
        return place + bisect_right(self._shown_before, place, 0, self._used)

    def place(self, line: int) -> int:
        """The place of `line`; of a hidden one, that of the next line that is shown."""
        return line - bisect_left(self._hidden, line, 0, self._used)

    def hides(self, line: int) -> bool:
        """Whether `line` is folded away."""
        at = bisect_left(self._hidden, line, 0, self._used)
        return at < self._used and self._hidden[at] == line
