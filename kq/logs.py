"""Logs of kq's own programs: one line per event, one file of limited size per program. A leaf.

Logs must not contain keys, environments, or a render's output apart from its error line.
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

from .own_files import OwnFolder, open_to_append

__all__ = ["MAX_BYTES", "KqLogHandler", "close_log", "log_folder", "open_log"]

MAX_BYTES = 1024 * 1024
"""Maximum size of a log: then its content is moved to a file with `.1` added to its name."""
_OPTIONAL_FIELDS = ("agent", "job", "attempt")
"""Optional fields of a line: `_log.info(..., extra={"job": ID})`."""
_PLAIN = re.compile(r"[\w.,:/@%+~()-]+", re.ASCII)
"""A value that needs no quotes."""
_CONTROLS = re.compile(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Line breaks and control characters that JSON does not escape."""


def log_folder(data_root: Path, queue_dir: Path) -> Path:
    """Return the log folder of one queue, which other sessions do not use while this one runs."""
    return data_root / "logs" / queue_dir.name


def open_log(path: Path | None, level: str, **facts: str) -> None:
    """Write the messages of the logger `kq` in this process to a file. Only for kq's own programs.

    Uncaught exceptions are written there too, with their tracebacks.

    Args:
        path: the file; None, or one that cannot be written: standard error.
        level: the lowest level that is written: debug, info, warning or error.
        facts: fields of every line, such as program and session.
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
    """Close the file of `open_log`, if it is open."""
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


class KqLogHandler(logging.Handler):
    """Appends lines to a file to which other processes may append too. Reports failures once, on stderr."""

    def __init__(self, path: Path | None, facts: dict[str, str]) -> None:
        super().__init__()
        self._path = path
        self._facts = facts
        self._fd = 2
        self._lost = 0
        """Number of lines lost since the last one that was written."""
        if path is not None:
            try:
                self._fd = open_to_append(path, create_folder=True)
            except OSError as error:
                self._path = None
                _say(f"the log {path} cannot be written ({error.strerror}): its lines come here instead")

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line. Does not raise: a log that cannot be written must not stop the queue."""
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
            self.handleError(record)  # the arguments do not match the format

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`, without its line end."""
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
            **{name: given for name in _OPTIONAL_FIELDS if (given := getattr(record, name, ""))},
            "text": text,
        }
        return " ".join(f"{name}={_quoted(str(value))}" for name, value in fields.items())

    def _write(self, line: str) -> None:
        content = line.encode("utf-8", "backslashreplace")
        if self._path is not None and os.fstat(self._fd).st_size + len(content) > MAX_BYTES:
            self._rotate(self._path)
        while content:
            content = content[os.write(self._fd, content) :]

    def _rotate(self, path: Path) -> None:
        """Copy the content to `.1` and truncate the file.

        Not by renaming it, because standard error is the same open file, and Windows cannot rename those.
        """
        try:
            with OwnFolder(path.parent) as folder, open(folder.open_to_read(path.name), "rb") as source:
                if os.path.samestat(os.fstat(source.fileno()), os.fstat(self._fd)):
                    with open(folder.create(f"{path.name}.1"), "wb") as older:
                        older.write(source.read(2 * MAX_BYTES))
        except OSError:
            pass  # the disk is full, perhaps because of this file: truncate it in any case
        if sys.platform == "win32":
            # A descriptor for appending cannot truncate on Windows.
            with OwnFolder(path.parent) as folder, open(folder.open_to_update(path.name), "r+b") as file:
                file.truncate(0)
        else:
            os.ftruncate(self._fd, 0)  # not by path, which may be removed or another file by now

    def close(self) -> None:
        """Close the file."""
        if self._fd != 2:
            os.close(self._fd)
            self._fd = 2
        super().close()


def _quoted(value: str) -> str:
    """Return `value`, as a JSON string unless it is a single plain word."""
    if _PLAIN.fullmatch(value):
        return value
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def _say(message: str) -> None:
    try:
        os.write(2, f"kq: {message}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass  # standard error is closed
