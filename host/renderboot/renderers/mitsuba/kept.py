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
        self.has_tuned = False
        """Whether something that the translation before has made was changed in place."""

    def get(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """The thing of this key, made where neither this translation nor the one before has it.

        Args:
            key: all that `make` depends on. An id in it is of something that the thing keeps alive.
            make: makes it.
        """
        if key not in self._made:
            self._made[key] = self._before[key] if key in self._before else make()
        return cast("Made", self._made[key])

    def tuned(
        self,
        key: Hashable,
        content: Hashable,
        make: Callable[[], object],
        tune: Callable[[object], bool],
    ) -> object:
        """The thing of this key, changed in place where that can be done, else made.

        Args:
            key: which thing it is.
            content: all that it is made from; equal where it is as it was.
            make: makes it.
            tune: changes the one of the translation before; returns whether it could.
        """
        before = self._before.get(key)
        if isinstance(before, tuple) and before[0] == content:
            self._made[key] = before
        elif isinstance(before, tuple) and tune(before[1]):
            self._made[key] = (content, before[1])
            self.has_tuned = True
        else:
            self._made[key] = (content, make())
        thing: object = cast("tuple[Hashable, object]", self._made[key])[1]
        return thing
