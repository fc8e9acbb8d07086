"""The ids of a queue's records that changed since the last report, each once. A leaf: pure."""

from __future__ import annotations

from itertools import islice

__all__ = ["ChangeSet", "NamedChanges"]


class NamedChanges:
    """Changed and removed records of one kind, by id, in the order of their first change."""

    def __init__(self) -> None:
        self._changed: dict[str, None] = {}
        self._removed: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._changed or self._removed)

    def change(self, name: str) -> None:
        """Mark a record as new or changed."""
        self._changed[name] = None
        self._removed.pop(name, None)

    def remove(self, name: str) -> None:
        """Mark a record as removed."""
        self._changed.pop(name, None)
        self._removed[name] = None

    def take_changed(self, count: int | None = None) -> list[str]:
        """Return the first `count` changed ids, or all, and unmark them."""
        return _take(self._changed, count)

    def take_removed(self, count: int | None = None) -> list[str]:
        """Return the first `count` removed ids, or all, and unmark them."""
        return _take(self._removed, count)

    def clear(self) -> None:
        """Unmark all records."""
        self._changed.clear()
        self._removed.clear()


class ChangeSet:
    """The changes in a queue. A record that changed several times is listed once."""

    def __init__(self) -> None:
        self.jobs = NamedChanges()
        self.agents = NamedChanges()
        self.queue = False
        """Whether the record of the queue as a whole changed."""

    def __bool__(self) -> bool:
        return bool(self.jobs or self.agents or self.queue)

    def take_queue(self) -> bool:
        """Return whether the queue's record changed, and unmark it."""
        changed, self.queue = self.queue, False
        return changed

    def clear(self) -> None:
        """Unmark all records."""
        self.jobs.clear()
        self.agents.clear()
        self.queue = False


def _take(names: dict[str, None], count: int | None) -> list[str]:
    taken = list(names) if count is None else list(islice(names, count))
    if len(taken) == len(names):
        names.clear()
    else:
        for each in taken:
            del names[each]
    return taken
