"""A plug-in that raises while it is loaded."""

from __future__ import annotations

raise ValueError("no licence was found")
