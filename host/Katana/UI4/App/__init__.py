"""App: the main window and the tabs in it."""

from __future__ import annotations

from . import MainWindow, Tabs

__all__ = ["MainWindow", "Tabs"]
