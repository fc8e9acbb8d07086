"""Which jobs the list shows, and in which order: filter and sort, row by row. Pure; no Qt.

Rows are found by bisection in a sorted list, so that a change among 100,000 jobs costs microseconds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice

from kq.api import JobRecord, JobState

from .columns import COLUMNS, Column, SortValue

__all__ = ["Entry", "JobFilter", "JobOrder", "SortBy", "sorted_in_steps"]

Entry = tuple[SortValue, int, str]
"""Sort value, order of submission (which no two jobs share), id."""

SLICE = 2000
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

    def __init__(self, sort_by: SortBy | None = None, entries: Iterable[Entry] = ()) -> None:
        self.sort_by = sort_by or SortBy()
        self._entries: list[Entry] = list(entries)
        self._entry_of: dict[str, Entry] = {entry[2]: entry for entry in self._entries}

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

    def remove(self, job_id: str) -> Entry:
        """Take a job out; returns its entry."""
        entry = self._entry_of.pop(job_id)
        del self._entries[bisect_left(self._entries, entry)]
        return entry


def sorted_in_steps(
    records: Mapping[str, JobRecord], shown: JobFilter, sort_by: SortBy
) -> Iterator[list[Entry] | None]:
    """Filter and sort `records` in short steps: yields None after each, and the entries at the end.

    `records` must not change size meanwhile: pass a copy of what may.
    """
    key: Callable[[JobRecord], Entry] = sort_by.entry
    everything = shown.is_empty
    parts: list[list[Entry]] = []
    source = iter(records.values())
    while batch := list(islice(source, SLICE)):
        parts.append(sorted(key(record) for record in batch if everything or shown.passes(record)))
        yield None
    entries: list[Entry] = []
    merged = merge(*parts)
    while batch_of_entries := list(islice(merged, SLICE)):
        entries.extend(batch_of_entries)
        yield None
    yield entries
