"""A question before what costs a long render. It holds nothing up while it stands."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget

__all__ = ["LONG_S", "ask_first"]

LONG_S = 600.0
"""A render that has run this long is not ended without a question."""


def ask_first(parent: QWidget, question: str, verb: str, call: Callable[[], None]) -> None:
    """Show `question` over `parent`, with a button that says `verb`; `call` when that is pressed."""
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setWindowTitle("Katana Queue")
    box.setIcon(QMessageBox.Icon.Question)
    box.setText(question)
    yes = box.addButton(verb, QMessageBox.ButtonRole.AcceptRole)
    box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(yes)
    box.accepted.connect(call)
    box.open()
