"""The Messages tab: shows the log messages of the desktop and its plug-ins."""

from __future__ import annotations

import logging
import time
from collections import deque

from PySide6.QtCore import QEvent, QObject, Signal
from PySide6.QtWidgets import QPlainTextEdit, QVBoxLayout, QWidget

from ..Katana.UI4.Tabs import BaseTab
from . import style

_KEPT = 2000
_COLORS = {
    logging.ERROR: style.BAD,
    logging.WARNING: style.ACCENT,
    logging.INFO: style.TEXT,
}


class MessageLog(QObject):
    """The latest log messages of this session, from all threads.

    Signals:
        message_added: level (as in logging), text and epoch seconds, on Qt's thread.
        unseen_changed(int): `unseen` has changed.
    """

    message_added = Signal(int, str, float)
    unseen_changed = Signal(int)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._kept: deque[tuple[int, str, float]] = deque(maxlen=_KEPT)
        self.unseen = 0
        """Number of warnings and errors received while the Messages tab was not visible."""
        self._in_sight = False
        self._handler = _Handler(self)
        self.message_added.connect(self._on_message_added)
        logging.getLogger().addHandler(self._handler)
        for name in ("Katana", "KatanaQueue"):
            # Python's default lets warnings through and nothing quieter; people read these here.
            if logging.getLogger(name).level == logging.NOTSET:
                logging.getLogger(name).setLevel(logging.INFO)

    @property
    def messages(self) -> tuple[tuple[int, str, float], ...]:
        """Level, text and epoch seconds of the latest messages."""
        return tuple(self._kept)

    def close(self) -> None:
        """Remove the logging handler."""
        logging.getLogger().removeHandler(self._handler)

    def _on_message_added(self, level: int, text: str, moment: float) -> None:
        self._kept.append((level, text, moment))
        if level >= logging.WARNING and not self._in_sight:
            self._set_unseen(self.unseen + 1)

    def set_in_sight(self, in_sight: bool) -> None:
        """Set whether the tab is visible and not covered: Qt does not hide a covered dock's widget."""
        self._in_sight = in_sight
        if in_sight:
            self._set_unseen(0)

    def _set_unseen(self, count: int) -> None:
        if count != self.unseen:
            self.unseen = count
            self.unseen_changed.emit(count)


class _Handler(logging.Handler):
    def __init__(self, log: MessageLog) -> None:
        super().__init__(logging.INFO)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._log.message_added.emit(record.levelno, record.getMessage(), record.created)
        except RuntimeError:
            return  # Qt has been shut down; the handler for stderr still logs it
        except Exception:  # noqa: BLE001  a wrong format must not fail the code that logs it
            self.handleError(record)


_log: MessageLog | None = None


def set_active_log(log: MessageLog | None) -> None:
    """Set the log that the tab shows; None as the desktop closes."""
    global _log
    _log = log


def active_log() -> MessageLog | None:
    """Return the log that the tab shows, or None where the desktop has none."""
    return _log


class Messages(BaseTab):
    """Shows the messages of the session, latest last."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        self._text = QPlainTextEdit(self)
        self._text.setReadOnly(True)
        self.setFocusProxy(self._text)
        self._text.setMaximumBlockCount(_KEPT)
        self._text.setFont(style.fixed_font())
        self._text.setFrameShape(QPlainTextEdit.Shape.NoFrame)
        self._text.setAccessibleName("Messages")
        self._text.setPlaceholderText("Nothing has been reported in this session.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._text, 1)
        self._show_all()
        if _log is not None:
            _log.message_added.connect(self._add)

    @property
    def text(self) -> str:
        """The text that is shown."""
        return self._text.toPlainText()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_text"):
            self._show_all()

    def _show_all(self) -> None:
        self._text.clear()
        for message in _log.messages if _log is not None else ():
            self._add(*message)

    def _add(self, level: int, text: str, moment: float) -> None:
        color = _COLORS.get(level, style.TEXT).name()
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", "<br>")
        clock = time.strftime("%H:%M:%S", time.localtime(moment))
        self._text.appendHtml(
            f"<span style='color:{style.DIM_TEXT.name()}'>{clock}</span>&nbsp; "
            f"<span style='color:{color}'>{escaped}</span>"
        )
