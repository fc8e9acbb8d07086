"""Text of others (names, paths, reasons) made fit for a sentence, and for a line of a terminal. A leaf."""

from __future__ import annotations

import re

__all__ = ["one_line", "quoted"]

_STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What would break a line, or steer the terminal."""


def one_line(text: str) -> str:
    """`text` with such characters spelled as Python spells them, `\\n` and `\\x1b`."""
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], text)


def quoted(text: str) -> str:
    """In quotation marks, on one line; a path of Windows with its backslashes as people write them."""
    return repr(text).replace("\\\\", "\\")
