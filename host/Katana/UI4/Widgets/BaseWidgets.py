"""The bases of Katana's windows, frames and widgets."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QMainWindow, QWidget

__all__ = ["BaseFrame", "BaseMainWindow", "BaseWidget"]


class BaseFrame(QFrame):
    """Base of tabs."""


class BaseMainWindow(QMainWindow):
    """Base of the main window."""


class BaseWidget(QWidget):
    """Base of other widgets."""
