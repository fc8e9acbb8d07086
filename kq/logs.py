"""The logs of kq's own programs: one line an event, one file a program, of a bounded size. A leaf.

Never a key, an environment, or more of a render's output than the line that says why it failed.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

from .files import open_to_append, open_to_read

__all__ = ["MAX_BYTES", "KqLogHandler", "close_log", "log_folder", "make_room", "open_log"]

MAX_BYTES = 1024 * 1024
"""Past this a log begins anew, and its content until then is kept beside it, with `.1` added to its name."""
_OF_A_LINE = ("agent", "job", "attempt")
"""What a line may say besides its text: `_log.info(..., extra={"job": ID})`."""
_PLAIN = re.compile(r"[\w.,:/@%+~()-]+", re.ASCII)
"""A value that needs no quotation marks."""
_STEERING = re.compile(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What JSON leaves as it is, and would break a line or steer a terminal all the same."""


def log_folder(data_root: Path, queue_dir: Path) -> Path:
    """Where the programs of one queue log: no other session writes there while it lives."""
    return data_root / "logs" / queue_dir.name


def open_log(path: Path | None, level: str, **facts: str) -> None:
    """Send what this process logs under the name `kq` to a file. For the programs of kq alone.

    Uncaught exceptions are written there too, with their tracebacks.

    Args:
        path: the file; None, or one that cannot be written: standard error.
        level: the least that is written: debug, info, warning or error.
        facts: what every line says besides its own, such as program and session.
    """
    close_log()
    handler = KqLogHandler(path, facts)
    root = logging.getLogger("kq")
    root.setLevel(level.upper())
    root.propagate = False
    root.addHandler(handler)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def close_log() -> None:
    """Let go of the file of `open_log`, if there is one."""
    root = logging.getLogger("kq")
    for handler in [each for each in root.handlers if isinstance(each, KqLogHandler)]:
        root.removeHandler(handler)
        handler.close()
        sys.excepthook = sys.__excepthook__
        threading.excepthook = threading.__excepthook__
    root.propagate = True


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    logging.getLogger("kq").critical("%s: %s", kind.__name__, error, exc_info=(kind, error, traceback))


def _log_uncaught_in_thread(caught: threading.ExceptHookArgs) -> None:
    if caught.exc_value is not None:
        _log_uncaught(caught.exc_type, caught.exc_value, caught.exc_traceback)


def make_room(folder: Path, pattern: str, most: int) -> None:
    """Delete the oldest files of `folder` that match `pattern`, so that fewer than `most` are left."""
    try:
        found = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in found[max(most - 1, 0) :]:
            path.unlink()
    except OSError:
        pass  # another session deleted it first, or the data root cannot be written: reported elsewhere


class KqLogHandler(logging.Handler):
    """Writes lines to a file that other processes may write to. A failure is reported once, on stderr."""

    def __init__(self, path: Path | None, facts: dict[str, str]) -> None:
        super().__init__()
        self._path = path
        self._facts = facts
        self._fd = 2
        self._lost = 0
        """Lines that could not be written since the last that could."""
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._fd = open_to_append(path)
            except OSError as error:
                self._path = None
                _say(f"the log {path} cannot be written ({error.strerror}): its lines come here instead")

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line. Never raises: a log that cannot be written must not stop the queue."""
        try:
            if self._lost:
                self._write(f"{self._line_of(record, f'{self._lost} lines before this one are lost')}\n")
                self._lost = 0
            self._write(f"{self.format(record)}\n")
        except OSError as error:
            self._lost += 1
            if self._lost == 1 and self._fd != 2:
                _say(f"the log {self._path} cannot be written ({error.strerror}): the queue goes on")
        except (TypeError, ValueError):
            self.handleError(record)  # a format that does not fit its arguments

    def format(self, record: logging.LogRecord) -> str:
        """The line of `record`, without its end."""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        return self._line_of(record, text)

    def _line_of(self, record: logging.LogRecord, text: str) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            **self._facts,
            **{name: given for name in _OF_A_LINE if (given := getattr(record, name, ""))},
            "text": text,
        }
        return " ".join(f"{name}={_quoted(str(value))}" for name, value in fields.items())

    def _write(self, line: str) -> None:
        content = line.encode("utf-8", "backslashreplace")
        if self._path is not None and os.fstat(self._fd).st_size + len(content) > MAX_BYTES:
            self._begin_anew(self._path)
        while content:
            content = content[os.write(self._fd, content) :]

    def _begin_anew(self, path: Path) -> None:
        """Keep the content in `.1` and empty the file.

        Not by renaming it: standard error goes to the same open file, which Windows would not let go.
        """
        older = path.with_name(f"{path.name}.1")
        try:
            older.unlink(missing_ok=True)  # a link in its place must not be written through
            with open(open_to_read(path), "rb") as source, open(open_to_append(older), "ab") as kept:
                if os.path.samestat(os.fstat(source.fileno()), os.fstat(self._fd)):
                    kept.write(source.read(2 * MAX_BYTES))
        except OSError:
            pass  # the disk is full, perhaps because of this very file: it must not grow for that
        if sys.platform == "win32":
            os.truncate(path, 0)  # what was opened to append may not there
        else:
            os.ftruncate(self._fd, 0)  # by its path it may be gone, or another one by now

    def close(self) -> None:
        """Release the file."""
        if self._fd != 2:
            os.close(self._fd)
            self._fd = 2
        super().close()


def _quoted(value: str) -> str:
    """As JSON writes a string, where it would otherwise not be one word."""
    if _PLAIN.fullmatch(value):
        return value
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def _say(message: str) -> None:
    try:
        os.write(2, f"kq: {message}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass  # there is no reader
