"""Text from elsewhere (names, paths, reasons), made fit for messages and lines of a terminal. A leaf."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["display_width", "one_line", "pad", "quoted"]

_STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What would break a line, or steer the terminal."""


def one_line(text: str) -> str:
    """`text` with such characters spelled as Python spells them, `\\n` and `\\x1b`."""
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], text)


def quoted(text: str) -> str:
    """In quotation marks, on one line; a path of Windows with its backslashes as people write them."""
    return repr(text).replace("\\\\", "\\")


def display_width(text: str) -> int:
    """How many cells of a terminal `text` takes: two for a wide letter, none for a mark that combines."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def _cells(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def pad(text: str, width: int) -> str:
    """`text` with blanks up to `width` cells."""
    return text + " " * (width - display_width(text))
