"""Which jobs the list shows, and in which order: filter and sort, row by row. Pure; no Qt.

Rows are found by bisection in a sorted list, so that a change among 100,000 jobs costs microseconds.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from .....kq.api import JobRecord, JobState
from .columns import COLUMNS, Column, SortValue
from .job_store import JobStore

__all__ = ["Arrangement", "Entry", "JobFilter", "JobOrder", "SortBy", "taken_apart"]

_Item = TypeVar("_Item")

Entry = bytes
"""A job's place: sort value, order of submission (which no two jobs share), id, length of the id.

Bytes compare in one step, and Python's search for cycles does not see them: 100,000 tuples would bring that
search about, and Qt's thread would stand still for it.
"""

SLICE = 500
"""Jobs treated in one step: well below a millisecond each."""
RUN = 2000
"""So many entries are sorted in one step."""

_DOUBLE = struct.Struct(">d")
_SIGN = 1 << 63
_ALL = (1 << 64) - 1


def _sort_key(value: SortValue) -> bytes:
    """Bytes that are ordered as the values are."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass") + b"\0"
    bits = int.from_bytes(_DOUBLE.pack(value), "big")
    return (bits ^ (_ALL if bits & _SIGN else _SIGN)).to_bytes(8, "big")


def _id_of(entry: Entry) -> str:
    return entry[-1 - entry[-1] : -1].decode()


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
        job_id = record.id.encode()
        value = _sort_key(COLUMNS[self.column].sort_value(record))
        return b"%b%b%b%c" % (value, record.order.to_bytes(8, "big"), job_id, len(job_id))


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
        return _id_of(self._entries[-1 - row if self.sort_by.descending else row])

    def ids(self, first: int, last: int) -> list[str]:
        """The jobs in rows `first` to `last`, both included."""
        return [_id_of(entry) for entry in self._between(first, last)]

    def ids_in_steps(self, stretches: Iterable[tuple[int, int]]) -> Iterator[list[str]]:
        """The jobs of `stretches` of rows, a few hundred at a time, as they stand at the first step."""
        entries = [entry for first, last in stretches for entry in self._between(first, last)]
        return ([_id_of(entry) for entry in batch] for batch in _batches(entries))

    def _between(self, first: int, last: int) -> Iterable[Entry]:
        if self.sort_by.descending:
            count = len(self._entries)
            return reversed(self._entries[count - 1 - last : count - first])
        return self._entries[first : last + 1]

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
        """Add `entries` that all belong into one gap; in order."""
        at = bisect_left(self._entries, entries[0])
        self._entries[at:at] = entries
        self._entry_of.update((_id_of(entry), entry) for entry in entries)

    def take_over(self, entries: list[Entry]) -> Iterator[None]:
        """Stand in the order of `entries`, which are sorted, and no others; in short steps."""
        for some in _batches(entries):
            self._entry_of.update((_id_of(entry), entry) for entry in some)
            yield
        self._entries = entries

    def move(self, entry: Entry) -> None:
        """Put a job that is shown where it belongs now.

        Its key stays in the mapping: one that loses and gains keys is made anew now and then, all of it.
        """
        job_id = _id_of(entry)
        del self._entries[bisect_left(self._entries, self._entry_of[job_id])]
        insort(self._entries, entry)
        self._entry_of[job_id] = entry

    def remove(self, job_id: str) -> None:
        """Take a job out."""
        del self._entries[bisect_left(self._entries, self._entry_of.pop(job_id))]


def taken_apart(order: JobOrder, store: JobStore | None) -> Iterator[None]:
    """Empty what was replaced in short steps: to free 100,000 jobs at once would take several frames."""
    entries, mappings = order._entries, [order._entry_of]
    if store is not None:
        mappings.append(store.records)  # type: ignore[arg-type]  # only emptied
    for mapping in mappings:
        while mapping:
            for _ in range(min(2 * SLICE, len(mapping))):
                mapping.popitem()
            yield
    while entries:
        del entries[-4 * SLICE :]
        yield


class Arrangement:
    """Jobs in order, made in short steps: 100,000 at once would hold up Qt's thread for several frames.

    When `steps` is through, `book` holds all jobs, `order` the rows.
    """

    def __init__(self, jobs: JobStore | tuple[JobRecord, ...], shown: JobFilter, sort_by: SortBy) -> None:
        """A book must not change meanwhile; a sequence is made into a new one."""
        self.jobs = jobs
        self._shown = shown
        self.store = jobs if isinstance(jobs, JobStore) else JobStore()
        self.order = JobOrder(sort_by)

    def steps(self) -> Iterator[None]:
        """Each step takes a millisecond or two."""
        if not isinstance(self.jobs, JobStore):
            for batch in _batches(self.jobs):
                self.store.fill(batch)
                yield
        everything, passes, entry = self._shown.is_empty, self._shown.passes, self.order.sort_by.entry
        runs: list[list[Entry]] = [[]]
        for batch in _batches(self.store.records.values()):
            runs[-1] += [entry(job) for job in batch if everything or passes(job)]
            if len(runs[-1]) >= RUN:
                runs[-1].sort()
                runs.append([])
            yield
        runs[-1].sort()
        while len(runs) > 1:
            pairs, runs = runs, []
            while len(pairs) > 1:
                made: list[Entry] = []
                yield from _merge(pairs.pop(), pairs.pop(), made)
                runs.append(made)
            runs += pairs
        yield from self.order.take_over(runs[0])


def _merge(first: list[Entry], second: list[Entry], made: list[Entry]) -> Iterator[None]:
    """Put two sorted lists into `made`, in short steps."""
    done = 0
    for at in range(0, len(first), RUN):
        part = first[at : at + RUN]
        end = bisect_left(second, part[-1], done)
        part += second[done:end]
        part.sort()  # two sorted runs: one merge, which is quick in C
        made += part
        done = end
        yield
    made += second[done:]


def _batches(source: Iterable[_Item]) -> Iterator[list[_Item]]:
    iterator = iter(source)
    while batch := list(islice(iterator, SLICE)):
        yield batch
