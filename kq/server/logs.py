"""The log of one of kq's own programs: one line an event, rotated. Never a key, never a render's output."""

from __future__ import annotations

import logging
import logging.handlers
from pathlib import Path

__all__ = ["open_log"]

_MAX_BYTES = 2 * 1024 * 1024
_KEEP = 3


def open_log(path: Path, level: str, session: str) -> None:
    """Send this process's log to `path`; to standard error where that cannot be written."""
    handler: logging.Handler
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(path, maxBytes=_MAX_BYTES, backupCount=_KEEP)
    except OSError:
        handler = logging.StreamHandler()
    # A full disk would otherwise be told again on standard error with every line.
    logging.raiseExceptions = False
    handler.setFormatter(
        logging.Formatter(f"%(asctime)s %(levelname)s session={session} %(name)s %(message)s")
    )
    root = logging.getLogger("kq")
    root.setLevel(level.upper())
    root.addHandler(handler)
