"""Non-blocking dialogs: a question before a long render is ended, and a text field."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QInputDialog, QMessageBox, QPlainTextEdit, QWidget

from .....kq.api import JobRecord, JobState, TaskRecord, TaskState, elapsed_s
from ....ui.shortcut_override import accept_own_keys
from ..models.columns import span_text

__all__ = ["LONG_S", "REMOVE_MANY", "STOP_ALL", "ask_first", "ask_text", "question_about"]

_RUNNING = (JobState.RUNNING, TaskState.RUNNING)
LONG_S = 600.0
"""In seconds: the run time from which on a render is ended only after a question."""

STOP_ALL = "Stop all {count:,} jobs that wait or run?"
REMOVE_MANY = "Remove {count:,} jobs, with their logs and preview pictures?"


class _TextDialog(QInputDialog):
    """A field in which Return begins a line; Ctrl+Return presses OK."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Handle Ctrl+Return, which the field leaves alone."""
        is_return = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if is_return and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.accept()
        else:
            super().keyPressEvent(event)


def question_about(
    verb: str,
    records: Iterable[tuple[str, JobRecord | TaskRecord]],
    count: int,
    now_s: float,
    otherwise: str = "",
    what: str = "jobs",
) -> str:
    """Return the question to ask before jobs or tasks are stopped or removed; empty if none is needed.

    Args:
        verb: the action, as on its button.
        records: the names and records of those that may be running.
        count: the number of all jobs and tasks to stop or remove.
        now_s: the time of the queue's clock, in seconds since the epoch.
        otherwise: the question if none of them has run for LONG_S; empty if none is needed then.
        what: the plural noun for them in the question.
    """
    running = [(elapsed_s(each, now_s) or 0.0, name) for name, each in records if each.state in _RUNNING]
    longest_s, longest = max(running, default=(0.0, ""))
    if longest_s >= LONG_S:
        which = "it" if count == 1 else f"all {count:,} {what}"
        return f"{longest} has been rendering for {span_text(longest_s)}. {verb} {which}?"
    return otherwise


def ask_first(parent: QWidget, question: str, verb: str, call: Callable[[], None]) -> None:
    """Show `question` over `parent`, and call `call` if its button `verb` is pressed. Returns at once."""
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setWindowTitle("Katana Queue")
    box.setIcon(QMessageBox.Icon.Question)
    box.setText(question)
    yes = box.addButton(verb, QMessageBox.ButtonRole.AcceptRole)
    box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(yes)
    box.accepted.connect(call)
    accept_own_keys(box)
    box.open()


def ask_text(parent: QWidget, title: str, label: str, text: str, call: Callable[[str], None]) -> None:
    """Show a field of several lines over `parent`; call `call` with its text after OK. Returns at once."""
    dialog = _TextDialog(parent)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle(title)
    dialog.setInputMode(QInputDialog.InputMode.TextInput)
    dialog.setOption(QInputDialog.InputDialogOption.UsePlainTextEditForTextInput)
    dialog.setLabelText(label)
    dialog.setTextValue(text)
    for field in dialog.findChildren(QPlainTextEdit):
        field.setTabChangesFocus(True)
    dialog.resize(420, 180)
    dialog.textValueSelected.connect(call)
    accept_own_keys(dialog)
    dialog.open()
