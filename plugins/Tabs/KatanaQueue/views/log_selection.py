"""The selected range of text in a log. Pure."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Position", "Selection"]


class Position(NamedTuple):
    """A position in the log: line and column, both counted from 0."""

    line: int = 0
    column: int = 0


class Selection(NamedTuple):
    """The text from `anchor`, where the selection was begun, to `caret`, the cursor."""

    anchor: Position = Position()
    caret: Position = Position()
    whole_line: bool = False
    """Whether the cursor's whole line is selected, after a jump to it."""

    @property
    def is_empty(self) -> bool:
        """Whether no text is selected."""
        return self.anchor == self.caret and not self.whole_line

    def ordered(self) -> tuple[Position, Position]:
        """Return start and end, in this order. A whole line ends beyond its last column."""
        first, last = min(self.anchor, self.caret), max(self.anchor, self.caret)
        return (first, Position(last.line, 1 << 30)) if self.whole_line else (first, last)

    def columns(self, line: int) -> tuple[int, int] | None:
        """Return the selected range of columns in `line`; None when there is none."""
        first, last = self.ordered()
        if self.is_empty or not first.line <= line <= last.line:
            return None
        if self.whole_line:
            return (0, 1 << 30)
        return (first.column if line == first.line else 0, last.column if line == last.line else 1 << 30)
