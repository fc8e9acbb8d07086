"""What is wrong with a journal, counted, and how users read it. Opens and repairs nothing itself."""

from __future__ import annotations

from pathlib import Path

__all__ = ["JournalDamage"]


class JournalDamage:
    """What was found in one journal since its server started."""

    def __init__(self) -> None:
        self.cause = ""
        """Why its file could not be used; empty: it could."""
        self.kept: Path | None = None
        """Where the file is that was damaged, as it was found."""
        self.lost_commits = 0
        """How many of its last transactions are not in it any more."""
        self.lost_jobs: int | None = 0
        """How many jobs are not in it any more; None: not known."""
        self.saved_jobs = 0
        """How many jobs of a file that could not be used were copied from it."""
        self.unreadable: dict[str, int] = {}
        """Rows that were set aside, by table."""

    def note_row(self, table: str) -> None:
        """A row cannot be read."""
        self.unreadable[table] = self.unreadable.get(table, 0) + 1

    def text(self) -> str:
        """All of it, for users; empty: there is nothing."""
        kept = f"; the damaged file was kept as {self.kept}" if self.kept is not None else ""
        parts = []
        if self.cause:
            parts.append(
                f"the journal was damaged ({self.cause}): {_lost(self.lost_jobs)}, "
                f"{_count(self.saved_jobs, 'job')} could be copied from it{kept}"
            )
        elif self.lost_commits or self.lost_jobs:
            parts.append(
                f"the journal lost what was written to it last ({_count(self.lost_commits, 'change')}), "
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
