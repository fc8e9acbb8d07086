"""Watches a render's picture file and loads it each time the renderer replaces it, on its own thread."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from .picture_file import read_picture

_INTERVAL_S = 0.15
"""Interval between two checks of the file during a render, in seconds."""
_FIRST_INTERVAL_S = 0.03
"""Interval until the first picture, which the artist waits for; a check costs microseconds."""
_FIRST_TIMEOUT_S = 10.0
"""After this time without a first picture, _INTERVAL_S is used: the job may be waiting."""
_JOIN_S = 2.0
"""Limit for the thread: a file share that does not respond must not keep the desktop from closing."""
_READS = 3
"""Attempts to read an unchanged file that fails: its timestamp may be too coarse to show a change."""
_OLDER = "it is older than the render, or the clock of its file server is behind"
_Stamp = tuple[int, int, int]


class PictureWatcher(QObject):
    """Watches one picture at a time.

    A thread of its own reads the file: pictures are large and may be on a slow file share. It sleeps while
    no picture is watched.

    Signals, emitted on that thread:
        picture_loaded: the picture as QImage, and its path.
        picture_failed: why the file cannot be shown, as where it does not exist, and its path.
        finished: the path, after the last check that `finish` requested.
    """

    picture_loaded = Signal(QImage, str)
    picture_failed = Signal(str, str)
    finished = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wake = threading.Condition()
        self._path: Path | None = None
        self._newer_than = 0.0
        self._live = False
        self._closed = False
        self._seen: _Stamp | None = None
        self._failed: tuple[_Stamp | None, int] = (None, 0)
        self._followed_at = 0.0
        self._thread = threading.Thread(target=self._run, name="picture-watch", daemon=True)
        self._thread.start()

    def follow(self, path: Path, newer_than: float = 0.0) -> None:
        """Load `path` now and when it is replaced, unless it is older than `newer_than` (epoch seconds)."""
        with self._wake:
            if path != self._path:
                self._seen, self._failed = None, (None, 0)
                self._followed_at = time.monotonic()
            self._path = path
            self._newer_than = newer_than
            self._live = True
            self._wake.notify()

    def forget(self) -> None:
        """Forget what was loaded: the next `follow` loads the file even if it has not changed."""
        with self._wake:
            self._path = self._seen = None
            self._failed = (None, 0)

    def finish(self) -> None:
        """Check the file once more, emit `finished` and stop watching."""
        with self._wake:
            self._live = False
            self._wake.notify()

    def close(self) -> None:
        """End the thread; waits up to 2 s. A thread that hangs on a file share emits nothing afterwards."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        while True:
            with self._wake:
                if self._closed:
                    return
                path, live = self._path, self._live
            if path is not None:
                self._look(path)
                if not live and not self._closed:
                    self.finished.emit(str(path))
            with self._wake:
                # Asked for something else while looking: look again before sleeping.
                if not self._closed and (self._path, self._live) == (path, live):
                    self._wake.wait(self._interval_s() if live else None)

    def _interval_s(self) -> float:
        is_new = time.monotonic() - self._followed_at < _FIRST_TIMEOUT_S
        return _FIRST_INTERVAL_S if self._seen is None and is_new else _INTERVAL_S

    def _look(self, path: Path) -> None:
        stamp, problem = (0, 0, 0), ""
        try:
            status = path.stat()
        except OSError as error:
            problem = error.strerror or str(error)  # such as not there yet
        except ValueError:
            pass  # such a path cannot be: reading it says so
        else:
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            problem = _OLDER if status.st_mtime < self._newer_than else ""
        failed_at, failures = self._failed
        if stamp == self._seen or (stamp == failed_at and failures >= _READS):
            return
        if not problem:
            try:
                image = read_picture(str(path))
            except Exception as error:  # noqa: BLE001  such as too little memory: the thread still has others to read
                problem = str(error) or type(error).__name__
        if problem:
            # Half written, perhaps, by a renderer that does not replace its file in one step: look again.
            self._failed = (stamp, failures + 1 if stamp == failed_at else 1)
            if not self._closed:
                self.picture_failed.emit(problem, str(path))
            return
        self._seen = stamp
        if not self._closed:
            self.picture_loaded.emit(image, str(path))
