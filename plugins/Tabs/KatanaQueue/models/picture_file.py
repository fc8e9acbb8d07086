"""Reads a picture file that a render's log names, and trusts neither its name nor its content.

It may take seconds or hang on a share, so it is called on a worker thread. No state.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import IO

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QSize, Qt
from PySide6.QtGui import QImage, QImageReader

from .exr import ExrError, read_exr

__all__ = ["MAX_DECODED_BYTES", "MAX_FILE_BYTES", "PictureError", "read_picture"]

MAX_FILE_BYTES = 512 << 20
MAX_DECODED_BYTES = 512 << 20
"""Most memory for the pixels of a picture; Qt's own limit, which the whole desktop shares, may be lower."""
_PART_BYTES = 4 << 20
_HEAD_BYTES = 18
_FLAGS: int = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)  # do not hang if a pipe replaces the file after the check
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
_EXR = "exr"
_FORMATS = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x76\x2f\x31\x01", _EXR),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"BM", "bmp"),
    *((f"P{number}".encode() + blank, "ppm") for number in range(1, 7) for blank in (b"\n", b"\r", b" ")),
)
"""The first bytes of each format, which decide, not the name. SVG can refer to other files: not supported."""


class PictureError(Exception):
    """A picture cannot be shown. Its text completes "The picture PATH cannot be shown: "."""


def read_picture(path: str, fit: QSize | None = None) -> QImage:
    """Read the picture at `path`.

    Only a regular file of limited size is read, and decoded by the format of its first bytes.

    Args:
        path: of the file.
        fit: scale the picture to fit into this size, in pixels; None: do not scale.

    Raises:
        PictureError: it is no picture, too large, or damaged, perhaps because it is being written.
    """
    try:
        with _open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_FILE_BYTES:
                raise PictureError(f"it is larger than {MAX_FILE_BYTES >> 20} MiB")
            head = file.read(_HEAD_BYTES)
            form = _format_of(head)
            if form == _EXR:
                return _read_exr(head, file, size, fit)
            content = _rest(head, file, size)
    except FileNotFoundError as error:
        raise PictureError("it is not written yet, or was deleted") from error
    except OSError as error:
        raise PictureError(error.strerror or str(error)) from error
    except ValueError as error:  # a path with NUL, or with bytes that are no text
        raise PictureError("its path is not valid") from error
    return _decode(content, form, fit)


def _open_regular(path: str) -> IO[bytes]:
    """Open a regular file. Checked before, too, because to open a device may already have an effect."""
    _check_regular(os.stat(path))  # noqa: PTH116  # Path would normalise the path
    file = os.fdopen(os.open(path, _FLAGS), "rb", buffering=0)
    try:
        _check_regular(os.fstat(file.fileno()))
    except PictureError:
        file.close()
        raise
    return file


def _check_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise PictureError("it is not a regular file")


def _format_of(head: bytes) -> str:
    if not head:
        raise PictureError("it is empty")
    for begin, form in _FORMATS:
        if head.startswith(begin):
            return form
    if len(head) == _HEAD_BYTES and head[1] == 0 and head[2] in (2, 10) and head[16] in (16, 24, 32):
        return "tga"  # has no magic number
    raise PictureError("its format is not supported (use PNG, JPEG, EXR, TIFF, BMP, TGA or PPM)")


def _rest(head: bytes, file: IO[bytes], size: int) -> QByteArray:
    """Return `head` and the rest of the file, up to its `size` when it was opened: it may be growing."""
    content = QByteArray(head)
    while part := file.read(max(0, min(_PART_BYTES, size - content.size()))):
        content.append(part)
    return content


def _decode(content: QByteArray, form: str, fit: QSize | None) -> QImage:
    """Decode and scale a picture. PySide releases the GIL meanwhile, so Qt's thread can run."""
    buffer = QBuffer()
    buffer.setData(content)
    buffer.open(QIODevice.OpenModeFlag.ReadOnly)
    reader = QImageReader(buffer, QByteArray(form.encode()))
    try:
        return _read(reader, fit)
    finally:
        # Before the buffer is deleted, which the TIFF decoder uses while it is destroyed.
        reader.setDevice(None)  # type: ignore[arg-type]  # Qt accepts a null pointer


def _read(reader: QImageReader, fit: QSize | None) -> QImage:
    reader.setAutoDetectImageFormat(False)
    reader.setAutoTransform(True)
    size = reader.size()
    if not size.isValid():
        raise PictureError("it is damaged, or still being written")
    depth = QImage.toPixelFormat(reader.imageFormat()).bitsPerPixel() or 32
    _check_decoded(size, depth // 8 or 1)
    if fit is not None:
        reader.setScaledSize(size.scaled(fit, Qt.AspectRatioMode.KeepAspectRatio).expandedTo(QSize(1, 1)))
    image = reader.read()
    if image.isNull():
        raise PictureError(f"it is damaged, or still being written ({reader.errorString()})")
    return image


def _check_decoded(size: QSize, pixel_bytes: int) -> None:
    limit = min(MAX_DECODED_BYTES, (QImageReader.allocationLimit() << 20) or MAX_DECODED_BYTES)
    needed = size.width() * size.height() * pixel_bytes
    if needed > limit:
        raise PictureError(
            f"its {size.width():,} x {size.height():,} pixels take {needed >> 20:,} MiB of memory, "
            f"and at most {limit >> 20:,} MiB are used for one picture"
        )


def _read_exr(head: bytes, file: IO[bytes], size: int, fit: QSize | None) -> QImage:
    """Read an EXR from a temporary copy with a safe name: OpenImageIO chooses the format by the file name."""
    with tempfile.TemporaryDirectory(prefix="kq-exr-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder, "picture.exr")
        with copy.open("xb") as out:
            out.write(head)
            while part := file.read(max(0, min(_PART_BYTES, size - out.tell()))):
                out.write(part)
        try:
            return read_exr(str(copy), fit, max_bytes=MAX_DECODED_BYTES)
        except (ExrError, MemoryError) as error:
            raise PictureError(str(error).replace(str(copy), "it") or "it needs too much memory") from error
