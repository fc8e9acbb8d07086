"""The state machine of a live render: events in, instructions out. No clock, thread or renderer.

The newest scene state wins. The first picture of a state is always finished, so that pictures are updated
while an artist drags; refinement is cancelled by the next change.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from .state import Update, merged

_LONGEST_PASS_S = 2.0
"""The longest that a pass is planned to take."""


class Phase(Enum):
    """What the render thread is doing."""

    IDLE = auto()
    APPLYING = auto()
    """Applying changes to the scene."""
    FIRST = auto()
    """Rendering the first, coarse picture of a state."""
    REFINING = auto()


# --- Instructions ---


@dataclass(frozen=True)
class Apply:
    """Apply these changes to the scene; answered by `applied` or `refused`."""

    update: Update


@dataclass(frozen=True)
class RenderFirst:
    """Render the first picture and show it; answered by `first_shown`."""


@dataclass(frozen=True)
class Refine:
    """Add samples to the picture, and show it unless it was cancelled; answered by `refined`."""

    samples: int


@dataclass(frozen=True)
class Cancel:
    """Cancel the running refinement."""


@dataclass(frozen=True)
class Complete:
    """All samples are done: write the picture files."""


Instruction = Apply | RenderFirst | Refine | Cancel | Complete


class LiveMachine:
    """One live render. The methods are its events; each returns what to do now.

    Attributes:
        phase: what the render thread is doing.
        is_paused: whether the artist has paused it.
    """

    def __init__(self) -> None:
        self.phase = Phase.IDLE
        self.is_paused = False
        self._pending: Update | None = None
        self._total = 0
        self._done = 0
        self._size = 1

    def updated(self, update: Update) -> list[Instruction]:
        """The desktop has sent an update."""
        if update.paused is not None:
            self.is_paused = update.paused
        if self._pending is not None or update.changes_picture:
            self._pending = merged(self._pending, update)
        if self.phase is Phase.IDLE:
            return self._next()
        if self.phase is Phase.REFINING and self._pending is not None and not self.is_paused:
            return [Cancel()]
        return []

    def applied(self, samples: int) -> list[Instruction]:
        """The changes are applied; the picture is complete after `samples` samples per pixel."""
        self._total, self._done, self._size = samples, 0, 1
        self.phase = Phase.FIRST
        return [RenderFirst()]

    def refused(self) -> list[Instruction]:
        """The changed scene cannot be rendered; the previous picture is kept."""
        self._total = self._done = 0
        return self._next()

    def first_shown(self) -> list[Instruction]:
        """The first picture has been queued for the desktop."""
        return self._next()

    def refined(self, samples: int, took_s: float) -> list[Instruction]:
        """`samples` were added in `took_s` seconds; 0 samples when cancelled."""
        self._done += samples
        if samples:
            affordable = max(1, int(samples * _LONGEST_PASS_S / max(took_s, 1e-6)))
            self._size = max(1, min(self._done, affordable))
        is_complete = samples > 0 and self._done >= self._total
        return [Complete(), *self._next()] if is_complete else self._next()

    def _next(self) -> list[Instruction]:
        self.phase = Phase.IDLE
        if self.is_paused:
            return []
        if self._pending is not None:
            update, self._pending = self._pending, None
            self.phase = Phase.APPLYING
            return [Apply(update)]
        if self._done < self._total:
            self.phase = Phase.REFINING
            return [Refine(min(self._size, self._total - self._done))]
        return []
