"""Makes foreign text (names, paths, reasons) safe for messages and terminals. A leaf."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["display_width", "one_line", "pad", "quoted"]

_STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Line breaks and control characters."""


def one_line(text: str) -> str:
    """Return `text` with line breaks and control characters as Python escapes, such as `\\n` and `\\x1b`."""
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], text)


def quoted(text: str) -> str:
    """Return `text` in quotes, on one line, with single backslashes, as in Windows paths."""
    return repr(text).replace("\\\\", "\\")


def display_width(text: str) -> int:
    """Return the width of `text` in terminal cells: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def _cells(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def pad(text: str, width: int) -> str:
    """Return `text` padded with blanks to `width` cells."""
    return text + " " * (width - display_width(text))
