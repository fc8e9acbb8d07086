"""Writes the Agent's own lines into the log of an attempt. The commands write to it directly."""

from __future__ import annotations

import os

__all__ = ["log_size", "write_note"]


def write_note(descriptor: int, text: str) -> None:
    """Write a line of the Agent's own, with the prefix "[kq]". Ignores errors, for example of a full disk."""
    try:
        os.write(descriptor, f"[kq] {text}\n".encode("utf-8", "replace"))
    except OSError:
        pass


def log_size(descriptor: int) -> int:
    """Return the size of the log in bytes; 0 when it is not open, which is a negative descriptor."""
    return os.fstat(descriptor).st_size if descriptor >= 0 else 0
