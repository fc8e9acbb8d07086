"""Qt's own messages, passed on to logging."""

from __future__ import annotations

import logging

from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

_log = logging.getLogger("Katana.Qt")
_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.DEBUG,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}
_NO_NEWS = (
    # Off screen no window can be raised, and a render machine has no login session.
    "This plugin does not support ",
    "QStandardPaths: XDG_RUNTIME_DIR not set",
    "QStandardPaths: runtime directory ",
)


def install() -> None:
    """Redirect Qt's messages to logging. Call before creating QApplication, to include its first."""
    qInstallMessageHandler(_handle)


def _handle(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
    del context
    level = logging.DEBUG if text.startswith(_NO_NEWS) else _LEVELS.get(kind, logging.WARNING)
    _log.log(level, "%s", text)
