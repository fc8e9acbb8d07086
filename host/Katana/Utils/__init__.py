"""Utils: the plug-in loader, the event module and the switch of the undo history."""

from __future__ import annotations

from . import EventModule, Plugins, UndoStack

__all__ = ["EventModule", "Plugins", "UndoStack"]
