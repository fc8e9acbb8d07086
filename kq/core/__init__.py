"""The queue's decisions, pure: an event goes in, instructions come out. No clock, socket, thread or file."""

from .machine import Core
from .state import CoreSettings, Instant, Overrides

__all__ = ["Core", "CoreSettings", "Instant", "Overrides"]
