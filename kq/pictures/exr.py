"""Reads EXR pictures: the first RGB layer, converted from linear to sRGB.

Needs the Python package OpenImageIO; without it the desktop shows a message instead.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

from .open_file import PictureError
from .picture_size import check_pixels, fitted

__all__ = ["MISSING", "read_exr"]

MISSING = "to show EXR pictures here, install the Python package openimageio"
_MAX_PARTS = 256
_FLOAT_BYTES = 4
_ROWS = 256
"""Rows converted at once: the conversion needs several times their memory."""
_STEPS = 65535
_MAX_THREADS = 4
"""Each thread takes address space, which is limited."""


def read_exr(content: io.BytesIO, path: str, fit: tuple[int, int] | None = None) -> Image.Image:
    """Return the picture, of mode RGB.

    Args:
        content: of the file.
        path: of the file, which is opened again on systems that have no files in memory.
        fit: scale the picture to fit into this width and height; None: do not scale.

    Raises:
        PictureError: it cannot be read, perhaps because it is being written, or it is too large.
    """
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # read when numpy is imported
    try:
        import numpy
        import OpenImageIO as oiio  # noqa: N813  # the alias that its documentation uses
    except ImportError as error:
        raise PictureError(MISSING) from error
    for threads in ("threads", "exr_threads"):
        oiio.attribute(threads, min(_MAX_THREADS, os.cpu_count() or 1))
    with _path_of(content, path) as name:
        pixels = _pixels(oiio, name, fit)
    height, width = pixels.shape[:2]
    data, table = numpy.empty((height, width, 3), numpy.uint8), _srgb_table(numpy)
    for top in range(0, height, _ROWS):
        values = numpy.fmin(numpy.fmax(pixels[top : top + _ROWS], 0.0), 1.0)  # what is no number becomes 0
        data[top : top + _ROWS] = table[numpy.rint(values * _STEPS).astype(numpy.uint16)]
    return Image.fromarray(data)


def _srgb_table(numpy: Any) -> Any:
    """Return the 8 bits of sRGB for linear values of 0 to `_STEPS`: at most 0.05 of a step apart."""
    values = numpy.arange(_STEPS + 1) / _STEPS
    values = numpy.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)
    return numpy.rint(values * 255).astype(numpy.uint8)


@contextmanager
def _path_of(content: io.BytesIO, path: str) -> Iterator[str]:
    """Yield a path of the content, since OpenImageIO opens by name only.

    On Linux it is a file in memory, which is the one that was checked and leaves nothing behind when this
    process is killed.
    """
    if sys.platform != "linux":
        yield path
        return
    file = os.memfd_create("picture.exr")
    try:
        left = content.getbuffer()
        while left:
            left = left[os.write(file, left) :]
        yield f"/proc/self/fd/{file}"
    finally:
        os.close(file)


def _pixels(oiio: Any, path: str, fit: tuple[int, int] | None) -> Any:
    """Return the linear pixels as an array of floats, of height x width x 3."""
    picture, channels = _first_layer(oiio, path)
    spec = picture.spec()
    first, after = min(channels), max(channels) + 1
    # The data window and the display window.
    for width, height in ((spec.full_width, spec.full_height), (spec.width, spec.height)):
        check_pixels(width, height, (after - first) * _FLOAT_BYTES)
    if not picture.read(picture.subimage, 0, first, after, True, oiio.FLOAT):
        raise _error(picture, path)
    if picture.roi != picture.roi_full:  # pixels outside of the display window (overscan) are not shown
        picture = oiio.ImageBufAlgo.crop(picture, picture.roi_full)
    picture = oiio.ImageBufAlgo.channels(picture, tuple(channel - first for channel in channels))
    if fit is not None:
        size = fitted(spec.full_width, spec.full_height, fit)
        picture = oiio.ImageBufAlgo.resize(picture, roi=oiio.ROI(0, size[0], 0, size[1]))
    pixels = picture.get_pixels(oiio.FLOAT)
    if pixels is None or picture.has_error:
        raise _error(picture, path)
    return pixels


def _first_layer(oiio: Any, path: str) -> tuple[Any, tuple[int, int, int]]:
    """Return the first part with an RGB layer and its channels; else the first part and channel 0 thrice."""
    first = None
    part = 0
    while True:
        picture = oiio.ImageBuf(path, part, 0)
        if picture.has_error or not picture.initialized or not picture.nchannels:
            if first is None:
                raise _error(picture, path)
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


def _error(picture: Any, path: str) -> PictureError:
    reason = str(picture.geterror()).replace(path, "it") or "it has no pixels"
    return PictureError(f"it is damaged, or still being written ({reason})")
