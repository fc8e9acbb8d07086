"""Objects made by one translation of a scene, for the next to reuse. Independent of mitsuba."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar, cast

Made = TypeVar("Made")


class Generation:
    """The objects of one translation. Those that the next does not request are freed with this one."""

    def __init__(self, before: Generation | None = None) -> None:
        self._before = before._made if before else {}
        self._made: dict[Hashable, object] = {}
        self.has_tuned = False
        """Whether an object of the previous translation was changed in place."""

    def get(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """Return the object of this key; made unless this or the previous translation has it.

        Args:
            key: everything `make` depends on. An `id()` in it must be of an object that the result holds.
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
        """Return the object of this key, updated in place if possible, else made.

        Args:
            key: identifies the object.
            content: everything it is made from; equal when nothing changed.
            make: makes it.
            tune: updates the previous translation's object; returns whether that was possible.
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
