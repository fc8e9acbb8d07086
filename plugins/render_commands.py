"""Parses the command lines of a render job: which one is the render, and which ones need a shell. Pure.

A job may have commands before and after the render, for example to copy files.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import PurePath, PureWindowsPath
from typing import NamedTuple

from ..kq.api import split_command_line

__all__ = ["RenderCommands", "needs_shell", "only_sends_pixels", "read_commands"]

_PLACEHOLDER = re.compile(r"\{(?:frame|start)(?::0?[1-9]d)?\}")
_RENDER_OPTIONS = frozenset({"geolib3OpTree", "renderMethodName", "renderMethodType"})
"""Options that Katana passes only to renderboot."""
_SCREEN_METHODS = frozenset({"previewRender", "liveRender"})
"""Render methods whose pictures are shown by Katana; those of the others are files."""


class RenderCommands(NamedTuple):
    """The commands of a job, as argument lists to run."""

    commands: tuple[tuple[str, ...], ...]
    render: int
    """The index of the render in `commands`; -1 when there are no commands."""
    options: dict[str, str]
    """The `-key value` pairs of the render, without the dash."""
    variables: dict[str, str]
    """Environment variables that the commands need."""

    @property
    def has_frame_placeholder(self) -> bool:
        """Whether an argument contains `{frame}` or `{start}`, so that one run renders one task's frames."""
        return any(_PLACEHOLDER.search(argument) for command in self.commands for argument in command)


def read_commands(lines: Sequence[str], *, windows: bool = sys.platform == "win32") -> RenderCommands:
    """Split command lines into arguments.

    Args:
        lines: the job's command lines, in their order.
        windows: whether to split by the rules of Windows, and to use cmd as the shell.

    Raises:
        BadInput: one of them cannot be parsed.
    """
    split = [() if needs_shell(line) else tuple(split_command_line(line, windows=windows)) for line in lines]
    render = _render_among(split)
    if render < 0 and lines:
        # No renderboot, so the last command is the render: a job of another program has none after it.
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


def only_sends_pixels(options: Mapping[str, str]) -> bool:
    """Whether the render with these `options` writes no picture file, and only sends its pixels to Katana.

    Once that Katana has ended, its picture cannot be seen by anyone.
    """
    is_for_screen = options.get("renderMethodType") in _SCREEN_METHODS
    return is_for_screen and "host" in options and "renderOutputFile" not in options


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
    """Whether `line` has shell syntax outside of quotes: `; | & < >`, `$(` or a backtick.

    `$NAME` and `*` do not count: Katana passes expanded values, so they are literal text.
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
    """Return a command that runs `line` in sh, after a note in the log."""
    note = f"Katana Queue: this command needs a shell, and is run by one: {line}"
    return ("/bin/sh", "-c", 'printf "%s\\n" "$1" >&2; eval "$2"', "sh", note, line)


def _in_cmd(variable: str) -> tuple[str, ...]:
    """Return a command that runs the line in environment variable `variable` in cmd, after a note in the log.

    As an argument the line would be quoted by the rules of C programs, which cmd does not follow.
    """
    note = "Katana Queue: the next command needs a shell, and is run by one"
    return ("cmd.exe", "/d", "/s", "/c", f"echo {note}1>&2& %{variable}%")
