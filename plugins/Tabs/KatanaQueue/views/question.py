"""A question before a long render is ended, and a field for a text. Neither blocks anything while open."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QInputDialog, QMessageBox, QWidget

from .....kq.api import JobRecord, TaskRecord, elapsed_s
from ..models.columns import span_text

__all__ = ["LONG_S", "ask_first", "ask_text", "question_about"]

LONG_S = 600.0
"""A render that has run for so long is not ended without a question."""


def question_about(
    verb: str,
    records: Iterable[tuple[str, JobRecord | TaskRecord]],
    count: int,
    now_s: float,
    always_ask: bool = False,
    what: str = "jobs",
) -> str:
    """The question before jobs or tasks are stopped or removed; empty when little rendering is lost.

    Args:
        verb: the action, as on its button.
        records: the names and records of those that may be running.
        count: how many jobs and tasks there are in all.
        now_s: the time, as the queue has it.
        always_ask: also when none of them has run for long.
        what: they are, in the plural.
    """
    running = [(elapsed_s(each, now_s) or 0.0, name) for name, each in records if each.state == "Running"]
    longest_s, longest = max(running, default=(0.0, ""))
    if longest_s >= LONG_S:
        which = "it" if count == 1 else f"all {count:,} {what}"
        return f"{longest} has been rendering for {span_text(longest_s)}. {verb} {which}?"
    if not always_ask:
        return ""
    if verb == "Remove":
        return f"Remove {count:,} jobs, with their logs and preview pictures?"
    return f"{verb} all {count:,} jobs that wait or run?"


def ask_first(parent: QWidget, question: str, verb: str, call: Callable[[], None]) -> None:
    """Show `question` over `parent`, with a button `verb`; `call` when that is pressed."""
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


def ask_text(parent: QWidget, title: str, label: str, text: str, call: Callable[[str], None]) -> None:
    """Show a field of several lines over `parent`, with `text` in it; `call` with what is there after OK."""
    dialog = QInputDialog(parent)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle(title)
    dialog.setInputMode(QInputDialog.InputMode.TextInput)
    dialog.setOption(QInputDialog.InputDialogOption.UsePlainTextEditForTextInput)
    dialog.setLabelText(label)
    dialog.setTextValue(text)
    dialog.resize(420, 180)
    dialog.textValueSelected.connect(call)
    dialog.open()
