"""What was noticed while a scene was read or translated: grouped, so that a thousand curves make one line.

Collects only; the job says it in the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class _Group:
    count: int
    first: str


@dataclass
class Diagnostics:
    """Sentences with the first prim and the number of prims they are about."""

    _warnings: dict[str, _Group] = field(default_factory=dict)
    _notes: dict[str, _Group] = field(default_factory=dict)

    def warn(self, text: str, prim: str = "") -> None:
        """Something is wrong or missing, and the picture will show it."""
        _count(self._warnings, text, prim)

    def note(self, text: str, prim: str = "") -> None:
        """Something the artist may want to know."""
        _count(self._notes, text, prim)

    def take(self) -> tuple[list[str], list[str]]:
        """All warnings and all notes as log lines; forgets them."""
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
