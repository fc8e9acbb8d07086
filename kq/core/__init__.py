"""The queue's pure state machine: events in, instructions out. No clock, socket, thread or file."""

from .machine import Core
from .state import CoreSettings, Instant, QueueSettings

__all__ = ["Core", "CoreSettings", "Instant", "QueueSettings"]
