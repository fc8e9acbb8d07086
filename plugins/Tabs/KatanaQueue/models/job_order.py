"""Filters and sorts the jobs of the list. Pure; no Qt."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import itemgetter

from .....kq.api import JobRecord, JobState, reason_of
from .columns import COLUMNS, Column, SortValue

__all__ = ["Entry", "JobFilter", "JobOrder", "SortBy"]

Entry = tuple[SortValue, int, str]
"""A job's sort key: its value in the sorted column, its order of submission, its id.

Jobs of farms, and those being submitted, have no order of their own.
"""


@dataclass(frozen=True)
class JobFilter:
    """The jobs to show.

    Attributes:
        text: words that must all occur in the job's texts, without regard to case. What all waiting jobs show
            as their reason, such as a paused queue, is none of them.
        states: the states to show; empty: all.
        farm: the title of the farm whose jobs are shown; empty: those of the queue; None: all.
    """

    text: str = ""
    states: frozenset[JobState] = frozenset()
    farm: str | None = None
    _words: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_words", tuple(self.text.casefold().split()))

    @property
    def is_empty(self) -> bool:
        """Whether the filter lets every job pass."""
        return not self._words and not self.states and self.farm is None

    def passes(self, record: JobRecord) -> bool:
        """Whether the job `record` passes the filter."""
        if self.states and record.state not in self.states:
            return False
        if self.farm is not None and record.farm != self.farm:
            return False
        if not self._words:
            return True
        where = (record.id, record.node, record.log_file)
        text = "\n".join((record.name, record.agent, reason_of(record, ""), record.note, *where)).casefold()
        return all(word in text for word in self._words)


@dataclass(frozen=True)
class SortBy:
    """The column by which the list is sorted, and the direction."""

    column: Column = Column.SUBMITTED
    descending: bool = True

    def entry(self, record: JobRecord) -> Entry:
        """Return the sort key of `record`."""
        return (COLUMNS[self.column].sort_value(record), record.order, record.id)


class JobOrder:
    """The shown jobs, sorted. Rows count from the top of the list and are found by bisection."""

    def __init__(self, sort_by: SortBy | None = None, jobs: Iterable[JobRecord] = ()) -> None:
        self.sort_by = sort_by or SortBy()
        value = COLUMNS[self.sort_by.column].sort_value
        self._entries: list[Entry] = [(value(job), job.order, job.id) for job in jobs]
        # Sorts by one value each: to compare whole tuples takes three times as long.
        if len({entry[1] for entry in self._entries}) < len(self._entries):
            self._entries.sort(key=itemgetter(2))
        self._entries.sort(key=itemgetter(1))
        self._entries.sort(key=itemgetter(0))
        self._entry_of: dict[str, Entry] = {entry[2]: entry for entry in self._entries}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._entry_of

    def id_at(self, row: int) -> str:
        """Return the id of the job in `row`."""
        return self._entries[-1 - row if self.sort_by.descending else row][2]

    def ids(self, first: int, last: int) -> list[str]:
        """Return the ids of the jobs in rows `first` to `last`, both included."""
        if self.sort_by.descending:
            count = len(self._entries)
            return [entry[2] for entry in reversed(self._entries[count - 1 - last : count - first])]
        return [entry[2] for entry in self._entries[first : last + 1]]

    def row(self, job_id: str) -> int | None:
        """Return the row of a job; None when it is not shown."""
        entry = self._entry_of.get(job_id)
        if entry is None:
            return None
        at = bisect_left(self._entries, entry)
        return len(self._entries) - 1 - at if self.sort_by.descending else at

    def has_moved(self, record: JobRecord) -> bool:
        """Whether the sort key of `record`, a shown job, has changed."""
        return self._entry_of[record.id] != self.sort_by.entry(record)

    def insertion_row(self, record: JobRecord) -> int:
        """Return the row that `record` would get if it were added."""
        at = bisect_left(self._entries, self.sort_by.entry(record))
        return len(self._entries) - at if self.sort_by.descending else at

    def add(self, record: JobRecord) -> None:
        """Add a job that is not shown yet."""
        entry = self.sort_by.entry(record)
        insort(self._entries, entry)
        self._entry_of[record.id] = entry

    def remove(self, job_id: str) -> None:
        """Remove a shown job."""
        del self._entries[bisect_left(self._entries, self._entry_of.pop(job_id))]
