"""Runs a short command of the system to its end, within a time limit. Not for renders."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["CommandResult", "run_command"]


class CommandResult(NamedTuple):
    """What came of a command."""

    code: int | None
    """Its exit code; None: it did not end in time and was killed."""
    output: str
    errors: str


def run_command(
    arguments: Sequence[str],
    *,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
    cwd: str | None = None,
    text_in: str = "",
) -> CommandResult:
    """Run a command and wait for its end, at most `timeout_s` seconds. No shell sees it. Never Qt's thread.

    Raises:
        FileNotFoundError: there is no such program; OSError: it cannot be started.
    """
    try:
        done = subprocess.run(
            list(arguments),
            input=text_in,
            capture_output=True,
            timeout=timeout_s,
            env=None if environment is None else dict(environment),
            cwd=cwd,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        return CommandResult(None, _text(error.stdout), _text(error.stderr))
    return CommandResult(done.returncode, done.stdout, done.stderr)


def _text(content: bytes | str | None) -> str:
    if isinstance(content, bytes):
        return content.decode("utf-8", "replace")
    return content or ""
