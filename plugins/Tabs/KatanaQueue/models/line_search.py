"""Finds the lines of a block of bytes that hold one of some words. Pure; no file, no Qt, no thread.

The C library looks for the words: in its calls Python is free for other threads, Qt's among them, which it is
not in a search of its own; and it takes a quarter of the time.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Iterator

__all__ = ["LineSearch"]

# C11, 7.24.5.7. On Windows "ucrtbase" is the C library of Windows 10 and later.
_strstr = ctypes.CDLL("ucrtbase" if os.name == "nt" else None).strstr
_strstr.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
_strstr.restype = ctypes.c_void_p

_NUL_AS_SPACE = bytes.maketrans(b"\0", b" ")
"""For C a NUL is the end of all."""
_LOWER = bytes(range(256)).lower().translate(_NUL_AS_SPACE)


class LineSearch:
    """Looks for `words`, none of them empty; unless `match_case`, the letters A to Z stand for a to z too."""

    def __init__(self, words: Iterable[bytes], match_case: bool = False) -> None:
        self._table = _NUL_AS_SPACE if match_case else _LOWER
        self._words = [word.translate(self._table) for word in words]

    def lines(self, data: bytes, first_line: int) -> Iterator[tuple[int, int, int]]:
        """Number, start and end of each line that has one of the words, in order.

        Args:
            data: whole lines.
            first_line: the number of the first.
        """
        searched = data.translate(self._table)  # bytes end with a NUL in memory, as C wants it
        begin = ctypes.cast(ctypes.c_char_p(searched), ctypes.c_void_p).value or 0
        ends: dict[int, int] = {}  # by where a line starts
        for word in self._words:
            found = _strstr(begin, word)
            while found:
                at = found - begin
                start = data.rfind(b"\n", 0, at) + 1
                end = data.find(b"\n", at)
                end = len(data) if end < 0 else end
                ends[start] = end
                found = _strstr(begin + end, word)
        line, counted = first_line, 0
        for start in sorted(ends):
            line += data.count(b"\n", counted, start)
            counted = start
            yield line, start, ends[start]
