"""What is selected in a log: from one place in its lines to another. Pure."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Position", "Selection"]


class Position(NamedTuple):
    """A place in the log: a line and a column, both counted from 0."""

    line: int = 0
    column: int = 0


class Selection(NamedTuple):
    """From `anchor`, where it was begun, to `caret`, where the cursor is."""

    anchor: Position = Position()
    caret: Position = Position()
    whole_line: bool = False
    """Whether the cursor's line as a whole is meant: it was jumped to."""

    @property
    def is_empty(self) -> bool:
        """Whether no text is selected."""
        return self.anchor == self.caret and not self.whole_line

    def ordered(self) -> tuple[Position, Position]:
        """Beginning and end, whichever way it was made; a whole line ends beyond its last column."""
        first, last = min(self.anchor, self.caret), max(self.anchor, self.caret)
        return (first, Position(last.line, 1 << 30)) if self.whole_line else (first, last)

    def columns(self, line: int) -> tuple[int, int] | None:
        """The columns of `line` that are selected; None when none are."""
        first, last = self.ordered()
        if self.is_empty or not first.line <= line <= last.line:
            return None
        if self.whole_line:
            return (0, 1 << 30)
        return (first.column if line == first.line else 0, last.column if line == last.line else 1 << 30)
