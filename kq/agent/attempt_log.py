"""Opens the log of an attempt, and writes the Agent's own lines. The commands write to it directly."""

from __future__ import annotations

import os

from ..files import open_to_append

__all__ = ["log_size", "open_log", "write_note"]

_FIRST_ATTEMPT_SUFFIX = "/0/1"
"""Suffix of the id of attempt 1 of task 0, usually the job's first."""


def open_log(path: str, attempt_id: str) -> int:
    """Open the log for appending, and create its folder if needed. Returns its descriptor. Raises OSError."""
    # Before the job's first attempt the folder does not exist: to open the log without it would only fail.
    if attempt_id.endswith(_FIRST_ATTEMPT_SUFFIX):
        _make_folder(os.path.dirname(path))  # noqa: PTH120  # Path costs as much as mkdir
    try:
        return open_to_append(path)
    except FileNotFoundError:
        _make_folder(os.path.dirname(path))  # noqa: PTH120  # Path costs as much as mkdir
        return open_to_append(path)


def write_note(descriptor: int, text: str) -> None:
    """Write a line of the Agent's own, with the prefix "[kq]". Ignores errors, for example of a full disk."""
    try:
        os.write(descriptor, f"[kq] {text}\n".encode("utf-8", "replace"))
    except OSError:
        pass


def log_size(descriptor: int) -> int:
    """Return the size of the log in bytes; 0 when it is not open, which is a negative descriptor."""
    return os.fstat(descriptor).st_size if descriptor >= 0 else 0


def _make_folder(path: str) -> None:
    try:
        os.mkdir(path)  # noqa: PTH102  # Path costs as much as mkdir
    except FileExistsError:
        pass  # another task of the job has just made it
    except FileNotFoundError:
        os.makedirs(path, exist_ok=True)  # noqa: PTH103  # likewise
