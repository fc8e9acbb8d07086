"""Decides when a live render is cooked: one cook at a time, of the newest state. Pure, without I/O."""

from __future__ import annotations


class LiveFeed:
    """The changes of one live render. Each method returns whether to cook now."""

    def __init__(self) -> None:
        self.is_paused = False
        self._is_cooking = False
        self._is_stale = False

    def changed(self) -> bool:
        """The scene has changed."""
        self._is_stale = True
        return self._next()

    def cooked(self) -> bool:
        """The cook has ended, successfully or not."""
        self._is_cooking = False
        return self._next()

    def paused(self, is_paused: bool) -> bool:
        """The artist has paused or resumed the render."""
        self.is_paused = is_paused
        return self._next()

    def _next(self) -> bool:
        if self._is_cooking or self.is_paused or not self._is_stale:
            return False
        self._is_cooking, self._is_stale = True, False
        return True
