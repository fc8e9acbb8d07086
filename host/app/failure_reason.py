"""Why a render failed: the line of its log that an artist would look for."""

from __future__ import annotations

import re
from pathlib import Path

_TAIL_BYTES = 65536
_FAILURE = re.compile(r"\b(error|fatal|failed|exception|cannot|could not|not found|killed)\b", re.IGNORECASE)


def reason(log_file: str | None) -> str:
    """Return the log's last line that names a failure, or its last line; where there is no log, why not.

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
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return f"its log {log_file} is empty."
    telling = [line for line in lines if _FAILURE.search(line)]
    return (telling or lines)[-1][:400]
