"""Reads EXR pictures, which Qt does not: the first RGB layer, linear to sRGB. On any thread but Qt's.

It needs the Python package OpenImageIO; without it the tab shows all other pictures, and says so of these.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QImage

__all__ = ["SUFFIX", "ExrError", "read_exr"]

SUFFIX = ".exr"
MISSING = "to show EXR pictures here, install the Python package openimageio"


class ExrError(Exception):
    """Why an EXR cannot be shown."""


def read_exr(path: str, size: QSize | None = None) -> QImage:
    """The picture at `path`, fitted into `size` unless that is None. It may take seconds.

    Raises:
        ExrError: it cannot be read; perhaps it is being written.
    """
    try:
        import numpy
        import OpenImageIO as oiio  # noqa: N813  # its own documentation calls it so
    except ImportError as error:
        raise ExrError(MISSING) from error
    picture, channels = _first_layer(oiio, path)
    spec = picture.spec()
    if picture.roi != picture.roi_full:  # what lies outside of the display window is not to be seen
        picture = oiio.ImageBufAlgo.crop(picture, picture.roi_full)
    picture = oiio.ImageBufAlgo.channels(picture, channels)
    if size is not None:
        fitted = QSize(spec.full_width, spec.full_height).scaled(size, Qt.AspectRatioMode.KeepAspectRatio)
        roi = oiio.ROI(0, max(1, fitted.width()), 0, max(1, fitted.height()))
        picture = oiio.ImageBufAlgo.resize(picture, roi=roi)
    pixels = picture.get_pixels(oiio.FLOAT)
    if pixels is None or picture.has_error:
        raise ExrError(picture.geterror() or "it has no pixels")
    values = numpy.clip(numpy.nan_to_num(pixels, posinf=1.0, neginf=0.0), 0.0, 1.0)
    values = numpy.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)
    data = numpy.ascontiguousarray(numpy.rint(values * 255).astype(numpy.uint8))
    height, width = data.shape[:2]
    image = QImage(data.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    return image.copy()  # which owns its bytes


def _first_layer(oiio: Any, path: str) -> tuple[Any, tuple[int, int, int]]:
    """The first part that has an RGB layer, and its channels; else the first channel of the first part."""
    first = None
    part = 0
    while True:
        picture = oiio.ImageBuf(path, part, 0)
        if picture.has_error or not picture.initialized or not picture.nchannels:
            if first is None:
                raise ExrError(picture.geterror() or "it is no picture, or is being written")
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
        if part >= picture.nsubimages:
            return first, (0, 0, 0)
