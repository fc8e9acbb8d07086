"""The banner at the top of the main window: an error, or an offer with choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QToolBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from .labels import WrappedLabel

Choices = Sequence[tuple[str, Callable[[], None]]]
"""Pairs of button text and slot."""


class Banner(QFrame):
    """Shows the latest error until it is closed or cleared, and an offer until the user answers it.

    An error is shown before an offer, which follows when the error is gone. `bar` is the tool bar that
    contains the banner; the window sets it. Qt's thread.
    """

    bar: QToolBar

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("Banner")
        self._error = ""
        self._offer: tuple[str, Choices] | None = None
        self._label = WrappedLabel(self)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        close = QToolButton(self)
        close.setText("✕")
        close.setAccessibleName("Close the message")
        close.clicked.connect(self._close)
        layout = QHBoxLayout()
        layout.setContentsMargins(12, 4, 4, 4)
        layout.addWidget(self._label, 1)
        self._choices = QHBoxLayout()
        self._buttons: list[QPushButton] = []
        layout.addLayout(self._choices)
        layout.addWidget(close)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addLayout(layout)

    @property
    def message(self) -> str:
        """The text that is shown, or an empty string while the banner is hidden."""
        return self._label.text() if not self.bar.isHidden() else ""

    def show_error(self, message: str) -> None:
        """Show an error, in place of an earlier one."""
        self._error = message
        self._show()

    def offer(self, message: str, choices: Choices) -> None:
        """Show a message with a button per choice, in place of an earlier offer."""
        self._offer = message, choices
        self._show()

    def clear_error(self) -> None:
        """Remove the error; an offer is shown again."""
        self._error = ""
        self._show()

    def _close(self) -> None:
        if not self._error:
            self._offer = None
        self.clear_error()

    def _answer(self, slot: Callable[[], None]) -> None:
        self._offer = None
        self._show()
        slot()

    def _show(self) -> None:
        """Show the error in red, else the offer in blue, else hide the tool bar."""
        message, choices = (self._error, ()) if self._error else self._offer or ("", ())
        focused = QApplication.focusWidget()
        if focused is not None and self.isAncestorOf(focused):
            focused.clearFocus()  # else Qt gives it to a field elsewhere, which the next key would change
        for button in self._buttons:
            button.hide()
            button.deleteLater()
        self._buttons = []
        for text, slot in choices:
            button = QPushButton(text, self)
            button.clicked.connect(lambda _=False, slot=slot: self._answer(slot))
            self._choices.addWidget(button)
            self._buttons.append(button)
        color = "#31506b" if choices else "#5a2b27"
        self.setStyleSheet(
            f"#Banner {{ background: {color}; border-radius: 3px; }}"
            "#Banner QLabel { background: transparent; color: white; }"
        )
        self._label.setText(message)
        self.bar.setVisible(bool(message))
