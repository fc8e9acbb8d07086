"""Why a render failed: the line of its log that an artist would look for."""

from __future__ import annotations

import re
from pathlib import Path

_TAIL_BYTES = 65536
_STEP = re.compile(r"^(ALF_PROGRESS|kq_picture:)")
"""Lines of renderboot that report what went well."""
_WARNING = re.compile(r"^WARNING\b")
"""A warning may be of any time before a crash, and explains none."""
_FAILURE = re.compile(r"\b(error|fatal|failed|exception|cannot|could not|not found|killed)\b", re.IGNORECASE)


def reason(log_file: str | None) -> str:
    """Return the log's last line that names a failure; else that there is none, with its last line.

    Reads the end of the file only. Never on Qt's thread: logs may lie on a slow share.
    """
    if not log_file:
        return "it left no log."
    try:
        with Path(log_file).open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - _TAIL_BYTES))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError as error:
        return f"its log {log_file} cannot be read: {error.strerror}."
    lines = [line for each in text.splitlines() if (line := each.strip()) and not _STEP.match(line)]
    if not lines:
        return f"its log {log_file} is empty."
    telling = [line for line in lines if _FAILURE.search(line) and not _WARNING.match(line)]
    if not telling:
        # A farm also fails tasks whose commands succeeded, where a picture could not be sent.
        return (
            "its log names no error; the job's row in the farm's tab may say why. "
            f"The last line of the log: {lines[-1][:400]}"
        )
    return telling[-1][:400]
