"""When a live render is cooked: one cook at a time, of the newest state. Pure; nothing is asked for here."""

from __future__ import annotations


class LiveFeed:
    """The changes of one live render. Each method returns whether to cook now."""

    def __init__(self) -> None:
        self.is_paused = False
        self._is_cooking = False
        self._is_stale = False

    def changed(self) -> bool:
        """The scene is not as it was."""
        self._is_stale = True
        return self._next()

    def cooked(self) -> bool:
        """The cook that was asked for has ended, well or not."""
        self._is_cooking = False
        return self._next()

    def paused(self, is_paused: bool) -> bool:
        """The artist has paused the render, or has it go on."""
        self.is_paused = is_paused
        return self._next()

    def _next(self) -> bool:
        if self._is_cooking or self.is_paused or not self._is_stale:
            return False
        self._is_cooking, self._is_stale = True, False
        return True
