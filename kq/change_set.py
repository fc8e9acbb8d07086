"""Which records of a queue changed since they were last passed on, each named once. A leaf: pure."""

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
        """The record is new, or different."""
        self._changed[name] = None
        self._removed.pop(name, None)

    def remove(self, name: str) -> None:
        """The record is gone."""
        self._changed.pop(name, None)
        self._removed[name] = None

    def take_changed(self, count: int | None = None) -> list[str]:
        """The first `count` that changed, or all; they do not count as changed from then on."""
        return _take(self._changed, count)

    def take_removed(self, count: int | None = None) -> list[str]:
        """The first `count` that were removed, or all; likewise."""
        return _take(self._removed, count)

    def clear(self) -> None:
        """Nothing has changed."""
        self._changed.clear()
        self._removed.clear()


class ChangeSet:
    """What changed in a queue. A record that changed ten times is named once."""

    def __init__(self) -> None:
        self.jobs = NamedChanges()
        self.agents = NamedChanges()
        self.queue = False
        """Whether the record of the queue as a whole changed."""

    def __bool__(self) -> bool:
        return bool(self.jobs or self.agents or self.queue)

    def take_queue(self) -> bool:
        """Whether the queue's record changed; it does not count as changed from then on."""
        changed, self.queue = self.queue, False
        return changed

    def clear(self) -> None:
        """Nothing has changed."""
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
