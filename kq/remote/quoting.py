"""Arguments as the shells of other machines read them. Text in, text out; no shell is started here."""

from __future__ import annotations

import base64
from collections.abc import Sequence

__all__ = [
    "cmd_command",
    "posix_command",
    "posix_quote",
    "powershell_command",
    "powershell_quote",
    "windows_argument",
]


_NOT_IN_QUOTES = {"'": "'\\''", "\\": "'\\\\'", "!": "'\\!'"}
"""Between single quotation marks fish takes a backslash for more than a letter, and csh an exclamation mark:
outside them all shells agree on what a backslash before either means."""


def posix_quote(text: str) -> str:
    """One argument for any shell of the Bourne family, and for fish and csh while it is one line."""
    return "'" + "".join(_NOT_IN_QUOTES.get(letter, letter) for letter in text) + "'"


def posix_command(script: str, arguments: Sequence[str] = ()) -> str:
    """A command that has /bin/sh run `script`, whatever the user's own shell is.

    Args:
        script: its `$1`, `$2` ... are `arguments`.
    """
    return " ".join(["/bin/sh", "-c", posix_quote(script), "sh", *map(posix_quote, arguments)])


_SINGLE_QUOTES = "'\u2018\u2019\u201a\u201b"


def powershell_quote(text: str) -> str:
    """A literal string of PowerShell, to which typographic quotation marks are quotation marks as well."""
    return "'" + "".join(2 * letter if letter in _SINGLE_QUOTES else letter for letter in text) + "'"


def powershell_command(script: str) -> str:
    """A command that has PowerShell run `script`. No shell finds anything to quote in it."""
    encoded = base64.b64encode(script.encode("utf-16-le")).decode("ascii")
    return (
        f"powershell.exe -NoLogo -NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand {encoded}"
    )


def windows_argument(text: str) -> str:
    """One argument as programs of Microsoft's C runtime read their command line."""
    if text and not set(text) & set(' \t\n\v"'):
        return text
    quoted, slashes = ['"'], 0
    for letter in text:
        if letter == "\\":
            slashes += 1
            continue
        if letter == '"':
            # Each backslash before a quotation mark counts half, and the mark needs one of its own.
            quoted.append("\\" * (2 * slashes + 1) + '"')
        else:
            quoted.append("\\" * slashes + letter)
        slashes = 0
    quoted.append("\\" * (2 * slashes) + '"')
    return "".join(quoted)


_CMD_SPECIAL = set('()%!^"<>&|')


def cmd_command(arguments: Sequence[str]) -> str:
    """A command line for cmd.exe: as the C runtime reads it, and every letter that cmd minds escaped."""
    line = " ".join(map(windows_argument, arguments))
    return "".join(f"^{letter}" if letter in _CMD_SPECIAL else letter for letter in line)
