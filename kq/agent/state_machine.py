"""Base of both attempt machines: a state, a table of legal transitions, and a history of those taken.

Pure: no clock, process or file. To be used from one thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

import msgspec

from ..errors import IllegalTransition

__all__ = ["StateMachine"]

_MAX_STORY = 100


class StateMachine:
    """Turns events into actions, which the caller carries out.

    A handler in `table` returns `(next state, actions)`. Times are monotonic, in seconds.

    Attributes:
        state: the current state.
        deadline: monotonic time at which `TimePassed` is due in this state; None: never.
        story: time, state, event and next state of the last transitions, for error messages.
    """

    table: Mapping[tuple[Any, type[msgspec.Struct]], Callable[..., tuple[Any, list[Any]]]]
    """Handlers by state and class of event. A pair that is missing is illegal."""

    def __init__(self, state: Enum) -> None:
        self.state: Any = state
        self.deadline: float | None = None
        self.story: deque[str] = deque(maxlen=_MAX_STORY)

    def handle(self, event: msgspec.Struct, now: float) -> list[Any]:
        """Change the state as `event` requires. Returns the actions to carry out, in order.

        Raises:
            IllegalTransition: the event is not allowed in this state.
        """
        handler = self.table.get((self.state, type(event)))
        kind = type(event).__name__
        if handler is None:
            raise IllegalTransition(f"{kind} in state {self.state.name} ({'; '.join(self.story)})")
        before = self.state
        self.state, actions = handler(self, event, now)
        self.story.append(f"{now:.3f} {before.name} {kind} {self.state.name}")
        return actions
