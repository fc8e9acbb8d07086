"""Converts command lines between text and arguments, by each system's rules. A leaf: pure.

host/command_line.py does the same for the stand-in desktop, which never imports kq.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence

from .errors import BadInput
from .plain_text import quoted

__all__ = ["join_command_line", "split_command_line"]


def split_command_line(text: str, *, windows: bool = sys.platform == "win32") -> list[str]:
    """Split `text` into arguments. No shell is involved: `*`, `$X` and `|` are ordinary characters.

    Raises:
        BadInput: a quote is not closed.
    """
    if windows:
        return _split_windows(text)
    try:
        return shlex.split(text)
    except ValueError as error:
        raise BadInput(f"the command line {quoted(text[:80])} cannot be read: {error}") from error


def join_command_line(arguments: Sequence[str], *, windows: bool = sys.platform == "win32") -> str:
    """Join arguments to text that `split_command_line` splits into the same arguments."""
    return subprocess.list2cmdline(arguments) if windows else shlex.join(arguments)


def _split_windows(text: str) -> list[str]:
    """Split as Microsoft's C run-time does, except for its special rules for the program's name.

    2n backslashes before a quote are n backslashes and a delimiter; 2n + 1 are n and a literal quote; two
    quotes within quotes are a literal quote.
    """
    arguments: list[str] = []
    current: list[str] = []
    begun = inside = False
    position = 0
    while position < len(text):
        letter = text[position]
        if letter == "\\":
            end = position
            while end < len(text) and text[end] == "\\":
                end += 1
            count, before_quote = end - position, end < len(text) and text[end] == '"'
            current.append("\\" * (count // 2 if before_quote else count))
            begun, position = True, end
            if before_quote and count % 2:
                current.append('"')
                position += 1
        elif letter == '"':
            if inside and text[position + 1 : position + 2] == '"':
                current.append('"')
                position += 1
            else:
                inside = not inside
            begun, position = True, position + 1
        elif letter in " \t\n" and not inside:
            if begun:
                arguments.append("".join(current))
            current, begun, position = [], False, position + 1
        else:
            current.append(letter)
            begun, position = True, position + 1
    if inside:
        raise BadInput(f"the command line {quoted(text[:80])} cannot be read: a quote is not closed")
    if begun:
        arguments.append("".join(current))
    return arguments
