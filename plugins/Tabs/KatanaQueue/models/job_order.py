"""Which jobs the list shows, and in which order: filter and sort, row by row. Pure; no Qt.

Rows are found by bisection in a sorted list, so that a change among 100,000 jobs costs microseconds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from typing import TypeVar

from kq.api import JobRecord, JobState

from .columns import COLUMNS, Column, SortValue

__all__ = ["Arrangement", "Entry", "JobFilter", "JobOrder", "SortBy", "taken_apart"]

_Item = TypeVar("_Item")

Entry = tuple[SortValue, int, str]
"""Sort value, order of submission (which no two jobs share), id."""

SLICE = 500
"""Jobs treated in one step: well below a millisecond each."""


@dataclass(frozen=True)
class JobFilter:
    """What the list shows: jobs in one of `states` (all, when empty) that hold every word of `text`."""

    text: str = ""
    states: frozenset[JobState] = frozenset()
    _words: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_words", tuple(self.text.casefold().split()))

    @property
    def is_empty(self) -> bool:
        """Whether everything passes."""
        return not self._words and not self.states

    def passes(self, record: JobRecord) -> bool:
        """Whether `record` is shown."""
        if self.states and record.state not in self.states:
            return False
        if not self._words:
            return True
        fields = (record.name, record.agent, record.reason, record.id, record.node, record.log_file)
        text = "\n".join(fields).casefold()
        return all(word in text for word in self._words)


@dataclass(frozen=True)
class SortBy:
    """The column that orders the list."""

    column: Column = Column.SUBMITTED
    descending: bool = True

    def entry(self, record: JobRecord) -> Entry:
        """Where `record` stands."""
        return (COLUMNS[self.column].sort_value(record), record.order, record.id)


class JobOrder:
    """The shown jobs in order. Rows count from the top of the list."""

    def __init__(self, sort_by: SortBy | None = None) -> None:
        self.sort_by = sort_by or SortBy()
        self._entries: list[Entry] = []
        self._entry_of: dict[str, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._entry_of

    def id_at(self, row: int) -> str:
        """The job in `row`."""
        return self._entries[-1 - row if self.sort_by.descending else row][2]

    def ids(self, first: int, last: int) -> list[str]:
        """The jobs in rows `first` to `last`, both included."""
        if self.sort_by.descending:
            count = len(self._entries)
            return [entry[2] for entry in reversed(self._entries[count - 1 - last : count - first])]
        return [entry[2] for entry in self._entries[first : last + 1]]

    def row(self, job_id: str) -> int | None:
        """The row of a job; None when it is not shown."""
        entry = self._entry_of.get(job_id)
        if entry is None:
            return None
        at = bisect_left(self._entries, entry)
        return len(self._entries) - 1 - at if self.sort_by.descending else at

    def has_moved(self, record: JobRecord) -> bool:
        """Whether `record`, which is shown, belongs elsewhere now."""
        return self._entry_of[record.id] != self.sort_by.entry(record)

    def gap(self, entry: Entry) -> int:
        """The row that `entry` would get if it were added."""
        at = bisect_left(self._entries, entry)
        return len(self._entries) - at if self.sort_by.descending else at

    def insert(self, entries: list[Entry]) -> None:
        """Add `entries` that all belong into one gap; any order."""
        entries.sort()
        at = bisect_left(self._entries, entries[0])
        self._entries[at:at] = entries
        self._entry_of.update((entry[2], entry) for entry in entries)

    def extend(self, entries: list[Entry]) -> None:
        """Add `entries`, which are in order and belong after all others."""
        self._entries += entries
        self._entry_of.update((entry[2], entry) for entry in entries)

    def remove(self, job_id: str) -> Entry:
        """Take a job out; returns its entry."""
        entry = self._entry_of.pop(job_id)
        del self._entries[bisect_left(self._entries, entry)]
        return entry


def taken_apart(order: JobOrder) -> Iterator[None]:
    """Empty `order` in short steps: to free 100,000 entries at once would take a frame."""
    entries, entry_of = order._entries, order._entry_of
    while entries or entry_of:
        for _ in range(min(4 * SLICE, len(entry_of))):
            entry_of.popitem()
        del entries[-4 * SLICE :]
        yield


class Arrangement:
    """Jobs in order, made in short steps: 100,000 at once would hold up Qt's thread for several frames.

    When `steps` is through, `records` are all jobs by id, `counts` how many of each state, `order` the rows.
    """

    def __init__(
        self,
        jobs: dict[str, JobRecord] | tuple[JobRecord, ...],
        shown: JobFilter,
        sort_by: SortBy,
    ) -> None:
        """`jobs` must not change meanwhile; a sequence is made into a new mapping."""
        self._jobs = jobs
        self._shown = shown
        self.sort_by = sort_by
        self.records: dict[str, JobRecord] = {}
        self.counts: dict[JobState, int] = dict.fromkeys(JobState, 0)
        self.newest = (0.0, "")
        self.order = JobOrder(sort_by)

    def steps(self) -> Iterator[None]:
        """Each step takes well below a millisecond."""
        if isinstance(self._jobs, dict):
            self.records = self._jobs
        else:
            for batch in _batches(self._jobs):
                self.records.update((job.id, job) for job in batch)
                yield
        parts: list[list[Entry]] = []
        everything, passes, entry = self._shown.is_empty, self._shown.passes, self.sort_by.entry
        for batch in _batches(self.records.values()):
            parts.append(sorted(entry(job) for job in batch if everything or passes(job)))
            for job in batch:
                self.counts[job.state] += 1
            self.newest = max(self.newest, max((job.submitted, job.id) for job in batch))
            yield
        for some in _batches(merge(*parts)):
            self.order.extend(some)
            yield


def _batches(source: Iterable[_Item]) -> Iterator[list[_Item]]:
    iterator = iter(source)
    while batch := list(islice(iterator, SLICE)):
        yield batch
