"""The command lines of one render job: which of them is the render, and which need a shell. Pure.

A job has commands before the render and after it, to copy files for example: the render is not always last.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import PurePath, PureWindowsPath
from typing import NamedTuple

from ..kq.api import split_command_line

__all__ = ["RenderCommands", "needs_shell", "read_commands"]

_PLACEHOLDER = re.compile(r"\{(?:frame|start)(?::0?[1-9]d)?\}")
_RENDER_OPTIONS = frozenset({"geolib3OpTree", "renderMethodName", "renderMethodType"})
"""Options that Katana gives to renderboot alone."""


class RenderCommands(NamedTuple):
    """The commands of a job, as they are to be run."""

    commands: tuple[tuple[str, ...], ...]
    render: int
    """Which of them is the render; -1 where there is none at all."""
    options: dict[str, str]
    """The `-key value` pairs of the render."""
    variables: dict[str, str]
    """What the commands need in their environment."""

    @property
    def has_frame_placeholder(self) -> bool:
        """Whether the commands render the frames of one task each time, and hold `{frame}` or `{start}`."""
        return any(_PLACEHOLDER.search(argument) for command in self.commands for argument in command)


def read_commands(lines: Sequence[str], *, windows: bool = sys.platform == "win32") -> RenderCommands:
    """Take command lines apart.

    Raises:
        BadInput: one of them cannot be read.
    """
    split = [() if needs_shell(line) else tuple(split_command_line(line, windows=windows)) for line in lines]
    render = _render_among(split)
    if render < 0 and lines:
        # No renderboot, so another program renders: the last, as no command of a plain job comes after it.
        render = len(lines) - 1
    commands = []
    variables: dict[str, str] = {}
    for number, (line, arguments) in enumerate(zip(lines, split, strict=True)):
        if arguments or not needs_shell(line):
            commands.append(arguments)
        elif number == render:
            commands.append(tuple(split_command_line(line, windows=windows)))  # a render never gets a shell
        elif windows:
            variable = f"KATANA_QUEUE_COMMAND_{number}"
            variables[variable] = line
            commands.append(_in_cmd(variable))
        else:
            commands.append(_in_shell(line))
    options = _options(commands[render]) if commands else {}
    return RenderCommands(tuple(commands), render, options, variables)


def _render_among(commands: Sequence[tuple[str, ...]]) -> int:
    for number, command in enumerate(commands):
        if command and PureWindowsPath(PurePath(command[0]).name).stem.lower() == "renderboot":
            return number
    for number, command in enumerate(commands):
        if _RENDER_OPTIONS & _options(command).keys():
            return number
    return -1


def _options(command: tuple[str, ...]) -> dict[str, str]:
    return {
        key[1:]: value
        for key, value in pairwise(command)
        if re.fullmatch(r"-[A-Za-z]\w*", key) and not re.fullmatch(r"-[A-Za-z]\w*", value)
    }


def needs_shell(line: str) -> bool:
    """Whether `line` holds, outside quotes, what only a shell understands: `; | & < >`, `$(` or a backtick.

    A lone `$NAME` or `*` does not count: Katana gives whole values.
    """
    quote = ""
    skip = False
    for letter, following in pairwise(line + " "):
        if skip:
            skip = False
        elif quote:
            if letter == quote:
                quote = ""
            elif letter == "\\" and quote == '"':
                skip = True
        elif letter in "\"'":
            quote = letter
        elif letter == "\\" and following in ";|&<>$`\"'\\ ":
            skip = True
        elif letter in ";|&<>`" or (letter == "$" and following == "("):
            return True
    return False


def _in_shell(line: str) -> tuple[str, ...]:
    """A command that has `line` run by sh, and says so in the log first."""
    note = f"Katana Queue: this command needs a shell, and is run by one: {line}"
    return ("/bin/sh", "-c", 'printf "%s\\n" "$1" >&2; eval "$2"', "sh", note, line)


def _in_cmd(variable: str) -> tuple[str, ...]:
    """A command that has the line in `variable` run by cmd, and says so in the log first.

    As an argument the line would be quoted by the rules of C programs, which cmd does not know.
    """
    note = "Katana Queue: the next command needs a shell, and is run by one"
    return ("cmd.exe", "/d", "/s", "/c", f"echo {note}1>&2& %{variable}%")
