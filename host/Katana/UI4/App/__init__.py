"""App: the main window and the tabs in it."""

from __future__ import annotations

from host.Katana.UI4.App import MainWindow, Tabs

__all__ = ["MainWindow", "Tabs"]
