"""Warnings and notes of reading and translating a scene, grouped: a thousand curves make one line.

Only collects them; the job writes them to the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class _Group:
    count: int
    first: str


@dataclass
class Diagnostics:
    """Messages, each with the first prim and the number of prims concerned."""

    _warnings: dict[str, _Group] = field(default_factory=dict)
    _notes: dict[str, _Group] = field(default_factory=dict)

    def warn(self, text: str, prim: str = "") -> None:
        """Add a warning: something is wrong or missing, which affects the picture."""
        _count(self._warnings, text, prim)

    def note(self, text: str, prim: str = "") -> None:
        """Add a note: information for the artist."""
        _count(self._notes, text, prim)

    def take(self) -> tuple[list[str], list[str]]:
        """Return all warnings and all notes as log lines, and clear them."""
        lines = _lines(self._warnings), _lines(self._notes)
        self._warnings.clear()
        self._notes.clear()
        return lines


def _count(groups: dict[str, _Group], text: str, prim: str) -> None:
    group = groups.setdefault(text, _Group(0, prim))
    group.count += 1


def _lines(groups: dict[str, _Group]) -> list[str]:
    lines = []
    for text, group in groups.items():
        where = f": {group.first}" if group.first else ""
        more = f" and {group.count - 1} more" if group.count > 1 and group.first else ""
        lines.append(f"{text}{where}{more}")
    return lines
