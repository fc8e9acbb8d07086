"""Quotes arguments for the shells of remote machines. Pure: starts no shell."""

from __future__ import annotations

import base64
from collections.abc import Sequence

__all__ = [
    "posix_command",
    "posix_quote",
    "powershell_command",
    "powershell_quote",
]


_NOT_IN_QUOTES = {"'": "'\\''", "\\": "'\\\\'", "!": "'\\!'"}
"""Characters that fish (backslash) or csh (exclamation mark) interpret even in single quotes: they are
escaped outside the quotes, which all shells read alike."""


def posix_quote(text: str) -> str:
    """Quote one argument for any Bourne shell, and if it is a single line, for fish and csh."""
    return "'" + "".join(_NOT_IN_QUOTES.get(letter, letter) for letter in text) + "'"


def posix_command(script: str, arguments: Sequence[str] = ()) -> str:
    """Return a command that runs `script` with /bin/sh, whatever the user's own shell is.

    Args:
        script: a shell script.
        arguments: its `$1`, `$2` and so on.
    """
    return " ".join(["/bin/sh", "-c", posix_quote(script), "sh", *map(posix_quote, arguments)])


_SINGLE_QUOTES = "'\u2018\u2019\u201a\u201b"


def powershell_quote(text: str) -> str:
    """Quote a literal string for PowerShell, which treats typographic quotes as quotes too."""
    return "'" + "".join(2 * letter if letter in _SINGLE_QUOTES else letter for letter in text) + "'"


def powershell_command(script: str) -> str:
    """Return a command that runs `script` with PowerShell, encoded so that no shell interprets it."""
    encoded = base64.b64encode(script.encode("utf-16-le")).decode("ascii")
    return (
        f"powershell.exe -NoLogo -NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand {encoded}"
    )
