"""UndoStack: switches the recording of undo steps off and on.

The desktop's history compares the project before and after a turn of Qt's loop (host/app/history.py).
"""

from __future__ import annotations

__all__ = ["DisableCapture", "EnableCapture", "IsUndoEnabled"]

_disabled = 0


def DisableCapture() -> None:
    """Stop recording, until EnableCapture has been called as often."""
    global _disabled
    _disabled += 1


def EnableCapture() -> None:
    """Undo one DisableCapture. Raises RuntimeError where there was none."""
    global _disabled
    if not _disabled:
        raise RuntimeError("EnableCapture was called without DisableCapture.")
    _disabled -= 1


def IsUndoEnabled() -> bool:
    """Return whether changes are recorded."""
    return not _disabled
