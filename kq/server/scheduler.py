"""Passes events to the core, and its instructions to the journal, Agents and clients."""

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

_CHANGE_QUEUE_SETTINGS = (ev.QueuePaused, ev.AgentCountSet, ev.AgentsDrained, ev.AgentEndRequested)
"""Events that may change the settings of the queue, which the next server of the session restores."""


class Scheduler:
    """The only caller of `Core.handle`. Server thread only."""

    def __init__(
        self, clock: Clock, core: Core, effects: Effects, journal_writer: JournalWriter, outbox: ClientOutbox
    ) -> None:
        self._clock = clock
        self._core = core
        self._effects = effects
        self._journal_writer = journal_writer
        self._outbox = outbox

    def handle(self, event: ev.CoreEvent) -> None:
        """Handle an event in the core. Instructions to Agents and messages to clients wait for `settle`.

        Raises:
            BadInput, NotFound, Refused: a client's request was refused; nothing was changed.
            IllegalTransition: a bug in this program.
        """
        instructions = self._core.handle(event, Instant(*self._clock.read()))
        log_instructions(instructions)
        self._effects.take(instructions)
        if isinstance(event, _CHANGE_QUEUE_SETTINGS):
            self._journal_writer.journal.note_queue_settings(self._core.queue_settings())

    def finish_restore(self) -> None:
        """Finish a restore: tasks that no restored Agent runs wait again."""
        self._effects.take(self._core.finish_restore(Instant(*self._clock.read())))

    def due_in_s(self, now: float) -> float:
        """Seconds until `settle` has work. `now`: monotonic seconds."""
        return 0.0 if self._effects.is_pending else self._outbox.due_in_s(now)

    def settle(self) -> None:
        """Write the journal, then send orders to Agents, then messages to clients."""
        for event in self._effects.take_failures():
            self.handle(event)
        self._journal_writer.commit()
        self._effects.carry_out_orders()
        self._journal_writer.journal.note_commit()
        self._outbox.flush(time.monotonic(), is_durable=self._journal_writer.is_durable)
