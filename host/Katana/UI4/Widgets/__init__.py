"""Widgets: the bases of Katana's own."""

from __future__ import annotations

from . import BaseWidgets

__all__ = ["BaseWidgets"]
