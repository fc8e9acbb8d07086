"""Loads pictures on a thread of its own, because they may lie on a slow share. Draws nothing."""

from __future__ import annotations

import os
from collections import OrderedDict

from PySide6.QtCore import QObject, QSize, QSizeF, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QPixmap

from ....qt_dispatch import post
from .file_thread import FileThread
from .picture_file import PictureError, read_picture

__all__ = ["PictureLoader"]

THUMBNAIL = QSize(48, 22)
MAX_KEPT = 2000
REFRESH_INTERVAL_S = 1.0
"""A picture that is being rendered is read again after so long."""


class PictureLoader(FileThread):
    """Thumbnails and whole pictures, loaded in the background and kept.

    Signals:
        thumbnail_loaded(str): the thumbnail of a path is there, or changed.
        unsaved_changed(str): the picture of a job, by id, that is in no file.
        picture_loaded(str, QImage, str): a whole picture, or a null image and the reason.
    """

    thumbnail_loaded = Signal(str)
    unsaved_changed = Signal(str)
    picture_loaded = Signal(str, QImage, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__("kq-pictures", parent)
        self._thumbnails: OrderedDict[str, QPixmap | None] = OrderedDict()
        self._unsaved: dict[str, tuple[QPixmap, QPixmap]] = {}  # by job: whole, and small
        self._stamps: dict[str, tuple[int, int]] = {}  # the worker's: size and time of what was loaded
        self._stale: set[str] = set()
        self._ratio = 1.0
        self._is_active = True
        self._wanted: OrderedDict[tuple[str, bool], None] = OrderedDict()
        self._retry = QTimer(self)
        self._retry.setSingleShot(True)
        self._retry.setInterval(int(REFRESH_INTERVAL_S * 1000))
        self._retry.timeout.connect(self._ask_for_stale)

    def thumbnail(self, path: str, ratio: float) -> QPixmap | None:
        """The thumbnail of `path`, if it is there; asks for it if it is not."""
        self._ratio = ratio
        if path in self._thumbnails:
            return self._thumbnails[path]
        self._thumbnails[path] = None
        while len(self._thumbnails) > MAX_KEPT:
            old, _ = self._thumbnails.popitem(last=False)
            self._stamps.pop(old, None)
        self._ask(path, whole=False)
        return None

    def put_unsaved(self, job_id: str, picture: QPixmap | None) -> None:
        """Take the picture of a job that names no file; None: it has none."""
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
        """The whole picture of a job that names no file."""
        known = self._unsaved.get(job_id)
        return None if known is None else known[0]

    def unsaved_thumbnail(self, job_id: str, ratio: float) -> QPixmap | None:
        """The same, as small as in the list."""
        self._ratio = ratio
        known = self._unsaved.get(job_id)
        return None if known is None else known[1]

    def refresh(self, path: str) -> None:
        """`path` may have changed: read it again soon, if it was shown before."""
        if path in self._thumbnails:
            self._stale.add(path)
            self._look_again_soon()

    def set_active(self, is_active: bool) -> None:
        """Whether the thumbnails are visible: otherwise no file is read again."""
        self._is_active = is_active
        if is_active:
            self._look_again_soon()
        else:
            self._retry.stop()

    def _look_again_soon(self) -> None:
        if self._stale and self._is_active and not self._retry.isActive():
            self._retry.start()

    def load_picture(self, path: str) -> None:
        """Load the whole picture; `picture_loaded` brings it."""
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
        while True:
            with self._condition:
                while not self._wanted and not self._ending.is_set():
                    self._condition.wait()
                if self._ending.is_set():
                    return
                (path, whole), _ = self._wanted.popitem(last=True)  # the latest request is the visible one
            outcome = self._load(path, whole)
            if outcome is None:
                continue
            post(self._on_loaded, path, *outcome)

    def _load(self, path: str, whole: bool) -> tuple[QImage, str | None] | None:
        """An image and, for a whole picture, why there is none; None when nothing changed."""
        if whole:
            try:
                return read_picture(path), ""
            except PictureError as error:
                return QImage(), f"The picture {path} cannot be shown: {error}."
        try:
            status = os.stat(path)  # noqa: PTH116  # a Path changes the text
            stamp = (status.st_size, status.st_mtime_ns)
            if self._stamps.get(path) == stamp:
                return None
            image = read_picture(path, (QSizeF(THUMBNAIL) * self._ratio).toSize())
        except (OSError, ValueError, PictureError):
            return None  # half written, perhaps: the next change has it read again
        self._stamps[path] = stamp
        image.setDevicePixelRatio(self._ratio)
        return image, None

    def _on_loaded(self, path: str, image: QImage, message: str | None) -> None:
        if message is not None:
            self.picture_loaded.emit(path, image, message)
        elif path in self._thumbnails:
            self._thumbnails[path] = QPixmap.fromImage(image)
            self.thumbnail_loaded.emit(path)
