"""Shows a launch's questions on Qt's thread, while the launch's thread waits. Answers are not stored."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QInputDialog, QLineEdit, QMessageBox, QWidget

from ....qt_dispatch import open_dispatcher, post
from ....ui.shortcut_override import accept_own_keys

__all__ = ["Questions"]

_POLL_INTERVAL_S = 0.1


class Questions(QObject):
    """Implements kq.api.RemoteQuestions with message boxes. Its methods block the launch's thread.

    When the window is closed or the launch cancelled, they return the answer for "Cancel".
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._cancelled = threading.Event()
        self._closed = threading.Event()
        self._open: QWidget | None = None
        window.destroyed.connect(self._closed.set)
        open_dispatcher()

    def begin(self, cancelled: threading.Event) -> None:
        """Set the event that cancels the questions of the launch that starts now. Any thread."""
        self._cancelled = cancelled

    # --- the launch's thread -------------------------------------------------------------------------------

    def accept_host_key(self, host: str, kind: str, fingerprint: str) -> bool:
        """Show the fingerprint of an unknown host's key. Returns whether the user accepted it."""
        text = f"{host} has not been used from here before.\n\nIts {kind} key is\n{fingerprint}"
        more = "Accept it if its administrator confirms this fingerprint. It is then kept in known_hosts."
        return bool(self._ask(self._show_choice, text, more, "Accept"))

    def passphrase(self, key_file: str, again: bool) -> str | None:
        """Ask for the passphrase of a private key; None when the user cancelled.

        Args:
            key_file: the path of the key.
            again: whether the last answer was wrong.
        """
        text = f"{'Wrong passphrase. ' if again else ''}Passphrase of {key_file}:"
        answer = self._ask(self._show_passphrase, text)
        return str(answer) if answer else None

    def use_tunnel(self, why: str) -> bool:
        """Offer a tunnel through SSH; `why` explains the need. Returns whether the user accepted."""
        more = "The queue's ports can be tunneled through the SSH connection for as long as Agents run there."
        return bool(self._ask(self._show_choice, why, more, "Tunnel Through SSH"))

    def _ask(self, show: Callable[..., object], *arguments: object) -> Any:
        answer: list[Any] = []
        answered = threading.Event()

        def done(value: Any) -> None:
            answer.append(value)
            answered.set()

        if not self._closed.is_set():
            post(show, *arguments, done)
        while not answered.wait(_POLL_INTERVAL_S):
            if self._cancelled.is_set() or self._closed.is_set():
                if not self._closed.is_set():
                    post(self._revoke)
                return None
        return answer[0]

    # --- Qt's thread ----------------------------------------------------------------------------------------

    def _show_choice(self, text: str, more: str, accept: str, done: Callable[[bool], None]) -> None:
        box = QMessageBox(QMessageBox.Icon.Question, self._window.windowTitle(), text, parent=self._window)
        box.setInformativeText(more)
        box.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        yes = box.addButton(accept, QMessageBox.ButtonRole.AcceptRole)
        box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
        box.finished.connect(lambda _code: done(box.clickedButton() is yes))
        self._show(box)

    def _show_passphrase(self, text: str, done: Callable[[str], None]) -> None:
        box = QInputDialog(self._window)
        box.setWindowTitle(self._window.windowTitle())
        box.setLabelText(text)
        box.setTextEchoMode(QLineEdit.EchoMode.Password)
        box.finished.connect(lambda code: done(box.textValue() if code else ""))
        self._show(box)

    def _show(self, box: QMessageBox | QInputDialog) -> None:
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.finished.connect(self._forget)
        self._open = box
        accept_own_keys(box)
        box.open()

    def _forget(self, _code: int = 0) -> None:
        self._open = None

    def _revoke(self) -> None:
        if self._open is not None:
            self._open.close()
