"""Utils: the plug-in loader and the event module."""

from __future__ import annotations

from . import EventModule, Plugins

__all__ = ["EventModule", "Plugins"]
