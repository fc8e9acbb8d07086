"""The latest picture of each render: received from the render, or else read from its file at the end.

Keeps the pictures of the Catalog in memory, for comparing at full size, and gives the items their thumbnails.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QImage, QPixmap

from ..Katana import CatalogAPI
from ..Katana.Utils import EventModule
from .picture_file import PictureError, read_picture
from .pixel_server import PixelServer
from .render_state import Phase, Render
from .rendering import RenderSession

_log = logging.getLogger("Katana.Render")
_MAX_BYTES = 1 << 30
"""Limit of pictures in memory, in bytes; the oldest are dropped and read from disk again when needed."""
_THUMBNAIL = (192, 108)
_JOIN_S = 2.0
"""Limit for the reader: a file share that does not respond must not keep the desktop from closing."""


class RenderPictures(QObject):
    """Pictures by sequence ID. Qt's thread.

    Signals:
        picture_changed: sequence ID of a render with a new picture.
        stream_ended: sequence ID of a render that has sent its last picture.
    """

    picture_changed = Signal(int)
    stream_ended = Signal(int)
    _file_read = Signal(int, QImage, QImage)

    def __init__(self, renders: RenderSession, server: PixelServer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._images: OrderedDict[int, QImage] = OrderedDict()
        self._streamed: set[int] = set()
        self._complete: set[int] = set()
        self._dropped: set[int] = set()
        """Renders whose picture was dropped from memory."""
        self._sources: dict[Path, Render] = {}
        """The render that wrote a file last, or has begun to."""
        self._deleted: set[int] = set()
        """Renders that have ended and are no longer in the Catalog."""
        self._closed = False
        server.picture_received.connect(self._on_picture_received)
        server.progress_received.connect(self._on_progress_received)
        server.stream_ended.connect(self._on_stream_ended)
        renders.render_changed.connect(self._on_render_changed)
        EventModule.RegisterCollapsedHandler(self._on_items_changed, "catalog_itemsChanged")
        self._file_read.connect(self._put)
        self._files: queue.SimpleQueue[tuple[int, Path, float] | None] = queue.SimpleQueue()
        # Not QThreadPool: its destructor waits for the thread, which may hang on a file share.
        self._reader = threading.Thread(target=self._read_files, name="render-pictures", daemon=True)
        self._reader.start()

    def image(self, sequence_id: int) -> QImage:
        """Return the latest picture; a null QImage while there is none.

        One that was dropped from memory is read from its file again: `picture_changed` follows.
        """
        if sequence_id in self._dropped:
            for path, writer in self._sources.items():
                if writer.sequence_id == sequence_id and writer.ended:
                    self._dropped.discard(sequence_id)
                    self._files.put((sequence_id, path, writer.asked_at))
        return self._images.get(sequence_id, QImage())

    def is_streamed(self, sequence_id: int) -> bool:
        """Return whether the render sends its pictures; its file need not be watched then."""
        return sequence_id in self._streamed

    def is_complete(self, sequence_id: int) -> bool:
        """Return whether the render has sent its last picture."""
        return sequence_id in self._complete

    def is_overwritten(self, render: Render) -> bool:
        """Return whether another render has written to the file of this one since, or has begun to."""
        path = render.picture_file
        return path is not None and self._sources.get(path, render) is not render

    def close(self) -> None:
        """End the reader thread; waits up to 2 s for the file that it reads. Queued files are dropped."""
        self._closed = True
        self._files.put(None)
        self._reader.join(_JOIN_S)

    def put_file(self, sequence_id: int, image: QImage) -> None:
        """Set the picture of a render from its file; ignored while the one that it has sent is in memory."""
        if not self.is_streamed(sequence_id) or sequence_id not in self._images:
            small = image.scaled(*_THUMBNAIL, Qt.AspectRatioMode.KeepAspectRatio)
            self._put(sequence_id, image, small)

    def _on_picture_received(self, sequence_id: int, image: QImage, small: QImage) -> None:
        self._streamed.add(sequence_id)
        self._put(sequence_id, image, small)

    def _put(self, sequence_id: int, image: QImage, small: QImage) -> None:
        if sequence_id in self._deleted:
            return  # its file was read meanwhile
        self._images[sequence_id] = image
        self._images.move_to_end(sequence_id)
        self._dropped.discard(sequence_id)
        total = sum(each.sizeInBytes() for each in self._images.values())
        while total > _MAX_BYTES and len(self._images) > 1:
            dropped, picture = self._images.popitem(last=False)
            total -= picture.sizeInBytes()
            self._dropped.add(dropped)
        self.picture_changed.emit(sequence_id)
        item = CatalogAPI.FindCatalogItemBySequenceID(sequence_id)
        if item is not None:
            item.setThumbnailPixmap(QPixmap.fromImage(small))

    @staticmethod
    def _on_progress_received(sequence_id: int, done: int, total: int) -> None:
        item = CatalogAPI.FindCatalogItemBySequenceID(sequence_id)
        if item is not None:
            item.setRenderProgress(done, total)

    def _on_stream_ended(self, sequence_id: int) -> None:
        if self.is_streamed(sequence_id):
            self._complete.add(sequence_id)
        self.stream_ended.emit(sequence_id)

    def _on_items_changed(self, _events: list[Any]) -> None:
        """Drop the pictures of renders that have ended and are no longer in the Catalog."""
        ended = {writer.sequence_id for writer in self._sources.values() if writer.ended}
        self._deleted = {each for each in ended if CatalogAPI.FindCatalogItemBySequenceID(each) is None}
        for sequence_id in self._deleted & self._images.keys():
            del self._images[sequence_id]
            self._dropped.add(sequence_id)

    def _on_render_changed(self, render: Render) -> None:
        """Note who writes a file, and read it at the end of a render that sent no picture."""
        path = render.picture_file
        if path is None or not (render.ended or render.phase is Phase.RUNNING):
            return
        writer = self._sources.get(path, render)
        # One whose end is found late, or that was cancelled before it ran, leaves the file to the other.
        is_later = render.phase is Phase.COMPLETED and render.asked_at >= writer.asked_at
        if writer is not render and not is_later and render.phase is not Phase.RUNNING:
            return
        self._sources[path] = render
        if render.ended and not self.is_streamed(render.sequence_id):
            self._files.put((render.sequence_id, path, render.asked_at))

    def _read_files(self) -> None:
        """Read the queued files and make their thumbnails. The reader thread."""
        while (asked := self._files.get()) is not None and not self._closed:
            sequence_id, path, newer_than = asked
            try:
                if path.stat().st_mtime < newer_than:
                    continue  # an earlier render's file at the same path
                image = read_picture(str(path))
            except (OSError, ValueError, PictureError):
                continue  # no file, or none that is shown: the Monitor says why
            except Exception as error:  # noqa: BLE001  such as too little memory: the next may be smaller
                _log.warning("The picture %s was not read: %s: %s", path, type(error).__name__, error)
                continue
            small = image.scaled(*_THUMBNAIL, Qt.AspectRatioMode.KeepAspectRatio)
            try:
                self._file_read.emit(sequence_id, image, small)
            except RuntimeError:
                return  # the desktop has closed


_active: RenderPictures | None = None


def set_active_pictures(pictures: RenderPictures | None) -> None:
    """Set the pictures that the Monitor and the Catalog show; None as the desktop closes."""
    global _active
    _active = pictures


def active_pictures() -> RenderPictures:
    """Return the desktop's render pictures; raises RuntimeError where there is no desktop."""
    if _active is None:
        raise RuntimeError("There is no desktop.")
    return _active
