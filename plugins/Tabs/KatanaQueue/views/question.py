"""A question before what costs a long render. It holds nothing up while it stands."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget

from .....kq.api import JobRecord, JobState
from ..models.columns import elapsed_s, span_text

__all__ = ["LONG_S", "ask_first", "question_about"]

LONG_S = 600.0
"""A render that has run this long is not ended without a question."""


def question_about(verb: str, jobs: list[JobRecord], count: int, always_ask: bool = False) -> str:
    """What to ask before jobs are stopped or removed; empty when nothing much is lost.

    Args:
        verb: what is to be done with them, as its button says.
        jobs: those of them that run.
        count: how many they are in all.
        always_ask: also when none of them has run for long.
    """
    now_s = time.time()
    running = [(elapsed_s(job, now_s) or 0.0, job) for job in jobs if job.state == JobState.RUNNING]
    longest_s, longest = max(running, key=lambda each: each[0], default=(0.0, None))
    if longest is not None and longest_s >= LONG_S:
        if count == 1:
            return f"{longest.name} has been rendering for {span_text(longest_s)}. {verb} it?"
        return f"{longest.name} has been rendering for {span_text(longest_s)}. {verb} all {count:,} jobs?"
    if not always_ask:
        return ""
    if verb == "Remove":
        return f"Remove {count:,} jobs, with their logs and preview pictures?"
    return f"{verb} all {count:,} jobs that wait or run?"


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
