"""Widgets: the bases of Katana's own."""

from __future__ import annotations

from host.Katana.UI4.Widgets import BaseWidgets

__all__ = ["BaseWidgets"]
