"""Reads EXR pictures, which Qt cannot: the first RGB layer, converted from linear to sRGB.

Not on Qt's thread. Needs the Python package OpenImageIO; without it the tab shows a message instead.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QImage

__all__ = ["ExrError", "read_exr"]

MISSING = "to show EXR pictures here, install the Python package openimageio"
_MAX_PARTS = 256
_FLOAT_BYTES = 4
_ROWS = 256
"""Rows converted at once: the conversion needs several times their memory."""


class ExrError(Exception):
    """An EXR cannot be shown. Its text completes "The picture PATH cannot be shown: "."""


def read_exr(path: str, size: QSize | None = None, max_bytes: int = 1 << 29) -> QImage:
    """Read the picture at `path`. It may take seconds.

    Args:
        path: of the file.
        size: scale the picture to fit into this size, in pixels; None: do not scale.
        max_bytes: the most memory for its pixels.

    Raises:
        ExrError: it cannot be read, perhaps because it is being written, or it is too large.
    """
    try:
        import numpy
        import OpenImageIO as oiio  # noqa: N813  # the alias that its documentation uses
    except ImportError as error:
        raise ExrError(MISSING) from error
    picture, channels = _first_layer(oiio, path)
    spec = picture.spec()
    first, after = min(channels), max(channels) + 1
    _check_size(spec, (after - first) * _FLOAT_BYTES, max_bytes)
    if not picture.read(picture.subimage, 0, first, after, True, oiio.FLOAT):
        raise ExrError(picture.geterror() or "it is damaged, or still being written")
    if picture.roi != picture.roi_full:  # pixels outside of the display window (overscan) are not shown
        picture = oiio.ImageBufAlgo.crop(picture, picture.roi_full)
    picture = oiio.ImageBufAlgo.channels(picture, tuple(channel - first for channel in channels))
    if size is not None:
        fitted = QSize(spec.full_width, spec.full_height).scaled(size, Qt.AspectRatioMode.KeepAspectRatio)
        roi = oiio.ROI(0, max(1, fitted.width()), 0, max(1, fitted.height()))
        picture = oiio.ImageBufAlgo.resize(picture, roi=roi)
    pixels = picture.get_pixels(oiio.FLOAT)
    if pixels is None or picture.has_error:
        raise ExrError(picture.geterror() or "it has no pixels")
    height, width = pixels.shape[:2]
    data = numpy.empty((height, width, 3), numpy.uint8)
    for top in range(0, height, _ROWS):
        values = numpy.clip(numpy.nan_to_num(pixels[top : top + _ROWS], posinf=1.0, neginf=0.0), 0.0, 1.0)
        values = numpy.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)
        data[top : top + _ROWS] = numpy.rint(values * 255)
    image = QImage(data.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    return image.copy()  # the copy owns its bytes


def _check_size(spec: Any, pixel_bytes: int, max_bytes: int) -> None:
    """Raise ExrError if the data window or the display window takes more than `max_bytes` of memory."""
    needed = max(spec.width * spec.height, spec.full_width * spec.full_height) * pixel_bytes
    if needed > max_bytes:
        raise ExrError(
            f"its {spec.full_width:,} x {spec.full_height:,} pixels take {needed >> 20:,} MiB of memory, "
            f"and at most {max_bytes >> 20:,} MiB are used for one picture"
        )


def _first_layer(oiio: Any, path: str) -> tuple[Any, tuple[int, int, int]]:
    """Return the first part with an RGB layer and its channels; else the first part and channel 0 thrice."""
    first = None
    part = 0
    while True:
        picture = oiio.ImageBuf(path, part, 0)
        if picture.has_error or not picture.initialized or not picture.nchannels:
            if first is None:
                raise ExrError(picture.geterror() or "it is not a picture, or is still being written")
            return first, (0, 0, 0)
        names = list(picture.spec().channelnames)
        for name in names:
            layer, dot, channel = name.rpartition(".")
            rgb = [f"{layer}{dot}{each}" for each in "RGB"]
            if channel == "R" and all(each in names for each in rgb):
                red, green, blue = map(names.index, rgb)
                return picture, (red, green, blue)
        first = first or picture
        part += 1
        if part >= min(picture.nsubimages, _MAX_PARTS):
            return first, (0, 0, 0)
