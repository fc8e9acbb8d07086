"""Prints logs. On a terminal without what steers it: a render, and so a scene, may write anything."""

from __future__ import annotations

import codecs
import io
import re
import sys
from typing import BinaryIO

from ..plain_text import one_line

__all__ = ["TerminalOutput", "log_output"]

_KEPT = re.compile(r"(\x1b\[[0-9;:]*m|[\n\t\r])")
"""Colours, and what programs write lines with."""
_UNFINISHED = re.compile(r"\x1b(\[[0-9;:]{0,32})?\Z")


class TerminalOutput(io.RawIOBase):
    """Writes bytes to a terminal: colours as they are, other control characters as Python escapes."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._pending = ""
        """The beginning of a colour, at the end of what was written last."""

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # as BinaryIO has it
        text = self._pending + self._decode(data)
        unfinished = _UNFINISHED.search(text)
        self._pending = unfinished[0] if unfinished else ""
        text = text[: len(text) - len(self._pending)]
        parts = _KEPT.split(text)
        # Every second part is one that is kept.
        parts[::2] = map(one_line, parts[::2])
        self._out.write("".join(parts).encode("utf-8", "replace"))
        return len(data)

    def flush(self) -> None:
        self._out.flush()


def log_output() -> BinaryIO:
    """Where to write the bytes of a log: standard output, unchanged unless it is a terminal."""
    out = sys.stdout.buffer
    return TerminalOutput(out) if sys.stdout.isatty() else out  # type: ignore[return-value]
