"""Arguments as the shells of other machines read them. Text in, text out; no shell is started here."""

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
