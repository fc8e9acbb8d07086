"""Counts the damage of a journal, and words it for users. No I/O."""

from __future__ import annotations

from pathlib import Path

__all__ = ["JournalDamage"]


class JournalDamage:
    """The damage found in one journal since the server started."""

    def __init__(self) -> None:
        self.cause = ""
        """Why its file could not be used; empty if it could."""
        self.kept: Path | None = None
        """Path under which the damaged file was kept, or None."""
        self.lost_commits = 0
        """The number of its last commits that it has lost."""
        self.lost_jobs: int | None = 0
        """The number of jobs that it has lost; None if unknown."""
        self.saved_jobs = 0
        """The number of jobs that were copied from a file that could not be used."""
        self.unreadable: dict[str, int] = {}
        """By table: the number of rows that were set aside."""

    def note_row(self, table: str) -> None:
        """Count a row that cannot be read, or a job with missing tasks."""
        self.unreadable[table] = self.unreadable.get(table, 0) + 1

    def text(self) -> str:
        """The damage in words, for users; empty if there is none."""
        kept = f"; the damaged file was kept as {self.kept}" if self.kept is not None else ""
        parts = []
        if self.cause:
            parts.append(
                f"the journal was damaged ({self.cause}): {_lost(self.lost_jobs)}, "
                f"{_count(self.saved_jobs, 'job')} could be copied from it{kept}"
            )
        elif self.lost_commits or self.lost_jobs:
            parts.append(
                f"the journal lost its latest changes ({_count(self.lost_commits, 'change')}), "
                f"{_lost(self.lost_jobs)}{kept}"
            )
        if self.unreadable:
            counts = ", ".join(_count(number, _NAMES[table]) for table, number in self.unreadable.items())
            parts.append(f"{counts} in the journal could not be read, and were set aside in it")
        return "; ".join(parts)


_NAMES = {
    "jobs": "job",
    "tasks": "task",
    "attempts": "attempt",
    "known_agents": "Agent",
    "meta": "setting",
    "missing tasks": "job with missing tasks",
}


def _count(number: int, name: str) -> str:
    if number == 1:
        return f"1 {name}"
    head, _, rest = name.partition(" ")
    return f"{number} {head}s{' ' + rest if rest else ''}"


def _lost(jobs: int | None) -> str:
    if jobs is None:
        return "how many jobs are missing is not known"
    return f"{_count(jobs, 'job')} {'is' if jobs == 1 else 'are'} missing"
