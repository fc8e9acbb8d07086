"""What was made of a scene before its render was asked for, under a digest of all that it was made from.

Never under a name: what is found here is what would be made anew, whatever has changed meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np

Made = TypeVar("Made")


class PartCache:
    """Filled once, then only looked into. Used by one thread at a time."""

    def __init__(self, on_kept: Callable[[], None]) -> None:
        """
        Args:
            on_kept: called each time that something was put here; may raise to end the filling.
        """
        self.found = 0
        """How much of what was asked for after `close` was here."""
        self.missed = 0
        """How much of it was not."""
        self._on_kept: Callable[[], None] | None = on_kept
        self._things: dict[bytes, object] = {}

    def __len__(self) -> int:
        return len(self._things)

    def close(self) -> None:
        """From now on nothing is kept any more: a render asks for nothing twice."""
        self._on_kept = None

    def made(self, key: bytes, make: Callable[[], Made]) -> Made:
        """The thing of this key, made if it is not here.

        Args:
            key: the digest of all that `make` depends on, and of what kind of thing it makes.
            make: makes it.
        """
        if key in self._things:
            self.found += self._on_kept is None
            return cast("Made", self._things[key])
        thing = make()
        if self._on_kept is None:
            self.missed += 1
        else:
            self._things[key] = thing
            self._on_kept()
        return thing


def digest(*parts: object) -> bytes:
    """A digest that differs if any part does, in kind, shape or value.

    Args:
        parts: arrays, bytes, and what a `repr` says all of: numbers, strings, None, tuples of those.
    """
    # Of the strong ones the fastest, where the processor has it built in.
    whole = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            whole.update(f"array {part.dtype.str} {part.shape} ".encode())
            whole.update(np.ascontiguousarray(part).data if part.size else b"")
        elif isinstance(part, bytes):
            whole.update(f"bytes {len(part)} ".encode())
            whole.update(part)
        else:
            words = repr(part).encode()
            whole.update(f"{type(part).__name__} {len(words)} ".encode())
            whole.update(words)
    return whole.digest()
