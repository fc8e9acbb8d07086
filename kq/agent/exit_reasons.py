"""Messages on why a render ended."""

from __future__ import annotations

import os
import re

from .output import OutputUpdate

__all__ = ["how_ended", "why_failed"]


_FULL_BYTES = 4096
_PREFIX = re.compile(
    r"^(?:\[[^\]]{1,40}+\]\s*+|\d{4}-\d\d-\d\d[T\s]\s*+|\d{1,2}:\d\d(?::\d\d(?:[.,]\d++)?)?Z?\s++"
    r"|\d++(?:\.\d++)?\s?[kMG]i?B\s++|[|>]\s*+){1,8}(?=\w)"
)
"""Prefixes of renderers' messages (times, memory, tags in brackets), removed to fit a job's row."""


def why_failed(exit_code: int | None, update: OutputUpdate, log_file: str) -> str:
    """Return the last error or line of the output, and how the process ended: a lone signal first."""
    how = how_ended(exit_code)
    if _is_full(log_file):
        # Most programs cannot report a full disk: they end with an exit code and no message.
        how += "; the disk of its log is full"
    last = _PREFIX.sub("", update.last_error or update.last_line)
    if not update.last_error and exit_code is not None and exit_code < 0 and last:
        return f"{how}, after: {last}"  # a crash: its last line is no explanation, and does not come first
    return f"{last} ({how})" if last else how


def how_ended(exit_code: int | None) -> str:
    """Return the exit code as text; negative ones are signals, None is unknown."""
    if exit_code is None:
        return "exit code unknown"
    if exit_code < 0:
        return f"ended by signal {-exit_code} ({_signal_name(-exit_code)})"
    return f"exit code {exit_code}"


def _signal_name(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _is_full(path: str) -> bool:
    import shutil  # late: it imports the archive modules, which would slow an Agent's start

    try:
        return shutil.disk_usage(os.path.dirname(path)).free < _FULL_BYTES  # noqa: PTH120
    except OSError:
        return False  # the log's folder does not exist
