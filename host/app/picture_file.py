"""Reads and decodes a render's picture, from a file or received bytes. Name and content are untrusted.

Stateless. Reading may take seconds or hang on a file share: never on Qt's thread.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import IO, Any

from PySide6.QtCore import QBuffer, QByteArray, QIODevice
from PySide6.QtGui import QImage, QImageReader

__all__ = ["MAX_DECODED_BYTES", "MAX_FILE_BYTES", "PictureError", "decode_picture", "read_picture"]

MAX_FILE_BYTES = 512 << 20
MAX_DECODED_BYTES = 512 << 20
"""Maximum size of the decoded pixels, in bytes."""
_PART_BYTES = 4 << 20
_HEAD_BYTES = 18
_EXR = b"v/1\x01"
_MAX_PARTS = 256
_FLAGS: int = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)  # should a pipe take the file's place between the check and this
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
_FORMATS = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"BM", "bmp"),
    *((f"P{number}".encode() + blank, "ppm") for number in range(1, 7) for blank in (b"\n", b"\r", b" ")),
)
"""How files begin. A name says nothing: SVG and others that can refer to more files are never shown."""


class PictureError(Exception):
    """Why a picture cannot be shown; completes "The picture PATH cannot be shown: "."""


def read_picture(path: str) -> QImage:
    """Return the picture at `path`. Blocks while the file is read.

    Raises:
        PictureError: no picture, too large, or damaged, possibly because it is being written.
    """
    try:
        with _open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_FILE_BYTES:
                raise PictureError(f"it is larger than {MAX_FILE_BYTES >> 20} MiB")
            content = QByteArray(file.read(_HEAD_BYTES))
            if content.startsWith(_EXR):
                # By the handle: another file may have taken the path since the check.
                return _read_exr(f"/proc/self/fd/{file.fileno()}" if sys.platform == "linux" else path)
            _format_of(bytes(content.data()))
            # As long as it was when it was opened: it may grow while it is read.
            while part := file.read(max(0, min(_PART_BYTES, size - content.size()))):
                content.append(part)
    except OSError as error:
        raise PictureError(error.strerror or str(error)) from error
    except ValueError as error:  # a path with NUL, or with bytes that are no text
        raise PictureError("its path is not valid") from error
    return decode_picture(content)


def decode_picture(content: QByteArray | bytes) -> QImage:
    """Return the picture decoded by the format of its first bytes. Any thread; releases the GIL meanwhile.

    Raises:
        PictureError: as `read_picture`.
    """
    content = QByteArray(content)
    buffer = QBuffer()
    buffer.setData(content)
    buffer.open(QIODevice.OpenModeFlag.ReadOnly)
    # Of the whole process. Its own default refuses 16-bit pictures of 8K.
    QImageReader.setAllocationLimit(MAX_DECODED_BYTES >> 20)
    form = _format_of(bytes(content.left(_HEAD_BYTES).data()))
    reader = QImageReader(buffer, QByteArray(form.encode()))
    try:
        return _read(reader)
    finally:
        # Before the buffer is gone: the decoder of TIFF uses it while it ends.
        reader.setDevice(None)  # type: ignore[arg-type]  # Qt takes a null pointer


def _read(reader: QImageReader) -> QImage:
    reader.setAutoDetectImageFormat(False)
    size = reader.size()
    if not size.isValid():
        raise PictureError("it is damaged, or still being written")
    depth = QImage.toPixelFormat(reader.imageFormat()).bitsPerPixel() or 32
    _check_memory(size.width(), size.height(), depth // 8 or 1)
    image = reader.read()
    if image.isNull():
        raise PictureError(f"it is damaged, or still being written ({reader.errorString()})")
    return image


def _check_memory(width: int, height: int, bytes_a_pixel: int) -> None:
    needed = width * height * bytes_a_pixel
    if needed > MAX_DECODED_BYTES:
        raise PictureError(
            f"its {width:,} x {height:,} pixels take {needed >> 20:,} MiB of memory, "
            f"and at most {MAX_DECODED_BYTES >> 20:,} MiB are used for one picture"
        )


# --- EXR ---


def _read_exr(path: str) -> QImage:
    """Return the first RGB layer, converted from linear to sRGB; without one, the first channel as grey."""
    import numpy as np
    import OpenImageIO as oiio  # noqa: N813  # the alias that its documentation uses

    picture, channels = _first_layer(oiio, path)
    spec = picture.spec()
    first, after = min(channels), max(channels) + 1
    # The display window and the data window.
    for width, height in ((spec.full_width, spec.full_height), (spec.width, spec.height)):
        _check_memory(width, height, (after - first) * 4)
    if not picture.read(picture.subimage, 0, first, after, True, oiio.FLOAT):
        raise _damaged(picture, path)
    if picture.roi != picture.roi_full:
        picture = oiio.ImageBufAlgo.crop(picture, picture.roi_full)
    picture = oiio.ImageBufAlgo.channels(picture, tuple(channel - first for channel in channels))
    linear = picture.get_pixels(oiio.FLOAT)
    if linear is None or picture.has_error:
        raise _damaged(picture, path)
    linear = np.fmin(np.fmax(linear, 0.0), 1.0)  # what is no number becomes 0
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    pixels = np.rint(encoded * 255.0).astype(np.uint8)
    height, width = pixels.shape[:2]
    # A copy, because a QImage does not own the bytes that it is made of.
    return QImage(pixels.tobytes(), width, height, width * 3, QImage.Format.Format_RGB888).copy()


def _first_layer(oiio: Any, path: str) -> tuple[Any, tuple[int, int, int]]:
    """Return the first part with an RGB layer and its channels; else the first part and channel 0 thrice."""
    parts: list[Any] = []
    while len(parts) < _MAX_PARTS:
        picture = oiio.ImageBuf(path, len(parts), 0)
        if picture.has_error or not picture.initialized or not picture.nchannels:
            raise _damaged(picture, path)
        names = list(picture.spec().channelnames)
        for name in names:
            layer, dot, channel = name.rpartition(".")
            rgb = [f"{layer}{dot}{each}" for each in "RGB"]
            if channel == "R" and all(each in names for each in rgb):
                red, green, blue = map(names.index, rgb)
                return picture, (red, green, blue)
        parts.append(picture)
        if len(parts) >= picture.nsubimages:
            break
    return parts[0], (0, 0, 0)


def _damaged(picture: Any, path: str) -> PictureError:
    reason = str(picture.geterror()).replace(path, "it") or "it has no pixels"
    return PictureError(f"it is damaged, or still being written ({reason})")


# --- Files ---


def _open_regular(path: str) -> IO[bytes]:
    """Open a regular file for reading. Checked before opening, as opening a device may have side effects."""
    _check_regular(os.stat(path))  # noqa: PTH116  # a Path changes the text
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
        return "tga"  # which has no mark at its begin
    raise PictureError("its format is not supported (use PNG, JPEG, EXR, TIFF, BMP, TGA or PPM)")
