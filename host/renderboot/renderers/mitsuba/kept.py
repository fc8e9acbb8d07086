"""What a translation of a scene has made, for the next one to take what it needs again. Knows no mitsuba."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar, cast

Made = TypeVar("Made")


class Generation:
    """The things of one translation. What the next one does not ask for is gone with this one."""

    def __init__(self, before: Generation | None = None) -> None:
        self._before = before._made if before else {}
        self._made: dict[Hashable, object] = {}

    def get(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """The thing of this key, made where neither this translation nor the one before has it.

        Args:
            key: all that `make` depends on. An id in it is of something that the thing keeps alive.
            make: makes it.
        """
        if key not in self._made:
            self._made[key] = self._before[key] if key in self._before else make()
        return cast("Made", self._made[key])
