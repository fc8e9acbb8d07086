"""Command lines as one string, as FarmAPI hands them over: joined and parted by the platform's own rules.

No shell reads them; quoting only says where one argument ends. kq/command_line.py does the same for kq, which
the stand-in desktop never imports.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence


def join(arguments: Sequence[str]) -> str:
    """Return `arguments` as one string that `split` parts again into the same."""
    if os.name == "nt":
        return subprocess.list2cmdline(arguments)
    return shlex.join(arguments)


def split(command: str) -> list[str]:
    """Return the arguments of `command`; raises ValueError where a quotation is not closed."""
    if os.name == "nt":
        return split_windows(command)
    return shlex.split(command)


def split_windows(command: str) -> list[str]:
    """Part `command` by the rules of Microsoft's C runtime, whatever the platform.

    Backslashes are themselves unless a quotation mark follows: then each pair is one backslash, and an odd
    one makes the mark a letter. Two marks within a quotation are one letter.
    """
    arguments: list[str] = []
    current: list[str] = []
    in_argument = quoted = False
    index = 0
    while index < len(command):
        character = command[index]
        if character == "\\":
            end = index
            while end < len(command) and command[end] == "\\":
                end += 1
            count, index, in_argument = end - index, end, True
            if end < len(command) and command[end] == '"':
                current.append("\\" * (count // 2))
                if count % 2:
                    current.append('"')
                    index += 1
            else:
                current.append("\\" * count)
            continue
        if character == '"':
            in_argument = True
            if quoted and command[index + 1 : index + 2] == '"':
                current.append('"')
                index += 1
            else:
                quoted = not quoted
        elif character in " \t" and not quoted:
            if in_argument:
                arguments.append("".join(current))
                current, in_argument = [], False
        else:
            current.append(character)
            in_argument = True
        index += 1
    if quoted:
        raise ValueError("a quotation is not closed")
    if in_argument:
        arguments.append("".join(current))
    return arguments
