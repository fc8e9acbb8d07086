"""Loads pictures by a process of its own, which a worker thread waits for: see kq.pictures."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from PySide6.QtCore import QObject, QSize, QSizeF, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QPixmap

from .....kq.api import Interpreter, Picture, PictureError, PictureReader
from ....interpreter import find_interpreter
from ....qt_dispatch import post
from .file_thread import FileThread

__all__ = ["PictureLoader"]

THUMBNAIL = QSize(48, 22)
"""The largest size of a thumbnail, in device-independent pixels."""
MAX_KEPT = 2000
"""Most thumbnails of files that are kept."""
REFRESH_INTERVAL_S = 1.0
"""Minimum time between two reads of a picture that is being rendered."""
GAVE_WAY = "its folder did not respond, and another picture was read instead"
PATIENCE_S = 2.0
"""How long a folder may not respond while another whole picture is requested."""
IDLE_S = 120.0
"""How long the process that decodes pictures is kept without any."""


class PictureLoader(FileThread):
    """Loads whole pictures and thumbnails in the background, and keeps the thumbnails.

    Signals:
        thumbnail_loaded(str): the thumbnail of the file at this path was loaded or has changed.
        unsaved_changed(str): the picture of a job, by id, that is in no file, has changed.
        picture_loaded(str, QImage, str): path, picture and empty text; or path, null image and error message.
    """

    thumbnail_loaded = Signal(str)
    unsaved_changed = Signal(str)
    picture_loaded = Signal(str, QImage, str)

    def __init__(
        self, parent: QObject | None = None, find_python: Callable[[], Interpreter] = find_interpreter
    ) -> None:
        super().__init__("kq-pictures", parent)
        self._reader = PictureReader(find_python)
        self._thumbnails: OrderedDict[str, QPixmap | None] = OrderedDict()
        self._unsaved: dict[str, tuple[QPixmap, QPixmap]] = {}  # by job id: whole picture, thumbnail
        # By path: size and mtime of the file. Only of those in `_thumbnails`: a file with a known stamp is
        # read again only when it has changed.
        self._stamps: dict[str, tuple[int, int]] = {}
        self._stale: set[str] = set()
        self._ratio = 1.0
        self._is_active = True
        self._wanted: OrderedDict[tuple[str, bool], None] = OrderedDict()
        self._retry = QTimer(self)
        self._retry.setSingleShot(True)
        self._retry.setInterval(int(REFRESH_INTERVAL_S * 1000))
        self._retry.timeout.connect(self._ask_for_stale)

    def thumbnail(self, path: str, ratio: float) -> QPixmap | None:
        """Return the thumbnail of the picture at `path`, or None and load it. `ratio`: device pixel ratio."""
        self._ratio = ratio
        if path in self._thumbnails:
            return self._thumbnails[path]
        self._thumbnails[path] = None
        while len(self._thumbnails) > MAX_KEPT:
            old, _ = self._thumbnails.popitem(last=False)
            self._stamps.pop(old, None)
            with self._condition:
                self._wanted.pop((old, False), None)
        self._ask(path, whole=False)
        return None

    def put_unsaved(self, job_id: str, picture: QPixmap | None) -> None:
        """Set the picture of a job that names no picture file; None: it has none."""
        known = self._unsaved.get(job_id)
        if picture is None:
            self._unsaved.pop(job_id, None)
        elif known is None or known[0].cacheKey() != picture.cacheKey():
            size = (QSizeF(THUMBNAIL) * self._ratio).toSize()
            keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
            small = picture.scaled(size, keep, smooth)
            small.setDevicePixelRatio(self._ratio)
            self._unsaved[job_id] = picture, small
            self.unsaved_changed.emit(job_id)

    def unsaved(self, job_id: str) -> QPixmap | None:
        """Return the whole picture of a job that names no picture file, if it has one."""
        known = self._unsaved.get(job_id)
        return None if known is None else known[0]

    def unsaved_thumbnail(self, job_id: str, ratio: float) -> QPixmap | None:
        """Return the thumbnail of `unsaved`. `ratio`: device pixel ratio of the next pictures."""
        self._ratio = ratio
        known = self._unsaved.get(job_id)
        return None if known is None else known[1]

    def refresh(self, path: str) -> None:
        """Read the thumbnail of `path`, which may have changed, again soon, if it was requested before."""
        if path in self._thumbnails:
            self._stale.add(path)
            self._look_again_soon()

    def set_active(self, is_active: bool) -> None:
        """Set whether the thumbnails are visible; while they are not, no file is read again."""
        self._is_active = is_active
        if is_active:
            self._look_again_soon()
        else:
            self._retry.stop()

    def _look_again_soon(self) -> None:
        if self._stale and self._is_active and not self._retry.isActive():
            self._retry.start()

    def load_picture(self, path: str) -> None:
        """Load the whole picture at `path`; `picture_loaded` is emitted with it."""
        self._ask(path, whole=True)

    def _ask_for_stale(self) -> None:
        stale, self._stale = self._stale, set()
        for path in stale:
            self._ask(path, whole=False)

    def _ask(self, path: str, whole: bool) -> None:
        with self._condition:
            self._wanted[(path, whole)] = None
            self._condition.notify()
        self._start()

    def _run(self) -> None:
        try:
            while True:
                with self._condition:
                    if not self._wanted and not self._ending.is_set():
                        self._condition.wait(IDLE_S if self._reader.pid is not None else None)
                    if self._ending.is_set():
                        return
                    request = self._next_wanted()
                if request is None:
                    self._reader.close()
                    continue
                outcome = self._load(*request)
                if outcome is not None:
                    post(self._on_loaded, request[0], *outcome)
        finally:
            self._reader.close()

    def _next_wanted(self) -> tuple[str, bool] | None:
        """Remove and return the next request, or None. Call it with the lock.

        A whole picture is first: the artist waits for it while rows scroll by. Of equal ones, the newest is
        probably visible.
        """
        if not self._wanted:
            return None
        newest = next(reversed(self._wanted))
        request = next((each for each in reversed(self._wanted) if each[1]), newest)
        del self._wanted[request]
        return request

    def _load(self, path: str, whole: bool) -> tuple[QImage, str | tuple[int, int]] | None:
        """Read a file on the worker thread.

        Returns:
            For a thumbnail: image and stamp of the file, or None if the file is unchanged or unreadable.
            For a whole picture: (image, ""), or (null image, error message).
        """
        size, began_s = (QSizeF(THUMBNAIL) * self._ratio).toSize(), time.monotonic()
        try:
            picture = self._reader.read(
                path,
                fit=None if whole else (size.width(), size.height()),
                stamp=None if whole else self._stamps.get(path),
                is_wanted=lambda is_file_read: self._is_wanted(path, began_s, is_file_read),
            )
        except PictureError as error:
            # A thumbnail's file is perhaps half written: it is read again at the next change.
            return (QImage(), f"The picture {path} cannot be shown: {error}.") if whole else None
        if picture is None:
            return (QImage(), f"The picture {path} is not shown: {GAVE_WAY}.") if whole else None
        image = _image_of(picture)
        if whole:
            return image, ""
        image.setDevicePixelRatio(self._ratio)
        return image, picture.stamp

    def _is_wanted(self, path: str, began_s: float, is_file_read: bool) -> bool:
        """Whether to go on with a picture. A folder that does not respond gives way to a whole picture."""
        if self._ending.is_set():
            return False
        if is_file_read or time.monotonic() - began_s < PATIENCE_S:
            return True
        with self._condition:
            return not any(whole and other != path for other, whole in self._wanted)

    def _on_loaded(self, path: str, image: QImage, result: str | tuple[int, int]) -> None:
        if isinstance(result, str):
            self.picture_loaded.emit(path, image, result)
        elif path in self._thumbnails:
            self._thumbnails[path] = QPixmap.fromImage(image)
            self._stamps[path] = result
            self.thumbnail_loaded.emit(path)


def _image_of(picture: Picture) -> QImage:
    """Return the picture in a format that Qt's thread need not convert. Any thread."""
    received, drawn = QImage.Format.Format_RGBX8888, QImage.Format.Format_RGB32
    if picture.has_alpha:
        received, drawn = (
            QImage.Format.Format_RGBA8888_Premultiplied,
            QImage.Format.Format_ARGB32_Premultiplied,
        )
    image = QImage(picture.pixels, picture.width, picture.height, 4 * picture.width, received)
    return image.convertToFormat(drawn)  # a copy, which owns its bytes
