"""A plug-in whose registry is malformed."""

from __future__ import annotations

PluginRegistry = [("FarmPlugin", 1, "Half")]
