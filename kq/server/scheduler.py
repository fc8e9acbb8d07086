"""The one way to the core: takes an event, then the journal, Agents and clients learn what follows."""

from __future__ import annotations

import time

from ..clock import Clock
from ..core import Core, Instant
from ..core import events as ev
from .client_outbox import ClientOutbox
from .decision_log import log_instructions
from .effects import Effects
from .journal_writer import JournalWriter

__all__ = ["Scheduler"]

_CHANGE_OVERRIDES = (ev.QueuePaused, ev.AgentsWanted, ev.AgentsDrained, ev.AgentEndRequested)
"""What users ask of the queue that a server which follows this one has to know."""


class Scheduler:
    """The core with its effects. To be used from the server's thread."""

    def __init__(
        self, clock: Clock, core: Core, effects: Effects, journal_writer: JournalWriter, outbox: ClientOutbox
    ) -> None:
        self._clock = clock
        self._core = core
        self._effects = effects
        self._journal_writer = journal_writer
        self._outbox = outbox

    def handle(self, event: ev.CoreEvent) -> None:
        """Give the core an event, and take note of what it decides; `settle` makes it known.

        Raises:
            BadInput, NotFound, Refused: a client's request was refused; nothing was changed.
            IllegalTransition: a fault of the program.
        """
        instructions = self._core.handle(event, Instant(*self._clock.read()))
        log_instructions(instructions)
        self._effects.take(instructions)
        if isinstance(event, _CHANGE_OVERRIDES):
            self._journal_writer.journal.note_overrides(self._core.overrides())

    def requeue_unheld(self) -> None:
        """The last step after a restart: tasks that no restored Agent holds wait again."""
        self._effects.take(self._core.requeue_unheld(Instant(*self._clock.read())))

    def due_in_s(self, now: float) -> float:
        """Seconds until `settle` has something to do."""
        return 0.0 if self._effects.is_pending else self._outbox.due_in_s(now)

    def settle(self) -> None:
        """Write the journal, then send orders to Agents; clients hear when those are under way."""
        for event in self._effects.take_failures():
            self.handle(event)
        self._journal_writer.commit()
        self._effects.carry_out_orders()
        self._journal_writer.journal.note_commit()
        self._outbox.flush(time.monotonic(), is_durable=self._journal_writer.is_durable)
