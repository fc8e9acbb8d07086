"""A cache of translated scene parts, keyed by a digest of everything each was made from.

Never keyed by name, so a cached part always equals what would be made now.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np

Made = TypeVar("Made")


class PartCache:
    """Filled until `close`, read-only after it. Used by one thread at a time."""

    def __init__(self, on_kept: Callable[[], None]) -> None:
        """
        Args:
            on_kept: called after each part is stored; may raise to stop the prefetch.
        """
        self.found = 0
        """Number of cache hits after `close`."""
        self.missed = 0
        """Number of cache misses after `close`."""
        self._on_kept: Callable[[], None] | None = on_kept
        self._things: dict[bytes, object] = {}

    def __len__(self) -> int:
        return len(self._things)

    def close(self) -> None:
        """Store nothing from now on: a render requests each part once."""
        self._on_kept = None

    def made(self, key: bytes, make: Callable[[], Made]) -> Made:
        """Return the part with this key; calls `make` if it is not cached.

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
        parts: arrays, bytes, and values whose `repr` is complete: numbers, strings, None, tuples of those.
    """
    # The fastest strong hash on processors with SHA instructions.
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
